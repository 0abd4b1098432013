//! A device: a replica, the schema that its program knows, and where its records are.

use crate::support::user;
use crate::together::Kept;
use haumana_replica::storage::{SqliteStorage, Storage};
use haumana_replica::{Replica, ReplicaConfig};
use haumana_sim::dice::Dice;
use haumana_sim::schemas::{Agreed, Held};
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::id::{Key, KindNumber};
use haumana_sync::schema::Schema;
use serde_json::{Map, Value as Json};
use std::sync::Arc;

#[derive(Debug)]
enum Shelf {
    Memory(Kept),
    File(tempfile::TempDir),
}

#[derive(Debug)]
pub(crate) struct Device {
    pub name: String,
    pub schema: Schema,
    shelf: Shelf,
    clock: SetClock,
    random: Arc<SeededRandom>,
    config: ReplicaConfig,
    /// `None` while its program does not run.
    replica: Option<Replica>,
}

impl Device {
    pub(crate) async fn new(
        dice: &mut Dice,
        name: String,
        schema: Schema,
        clock: SetClock,
    ) -> Self {
        // Narrow pages make everything that happens between pages likely.
        let mut config = ReplicaConfig::usual();
        config.page_records = 1 + dice.below(4);
        config.push_records = 1 + dice.below(4);
        config.push_bytes = if dice.chance(30) { 100 } else { 100_000 };
        let shelf = match dice.chance(10) {
            true => Shelf::File(tempfile::tempdir().unwrap()),
            false => Shelf::Memory(Kept::default()),
        };
        let random = Arc::new(SeededRandom::new(dice.bits()));
        let mut device = Self { name, schema, shelf, clock, random, config, replica: None };
        device.start().await;
        device
    }

    pub(crate) fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    /// Its program ends, and starts again; it may be a newer one by then.
    pub(crate) async fn restart(&mut self, schema: Schema) {
        self.schema = schema;
        self.start().await;
    }

    async fn start(&mut self) {
        self.replica = None;
        let builder = match &self.shelf {
            Shelf::Memory(kept) => Replica::builder(kept.clone(), self.schema.clone()),
            Shelf::File(folder) => {
                let storage = SqliteStorage::open(&folder.path().join("replica")).unwrap();
                Replica::builder(storage, self.schema.clone())
            }
        };
        let builder = builder.account(user("kai")).config(self.config);
        let builder = builder.clock(Arc::new(self.clock.clone())).random(self.random.clone());
        self.replica = Some(builder.open().await.unwrap());
    }

    fn storage(&self) -> Box<dyn Storage> {
        match &self.shelf {
            Shelf::Memory(kept) => Box::new(kept.clone()),
            Shelf::File(folder) => {
                Box::new(SqliteStorage::open(&folder.path().join("replica")).unwrap())
            }
        }
    }

    /// The content of each record on which it and the server agreed last. Its program starts again.
    pub(crate) async fn agreed(&mut self) -> Vec<(Key, Map<String, Json>)> {
        self.replica = None;
        let (mut storage, mut all) = (self.storage(), Vec::new());
        for kind in self.schema.kinds() {
            for local in storage.list("kai", kind.number()).await.unwrap() {
                let value = local.agreed.and_then(|agreed| agreed.value);
                all.extend(value.map(|value| (local.key, serde_json::from_str(&value).unwrap())));
            }
        }
        drop(storage);
        self.start().await;
        all
    }

    /// What is in its storage, when nothing waits for the server.
    pub(crate) async fn held(&mut self) -> Held {
        self.replica = None;
        let mut storage = self.storage();
        let mut held = Held::default();
        let declared = self.schema.kinds().iter();
        let declared = declared.map(|kind| (kind.number(), kind.name().to_owned()));
        let strays = storage.declared().await.unwrap().strays;
        for (number, name) in declared.chain(strays) {
            self.hold(storage.as_mut(), &mut held, number, &name).await;
        }
        held.digest = storage.state("kai").await.unwrap().digest.to_string();
        drop(storage);
        self.start().await;
        held
    }

    async fn hold(&self, storage: &mut dyn Storage, held: &mut Held, kind: KindNumber, name: &str) {
        for local in storage.list("kai", kind).await.unwrap() {
            assert!(!local.pending.is_open(), "{}: nothing waits: {local:?}", self.name);
            assert_eq!(None, local.pending.refused, "{}: nothing is refused", self.name);
            let Some(agreed) = local.agreed else { continue };
            let version = u64::from(agreed.version);
            let value = agreed.value.map(|value| serde_json::from_str(&value).unwrap());
            let name = (name.to_owned(), local.key.id.to_string());
            held.records.insert(name, Agreed { version, value });
        }
    }
}
