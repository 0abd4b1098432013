//! A database file, and the program run on it.

use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::conformance::{
    SeededRandom, SetClock, StoredAccount, plant_account, planted_schema,
};
use haumana_sync::engine::{EditTimes, Engine, EngineConfig, Push, PushOp};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::repertoire;
use haumana_sync::store::Generation;
use haumana_sync::succession;
use haumana_sync::time::UnixMillis;
use serde_json::Value as Json;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const DAY_MS: i64 = 86_400_000;

/// The record of the planted account that was edited three times.
pub(crate) const EDITED: &str = "00000000-0000-0001-0000-000000005EED";
/// The one that was deleted.
pub(crate) const DELETED: &str = "00000000-0000-0002-0000-000000005EED";

/// Every command that opens the store, with what it is given.
pub(crate) const COMMANDS: [&[&str]; 14] = [
    &["verify", "--all"],
    &["verify", "kai"],
    &["repair", "--all", "--write"],
    &["repair", "kai"],
    &["repair", "kai", "--write"],
    &["show", "kai"],
    &["find", "0123456789abcdef"],
    &["retention", "--all"],
    &["restore", "kai", "--kind", "song", "--id", EDITED, "--version", "1"],
    &["rewind", "kai", "--to", "2026-11-28T18:30:00Z"],
    &["export", "kai", "--to", "kai.json"],
    &["erase", "kai", "--confirm", "kai"],
    &["new-generation"],
    &["drill"],
];

/// A folder with a database, as a server leaves it.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::verified_by_caller(name).unwrap()
}

pub(crate) fn yesterday() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    UnixMillis(i64::try_from(now).unwrap() - DAY_MS)
}

impl World {
    /// A database with the planted account of `kai`, made yesterday.
    pub(crate) async fn new() -> Self {
        Self::of(yesterday()).await
    }

    /// One whose account was made then.
    pub(crate) async fn of(made: UnixMillis) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let store = world.store();
        succession::succeed(&*store, &planted_schema(), None).await.unwrap();
        plant_account(store, &user("kai"), made).await;
        world.make_key("haumana.db.caller-key");
        world
    }

    /// A key of the hashes in logs, that only its owner can read.
    pub(crate) fn make_key(&self, name: &str) {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(self.file(name)).unwrap();
        file.write_all("5eed".repeat(16).as_bytes()).unwrap();
    }

    /// A database with pieces and sessions, as a server without a schema file leaves it.
    pub(crate) async fn of_the_app() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let store = world.store();
        succession::succeed(&*store, &repertoire::schema(), None).await.unwrap();
        let clock = Arc::new(SetClock::at(yesterday()));
        let config = EngineConfig::new(store.life().generation);
        let engine = Engine::new(store, clock, Arc::new(SeededRandom::new(1)), config);
        let key = Key::piece(RecordId::parse(EDITED).unwrap());
        let push = |base, title: &str| {
            let fields = [("title", title), ("category", "oli"), ("lyrics", "Onaona i ka hala")];
            let fields = fields.map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned())));
            let op = PushOp::Set(fields.into());
            Push { key, base, edited_at: EditTimes::Unknown, op }
        };
        for push in [push(None, "Oli Aloha"), push(Some(1), "Onaona")] {
            engine.push(&user("kai"), "phone", &[push]).await.unwrap();
        }
        world
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> Arc<SqliteStore> {
        self.store_asking(0)
    }

    /// As a server opens it that is given this generation.
    pub(crate) fn store_asking(&self, generation: u32) -> Arc<SqliteStore> {
        let options = SqliteOptions {
            path: self.file("haumana.db"),
            readers: 1,
            busy_timeout: Duration::from_secs(30),
            max_bytes: None,
        };
        Arc::new(SqliteStore::open_asking(&options, Generation(generation)).unwrap())
    }

    pub(crate) async fn stored(&self, name: &str) -> StoredAccount {
        let store = self.store();
        StoredAccount::read(&*store, &*store, &user(name)).await
    }

    /// Writes an account as it is given.
    pub(crate) async fn write(&self, account: &StoredAccount, name: &str) {
        account.write(&*self.store(), &user(name)).await;
    }

    /// Runs the program in the folder, with an environment of its own.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[], arguments)
    }

    /// The same, with more in the environment.
    pub(crate) fn run_with(&self, more: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut program = Command::new(env!("CARGO_BIN_EXE_haumana-admin"));
        let environment = std::env::vars().filter(|(name, _)| name.starts_with("HAUMANA_"));
        environment.for_each(|(name, _)| {
            program.env_remove(name);
        });
        program.env("USER", "pua").env_remove("SUDO_USER").env_remove("SUDO_UID");
        program.envs(more.iter().copied());
        Ran(program.args(arguments).current_dir(self.folder.path()).output().unwrap())
    }

    pub(crate) fn audit(&self) -> Vec<Json> {
        let text = std::fs::read_to_string(self.file("haumana.db.audit")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What came of a run.
pub(crate) struct Ran(Output);

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn complaint(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// The answer of a run that went well.
    #[track_caller]
    pub(crate) fn well(self) -> String {
        assert_eq!(0, self.code(), "{}{}", self.text(), self.complaint());
        self.text()
    }

    /// The lines of an answer with --json.
    pub(crate) fn json(&self) -> Vec<Json> {
        let text = self.text();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
