//! An issuer's keys: fetched when they are needed, and kept as long as the issuer says.
//!
//! A verifier must neither ask the issuer for each token nor let strangers make it ask. The
//! guarantees of [`KeyCache`] say how often it does.

use crate::limits;
use crate::verify::{KeySet, KeySetError};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use haumana_sync::engine::Clock;
use haumana_sync::time::UnixMillis;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

/// Fetches the key set of one issuer.
///
/// `HttpFetch` is one implementation (feature `https`). Tests have one that returns bytes.
#[async_trait::async_trait]
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Returns the key set as it is published now.
    ///
    /// # Guarantees
    ///
    /// - Bounded: it ends within seconds and reads at most [`limits::KEY_SET_BYTES`], whatever the
    ///   other side does.
    ///
    /// # Errors
    ///
    /// [`FetchError`]; the cache then uses the keys that it has and asks again later.
    async fn fetch(&self) -> Result<Fetched, FetchError>;
}

/// A key set as it was received.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The JSON Web Key Set.
    pub body: Vec<u8>,
    /// For how much longer the issuer allows it to be kept; `None` if it does not say.
    ///
    /// The cache bounds this from below and above.
    pub fresh_for_secs: Option<i64>,
}

/// Why there is no new key set.
///
/// Each is logged once, where it happened. Verifiers return
/// [`AuthError::Unavailable`](crate::AuthError::Unavailable) only if no usable keys are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody answered, or the connection broke.
    Connection,
    /// The whole fetch took too long.
    TimedOut,
    /// The answer has another status than 200. Redirects are not followed.
    Status(u16),
    /// The answer is larger than a key set can be.
    TooLarge,
    /// The answer holds no keys that can be used.
    KeySet(KeySetError),
    /// The fetcher panicked.
    Panicked,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("no connection to the issuer of tokens"),
            Self::TimedOut => f.write_str("the issuer of tokens took too long"),
            Self::Status(status) => write!(f, "the issuer of tokens answered {status}"),
            Self::TooLarge => f.write_str("the key set is too large"),
            Self::KeySet(error) => error.fmt(f),
            Self::Panicked => f.write_str("the fetcher panicked"),
        }
    }
}

impl std::error::Error for FetchError {}

/// The keys cannot be fetched, so nobody can tell whether a token is good.
///
/// It says nothing about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysUnavailable;

/// The keys of one issuer.
///
/// # Guarantees
///
/// - Fresh keys are used without a fetch. They are fresh for as long as `Cache-Control` said, but
///   for no less than [`limits::KEYS_FRESH_AT_LEAST_SECS`] and no more than
///   [`limits::KEYS_FRESH_AT_MOST_SECS`].
/// - One fetch at a time: callers that need keys while a fetch is in progress wait for that fetch.
/// - Never more than one fetch in [`limits::KEY_FETCH_PAUSE_SECS`], however many unknown key ids
///   come.
/// - When the issuer does not answer, keys are used for [`limits::KEYS_STALE_SECS`] longer.
/// - A fetched set replaces the earlier one as a whole: a key that is no longer in it is refused.
/// - A fetcher that panics counts as an issuer that does not answer.
///
/// # Cancellation
///
/// A caller may stop waiting, also the one that started the fetch. The others go on with it.
pub struct KeyCache {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    /// The last fetch, in progress or finished.
    flight: Option<Flight>,
}

/// Keys, and when they were fetched.
struct Held {
    keys: Arc<KeySet>,
    since: UnixMillis,
    fresh_for_ms: i64,
}

/// A fetch. Each waiting caller polls it, so it goes on as long as anybody waits.
struct Flight {
    started_at: UnixMillis,
    landing: Landing,
}

type Landing = Shared<BoxFuture<'static, Result<Arc<Held>, FetchError>>>;

/// What can be said about a key without waiting.
enum Look {
    /// The keys to use. If the key in question is not among them, it is unknown.
    Keys(Arc<KeySet>),
    /// The result of this fetch decides.
    Wait(Landing),
    Unavailable,
}

/// Whether another fetch may answer the question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fetching {
    Allowed,
    Done,
}

impl KeyCache {
    /// Makes a cache without keys. The first caller waits for a fetch.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        Self { fetch, clock, state: Mutex::default() }
    }

    /// Returns the keys for a token that names `key_id`. If none of them has this id, the issuer
    /// has no such key.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`] if the issuer did not answer and the cache does not have the key.
    pub async fn keys_for(&self, key_id: &str) -> Result<Arc<KeySet>, KeysUnavailable> {
        let look = match self.look(key_id, Fetching::Allowed) {
            Look::Wait(landing) => {
                // Its result is in the state as well.
                drop(landing.await);
                self.look(key_id, Fetching::Done)
            }
            look => look,
        };
        match look {
            Look::Keys(keys) => Ok(keys),
            Look::Wait(_) | Look::Unavailable => Err(KeysUnavailable),
        }
    }

    fn look(&self, key_id: &str, fetching: Fetching) -> Look {
        let now = self.clock.now();
        // Nothing below can panic halfway through a change of the state.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.take_over();
        let held = state.held.as_ref().filter(|held| held.is_usable(now));
        let known = held.filter(|held| held.keys.has(key_id)).map(|held| Arc::clone(&held.keys));
        let fresh = held.filter(|held| held.is_fresh(now)).map(|held| Arc::clone(&held.keys));
        if let (Some(keys), Some(_)) = (&known, &fresh) {
            return Look::Keys(Arc::clone(keys));
        }
        let flight = state.flight.as_ref();
        let under_way = flight.filter(|flight| flight.is_under_way(now));
        if fetching == Fetching::Allowed && under_way.is_none() && state.may_fetch(now) {
            return Look::Wait(state.start(self.take_off(now), now));
        }
        match (known, under_way) {
            // If the key is at hand, only the caller that starts a fetch waits for it.
            (Some(keys), _) => Look::Keys(keys),
            (None, Some(flight)) if fetching == Fetching::Allowed => {
                Look::Wait(flight.landing.clone())
            }
            // Only a successful fetch can show that a key does not exist.
            (None, _) if flight.is_some_and(Flight::has_failed) => Look::Unavailable,
            (None, _) => fresh.map_or(Look::Unavailable, Look::Keys),
        }
    }

    fn take_off(&self, now: UnixMillis) -> BoxFuture<'static, Result<Arc<Held>, FetchError>> {
        let fetch = Arc::clone(&self.fetch);
        let landing = async move {
            // Callers share this future, so a panic must be caught here. Otherwise every later
            // caller would panic. Nothing of the panicked fetch is used afterwards.
            let fetched = AssertUnwindSafe(fetch.fetch()).catch_unwind().await;
            let fetched = fetched.unwrap_or(Err(FetchError::Panicked));
            let landed = fetched.and_then(|fetched| Held::check(&fetched, now));
            if let Err(error) = &landed {
                tracing::warn!(detail = %error, "new keys could not be fetched");
            }
            landed.map(Arc::new)
        };
        landing.boxed()
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").field("fetch", &self.fetch).finish_non_exhaustive()
    }
}

impl State {
    /// Takes the keys of the last fetch, if it has succeeded.
    fn take_over(&mut self) {
        let landed = self.flight.as_ref().and_then(|flight| flight.landing.peek());
        if let Some(Ok(held)) = landed {
            self.held = Some(Arc::clone(held));
        }
    }

    fn may_fetch(&self, now: UnixMillis) -> bool {
        let pause = |flight: &Flight| limits::KEY_FETCH_PAUSE_SECS * 1000 <= since(flight, now);
        // If the clock was put back, fetching must not stop until the clock has caught up.
        self.flight.as_ref().is_none_or(|flight| pause(flight) || now < flight.started_at)
    }

    fn start(
        &mut self,
        flight: BoxFuture<'static, Result<Arc<Held>, FetchError>>,
        now: UnixMillis,
    ) -> Landing {
        let landing = flight.shared();
        self.flight = Some(Flight { started_at: now, landing: landing.clone() });
        landing
    }
}

fn since(flight: &Flight, now: UnixMillis) -> i64 {
    now.0.saturating_sub(flight.started_at.0)
}

impl Flight {
    /// A fetch that nobody polls any more counts as over after a while.
    fn is_under_way(&self, now: UnixMillis) -> bool {
        let is_young = since(self, now) < limits::KEY_FETCH_PAUSE_SECS * 1000;
        self.landing.peek().is_none() && is_young && self.started_at <= now
    }

    fn has_failed(&self) -> bool {
        !matches!(self.landing.peek(), Some(Ok(_)))
    }
}

impl Held {
    /// Reads a fetched set. Only checked keys are ever held.
    fn check(fetched: &Fetched, since: UnixMillis) -> Result<Self, FetchError> {
        let keys = KeySet::from_jwks(&fetched.body).map_err(FetchError::KeySet)?;
        let (least, most) = (limits::KEYS_FRESH_AT_LEAST_SECS, limits::KEYS_FRESH_AT_MOST_SECS);
        let fresh_for_secs = fetched.fresh_for_secs.unwrap_or(least).clamp(least, most);
        Ok(Self { keys: Arc::new(keys), since, fresh_for_ms: fresh_for_secs * 1000 })
    }

    fn is_fresh(&self, now: UnixMillis) -> bool {
        // If the clock was put back, keys must not live longer.
        self.since <= now && now < self.since.plus_ms(self.fresh_for_ms)
    }

    fn is_usable(&self, now: UnixMillis) -> bool {
        now < self.since.plus_ms(self.fresh_for_ms + limits::KEYS_STALE_SECS * 1000)
    }
}
