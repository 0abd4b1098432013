//! A real PostgreSQL: a schema for each history, and one for each backup of it.

use super::current::Current;
use crate::open::Open;
use haumana_sim::{Backend, Profile};
use haumana_store_postgres::copies::{WithJournal, copy, remove};
use haumana_store_postgres::testing::Server;
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_sync::store::{Operate, Store};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The server, and the schemas that are not removed yet.
#[derive(Debug)]
pub(super) struct Postgres {
    server: &'static Server,
    made: Arc<Mutex<Vec<PostgresOptions>>>,
}

impl Postgres {
    /// # Errors
    ///
    /// If no PostgreSQL is installed and none is named.
    pub(super) fn new() -> io::Result<Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        let server = SERVER.get_or_init(Server::named_or_started);
        let missing = "the store postgres needs PostgreSQL 13 or newer: install it (Debian: apt-get \
                       install postgresql), or name a server with HAUMANA_POSTGRES_URL";
        let server = server.as_ref().ok_or_else(|| io::Error::other(missing))?;
        Ok(Self { server, made: Arc::default() })
    }
}

#[async_trait::async_trait(?Send)]
impl Open for Postgres {
    async fn open(&self, _profile: Profile, _seed: u64) -> io::Result<Box<dyn Backend>> {
        let schemas = Schemas { server: self.server, made: Arc::clone(&self.made) };
        let live = schemas.make();
        let store = Current::new(PostgresStore::open(&live).await.map_err(io::Error::other)?);
        Ok(Box::new(OnServer { store, live, schemas, backups: Vec::new() }))
    }

    async fn clear(&self) -> io::Result<()> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for options in made {
            remove(&options, WithJournal::Yes).await.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Makes names of schemas, and remembers them so that they can be removed.
struct Schemas {
    server: &'static Server,
    made: Arc<Mutex<Vec<PostgresOptions>>>,
}

impl Schemas {
    fn make(&self) -> PostgresOptions {
        let options = self.server.empty();
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(options.clone());
        options
    }
}

struct OnServer {
    store: Arc<Current<PostgresStore>>,
    /// The schema of the store.
    live: PostgresOptions,
    schemas: Schemas,
    /// A copy of that schema for each backup.
    backups: Vec<PostgresOptions>,
}

#[async_trait::async_trait]
#[allow(clippy::expect_used, reason = "a model that cannot go on stops there, and says why")]
impl Backend for OnServer {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn operate(&self) -> Option<Arc<dyn Operate>> {
        Some(self.store.get())
    }

    async fn back_up(&mut self) -> bool {
        let backup = self.schemas.make();
        copy(&self.live, &backup.schema, WithJournal::Yes).await.expect("the tables can be copied");
        self.backups.push(backup);
        true
    }

    /// A backup can be restored again, so a copy of it is served.
    async fn restore(&mut self, backup: usize) {
        let life = self.schemas.make();
        copy(&self.backups[backup], &life.schema, WithJournal::Yes)
            .await
            .expect("a backup can be copied");
        self.store.put(PostgresStore::open(&life).await.expect("a backup can be opened"));
        self.live = life;
    }
}
