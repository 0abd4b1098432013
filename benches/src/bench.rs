//! The three places where a benchmark syncs: the engine in memory, on SQLite, and over HTTP.

use crate::{apply, body, pieces};
use haumana_api::{Api, ApiConfig, Auth, SystemClock, SystemRandom};
use haumana_app::Phones as _;
use haumana_app::wire::PiecesRequest;
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::engine::{Engine, EngineConfig, Random};
use haumana_sync::id::UserId;
use haumana_sync::store::{Calls, Generation, MemoryStore, MeteredStore, Store};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How many pieces one request of the preparation holds.
const CHUNK: usize = 10_000;
/// Nothing is cut in a benchmark.
const REPLY_BYTES: usize = 1 << 30;

/// A place where phones sync.
pub struct Bench {
    /// Its name in the ids of benchmarks.
    pub name: &'static str,
    /// What its calls run on.
    pub runtime: Runtime,
    /// What answers.
    pub engine: Arc<Engine>,
    store: Arc<MeteredStore<Arc<dyn Store>>>,
    url: Option<String>,
    agent: ureq::Agent,
    _folder: Option<tempfile::TempDir>,
}

/// A phone whose repertoire is on the server.
pub struct Held {
    /// Whose.
    pub user: UserId,
    /// A `lastSyncedAt` behind everything that was filled in.
    pub last: String,
    pieces: Vec<Value>,
    n_edits: usize,
}

impl Bench {
    /// Every place.
    ///
    /// # Panics
    ///
    /// If a folder, a file or a port cannot be had.
    pub fn all() -> Vec<Self> {
        vec![Self::memory(), Self::sqlite(), Self::http()]
    }

    /// The engine in memory.
    ///
    /// # Panics
    ///
    /// If no runtime can be made.
    pub fn memory() -> Self {
        Self::on("memory", Arc::new(MemoryStore::new()), None)
    }

    /// The engine on SQLite, in the folder for temporary files.
    ///
    /// # Panics
    ///
    /// If the file cannot be made.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        Self::on("sqlite", sqlite(&folder), Some(folder))
    }

    /// As [`Bench::sqlite`], behind HTTP on loopback.
    ///
    /// # Panics
    ///
    /// If no port can be had.
    pub fn http() -> Self {
        let mut bench = Self { name: "http", ..Self::sqlite() };
        let mut config = ApiConfig::of_a_server();
        config.reply_limit_bytes = REPLY_BYTES;
        let engine = Arc::clone(&bench.engine);
        let api = Api::new(engine, Auth::Trusted, Arc::new(SystemRandom), config);
        let router: axum::Router = haumana_api::router(api);
        // A benchmark's users are whom they say they are.
        let router = router.layer(axum::middleware::map_request(
            async |mut request: axum::extract::Request| {
                let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
                let user = user.and_then(UserId::verified_by_caller);
                user.map(|user| request.extensions_mut().insert(user));
                request
            },
        ));
        let bound = bench.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = bound.unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        bench.runtime.spawn(async move { axum::serve(listener, router).await });
        bench.url = Some(format!("http://{address}/pieces"));
        bench
    }

    fn on(name: &'static str, store: Arc<dyn Store>, folder: Option<tempfile::TempDir>) -> Self {
        let store = Arc::new(MeteredStore::new(store));
        let config = EngineConfig::new(Generation(0));
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let engine = Engine::new(shared, Arc::new(SystemClock), Arc::new(SystemRandom), config);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        Self {
            name,
            runtime: runtime.unwrap_or_else(|error| panic!("{error}")),
            engine: Arc::new(engine),
            store,
            url: None,
            agent: ureq::Agent::new_with_defaults(),
            _folder: folder,
        }
    }

    /// A user whom nobody has seen.
    pub fn new_user(&self) -> UserId {
        let name = format!("bench-{:016x}", SystemRandom.next_u64());
        UserId::verified_by_caller(name).unwrap_or_else(|| unreachable!("letters and digits"))
    }

    /// Sends one request to `POST /pieces` and returns the reply's body.
    ///
    /// # Panics
    ///
    /// If the request fails.
    pub fn post(&self, user: &UserId, body: &[u8]) -> Vec<u8> {
        let Some(url) = &self.url else { return self.call(user, body) };
        let sent = self.agent.post(url).header("x-user", user.as_str());
        let sent = sent.header("content-type", "application/json").send(body);
        let mut reply = sent.unwrap_or_else(|error| panic!("{error}"));
        let bytes = reply.body_mut().with_config().limit(REPLY_BYTES as u64).read_to_vec();
        bytes.unwrap_or_else(|error| panic!("{error}"))
    }

    fn call(&self, user: &UserId, body: &[u8]) -> Vec<u8> {
        let request = PiecesRequest::from_json(body).unwrap_or_else(|error| panic!("{error}"));
        let synced = self.engine.sync_pieces(user, &request, REPLY_BYTES);
        let reply = self.runtime.block_on(synced).unwrap_or_else(|error| panic!("{error}"));
        reply.into_json()
    }

    /// Pushes `count` new pieces for a new user.
    pub fn fill(&self, count: usize) -> Held {
        let user = self.new_user();
        let mut held = Vec::new();
        for chunk in pieces(count).chunks(CHUNK) {
            let mut chunk = chunk.to_vec();
            let sent = json!({"operation": "upload", "pieces": chunk}).to_string();
            apply(&mut chunk, &self.post(&user, sent.as_bytes()));
            held.extend(chunk);
        }
        // What is stamped a few seconds ahead is in the past of a phone that syncs later.
        let later = self.runtime.block_on(self.engine.store().head(&user)).ok().flatten();
        let secs = later.map_or(0, |head| head.stamp.0);
        let last = haumana_sync::time::UnixMillis::from_secs(secs).to_string();
        std::thread::sleep(Duration::from_secs(2));
        Held { user, last, pieces: held, n_edits: 0 }
    }

    /// Returns the store calls since the last time.
    pub fn take_calls(&self) -> Calls {
        self.store.take()
    }
}

impl Held {
    /// Every piece, as the phone holds it.
    pub fn pieces(&self) -> &[Value] {
        &self.pieces
    }

    /// A sync with ten edited pieces. Their replies are never seen, so each push is based on the
    /// one before.
    pub fn edit_ten(&mut self) -> Vec<u8> {
        self.n_edits += 1;
        let n = self.n_edits;
        let ten = self.pieces.iter_mut().take(10);
        let ten = ten.map(|piece| {
            piece["title"] = json!(format!("edit {n}"));
            piece["locallyModified"] = json!(true);
            let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
            piece["modifiedAt"] = json!(format!("2026-11-23T{hour:02}:{minute:02}:{second:02}Z"));
            piece.clone()
        });
        body(&ten.collect::<Vec<Value>>(), Some(&self.last))
    }
}

fn sqlite(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    let options = SqliteOptions {
        path: folder.path().join("bench.db"),
        readers: 2,
        busy_timeout: Duration::from_secs(5),
        max_bytes: None,
    };
    Arc::new(SqliteStore::open(&options).unwrap_or_else(|error| panic!("{error}")))
}
