//! Following other devices, over HTTP and where there is no live feed.

use crate::host::Host;
use crate::support::{Server, fields, text, user};
use haumana_replica::transport::{
    Call, DirectTransport, Heard, HttpTransport, LiveFeed, Transport,
};
use haumana_replica::{ErrorKind, Following, Pace, Phase, Replica, Result, Sleep, Status};
use haumana_sync::id::{KindNumber, UserId};
use haumana_sync::time::UnixMillis;
use std::io::Write;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The timers of the machine.
#[derive(Debug)]
pub(crate) struct Timers;

#[async_trait::async_trait]
impl Sleep for Timers {
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// Tries again within milliseconds. Only a poke, an edit or a failure makes it sync.
pub(crate) fn quick() -> Pace {
    let mut pace = Pace::usual();
    pace.backoff.first = Duration::from_millis(10);
    pace.backoff.most = Duration::from_millis(50);
    pace
}

/// Follows in the background.
pub(crate) fn follow(
    device: &Arc<Replica>,
    transport: impl Transport + 'static,
    pace: Pace,
) -> JoinHandle<Result<()>> {
    let device = device.clone();
    tokio::spawn(async move { device.follow_with(&transport, pace, &Timers).await })
}

/// How long a test waits for anything: far longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something. A test that hangs fails, and says where and for what it waited.
#[track_caller]
pub(crate) fn soon<T>(what: &str, awaited: impl Future<Output = T>) -> impl Future<Output = T> {
    let asked_at = Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, awaited).await {
            Ok(done) => done,
            Err(_) => panic!("{asked_at}: not within {PATIENCE:?}: {what}"),
        }
    }
}

/// Waits until the status is so.
#[track_caller]
pub(crate) fn until(
    device: &Replica,
    is_so: impl Fn(&Status) -> bool,
) -> impl Future<Output = Status> {
    let (asked_at, mut watch) = (Location::caller(), device.watch());
    async move {
        let due = tokio::time::timeout(PATIENCE, watch.wait_for(is_so)).await;
        match due.map(|status| *status.unwrap()) {
            Ok(status) => status,
            Err(_) => panic!("{asked_at}: not within {PATIENCE:?}; it is {:?}", *watch.borrow()),
        }
    }
}

/// Waits until the device has a piece of that title.
#[track_caller]
pub(crate) fn until_titled(device: &Replica, title: &str) -> impl Future<Output = ()> {
    let look = async move {
        let mut changes = device.changes();
        loop {
            let records = device.records(KindNumber::PIECE).await.unwrap();
            if records.iter().any(|view| view.content.get("title") == text(title)) {
                return;
            }
            changes.next().await;
        }
    };
    soon("the other device has the piece", look)
}

pub(crate) async fn add(device: &Replica, title: &str) {
    device.add_piece(fields([("title", text(title))])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_arrives_at_a_device_that_follows_and_signing_out_ends_it() {
    let host = Host::start().await;
    let (one, other) = (host.device().await, Arc::new(host.device().await));
    let following = follow(&other, host.transport(), quick());
    until(&other, |status| status.following == Following::Live).await;

    add(&one, "Aloha ʻOe").await;
    host.sync(&one).await;
    until_titled(&other, "Aloha ʻOe").await;

    other.sign_out().await;
    soon("signing out ends it", following).await.unwrap().unwrap();
    assert_eq!(Following::Not, other.status().following);
    // The server notices that the connection ends when it looks at it again.
    let is_gone = async {
        while host.live.n_connected() != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the server ends the connection", is_gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_on_a_device_that_follows_goes_out_at_once() {
    let host = Host::start().await;
    let devices = [Arc::new(host.device().await), Arc::new(host.device().await)];
    for device in &devices {
        follow(device, host.transport(), quick());
        until(device, |status| status.following == Following::Live).await;
    }

    add(&devices[0], "Kaulana Nā Pua").await;

    until_titled(&devices[1], "Kaulana Nā Pua").await;
    let sent = until(&devices[0], |status| status.pending == 0).await;
    assert_eq!(Following::Live, sent.following);
}

/// Carries calls as long as nobody says that it must not.
#[derive(Clone, Debug)]
struct Switched {
    inner: HttpTransport,
    is_off: Arc<AtomicBool>,
    has_no_feed: bool,
    n_syncs: Arc<AtomicUsize>,
}

impl Switched {
    fn of(inner: HttpTransport) -> Self {
        let (is_off, n_syncs) = (Arc::default(), Arc::default());
        Self { inner, is_off, has_no_feed: false, n_syncs }
    }

    fn check(&self) -> Result<()> {
        match self.is_off.load(Ordering::Relaxed) {
            true => Err(haumana_replica::Error::new("call", ErrorKind::Offline)),
            false => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Transport for Switched {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        self.n_syncs.fetch_add(1, Ordering::Relaxed);
        self.check()?;
        self.inner.sync(account, body).await
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.inner.call(account, call).await
    }

    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        self.inner.export(account, file).await
    }

    async fn live(
        &self,
        account: &UserId,
        known: Option<u64>,
    ) -> Result<Option<Box<dyn LiveFeed>>> {
        self.check()?;
        if self.has_no_feed { Ok(None) } else { self.inner.live(account, known).await }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_feed_a_device_asks_now_and_then() {
    let host = Host::start().await;
    let (one, other) = (host.device().await, Arc::new(host.device().await));
    let transport = Switched { has_no_feed: true, ..Switched::of(host.transport()) };
    let mut pace = quick();
    pace.poll = Duration::from_millis(20);
    follow(&other, transport, pace);
    until(&other, |status| status.following == Following::Polling).await;

    add(&one, "Aloha ʻOe").await;
    host.sync(&one).await;

    until_titled(&other, "Aloha ʻOe").await;
    assert_eq!(Following::Polling, other.status().following);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_cannot_reach_its_server_is_offline_and_comes_back_by_itself() {
    let host = Host::start().await;
    let device = Arc::new(host.device().await);
    let transport = Switched::of(host.transport());
    transport.is_off.store(true, Ordering::Relaxed);
    let mut pace = quick();
    pace.poll = Duration::from_millis(20);
    follow(&device, transport.clone(), pace);
    until(&device, |status| status.following == Following::Offline).await;

    add(&device, "Aloha ʻOe").await;
    transport.is_off.store(false, Ordering::Relaxed);

    until(&device, |status| status.following == Following::Live && status.pending == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_its_streams_is_polled() {
    let host = Host::start().await;
    let (one, other) = (host.device().await, Arc::new(host.device().await));
    let mut pace = quick();
    pace.poll = Duration::from_millis(10);
    follow(&other, host.transport(), pace);
    until(&other, |status| status.following == Following::Live).await;

    host.live.close();
    until(&other, |status| status.following == Following::Polling).await;

    add(&one, "Aloha ʻOe").await;
    host.sync(&one).await;
    until_titled(&other, "Aloha ʻOe").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_follows_at_a_time_and_whoever_is_dropped_makes_room() {
    let host = Host::start().await;
    let device = Arc::new(host.device().await);
    let first = follow(&device, host.transport(), quick());
    until(&device, |status| status.following == Following::Live).await;

    let transport = host.transport();
    let second = device.follow_with(&transport, quick(), &Timers);
    let second = soon("a second one is refused", second).await;
    assert_eq!(ErrorKind::Busy, second.unwrap_err().kind());
    first.abort();
    until(&device, |status| status.following == Following::Not).await;
    follow(&device, host.transport(), quick());

    until(&device, |status| status.following == Following::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_as_somebody_else_is_not_followed_any_more() {
    let host = Host::start().await;
    let device = Arc::new(host.device().await);
    let following = follow(&device, host.transport(), quick());
    until(&device, |status| status.following == Following::Live).await;

    device.sign_in(user("noe")).await.unwrap();

    soon("another account ends it", following).await.unwrap().unwrap();
    assert_eq!(Following::Not, device.status().following);
}

#[tokio::test]
async fn following_needs_an_account_and_a_sign_in_that_holds() {
    let server = Server::new();
    let device = server.device().await;
    let nobody = crate::http::transport("http://127.0.0.1:1".to_owned(), None);

    let refused = soon("a sign-in is asked for", device.follow(&nobody)).await.unwrap_err();
    assert_eq!(ErrorKind::NeedsSignIn, refused.kind());
    device.sign_out().await;
    let refused = soon("an account is asked for", device.follow(&nobody)).await.unwrap_err();

    assert_eq!(ErrorKind::NoAccount, refused.kind());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_erased_ends_it_and_a_person_decides() {
    let host = Host::start().await;
    let (one, other) = (host.device().await, Arc::new(host.device().await));
    add(&one, "Aloha ʻOe").await;
    host.sync(&one).await;
    let following = follow(&other, host.transport(), quick());
    until(&other, |status| status.following == Following::Live).await;

    one.erase(&host.transport()).await.unwrap();

    let ended = soon("an erased account ends it", following).await.unwrap();
    assert_eq!(ErrorKind::Erased, ended.unwrap_err().kind());
}

#[tokio::test]
async fn when_a_device_was_proven_equal_is_known_and_not_after_a_failure() {
    let server = Server::new();
    let (device, transport) = (server.device().await, server.transport());
    assert_eq!(None, device.status().equal_at);

    server.clock.pass_ms(1_000);
    device.sync(&transport).await.unwrap();
    let first = device.status().equal_at.unwrap();
    server.clock.pass_ms(1_000);
    let nowhere = crate::http::transport("http://127.0.0.1:1".to_owned(), None);
    device.sync(&nowhere).await.unwrap_err();
    assert_eq!(Some(first), device.status().equal_at);
    device.sync(&transport).await.unwrap();

    assert_eq!(Some(UnixMillis(first.0 + 1_000)), device.status().equal_at);
    device.sign_in(user("noe")).await.unwrap();
    assert_eq!(None, device.status().equal_at, "that was another account");
}

/// A network that comes and goes, and a server whose feed has nothing to say but that it is there.
#[derive(Debug)]
struct Net {
    inner: DirectTransport,
    is_up: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Quiet {
    is_up: watch::Receiver<bool>,
    has_begun: bool,
}

fn gone<T>() -> Result<T> {
    Err(haumana_replica::Error::new("call", ErrorKind::Offline))
}

#[async_trait::async_trait]
impl LiveFeed for Quiet {
    async fn next(&mut self) -> Result<Heard> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Ok(Heard::Alive);
        }
        tokio::select! {
            _ = self.is_up.wait_for(|is_up| !is_up) => gone(),
            () = tokio::time::sleep(Duration::from_secs(25)) => Ok(Heard::Alive),
        }
    }
}

#[async_trait::async_trait]
impl Transport for Net {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        if *self.is_up.borrow() { self.inner.sync(account, body).await } else { gone() }
    }
    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.inner.call(account, call).await
    }
    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        self.inner.export(account, file).await
    }
    async fn live(&self, _: &UserId, _: Option<u64>) -> Result<Option<Box<dyn LiveFeed>>> {
        if !*self.is_up.borrow() {
            return gone();
        }
        Ok(Some(Box::new(Quiet { is_up: self.is_up.clone(), has_begun: false })))
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_edited_without_a_network_goes_out_when_it_is_back() {
    for wait_secs in [1, 5, 20, 100, 400] {
        let server = Server::new();
        let device = Arc::new(server.device().await);
        let (net, is_up) = watch::channel(true);
        follow(&device, Net { inner: server.transport(), is_up }, Pace::usual());
        device.watch().wait_for(|status| status.following == Following::Live).await.unwrap();
        net.send(false).unwrap();
        tokio::time::sleep(Duration::from_secs(wait_secs)).await;
        add(&device, "Aloha ʻOe").await;
        tokio::time::sleep(Duration::from_secs(wait_secs)).await;
        net.send(true).unwrap();

        device.watch().wait_for(|status| status.following == Following::Live).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(0, device.status().pending, "{wait_secs} s");
    }
}

/// A server that takes each request and answers none.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl Transport for Silent {
    async fn sync(&self, _: &UserId, _: Vec<u8>) -> Result<Vec<u8>> {
        std::future::pending().await
    }
    async fn call(&self, _: &UserId, _: &Call) -> Result<Vec<u8>> {
        std::future::pending().await
    }
    async fn export(&self, _: &UserId, _: &mut (dyn Write + Send)) -> Result<()> {
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_is_followed_although_a_sync_of_the_account_before_hangs() {
    let server = Server::new();
    let device = Arc::new(server.device().await);
    let before = follow(&device, Silent, quick());
    until(&device, |status| status.phase == Phase::Syncing).await;

    device.sign_out().await;
    device.sign_in(user("noe")).await.unwrap();
    follow(&device, server.transport(), quick());

    until(&device, |status| status.following == Following::Polling).await;
    soon("the follower of before has ended", before).await.unwrap().unwrap();
    assert_eq!(Phase::Idle, device.status().phase);
}

#[tokio::test]
async fn a_sync_of_another_account_says_nothing_of_this_one() {
    let server = Server::new();
    let device = server.device().await;
    let changing = Changing { device: &device };
    device.sync(&changing).await.unwrap_err();

    assert_eq!(Phase::Idle, device.status().phase, "noe has not to sign in again");
}

/// While it is asked, somebody else signs in; then the sign-in of before turns out to have run out.
#[derive(Debug)]
struct Changing<'a> {
    device: &'a Replica,
}

#[async_trait::async_trait]
impl Transport for Changing<'_> {
    async fn sync(&self, _: &UserId, _: Vec<u8>) -> Result<Vec<u8>> {
        self.device.sign_in(user("noe")).await?;
        Err(haumana_replica::Error::new("sync", ErrorKind::NeedsSignIn))
    }
    async fn call(&self, _: &UserId, _: &Call) -> Result<Vec<u8>> {
        gone()
    }
    async fn export(&self, _: &UserId, _: &mut (dyn Write + Send)) -> Result<()> {
        gone()
    }
}
