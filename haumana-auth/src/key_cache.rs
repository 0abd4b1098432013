//! An issuer's keys: fetched when they are needed, kept for as long as the issuer says.
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
/// `HttpFetch` is one (feature `https`); tests have one that returns bytes.
#[async_trait::async_trait]
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Returns the key set as it is published now.
    ///
    /// # Guarantees
    ///
    /// - Bounded: ends within seconds and reads no more than [`limits::KEY_SET_BYTES`], whatever
    ///   the other side does.
    ///
    /// # Errors
    ///
    /// [`FetchError`]; the cache goes on with what it has and asks again later.
    async fn fetch(&self) -> Result<Fetched, FetchError>;
}

/// A key set as it came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The JSON Web Key Set.
    pub body: Vec<u8>,
    /// For how much longer the issuer lets it be kept; `None` if it does not say.
    ///
    /// It is bounded on both sides by the cache.
    pub fresh_for_secs: Option<i64>,
}

/// Why there is no new key set.
///
/// Each is logged once, where it happened; verifiers say
/// [`AuthError::Unavailable`](crate::AuthError::Unavailable) only if no keys are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody answered, or the connection broke.
    Connection,
    /// It took too long as a whole.
    TimedOut,
    /// The answer has another status than 200. Redirects are not followed.
    Status(u16),
    /// The answer is larger than a key set can be.
    TooLarge,
    /// The answer holds no keys that can be used.
    KeySet(KeySetError),
    /// The fetcher has a mistake.
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

/// The keys cannot be had, so nobody can tell whether a token is good.
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
/// - One flight at a time: whoever needs keys while a fetch is under way waits for that one.
/// - Never more than one fetch in [`limits::KEY_FETCH_PAUSE_SECS`], however many unknown key ids
///   come.
/// - When the issuer does not answer, keys are used for [`limits::KEYS_STALE_SECS`] longer.
/// - A fetched set replaces the one before as a whole: a key that was taken out is refused.
/// - A fetcher that panics is an issuer that does not answer.
///
/// # Cancellation
///
/// Whoever stops waiting, also the one who started the fetch, leaves it to the others.
pub struct KeyCache {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    /// The last fetch, under way or over.
    flight: Option<Flight>,
}

/// Keys, and since when.
struct Held {
    keys: Arc<KeySet>,
    since: UnixMillis,
    fresh_for_ms: i64,
}

/// A fetch. Whoever waits for it drives it, so that it goes on as long as anybody waits.
struct Flight {
    started_at: UnixMillis,
    landing: Landing,
}

type Landing = Shared<BoxFuture<'static, Result<Arc<Held>, FetchError>>>;

/// What can be said about a key at once.
enum Look {
    /// These are the keys; if the one in question is not among them, it is unknown.
    Keys(Arc<KeySet>),
    /// It depends on this.
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
    /// Makes a cache without keys; the first who needs one waits for a fetch.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        Self { fetch, clock, state: Mutex::default() }
    }

    /// Returns keys by which a token that names `key_id` can be judged: if none of them has this
    /// id, the issuer has no such key.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`] if the issuer did not answer and the key is not among those at hand.
    pub async fn keys_for(&self, key_id: &str) -> Result<Arc<KeySet>, KeysUnavailable> {
        let look = match self.look(key_id, Fetching::Allowed) {
            Look::Wait(landing) => {
                // How it ended stands in the state as well.
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
            // Nobody waits for a slow issuer whose key is at hand, but the one who asked it.
            (Some(keys), _) => Look::Keys(keys),
            (None, Some(flight)) if fetching == Fetching::Allowed => {
                Look::Wait(flight.landing.clone())
            }
            // Only who has just looked may say that a key does not exist.
            (None, _) if flight.is_some_and(Flight::has_failed) => Look::Unavailable,
            (None, _) => fresh.map_or(Look::Unavailable, Look::Keys),
        }
    }

    fn take_off(&self, now: UnixMillis) -> BoxFuture<'static, Result<Arc<Held>, FetchError>> {
        let fetch = Arc::clone(&self.fetch);
        let landing = async move {
            // Caught here, or everybody who ever asks again would panic: they share this future.
            // Nothing of what panicked is used afterwards.
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
    /// Takes over what the last flight brought.
    fn take_over(&mut self) {
        let landed = self.flight.as_ref().and_then(|flight| flight.landing.peek());
        if let Some(Ok(held)) = landed {
            self.held = Some(Arc::clone(held));
        }
    }

    fn may_fetch(&self, now: UnixMillis) -> bool {
        let pause = |flight: &Flight| limits::KEY_FETCH_PAUSE_SECS * 1000 <= since(flight, now);
        // A clock that was put back does not stop fetches until it has caught up.
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
    /// One that nobody drives any more is over after a while.
    fn is_under_way(&self, now: UnixMillis) -> bool {
        let is_young = since(self, now) < limits::KEY_FETCH_PAUSE_SECS * 1000;
        self.landing.peek().is_none() && is_young && self.started_at <= now
    }

    fn has_failed(&self) -> bool {
        !matches!(self.landing.peek(), Some(Ok(_)))
    }
}

impl Held {
    /// Reads what was fetched, so that nothing but keys that were checked is ever held.
    fn check(fetched: &Fetched, since: UnixMillis) -> Result<Self, FetchError> {
        let keys = KeySet::from_jwks(&fetched.body).map_err(FetchError::KeySet)?;
        let (least, most) = (limits::KEYS_FRESH_AT_LEAST_SECS, limits::KEYS_FRESH_AT_MOST_SECS);
        let fresh_for_secs = fetched.fresh_for_secs.unwrap_or(least).clamp(least, most);
        Ok(Self { keys: Arc::new(keys), since, fresh_for_ms: fresh_for_secs * 1000 })
    }

    fn is_fresh(&self, now: UnixMillis) -> bool {
        // A clock that was put back must not keep keys alive for longer.
        self.since <= now && now < self.since.plus_ms(self.fresh_for_ms)
    }

    fn is_usable(&self, now: UnixMillis) -> bool {
        now < self.since.plus_ms(self.fresh_for_ms + limits::KEYS_STALE_SECS * 1000)
    }
}
