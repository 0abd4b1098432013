//! A server with a mistake: it is found, the history that shows it shrinks, and the run goes on.

use haumana_sim::profile::EVERYDAY;
use haumana_sim::{Backend, Endpoint, History, InMemory, Profile, Straight, Wire, repeat, shrink};
use haumana_sim_run::runner::{Limits, Plan};
use haumana_sim_run::state::Saved;
use haumana_sim_run::{Finding, Open, run};
use haumana_sync::engine::{Engine, ErrorKind};
use haumana_sync::id::UserId;
use haumana_sync::store::Store;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// Answers what it has answered before from a cache, as if nobody else had been there since.
#[derive(Debug)]
struct Cached {
    server: Straight,
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

#[derive(Default)]
struct Mistaken(InMemory);

impl Backend for Mistaken {
    fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    fn wire(&self, engine: &Arc<Engine>) -> Arc<dyn Wire> {
        Arc::new(Cached { server: Straight(Arc::clone(engine)), replies: Mutex::default() })
    }
}

struct Planted;

#[async_trait::async_trait(?Send)]
impl Open for Planted {
    async fn open(&self, _profile: Profile, _seed: u64) -> Box<dyn Backend> {
        Box::<Mistaken>::default()
    }
}

async fn open() -> Box<dyn Backend> {
    Box::<Mistaken>::default()
}

fn at_once<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

#[test]
fn a_planted_mistake_is_found_and_told_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let saved = Saved::open(&folder.path().join("state.json")).unwrap();
    let limits = Limits { time: None, operations: None, histories: Some(6) };
    let profiles = vec![EVERYDAY];
    let plan = Plan { store: "memory".to_owned(), profiles, jobs: 1, limits };
    let told: Mutex<Vec<Finding>> = Mutex::default();
    let tell = |finding: &Finding| told.lock().unwrap().push(finding.clone());

    let stop = AtomicBool::new(false);
    let saved = run(&plan, saved, &stop, || Box::new(Planted), tell, |_| Ok(())).unwrap();

    assert_eq!(6, saved.state.totals("memory").histories, "it goes on behind a violation");
    let findings = told.into_inner().unwrap();
    assert!(!findings.is_empty(), "the mistake is found within six seeds");
    assert_eq!(findings, saved.state.findings, "what is told is in the state too");
    for finding in findings {
        let Finding { seed, events, story, command, .. } = &finding;
        let begin = format!("repeat --seed {seed} --store memory --profile everyday --events");
        assert!(command.contains(&begin), "{command}");
        assert!(events.is_some_and(|events| events < 10), "{events:?} of up to 60 events are left");
        assert!(story.iter().any(|line| line.contains("sends a request")), "{}", finding.told());
    }
}

#[test]
fn of_the_smallest_history_every_event_is_needed() {
    at_once(async {
        let mut n_found = 0;
        for seed in 0..4 {
            let Some((history, failure)) = shrink(EVERYDAY, seed, open).await else { continue };
            n_found += 1;

            let again = repeat(EVERYDAY, &history, open).await.unwrap_err();
            assert_eq!(failure.violation.text, again.violation.text, "it is the same history");
            for event in (0..history.events).filter(|event| !history.without.contains(event)) {
                let mut smaller = history.clone();
                smaller.without.insert(event);
                let made = repeat(EVERYDAY, &smaller, open).await;
                assert!(made.is_ok(), "seed {seed} fails without event {event} too");
            }
        }
        assert!(0 < n_found, "the mistake is found within four seeds");
    });
}

#[test]
fn a_seed_that_does_not_fail_has_no_smallest_history() {
    at_once(async {
        let make = async || Box::<InMemory>::default() as Box<dyn Backend>;

        assert!(shrink(EVERYDAY, 0, make).await.is_none());
        assert!(repeat(EVERYDAY, &History::of(0), make).await.is_ok());
    });
}
