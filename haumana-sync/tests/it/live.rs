//! The store that tells of commits.

use haumana_sync::conformance::sample::{next_batch, user};
use haumana_sync::live::{Hearer, Pokes, PokingStore, Topic};
use haumana_sync::store::{ErrorKind, Fault, Faults, FaultyStore, MemoryStore, Revision, Store};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

mod poking {
    use haumana_sync::live::PokingStore;
    use haumana_sync::store::MemoryStore;

    haumana_sync::conformance_tests!(PokingStore::new(MemoryStore::new()));
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(Topic, Revision)>>);

#[async_trait::async_trait]
impl Hearer for Heard {
    fn poke(&self, topic: Topic, revision: Revision) {
        self.0.lock().unwrap().push((topic, revision));
    }

    async fn ask_again(&self) {}
}

/// Does to each commit what it is told.
#[derive(Debug)]
struct Always(Option<Fault>);

impl Faults for Always {
    fn next(&self, op: &'static str) -> Option<Fault> {
        self.0.filter(|_| op == "commit")
    }
}

fn store(fault: Option<Fault>) -> (PokingStore<FaultyStore<MemoryStore, Always>>, Arc<Heard>) {
    let store = PokingStore::new(FaultyStore::new(MemoryStore::new(), Always(fault)));
    let heard = Arc::new(Heard::default());
    store.tell(heard.clone());
    (store, heard)
}

async fn told_of(fault: Option<Fault>) -> usize {
    let ((store, heard), kai) = (store(fault), user("kai"));
    let batch = next_batch(None, Vec::new(), Vec::new());

    store.commit(&kai, None, &batch).await.ok();

    let heard = heard.0.lock().unwrap().clone();
    assert!(heard.iter().all(|told| *told == (store.topic(&kai), batch.head.revision)));
    heard.len()
}

#[tokio::test]
async fn what_is_committed_or_may_be_is_told_of_and_what_is_refused_is_not() {
    assert_eq!(1, told_of(None).await);
    assert_eq!(1, told_of(Some(Fault::After)).await);
    assert_eq!(1, told_of(Some(Fault::Before(ErrorKind::Unknown))).await);
    for kind in [ErrorKind::Conflict, ErrorKind::Throttled, ErrorKind::Unavailable] {
        assert_eq!(0, told_of(Some(Fault::Before(kind))).await, "{kind:?}");
    }
}

#[test]
fn a_commit_that_is_dropped_is_told_of_since_it_may_be_in() {
    let (store, heard) = store(None);
    let (kai, batch) = (user("kai"), next_batch(None, Vec::new(), Vec::new()));

    {
        let commit = pin!(store.commit(&kai, None, &batch));
        let _ = commit.poll(&mut Context::from_waker(Waker::noop()));
    }

    assert_eq!(1, heard.0.lock().unwrap().len());
}
