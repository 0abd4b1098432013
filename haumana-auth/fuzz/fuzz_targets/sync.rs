//! Any bytes as the body of a `POST /sync`: whatever is taken of it, the phones' app can read every
//! reply afterwards, the account's export can be imported, and nothing panics.
#![no_main]

use haumana_sync::engine::{Clock, Engine, EngineConfig, Random};
use haumana_sync::id::UserId;
use haumana_sim::readable::check_readable;
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::sync::SyncRequest;
use libfuzzer_sys::fuzz_target;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Bodies are separated by this byte, which stands in no JSON.
const NEXT: u8 = 0;

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_secs(1_750_000_000)
    }
}

impl Random for Fixed {
    fn next_u64(&self) -> u64 {
        7
    }
}

/// The store in memory never waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory waits"),
    }
}

fuzz_target!(|data: &[u8]| {
    let user = UserId::verified_by_caller("kai").unwrap();
    let config = EngineConfig::new(Generation(0));
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::new(store, Arc::new(Fixed), Arc::new(Fixed), config);
    for body in data.split(|byte| *byte == NEXT) {
        let Ok(request) = SyncRequest::from_json(body) else { continue };
        run(engine.sync(&user, &request, 1 << 20)).unwrap();
        run(check_readable(&engine, &user)).unwrap();
    }
});
