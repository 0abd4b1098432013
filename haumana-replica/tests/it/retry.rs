//! When a replica tries again.

use crate::support::{Server, fields, text};
use haumana_replica::transport::{Call, Transport};
use haumana_replica::{Backoff, Error, ErrorKind, Phase, Result, Sleep};
use haumana_sync::id::UserId;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[test]
fn the_bound_doubles_and_the_server_may_ask_for_more() {
    let backoff = Backoff::usual();
    let secs = |failures, asked: Option<u64>, random| {
        backoff.wait(failures, asked.map(Duration::from_secs), random).as_secs_f64()
    };

    assert_eq!(0.0, secs(1, None, 0));
    assert!((0.49..0.51).contains(&secs(1, None, u64::MAX / 2)));
    assert!((7.9..=8.0).contains(&secs(4, None, u64::MAX)));
    assert!((299.0..=300.0).contains(&secs(40, None, u64::MAX)));
    assert!((30.0..=31.0).contains(&secs(1, Some(30), u64::MAX)));
}

/// Fails so often, and then asks the server.
#[derive(Debug)]
struct Failing<T> {
    failures: AtomicU32,
    kind: ErrorKind,
    then: T,
}

#[async_trait::async_trait]
impl<T: Transport> Transport for Failing<T> {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        let left = self.failures.load(Ordering::Relaxed);
        if left == 0 {
            return self.then.sync(account, body).await;
        }
        self.failures.store(left - 1, Ordering::Relaxed);
        Err(Error::new("sync", self.kind).retry_after(Some(30)))
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.then.call(account, call).await
    }

    async fn export(&self, account: &UserId, file: &mut (dyn std::io::Write + Send)) -> Result<()> {
        self.then.export(account, file).await
    }
}

/// Remembers how long it was to sleep.
#[derive(Debug, Default)]
struct Noted(Mutex<Vec<Duration>>);

#[async_trait::async_trait]
impl Sleep for Noted {
    async fn sleep(&self, wait: Duration) {
        self.0.lock().unwrap().push(wait);
    }
}

async fn check(
    failures: u32,
    kind: ErrorKind,
    n_waits: usize,
    end: Option<ErrorKind>,
    phase: Phase,
) {
    let server = Server::new();
    let device = server.device().await;
    device.add_piece(fields([("title", text("t"))])).await.unwrap();
    let failing = Failing { failures: AtomicU32::new(failures), kind, then: server.transport() };
    let waits = Noted::default();
    let mut backoff = Backoff::usual();
    backoff.tries = 3;

    let done = device.sync_with_retry(&failing, backoff, &waits, server.random.as_ref()).await;

    assert_eq!(end, done.err().map(|error| error.kind()));
    let waits = waits.0.into_inner().unwrap();
    assert_eq!(n_waits, waits.len());
    assert!(waits.iter().all(|wait| Duration::from_secs(30) <= *wait));
    assert_eq!(phase, device.status().phase);
    assert_eq!(usize::from(end.is_some()), device.status().pending, "edits must be kept");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let offline = ErrorKind::Offline;
    check(2, offline, 2, None, Phase::Idle).await;
    check(9, offline, 2, Some(offline), Phase::Offline).await;
    let unavailable = ErrorKind::Unavailable;
    check(9, unavailable, 2, Some(unavailable), Phase::Offline).await;
    let sign_in = ErrorKind::NeedsSignIn;
    check(9, sign_in, 0, Some(sign_in), Phase::NeedsSignIn).await;
    let protocol = ErrorKind::Protocol;
    check(9, protocol, 0, Some(protocol), Phase::Failed(protocol)).await;
}
