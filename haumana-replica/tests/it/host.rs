//! The real API on a real SQLite file, served on loopback, with really signed tokens. Only the
//! clock is the tests'.

use crate::http::TokenSourceOf;
use crate::support::{DAY, SeededRandom, SetClock, clock, seeded, user};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_api::{Api, ApiConfig, Auth, Exports, Live, LiveLimits};
use haumana_auth::StaticVerifier;
use haumana_auth::verify::{Booleans, KeySet, Policy, Subjects};
use haumana_replica::storage::{MemoryStorage, SqliteStorage, Storage};
use haumana_replica::transport::{Encoding, HttpConfig, HttpTransport};
use haumana_replica::{Replica, ReplicaConfig};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::engine::{Clock, Engine, EngineConfig};
use haumana_sync::id::Key;
use haumana_sync::live::PokingStore;
use haumana_sync::record::Value;
use haumana_sync::store::Generation;
use haumana_sync::time::UnixMillis;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;

/// Making a key is slow, so that one binary makes one.
static PAIR: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// When tokens are issued and checked, however far the engine's clock has gone.
#[derive(Debug)]
struct TokenTime;

impl Clock for TokenTime {
    fn now(&self) -> UnixMillis {
        UnixMillis(DAY)
    }
}

/// A token of `name`, signed with the key that the host knows.
pub(crate) fn token_of(name: &str) -> String {
    let secs = DAY / 1000;
    let claims = format!(
        r#"{{"iss":"https://issuer.example","aud":"app","sub":"{name}","iat":{secs},"exp":{}}}"#,
        secs + 3600
    );
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = br#"{"alg":"RS256","kid":"k","typ":"JWT"}"#;
    let message = format!("{}.{}", encode(header), encode(claims.as_bytes()));
    let mut signature = vec![0; PAIR.public_modulus_len()];
    let random = SystemRandom::new();
    PAIR.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", encode(&signature))
}

fn verifier() -> StaticVerifier {
    let (key, encode) = (PAIR.public_key(), |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes));
    let (n, e) = (
        encode(key.modulus().big_endian_without_leading_zero()),
        encode(key.exponent().big_endian_without_leading_zero()),
    );
    let jwks = format!(
        r#"{{"keys":[{{"kty":"RSA","kid":"k","use":"sig","alg":"RS256","n":"{n}","e":"{e}"}}]}}"#
    );
    let policy = Policy {
        issuers: vec!["https://issuer.example".into()],
        audiences: vec!["app".into()],
        authorized_parties: vec![],
        subjects: Subjects::Bare,
        booleans: Booleans::Json,
        leeway_secs: 300,
        max_lifetime_secs: 24 * 3600,
        max_token_bytes: 8192,
    };
    StaticVerifier::new(KeySet::from_jwks(jwks.as_bytes()).unwrap(), policy, Arc::new(TokenTime))
}

/// A running host.
pub(crate) struct Host {
    pub clock: Arc<SetClock>,
    pub random: Arc<SeededRandom>,
    pub engine: Arc<Engine>,
    pub url: String,
    pub live: Live,
    pub folder: TempDir,
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::start_with(64 << 20).await
    }

    /// A host whose request bodies are bounded.
    pub(crate) async fn start_with(request_limit_bytes: usize) -> Self {
        Self::start_within(request_limit_bytes, 32 << 20, Exports::Streamed).await
    }

    /// A host that has to collect each reply, and bounds it.
    pub(crate) async fn start_collecting(reply_limit_bytes: usize) -> Self {
        Self::start_within(64 << 20, reply_limit_bytes, Exports::Bounded).await
    }

    async fn start_within(
        request_limit_bytes: usize,
        reply_limit_bytes: usize,
        exports: Exports,
    ) -> Self {
        let (clock, random) = (clock(), seeded(7));
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(PokingStore::new(open_store(&folder.path().join("server.db"))));
        let config = EngineConfig::new(Generation(0));
        let engine = Arc::new(Engine::new(store.clone(), clock.clone(), random.clone(), config));
        let mut config = ApiConfig::of_a_server();
        config.request_limit_bytes = request_limit_bytes;
        config.reply_limit_bytes = reply_limit_bytes;
        config.exports = exports;
        let auth = Auth::Bearer(Arc::new(verifier()));
        let mut limits = LiveLimits::usual();
        limits.heartbeat = Duration::from_millis(100);
        let live = Live::new(store, engine.clone(), limits);
        let api = Api::new(engine.clone(), auth, random.clone(), config).with_live(live.clone());
        let url = crate::http::serve(haumana_api::router(api)).await;
        Self { clock, random, engine, url, live, folder }
    }

    /// What carries the calls of everybody, each with a token of their own.
    pub(crate) fn transport(&self) -> HttpTransport {
        let mut config = HttpConfig::usual(self.url.clone());
        config.encoding = Encoding::Identity;
        HttpTransport::new(config, Arc::new(TokenSourceOf(token_of))).unwrap()
    }

    /// A device of `kai`, in memory.
    pub(crate) async fn device(&self) -> Replica {
        self.with(MemoryStorage::new()).await
    }

    /// A device of `kai`, on a file.
    pub(crate) async fn device_on(&self, path: &Path) -> Replica {
        let storage = SqliteStorage::open(path).unwrap();
        self.with(storage).await
    }

    async fn with(&self, storage: impl Storage) -> Replica {
        let (clock, random) = (self.clock.clone(), self.random.clone());
        let config = ReplicaConfig::usual();
        let replica = Replica::open(storage, clock, random, config).await.unwrap();
        replica.sign_in(user("kai")).await.unwrap();
        replica
    }

    /// The server's database with its log, byte for byte.
    pub(crate) fn database_files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let files = files.filter(|path| path.to_string_lossy().contains("server.db"));
        files.collect()
    }

    pub(crate) async fn sync(&self, device: &Replica) {
        device.sync(&self.transport()).await.unwrap();
    }
}

fn open_store(path: &Path) -> Arc<SqliteStore> {
    let options = SqliteOptions {
        path: path.into(),
        readers: 2,
        busy_timeout: Duration::from_secs(5),
        max_bytes: None,
    };
    Arc::new(SqliteStore::open(&options).unwrap())
}

pub(crate) async fn get(device: &Replica, key: Key, field: &str) -> Value {
    device.record(key).await.unwrap().unwrap().content.get(field)
}
