//! A model of devices that follow, in a time that passes by itself: pokes are lost, doubled, late and
//! out of order, feeds end or fall silent, calls fail and replies are lost.
//!
//! The follower is the real one. A run is decided by its seed: `HAUMANA_POKES_SEED=7 cargo test -p
//! haumana-replica --test it pokes` repeats one.

use crate::support::{DAY, SeededRandom, fields, text, user};
use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::{Call, DirectTransport, Heard, LiveFeed, Transport};
use haumana_replica::{Error, ErrorKind, Following, Pace, Replica, ReplicaConfig, Result, Sleep};
use haumana_sync::engine::{Clock, Engine, EngineConfig, Random};
use haumana_sync::id::{KindNumber, UserId};
use haumana_sync::live::{Hearer, Pokes, PokingStore, Topic};
use haumana_sync::store::{Generation, MemoryStore, Revision};
use haumana_sync::time::UnixMillis;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// How long one run may take on a busy machine; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(120);
const RUNS: u64 = 60;
const DEVICES: usize = 4;
const EDITS: u64 = 12;
/// How long people edit.
const DAY_OF_EDITS: Duration = Duration::from_secs(40 * 60);
/// In this time everybody agrees, though no poke arrives any more: the longest time between two syncs
/// of a device that is connected, twice, because the first one may bring what another has not sent yet.
const REST: Duration = Duration::from_secs(35 * 60);

/// What passes by itself.
#[derive(Debug)]
struct Time(Instant);

impl Clock for Time {
    fn now(&self) -> UnixMillis {
        UnixMillis(DAY).plus_ms(i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

#[async_trait::async_trait]
impl Sleep for Time {
    async fn sleep(&self, wait: Duration) {
        sleep(wait).await;
    }
}

/// What is between the devices and their server.
#[derive(Debug)]
struct Sea {
    dice: SeededRandom,
    begun: Instant,
    feeds: Mutex<Vec<(usize, UnboundedSender<Heard>)>>,
    /// From now on calls come through, and no poke does.
    is_calm: AtomicBool,
    trace: Mutex<Vec<String>>,
}

impl Sea {
    fn below(&self, bound: u64) -> u64 {
        self.dice.next_u64() % bound
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    fn note(&self, text: String) {
        let at = self.begun.elapsed().as_millis();
        self.trace.lock().unwrap().push(format!("{at} {text}"));
    }

    async fn pass_ms(&self, below: u64) {
        sleep(Duration::from_millis(self.below(below))).await;
    }
}

/// A poke is lost, or comes once or twice, each time when it likes.
#[derive(Debug)]
struct Waves(Arc<Sea>);

#[async_trait::async_trait]
impl Hearer for Waves {
    fn poke(&self, _: Topic, revision: Revision) {
        let sea = &self.0;
        if sea.is_calm() {
            return;
        }
        for (device, feed) in sea.feeds.lock().unwrap().iter() {
            let times = [0, 1, 1, 1, 2][usize::try_from(sea.below(5)).unwrap()];
            sea.note(format!("revision {} is told to {device} {times} times", revision.0));
            for _ in 0..times {
                let late_ms = if sea.chance(50) { 0 } else { sea.below(40_000) };
                let (feed, late) = (feed.clone(), Duration::from_millis(late_ms));
                tokio::spawn(async move {
                    sleep(late).await;
                    feed.send(Heard::Revision(revision.0)).ok();
                });
            }
        }
    }

    async fn ask_again(&self) {}
}

/// A feed that ends, or falls silent, or lasts.
#[derive(Debug)]
struct Feed {
    told: UnboundedReceiver<Heard>,
    ends_at: Instant,
    is_silent: bool,
}

#[async_trait::async_trait]
impl LiveFeed for Feed {
    async fn next(&mut self) -> Result<Heard> {
        let beat = Instant::now() + Duration::from_secs(25);
        match timeout_at(beat.min(self.ends_at), self.told.recv()).await {
            Ok(Some(heard)) if !self.is_silent => Ok(heard),
            Err(_) if Instant::now() < self.ends_at && !self.is_silent => Ok(Heard::Alive),
            _ if self.is_silent => std::future::pending().await,
            _ => Err(Error::new("live", ErrorKind::Offline)),
        }
    }
}

#[derive(Debug)]
struct Boat {
    number: usize,
    sea: Arc<Sea>,
    inner: DirectTransport,
}

impl Boat {
    /// A call may fail before it does anything, or its answer be lost.
    fn fails(&self) -> Result<()> {
        match !self.sea.is_calm() && self.sea.chance(12) {
            true => Err(Error::new("call", ErrorKind::Offline)),
            false => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Transport for Boat {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        self.sea.pass_ms(1_500).await;
        self.fails()?;
        let reply = self.inner.sync(account, body).await;
        self.sea.note(format!("{} syncs: {}", self.number, reply.is_ok()));
        self.sea.pass_ms(1_500).await;
        self.fails()?;
        reply
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.inner.call(account, call).await
    }

    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        self.inner.export(account, file).await
    }

    async fn live(&self, _: &UserId, known: Option<u64>) -> Result<Option<Box<dyn LiveFeed>>> {
        self.sea.pass_ms(1_500).await;
        self.fails()?;
        if self.sea.chance(5) {
            return Ok(None);
        }
        let (sender, told) = unbounded_channel();
        let lasts = Duration::from_millis(self.sea.below(2_000_000));
        let is_silent = !self.sea.is_calm() && self.sea.chance(10);
        self.sea.note(format!("{} connects, knowing {known:?}", self.number));
        sender.send(Heard::Alive).ok();
        let mut feeds = self.sea.feeds.lock().unwrap();
        feeds.retain(|(number, _)| *number != self.number);
        feeds.push((self.number, sender));
        Ok(Some(Box::new(Feed { told, ends_at: Instant::now() + lasts, is_silent })))
    }
}

/// One run; returns what happened, and how often a device was live when it was looked at.
async fn run(seed: u64) -> (Vec<String>, usize) {
    let sea = Arc::new(Sea {
        dice: SeededRandom::scattered(seed),
        begun: Instant::now(),
        feeds: Mutex::default(),
        is_calm: AtomicBool::new(false),
        trace: Mutex::default(),
    });
    let (time, random) = (Arc::new(Time(sea.begun)), Arc::new(SeededRandom::scattered(!seed)));
    let store = Arc::new(PokingStore::new(MemoryStore::new()));
    store.tell(Arc::new(Waves(sea.clone())));
    let config = EngineConfig::new(Generation(0));
    let engine = Arc::new(Engine::new(store, time.clone(), random.clone(), config));
    let mut devices = Vec::new();
    for number in 0..DEVICES {
        let (storage, config) = (MemoryStorage::new(), ReplicaConfig::usual());
        let device = Replica::open(storage, time.clone(), random.clone(), config).await.unwrap();
        device.sign_in(user("kai")).await.unwrap();
        let device = Arc::new(device);
        let inner = DirectTransport::new(engine.clone(), 1 << 20);
        let boat = Boat { number, sea: sea.clone(), inner };
        let (followed, time) = (device.clone(), time.clone());
        tokio::spawn(async move { followed.follow_with(&boat, Pace::usual(), &*time).await });
        devices.push(device);
    }
    let mut n_live = 0;
    let step = DAY_OF_EDITS / u32::try_from(EDITS).unwrap();
    for number in 0..EDITS {
        let at = usize::try_from(sea.below(DEVICES as u64)).unwrap();
        let title = fields([("title", text(&format!("Aloha ʻOe {number}")))]);
        devices[at].add_piece(title).await.unwrap();
        sea.note(format!("{at} adds {number}"));
        sleep(step).await;
        let live = devices.iter().filter(|device| device.status().following == Following::Live);
        n_live += live.count();
    }
    sea.is_calm.store(true, Ordering::Relaxed);
    sleep_until(Instant::now() + REST).await;
    for device in &devices {
        let (status, held) = (device.status(), device.records(KindNumber::PIECE).await.unwrap());
        let agreed = (EDITS as usize, 0) == (held.len(), status.pending);
        assert!(agreed, "seed {seed}: {} records, {status:?}", held.len());
        assert!(status.equal_at.is_some());
        device.sign_out().await;
    }
    sleep(Duration::from_secs(5)).await;
    let trace = std::mem::take(&mut *sea.trace.lock().unwrap());
    (trace, n_live)
}

/// As [`run`], on a thread of its own: where time passes by itself, a device that spins would hang
/// the test for ever.
fn run_bounded(seed: u64) -> (Vec<String>, usize) {
    let (sender, ended) = channel();
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        sender.send(runtime.block_on(run(seed)))
    });
    ended.recv_timeout(PATIENCE).unwrap_or_else(|why| match why {
        RecvTimeoutError::Timeout => panic!("seed {seed}: it does not end within {PATIENCE:?}"),
        RecvTimeoutError::Disconnected => panic!("seed {seed}: it failed, see above"),
    })
}

fn seeds() -> std::ops::Range<u64> {
    let one = std::env::var("HAUMANA_POKES_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    one.map_or(0..RUNS, |seed| seed..seed + 1)
}

#[test]
fn pokes_that_are_lost_doubled_late_or_out_of_order_cost_nothing_but_time() {
    let mut n_live = 0;
    for seed in seeds() {
        n_live += run_bounded(seed).1;
    }

    assert!(0 < n_live, "devices must have been live");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let (one, other) = (run_bounded(11).0, run_bounded(11).0);

    assert!(100 < one.len(), "much has happened");
    let differs = one.iter().zip(&other).find(|(one, other)| one != other);
    assert_eq!((None, one.len()), (differs, other.len()));
}
