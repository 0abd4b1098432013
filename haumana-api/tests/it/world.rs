//! A router on a real engine, over a store in memory that counts its calls.

use crate::tokens::{Claims, KAI, NOW_SECS, keys, policy};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, request};
use haumana_api::directory::{
    Accounts, DirectoryError, DirectoryErrorKind, MemoryDirectory, Profile, UserDirectory,
};
use haumana_api::{Api, ApiConfig, Auth, Live, LiveLimits};
use haumana_auth::{StaticVerifier, Verifier};
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{Clock, Engine, EngineConfig};
use haumana_sync::live::PokingStore;
use haumana_sync::repertoire;
use haumana_sync::schema::Schema;
use haumana_sync::store::{Fault, Faults, FaultyStore, Generation, MemoryStore, MeteredStore};
use haumana_sync::time::UnixMillis;
use http_body::Frame;
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::ServiceExt;

pub(crate) const TITLE: &str = "Title-marked-Aloha-Oe";
pub(crate) const LYRICS: &str = "Lyrics-marked: Haʻaheo e ka ua i nā pali";
pub(crate) const PIECE: &str = "5EED0000-0000-4000-8000-00000000000A";
pub(crate) const SESSION: &str = "5EED0000-0000-4000-8000-0000000000B0";

/// What tests change of the usual configuration.
pub(crate) fn config() -> ApiConfig {
    let mut config = ApiConfig::of_a_server();
    config.request_limit_bytes = 100_000;
    config.reply_limit_bytes = 1_000_000;
    config.body_timeout = Duration::from_secs(30);
    config
}

/// The usual configuration, changed.
pub(crate) fn config_with(change: impl FnOnce(&mut ApiConfig)) -> ApiConfig {
    let mut config = config();
    change(&mut config);
    config
}

#[derive(Debug)]
pub(crate) struct Now;

impl Clock for Now {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_secs(NOW_SECS)
    }
}

/// What the store does next, until told otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather(Arc<Mutex<Sky>>);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Sky {
    #[default]
    Clear,
    Fails(Fault),
    Panics,
}

impl Faults for Weather {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        // The guard is gone before the panic, or the lock would be poisoned for what follows.
        let sky = *self.0.lock().unwrap();
        match sky {
            Sky::Clear => None,
            Sky::Fails(fault) => Some(fault),
            Sky::Panics => panic!("the store panics, as told"),
        }
    }
}

/// A directory that fails when told to.
#[derive(Debug, Default)]
pub(crate) struct FaultyDirectory {
    pub inner: MemoryDirectory,
    fault: Mutex<Option<DirectoryErrorKind>>,
}

impl FaultyDirectory {
    pub(crate) fn fails(&self, fault: Option<DirectoryErrorKind>) {
        *self.fault.lock().unwrap() = fault;
    }

    fn weather(&self, op: &'static str) -> Result<(), DirectoryError> {
        let fault = *self.fault.lock().unwrap();
        fault.map_or(Ok(()), |kind| Err(DirectoryError::new(op, kind)))
    }
}

#[async_trait::async_trait]
impl UserDirectory for FaultyDirectory {
    async fn put(&self, username: &str, profile: &Profile) -> Result<(), DirectoryError> {
        self.weather("put")?;
        self.inner.put(username, profile).await
    }

    async fn remove(&self, username: &str) -> Result<(), DirectoryError> {
        self.weather("remove")?;
        self.inner.remove(username).await
    }
}

/// A host.
pub(crate) struct World {
    pub store: Arc<MeteredStore<FaultyStore<MemoryStore, Weather>>>,
    pub router: Router,
    pub directory: Arc<FaultyDirectory>,
    pub live: Live,
    weather: Weather,
    /// The engine's clock. Tokens are checked at [`Now`] all the same.
    clock: SetClock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_config(config())
    }

    pub(crate) fn with_config(config: ApiConfig) -> Self {
        Self::with(Self::bearer(), config)
    }

    pub(crate) fn with(auth: Auth, config: ApiConfig) -> Self {
        Self::make(repertoire::schema(), auth, config, LiveLimits::usual(), Router::new())
    }

    /// A host for the records of another app.
    pub(crate) fn of(schema: Schema) -> Self {
        Self::make(schema, Self::bearer(), config(), LiveLimits::usual(), Router::new())
    }

    pub(crate) fn beside(routes: Router) -> Self {
        let live = LiveLimits::usual();
        Self::make(repertoire::schema(), Self::bearer(), config(), live, routes)
    }

    /// A host with a live feed that is bounded so, and that does so much at once.
    pub(crate) fn following(config: ApiConfig, limits: LiveLimits) -> Self {
        Self::make(repertoire::schema(), Self::bearer(), config, limits, Router::new())
    }

    fn verifier() -> Arc<dyn Verifier> {
        Arc::new(StaticVerifier::new(keys().clone(), policy(), Arc::new(Now)))
    }

    fn bearer() -> Auth {
        Auth::Bearer(Self::verifier())
    }

    fn make(
        schema: Schema,
        auth: Auth,
        config: ApiConfig,
        limits: LiveLimits,
        routes: Router,
    ) -> Self {
        let weather = Weather::default();
        let faulty = FaultyStore::new(MemoryStore::new(), weather.clone());
        let store = Arc::new(MeteredStore::new(faulty));
        let (random, clock) = (Arc::new(SeededRandom::new(0)), SetClock::at(Now.now()));
        let engine = EngineConfig::new(Generation(0));
        let poking = Arc::new(PokingStore::new(store.clone()));
        let engine =
            Engine::of(schema, poking.clone(), Arc::new(clock.clone()), random.clone(), engine);
        let engine = Arc::new(engine);
        let live = Live::new(poking, engine.clone(), limits);
        let directory = Arc::new(FaultyDirectory::default());
        let accounts = Accounts::new(directory.clone()).with_sign_in(Self::verifier());
        let api = Api::new(engine, auth, random, config).with_accounts(accounts);
        let api = api.with_live(live.clone());
        let router = haumana_api::router_beside(api, routes);
        Self { store, router, directory, live, weather, clock }
    }

    pub(crate) fn pass_days(&self, days: i64) {
        self.clock.pass_ms(days * 86_400_000);
    }

    pub(crate) fn sky(&self, sky: Sky) {
        *self.weather.0.lock().unwrap() = sky;
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// Posts JSON that must go through, and returns what comes back.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.send(tell(path, body)).await;
        answer.succeeded();
        answer.json()
    }

    /// Gets JSON that must be there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.send(ask("GET", path)).await;
        answer.succeeded();
        answer.json()
    }

    /// Checks that nothing since the last look has reached the store.
    #[track_caller]
    pub(crate) fn store_was_not_called(&self) {
        assert_eq!(haumana_sync::store::Calls::default(), self.store.take());
    }
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    async fn read(response: axum::response::Response) -> Self {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Self { status: head.status, headers: head.headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks status and code, and that the error has the form that every error has.
    #[track_caller]
    pub(crate) fn failed(&self, status: u16, code: &str) {
        assert_eq!((status, code), (self.status.as_u16(), self.code().as_str()));
        let body = self.json();
        let members: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(["code", "error"], members[..], "nothing else is told");
        assert!(!body["error"].as_str().unwrap().is_empty(), "there is something for people");
        assert_eq!(Some("application/json"), self.header("content-type"));
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) {
        assert_eq!(200, self.status.as_u16(), "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(Some("application/json"), self.header("content-type"));
    }
}

pub(crate) fn good_token() -> String {
    KAI.with_claims(&Claims::good())
}

/// A call without a token.
pub(crate) fn anonymous(path: &str) -> request::Builder {
    Request::post(path).header("content-type", "application/json")
}

/// A call as the app makes it.
pub(crate) fn call(path: &str) -> request::Builder {
    anonymous(path).header("authorization", format!("Bearer {}", good_token()))
}

/// A call without a body, with the token of `token`.
pub(crate) fn bare(method: &str, path: &str, token: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
}

/// A call without a body.
pub(crate) fn ask(method: &str, path: &str) -> Request<Body> {
    bare(method, path, &good_token())
}

/// The token of another user.
pub(crate) fn other_token() -> String {
    KAI.with_claims(&Claims::good().with("sub", "\"somebody-else\""))
}

/// A call with a body of JSON.
pub(crate) fn tell(path: &str, body: &Value) -> Request<Body> {
    call(path).body(body.to_string().into()).unwrap()
}

/// A body of `POST /sync` with one push of the piece.
pub(crate) fn push(device: &str, base: Option<u32>, more: Value) -> Value {
    let mut push = serde_json::json!({ "kind": "piece", "id": PIECE, "base": base });
    push.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::json!({ "deviceId": device, "cursor": null, "push": [push] })
}

/// A body of `POST /pieces` that pushes one piece.
pub(crate) fn one_piece() -> String {
    format!(
        r#"{{"operation":"sync","pieces":[{{"pieceId":"{PIECE}","title":"{TITLE}",
        "lyrics":"{LYRICS}","category":"mele","includeInPractice":true,"isFavorite":false,
        "locallyModified":true,"version":1,
        "createdAt":"2025-06-15T12:00:00Z","modifiedAt":"2025-06-15T12:00:00Z"}}]}}"#
    )
}

/// A body of `POST /sessions` that pushes one session.
pub(crate) fn one_session() -> String {
    format!(
        r#"{{"sessions":[{{"sessionId":"{SESSION}","pieceId":"{PIECE}",
        "startedAt":"2025-06-15T12:00:00Z","createdAt":"2025-06-15T12:00:00Z"}}]}}"#
    )
}

/// A body in pieces, of a size that nobody knows, that counts what was taken of it.
pub(crate) struct Chunks {
    left: VecDeque<Bytes>,
    n_taken: Arc<AtomicUsize>,
}

impl Chunks {
    pub(crate) fn body(bytes: &[u8], size: usize) -> (Body, Arc<AtomicUsize>) {
        let n_taken = Arc::new(AtomicUsize::new(0));
        let left = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        (Body::new(Self { left, n_taken: n_taken.clone() }), n_taken)
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.n_taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(self.left.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}
