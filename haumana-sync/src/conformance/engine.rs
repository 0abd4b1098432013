//! Laws of an engine on the store: its calls are dropped and throttled, and no edit is lost.

use super::cases::case;
use super::chance::{SeededRandom, SetClock};
use super::device::Device;
use super::sample::{follow, poll_times, schema, user};
use crate::digest::Digest;
use crate::engine::{Engine, EngineConfig, ErrorKind};
use crate::id::UserId;
use crate::store::{self, After, Batch, Fault, Faults, FaultyStore, Generation, Store};
use crate::time::UnixMillis;
use crate::wire::sync::SyncRequest;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// 2026-11-23T00:00:00Z, an arbitrary day.
const DAY: UnixMillis = UnixMillis(1_795_392_000_000);
/// LIMIT: how many polls a call gets before the test stops waiting for it.
const POLLS: usize = 4_000;
/// LIMIT: the bytes of one reply.
const REPLY_BYTES: usize = 1 << 20;

/// A sync that is dropped at any step, and sent again, leaves the account correct.
pub async fn a_sync_dropped_at_any_point_and_sent_again_loses_nothing(store: Arc<dyn Store>) {
    let engine = engine(store.clone());
    let kai = user("kai");
    let mut device = Device::new("a-phone");
    for polls in 0..POLLS {
        case(format_args!("a sync dropped after {polls} polls"));
        edit(&mut device, polls);
        let body = device.request();
        let request = SyncRequest::from_json(body.as_bytes()).unwrap();
        let dropped = poll_times(engine.sync(&kai, &request, REPLY_BYTES), polls).await;
        let is_done = dropped.is_some();
        if let Some(reply) = dropped {
            // Its answer is lost, as if the client had disconnected at the very end.
            reply.unwrap();
        }

        device.sync_all(&engine, &kai).await;

        check(&*store, &kai, &device).await;
        if is_done {
            break;
        }
    }
}

/// An erasure that is dropped at any step is finished by the same call. Then a new epoch begins.
pub async fn an_erasure_dropped_at_any_point_is_finished_by_the_same_call(store: Arc<dyn Store>) {
    let engine = engine(store.clone());
    let kai = user("kai");
    for polls in 0..POLLS {
        case(format_args!("an erasure dropped after {polls} polls"));
        let mut device = Device::new("a-phone");
        edit(&mut device, polls);
        device.sync_all(&engine, &kai).await;
        let is_done = poll_times(engine.erase(&kai), polls).await.is_some();

        engine.erase(&kai).await.unwrap();

        let left = follow(&*store, &kai, After::Start, 100).await;
        assert!(left.is_empty(), "no record is left of an erased account");
        let mut device = Device::new("a-phone");
        edit(&mut device, polls);
        device.sync_all(&engine, &kai).await;
        check(&*store, &kai, &device).await;
        if is_done {
            break;
        }
    }
}

/// If the store throttles a call, the engine fails with an error that asks for a repeat, and
/// nothing has changed. The repeat succeeds. The engine does not repeat the call itself.
pub async fn the_engine_hands_throttling_to_its_caller(store: Arc<dyn Store>) {
    let kai = user("kai");
    let mut device = Device::new("a-phone");
    edit(&mut device, 0);
    device.sync_all(&engine(store.clone()), &kai).await;
    for at in 0..100 {
        case(format_args!("call {at} of a sync is throttled"));
        edit(&mut device, at as usize + 1);
        let body = device.request();
        let request = SyncRequest::from_json(body.as_bytes()).unwrap();
        let before = store.head(&kai).await.unwrap();
        let faults = ThrottleOne { left: AtomicU32::new(at), met: AtomicU32::new(0) };
        let faulty = Arc::new(FaultyStore::new(store.clone(), faults));
        let throttled = engine(faulty.clone()).sync(&kai, &request, REPLY_BYTES).await;

        if let Err(error) = &throttled {
            assert_eq!(ErrorKind::Unavailable, error.kind(), "to be sent again later");
            let head = store.head(&kai).await.unwrap();
            let is_note = head.as_ref().map(|head| head.versions)
                == before.as_ref().map(|head| head.versions);
            assert!(is_note || 0 < at, "what was refused before any work changed nothing");
        }
        device.sync_all(&engine(store.clone()), &kai).await;
        check(&*store, &kai, &device).await;
        if throttled.is_ok() {
            break;
        }
    }
}

#[derive(Debug)]
struct ThrottleOne {
    left: AtomicU32,
    met: AtomicU32,
}

impl Faults for ThrottleOne {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        let at = self.met.fetch_add(1, Ordering::Relaxed);
        (at == self.left.load(Ordering::Relaxed))
            .then_some(Fault::Before(store::ErrorKind::Throttled))
    }

    fn next_commit(&self, _batch: &Batch) -> Option<Fault> {
        self.next("commit")
    }
}

/// Makes a new piece, and changes one that is there.
fn edit(device: &mut Device, number: usize) {
    for number_of_piece in [number, number / 2] {
        device.edit(number_of_piece, &format!("edit {number}"));
    }
}

fn engine(store: Arc<dyn Store>) -> Engine {
    let config = EngineConfig::new(Generation(0));
    let clock = Arc::new(SetClock::at(DAY));
    Engine::of(schema(), store, clock, Arc::new(SeededRandom::new(7)), config)
}

/// The head's digest is that of the records, and the device holds the same records.
async fn check(store: &dyn Store, user: &UserId, device: &Device) {
    let head = store.head(user).await.unwrap().unwrap();
    let stream = follow(store, user, After::Start, 100).await;
    let of = |record: &store::Envelope| {
        let code = record.key.kind.code();
        Digest::of_version(&code, record.key.id, record.version, record.deleted)
    };
    let versions = stream.iter().map(of).fold(Digest::default(), Digest::plus);
    assert_eq!(head.versions, versions, "the head's digest is that of its records");
    assert_eq!(device.held.len(), stream.len(), "each record once, and no other");
    for record in &stream {
        let content: Value = serde_json::from_str(&record.content).unwrap();
        let (title, version) = &device.held[&record.key.id.to_string()];
        assert_eq!(Some(title.as_str()), content["title"].as_str(), "the last edit is stored");
        assert_eq!(*version, Some(u64::from(record.version)), "at the version that was told");
    }
}
