//! What the tests of the engine share: a clock that is set, random bits that repeat, and a phone's
//! way of speaking.

use haumana_app::Phones as _;
use haumana_app::wire::{PiecesRequest, SessionsRequest};
pub(crate) use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::UserId;
use haumana_sync::store::{Generation, MemoryStore, MeteredStore, Store};
use haumana_sync::time::UnixMillis;
use proptest::test_runner::Config;
use serde_json::{Value, json};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// 2026-11-23T00:00:00Z, as good a day as any.
pub(crate) const DAY: i64 = 1_795_392_000_000;

/// A server: an engine, its clock, and its store, metered.
#[derive(Debug)]
pub(crate) struct Server {
    pub engine: Engine,
    pub clock: Arc<SetClock>,
    pub store: Arc<MeteredStore<Arc<MemoryStore>>>,
    pub memory: Arc<MemoryStore>,
    pub reply_limit_bytes: usize,
}

/// As many random cases, or what `PROPTEST_CASES` says.
pub(crate) fn cases(n: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(n),
    }
}

pub(crate) fn kai() -> UserId {
    UserId::verified_by_caller("kai").unwrap()
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()), Generation(0))
    }

    pub(crate) fn on(memory: Arc<MemoryStore>, generation: Generation) -> Self {
        let clock = Arc::new(SetClock::at(UnixMillis(DAY)));
        let store = Arc::new(MeteredStore::new(memory.clone()));
        let config = EngineConfig::new(generation);
        let random = Arc::new(SeededRandom::starting_at(7));
        let shared: Arc<dyn Store> = store.clone();
        let engine = Engine::new(shared, clock.clone(), random, config);
        Self { engine, clock, store, memory, reply_limit_bytes: 32 << 20 }
    }

    pub(crate) fn pass_secs(&self, secs: i64) {
        self.clock.pass_ms(secs * 1000);
    }

    pub(crate) async fn post_pieces(&self, user: &UserId, body: &Value) -> Value {
        let body = body.to_string();
        let request = PiecesRequest::from_json(body.as_bytes()).unwrap();
        let reply = self.engine.sync_pieces(user, &request, self.reply_limit_bytes).await.unwrap();
        serde_json::from_slice(&reply.into_json()).unwrap()
    }

    pub(crate) async fn post_sessions(&self, user: &UserId, body: &Value) -> Value {
        let body = body.to_string();
        let request = SessionsRequest::from_json(body.as_bytes()).unwrap();
        let limit = self.reply_limit_bytes;
        let reply = self.engine.sync_sessions(user, &request, limit).await.unwrap();
        serde_json::from_slice(&reply.into_json()).unwrap()
    }
}

/// What a call answers at once. The store in memory never makes anybody wait.
pub(crate) fn ready<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a call had to wait"),
    }
}

/// A piece as a phone makes it.
pub(crate) fn new_piece(id: u32, title: &str, lyrics: &str) -> Value {
    json!({
        "pieceId": format!("5EED0000-0000-4000-8000-{id:012}"),
        "userId": "kai",
        "title": title,
        "category": "oli",
        "lyrics": lyrics,
        "language": "haw",
        "includeInPractice": true,
        "isFavorite": false,
        "createdAt": "2026-11-22T00:00:00Z",
        "modifiedAt": "2026-11-22T00:00:00Z",
        "version": 1,
        "locallyModified": true,
    })
}

/// What a phone sends.
pub(crate) fn body(pieces: &[Value], last: Option<&str>) -> Value {
    match last {
        Some(last) => json!({"operation": "sync", "pieces": pieces, "lastSyncedAt": last}),
        None => json!({"operation": "sync", "pieces": pieces}),
    }
}
