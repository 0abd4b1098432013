//! What a sync asks of its storage.

use crate::support::{Server, fields, text, user};
use haumana_replica::storage::{
    Batch, Declared, IndexRange, MemoryStorage, OpenCount, Outlives, State, Storage,
};
use haumana_replica::{Local, Replica, ReplicaConfig, Result};
use haumana_sync::id::{Key, KindNumber, RecordId};
use std::sync::{Arc, Mutex};

/// Storage in memory that writes down what it is asked for.
#[derive(Debug)]
struct Watched {
    inner: MemoryStorage,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Watched {
    fn note(&self, what: &'static str) {
        self.asked.lock().unwrap().push(what);
    }
}

#[async_trait::async_trait]
impl Storage for Watched {
    async fn device(&mut self, fresh: &str) -> Result<String> {
        self.inner.device(fresh).await
    }
    async fn set_device(&mut self, id: &str) -> Result<()> {
        self.inner.set_device(id).await
    }
    async fn declared(&mut self) -> Result<Declared> {
        self.inner.declared().await
    }
    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()> {
        self.inner.declare(declared, moves).await
    }
    async fn accounts(&mut self) -> Result<Vec<String>> {
        self.inner.accounts().await
    }
    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>> {
        self.inner.find(account, kind, field, range).await
    }
    async fn state(&mut self, account: &str) -> Result<State> {
        self.note("state");
        self.inner.state(account).await
    }
    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        self.note("read");
        self.inner.read(account, keys).await
    }
    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>> {
        self.note("list");
        self.inner.list(account, kind).await
    }
    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>> {
        self.note("due");
        self.inner.due(account, limit).await
    }
    async fn refused(
        &mut self,
        account: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Local>> {
        self.note("refused");
        self.inner.refused(account, after, limit).await
    }
    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>> {
        self.note("unmarked");
        self.inner.unmarked(account, mark).await
    }
    async fn count_open(&mut self, account: &str) -> Result<OpenCount> {
        self.note("count");
        self.inner.count_open(account).await
    }
    async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        self.note(match batch.outlives {
            Outlives::PowerLoss => "write to disk",
            Outlives::Process => "write",
        });
        self.inner.write(account, batch).await
    }
    async fn forget(&mut self, account: &str) -> Result<()> {
        self.note("forget");
        self.inner.forget(account).await
    }
}

struct Device {
    replica: Replica,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Device {
    async fn new(server: &Server) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let storage = Watched { inner: MemoryStorage::new(), asked: asked.clone() };
        let (clock, random) = (server.clock.clone(), server.random.clone());
        let replica = Replica::open(storage, clock, random, ReplicaConfig::usual()).await.unwrap();
        replica.sign_in(user("kai")).await.unwrap();
        asked.lock().unwrap().clear();
        Self { replica, asked }
    }

    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn sync(&self, server: &Server) -> Vec<&'static str> {
        self.asked();
        self.replica.sync(&server.transport()).await.unwrap();
        self.asked()
    }

    async fn edit(&self, value: &str) {
        for view in self.replica.records(KindNumber::PIECE).await.unwrap() {
            self.replica.set(view.key, fields([("title", text(value))])).await.unwrap();
        }
    }
}

#[tokio::test]
async fn only_edits_wait_for_the_disk_and_a_sync_that_changes_nothing_writes_nothing() {
    let server = Server::new();
    let (here, there) = (Device::new(&server).await, Device::new(&server).await);
    for n in 0..10 {
        here.replica.add_piece(fields([("title", text(&n.to_string()))])).await.unwrap();
    }

    assert_eq!(vec!["write to disk"; 10], here.asked(), "an edit is one write, and nothing more");
    here.sync(&server).await;
    let first = there.sync(&server).await;
    let noop = there.sync(&server).await;
    here.edit("new").await;
    let up = here.sync(&server).await;
    let down = there.sync(&server).await;

    assert_eq!(vec!["state", "due", "state", "due"], noop);
    assert!(up.iter().filter(|what| **what == "write").count() <= 2, "{up:?}");
    assert_eq!(1, down.iter().filter(|what| **what == "write").count(), "{down:?}");
    for sync in [first, up, down] {
        assert!(!sync.contains(&"write to disk") && sync.len() <= 10, "{sync:?}");
    }
}

#[tokio::test]
async fn the_count_of_what_waits_is_right_without_being_counted() {
    let server = Server::new();
    let device = Device::new(&server).await;
    let pending = || device.replica.status().pending;
    let id = device.replica.add_piece(fields([("title", text("a"))])).await.unwrap();
    device.replica.add_piece(fields([("title", text("b"))])).await.unwrap();
    assert_eq!(2, pending());

    device.replica.set(Key::piece(id), fields([("title", text("c"))])).await.unwrap();
    assert_eq!(2, pending(), "an edit of what waits already");
    device.replica.delete(Key::piece(id)).await.unwrap();
    assert_eq!(1, pending(), "what was never sent is gone");
    device.replica.sync(&server.transport()).await.unwrap();
    assert_eq!(0, pending());
    device.edit("d").await;
    assert_eq!(1, pending());
    device.replica.sign_in(user("lani")).await.unwrap();
    assert_eq!(0, pending(), "another account's");
    device.replica.sign_in(user("kai")).await.unwrap();
    assert_eq!(1, pending());
}
