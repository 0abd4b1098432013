//! A server with a mistake: it is found, the history that shows it shrinks, and the run goes on.

use crate::stores;
use haumana_sim::profile::EVERYDAY;
use haumana_sim::{Backend, Endpoint, History, InMemory, Profile, Wire, repeat, shrink};
use haumana_sim_run::stores::StoreName;
use haumana_sim_run::{Finding, Open};
use haumana_sync::engine::{Engine, ErrorKind};
use haumana_sync::id::UserId;
use haumana_sync::store::{Operate, Store};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Answers what it has answered before from a cache, as if nobody else had been there since.
#[derive(Debug)]
struct Cached {
    server: Arc<dyn Wire>,
    replies: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

#[async_trait::async_trait]
impl Wire for Cached {
    async fn call(
        &self,
        user: &UserId,
        endpoint: Endpoint,
        body: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, ErrorKind> {
        let is_cached = endpoint == Endpoint::Pieces;
        if let Some(reply) = self.replies.lock().unwrap().get(body).filter(|_| is_cached) {
            return Ok(reply.clone());
        }
        let reply = self.server.call(user, endpoint, body, limit).await?;
        self.replies.lock().unwrap().insert(body.to_vec(), reply.clone());
        Ok(reply)
    }
}

/// A backend whose servers make that mistake.
struct Mistaken(Box<dyn Backend>);

#[async_trait::async_trait]
impl Backend for Mistaken {
    fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    fn operate(&self) -> Option<Arc<dyn Operate>> {
        self.0.operate()
    }

    fn wire(&self, engine: &Arc<Engine>) -> Arc<dyn Wire> {
        Arc::new(Cached { server: self.0.wire(engine), replies: Mutex::default() })
    }

    async fn back_up(&mut self) -> bool {
        self.0.back_up().await
    }

    async fn restore(&mut self, backup: usize) {
        self.0.restore(backup).await;
    }
}

struct Planted(Box<dyn Open>);

#[async_trait::async_trait(?Send)]
impl Open for Planted {
    async fn open(&self, profile: Profile, seed: u64) -> io::Result<Box<dyn Backend>> {
        Ok(Box::new(Mistaken(self.0.open(profile, seed).await?)))
    }

    async fn clear(&self) -> io::Result<()> {
        self.0.clear().await
    }

    fn faults(&self) -> BTreeMap<String, u64> {
        self.0.faults()
    }
}

async fn open() -> Result<Box<dyn Backend>, Infallible> {
    Ok(Box::new(Mistaken(Box::<InMemory>::default())))
}

fn at_once<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// One piece and few events: of these each try is quick on every store, and phones still send a
/// request twice.
const SMALL: Profile = Profile { pieces: 1, events: 4, ..EVERYDAY };

/// Looks for the mistake until it is found, and at what is told of it.
fn is_found_and_shrinks_on(store: StoreName) {
    let Some(folder) = stores::folder_or_skip(store) else { return };
    let (told, stop): (Mutex<Vec<Finding>>, _) = (Mutex::default(), AtomicBool::new(false));
    let tell = |finding: &Finding| {
        told.lock().unwrap().push(finding.clone());
        stop.store(true, Ordering::Relaxed);
    };
    let make = || Ok(Box::new(Planted(store.opener(folder.path())?)) as Box<dyn Open>);

    let saved = stores::run_on(store, folder.path(), vec![SMALL], 60, make, &stop, tell);

    assert!(!saved.state.findings.is_empty(), "the mistake is found within 60 seeds");
    check(&saved.state.findings, store.name());
}

fn check(findings: &[Finding], store: &str) {
    for finding in findings {
        let Finding { seed, events, story, command, .. } = finding;
        let begin = format!("repeat --seed {seed} --store {store} --profile everyday --events");
        assert!(command.contains(&begin), "{command}");
        assert!(events.is_some_and(|events| events < 10), "{events:?} of up to 60 events are left");
        assert!(story.iter().any(|line| line.contains("sends a request")), "{}", finding.told());
    }
}

#[test]
fn a_planted_mistake_is_found_and_told_and_the_run_goes_on() {
    let (folder, store) = (tempfile::tempdir().unwrap(), StoreName::Memory);
    let told: Mutex<Vec<Finding>> = Mutex::default();
    let tell = |finding: &Finding| told.lock().unwrap().push(finding.clone());
    let make = || Ok(Box::new(Planted(store.opener(folder.path())?)) as Box<dyn Open>);

    let stop = AtomicBool::new(false);
    let saved = stores::run_on(store, folder.path(), vec![EVERYDAY], 6, make, &stop, tell);

    assert_eq!(6, saved.state.totals("memory").histories, "it goes on behind a violation");
    let findings = told.into_inner().unwrap();
    assert!(!findings.is_empty(), "the mistake is found within six seeds");
    assert_eq!(findings, saved.state.findings, "what is told is in the state too");
    check(&findings, "memory");
}

#[test]
fn a_planted_mistake_is_found_over_http() {
    is_found_and_shrinks_on(StoreName::Http);
}

#[test]
fn a_planted_mistake_is_found_on_sqlite() {
    is_found_and_shrinks_on(StoreName::Sqlite);
}

#[test]
fn a_planted_mistake_is_found_on_postgres() {
    is_found_and_shrinks_on(StoreName::Postgres);
}

#[test]
fn a_planted_mistake_is_found_on_dynamodb() {
    is_found_and_shrinks_on(StoreName::Dynamodb);
}

#[test]
fn of_the_smallest_history_every_event_is_needed() {
    at_once(async {
        let mut n_found = 0;
        for seed in 0..4 {
            let Some((history, failure)) = shrink(EVERYDAY, seed, open).await.unwrap() else {
                continue;
            };
            n_found += 1;

            let again = repeat(EVERYDAY, &history, open).await.unwrap().unwrap_err();
            assert_eq!(failure.violation.text, again.violation.text, "it is the same history");
            for event in (0..history.events).filter(|event| !history.without.contains(event)) {
                let mut smaller = history.clone();
                smaller.without.insert(event);
                let made = repeat(EVERYDAY, &smaller, open).await.unwrap();
                assert!(made.is_ok(), "seed {seed} fails without event {event} too");
            }
        }
        assert!(0 < n_found, "the mistake is found within four seeds");
    });
}

#[test]
fn a_seed_that_does_not_fail_has_no_smallest_history() {
    at_once(async {
        let make = async || Ok::<_, Infallible>(Box::<InMemory>::default() as Box<dyn Backend>);

        assert!(shrink(EVERYDAY, 0, make).await.unwrap().is_none());
        assert!(repeat(EVERYDAY, &History::of(0), make).await.unwrap().is_ok());
    });
}
