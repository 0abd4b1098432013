//! Which devices are connected to `GET /live`, and what the server sends them.
//!
//! ```text
//! Pokes ──topic, revision──▶ Hub ──▶ channel of the account ──▶ Seat ──▶ stream or long poll
//! ```
//! A channel keeps the latest revision alone. A slow device skips the revisions in between. It does
//! not need them, and nothing is kept for it.
//!
//! A request to `GET /live` takes a place among the requests of its account, takes a seat, reads
//! the revision, and gives the place back. From then on it costs a seat and nothing else: no
//! permit, no thread, no place in line. A commit of any device or call pokes the channel of its
//! account, and every seat of that channel wakes.
//!
//! The seat is taken before the revision is read. A commit that comes in between may be heard
//! twice, and is never missed.
//!
//! **Invariant:** a poke has a revision and never content. A lost poke costs time and never an
//! edit, because devices also sync from time to time.

mod hub;
mod stream;

pub(crate) use hub::{News, Seat};
pub(crate) use stream::stream;

use crate::error::Failure;
use crate::limits;
use haumana_sync::Engine;
use haumana_sync::id::UserId;
use haumana_sync::live::Pokes;
use hub::{Ear, Hub};
use std::sync::Arc;
use std::time::Duration;

/// How many devices may be connected, and for how long.
///
/// A connection costs a file descriptor and some kB; a host with few of either lowers
/// [`LiveLimits::in_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveLimits {
    /// Devices of one account. Further ones get 429.
    ///
    /// If a person has more devices than this, some of them poll.
    pub of_account: usize,
    /// Devices of all accounts. Further ones get 503. Keep it below the number of connections that
    /// the host has room for, so that requests have room too.
    pub in_all: usize,
    /// How long a stream is silent at most.
    ///
    /// It also finds connections whose other end is gone.
    pub heartbeat: Duration,
    /// How long a long poll waits.
    ///
    /// A long poll is for clients and networks that hold streams back.
    pub poll: Duration,
    /// How long a stream lasts.
    pub lifetime: Duration,
    /// How long a client waits before it connects again.
    pub retry: Duration,
}

impl LiveLimits {
    /// The limits of [`crate::limits`].
    pub fn usual() -> Self {
        Self {
            of_account: limits::LIVE_OF_ACCOUNT,
            in_all: limits::LIVE_IN_ALL,
            heartbeat: limits::LIVE_HEARTBEAT,
            poll: limits::LIVE_POLL,
            lifetime: limits::LIVE_LIFETIME,
            retry: limits::LIVE_RETRY,
        }
    }
}

/// The JSON for a revision, in streams and in long polls.
///
/// Both use the same form, so a client needs one parser.
pub(crate) fn said(revision: u64) -> String {
    format!(r#"{{"revision":{revision}}}"#)
}

/// The live feed of a host: what tells connected devices that their account has changed.
///
/// It sends revisions and never records. A device that hears of a revision syncs. A slow device
/// gets the latest revision alone, so nothing is kept for it.
///
/// ```
/// use haumana_api::{Api, ApiConfig, Auth, Live, LiveLimits, SystemClock, SystemRandom};
/// use haumana_sync::engine::{Engine, EngineConfig};
/// use haumana_sync::live::PokingStore;
/// use haumana_sync::store::{Generation, MemoryStore};
/// use std::sync::Arc;
///
/// let store = Arc::new(PokingStore::new(MemoryStore::new()));
/// let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
/// let config = EngineConfig::new(Generation(0));
/// let engine = Arc::new(Engine::new(store.clone(), clock, random.clone(), config));
/// let live = Live::new(store, engine.clone(), LiveLimits::usual());
/// let api = Api::new(engine, Auth::Trusted, random, ApiConfig::of_a_server());
/// let api = api.with_live(live.clone());
/// // Where the host stops: each stream ends, and its client connects to the next host.
/// live.close();
/// ```
#[derive(Clone, Debug)]
pub struct Live(Arc<Hub>);

impl Live {
    /// Makes a feed of the pokes of `pokes`. `engine` is asked for heads when pokes may have been
    /// missed.
    ///
    /// The engine must be on the same data. Make one feed for each source of pokes: a second one
    /// hears nothing.
    pub fn new(pokes: Arc<dyn Pokes>, engine: Arc<Engine>, limits: LiveLimits) -> Self {
        let hub = Arc::new(Hub::new(Arc::clone(&pokes), engine, limits));
        // The source of pokes does not keep the hub alive, nor its engine.
        pokes.tell(Arc::new(Ear(Arc::downgrade(&hub))));
        Self(hub)
    }

    /// Ends every stream at once, and accepts no new ones.
    ///
    /// Call it when the host begins to stop, before it waits for requests: streams never end by
    /// themselves.
    pub fn close(&self) {
        self.0.close();
    }

    /// How many devices are connected.
    pub fn n_connected(&self) -> usize {
        self.0.n_connected()
    }

    /// Its limits.
    pub fn limits(&self) -> &LiveLimits {
        self.0.limits()
    }

    /// A place for one more device of `user`.
    pub(crate) fn seat(&self, user: &UserId) -> Result<Seat, Failure> {
        Hub::seat(&self.0, user)
    }
}
