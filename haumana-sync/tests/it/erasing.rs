//! Erasing an account while others commit.

use crate::pushing::{fields, piece, push, set, text};
use crate::support::{DAY, SeededRandom, Server, SetClock, kai, ready};
use haumana_sync::engine::{Engine, EngineConfig, Erasure, ErrorKind};
use haumana_sync::store::{
    Batch, ErrorKind as StoreErrorKind, Fault, Faults, FaultyStore, Generation, HeadState, Store,
};
use haumana_sync::time::UnixMillis;
use std::sync::{Arc, Mutex};

/// Every commit loses the race for the head.
#[derive(Debug, Default)]
struct AlwaysLate {
    commits: Mutex<usize>,
}

impl Faults for AlwaysLate {
    fn next(&self, op: &'static str) -> Option<Fault> {
        if op != "commit" {
            return None;
        }
        let mut commits = self.commits.lock().unwrap();
        *commits += 1;
        assert!(*commits < 1000, "who always loses gives up");
        Some(Fault::Before(StoreErrorKind::Conflict))
    }
}

#[tokio::test]
async fn an_erasure_that_always_loses_the_race_gives_up_in_every_state() {
    for state in [None, Some(HeadState::Active), Some(HeadState::Erasing), Some(HeadState::Erased)]
    {
        let server = Server::new();
        if let Some(state) = state {
            push(&server, "a", set(piece(1), None, 1, &[("title", text("t"))])).await;
            put_state(&server, state).await;
        }
        let late = engine_on(&server, AlwaysLate::default());

        let refused = late.erase_as(&kai(), Some("e")).await.unwrap_err();

        assert_eq!(ErrorKind::Unavailable, refused.kind(), "{state:?}");
    }
}

#[tokio::test]
async fn an_erasure_whose_answers_are_lost_ends() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("t"))])).await;
    let lossy = engine_on(&server, LostAnswers::default());

    let erased = lossy.erase_as(&kai(), Some("e")).await.unwrap();

    assert_eq!(Erasure::Done, erased);
    let head = server.memory.head(&kai()).await.unwrap().unwrap();
    assert_eq!(HeadState::Erased, head.state);
}

/// The store does not erase.
#[derive(Debug)]
struct NeverErases;

impl Faults for NeverErases {
    fn next(&self, op: &'static str) -> Option<Fault> {
        (op == "erase").then_some(Fault::Before(StoreErrorKind::Unavailable))
    }
}

#[tokio::test]
async fn an_erasure_that_somebody_else_finished_does_not_erase_what_came_after_it() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("old"))])).await;
    let broken = engine_on(&server, NeverErases);
    broken.erase_as(&kai(), Some("e")).await.unwrap_err();
    // As a server that starts again does, or an operator.
    server.engine.erase(&kai()).await.unwrap();
    push(&server, "a", set(piece(2), None, 1, &[("title", text("new"))])).await;

    let again = server.engine.erase_as(&kai(), Some("e")).await.unwrap();

    assert_eq!(Erasure::Repeated, again);
    assert_eq!("new", fields(&server, piece(2)).await.unwrap()["title"]);
}

#[tokio::test]
async fn the_first_commit_of_an_account_in_the_middle_of_its_erasure_is_erased_with_it() {
    let server = Arc::new(Server::new());
    let raced = engine_on(&server, FirstPush { server: server.clone(), is_due: true.into() });

    let erased = raced.erase_as(&kai(), Some("e")).await.unwrap();

    assert_eq!(Erasure::Done, erased);
    assert!(server.memory.read(&kai(), &[piece(1)]).await.unwrap()[0].is_none());
    push(&server, "a", set(piece(2), None, 1, &[("title", text("new"))])).await;
    let again = server.engine.erase_as(&kai(), Some("e")).await.unwrap();
    assert_eq!(Erasure::Repeated, again, "the request is known");
    assert_eq!("new", fields(&server, piece(2)).await.unwrap()["title"]);
}

/// The answer of every other commit is lost, from the first.
#[derive(Debug, Default)]
struct LostAnswers {
    commits: Mutex<usize>,
}

impl Faults for LostAnswers {
    fn next(&self, op: &'static str) -> Option<Fault> {
        if op != "commit" {
            return None;
        }
        let mut commits = self.commits.lock().unwrap();
        *commits += 1;
        (*commits % 2 == 1).then_some(Fault::After)
    }
}

/// A device pushes for the first time just before the first commit.
#[derive(Debug)]
struct FirstPush {
    server: Arc<Server>,
    is_due: Mutex<bool>,
}

impl Faults for FirstPush {
    fn next(&self, op: &'static str) -> Option<Fault> {
        if op == "commit" && std::mem::take(&mut *self.is_due.lock().unwrap()) {
            let first = set(piece(1), None, 1, &[("title", text("t"))]);
            ready(push(&self.server, "a", first));
        }
        None
    }
}

fn engine_on(server: &Server, faults: impl Faults) -> Engine {
    let store = Arc::new(FaultyStore::new(server.memory.clone(), faults));
    let clock = Arc::new(SetClock::at(UnixMillis(DAY)));
    let random = Arc::new(SeededRandom::starting_at(9));
    Engine::new(store, clock, random, EngineConfig::new(Generation(0)))
}

/// Commits nothing but the state of the account.
async fn put_state(server: &Server, state: HeadState) {
    let old = server.memory.head(&kai()).await.unwrap().unwrap();
    let mut head = old.clone();
    head.revision.0 += 1;
    head.commit.0 += 1;
    head.state = state;
    let batch = Batch { head, records: Vec::new(), history: Vec::new() };
    server.memory.commit(&kai(), Some(&old), &batch).await.unwrap();
}
