//! Opening a replica.

use crate::again::Again;
use crate::error::Result;
use crate::index::entries;
use crate::kinds::{Kinds, Opened};
use crate::replica::{Inner, Replica, ReplicaConfig, new_device};
use crate::storage::{Batch, Storage};
use crate::system::{SystemClock, SystemRandom};
use crate::unstored::Unstored;
use haumana_sync::engine::{Clock, Random};
use haumana_sync::id::{KindNumber, UserId};
use haumana_sync::schema::Schema;
use std::sync::Arc;

/// Opens a replica; [`Replica::builder`] begins one.
///
/// ```
/// use haumana_replica::{Replica, storage::MemoryStorage};
/// use haumana_sync::id::UserId;
/// use haumana_sync::schema::{Field, FieldType, Kind, Schema};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let song = Kind::new(3, "song").field(Field::new(1, "title", FieldType::text(200)));
/// let kai = UserId::verified_by_caller("kai").ok_or("not a user id")?;
///
/// let replica = Replica::builder(MemoryStorage::new(), Schema::new([song])?)
///     .account(kai)
///     .open()
///     .await?;
///
/// assert_eq!(0, replica.status().pending);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ReplicaBuilder {
    storage: Box<dyn Storage>,
    schema: Schema,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    config: ReplicaConfig,
    account: Option<UserId>,
}

impl Replica {
    /// Begins to open the replica on `storage`, for records of `schema`.
    pub fn builder(storage: impl Storage, schema: Schema) -> ReplicaBuilder {
        ReplicaBuilder {
            storage: Box::new(storage),
            schema,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            config: ReplicaConfig::usual(),
            account: None,
        }
    }
}

impl ReplicaBuilder {
    /// Sets the clock. The default is the machine's.
    ///
    /// Tests set it. Edit times come from it. If it is ahead of the server's clock, the server uses
    /// its own time.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Sets the source of ids. The default is the machine's randomness.
    ///
    /// Tests seed it. Ids of records and of the device must never repeat between installations.
    #[must_use]
    pub fn random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// Sets the sizes of requests. The default is [`ReplicaConfig::usual`].
    #[must_use]
    pub fn config(self, config: ReplicaConfig) -> Self {
        Self { config, ..self }
    }

    /// Signs an account in. Otherwise call [`Replica::sign_in`] later.
    ///
    /// Without an account every call about records fails with
    /// [`NoAccount`](crate::ErrorKind::NoAccount).
    #[must_use]
    pub fn account(self, account: UserId) -> Self {
        Self { account: Some(account), ..self }
    }

    /// Opens the replica. New storage gets a random device id, and so does storage that was copied
    /// or restored.
    ///
    /// The schema is kept beside the records. If it has a kind that the last schema did not have,
    /// records that a server has sent before can be read now.
    ///
    /// Opening reads little: it does not read the records, unless a new schema has an index that
    /// they need.
    ///
    /// # Errors
    ///
    /// [`Schema`](crate::ErrorKind::Schema) if it does not succeed the last schema;
    /// [`Storage`](crate::ErrorKind::Storage).
    pub async fn open(self) -> Result<Replica> {
        let Self { mut storage, schema, clock, random, config, account } = self;
        let kinds = declare(storage.as_mut(), schema).await?;
        let device = storage.device(&new_device(random.as_ref())).await?;
        let inner = Inner {
            storage,
            kinds,
            account: None,
            device,
            config,
            open: None,
            unstored: Unstored::default(),
            again: Again::default(),
            probed: None,
        };
        let replica = Replica::new(inner, clock, random);
        if let Some(account) = account {
            replica.sign_in(account).await?;
        }
        Ok(replica)
    }
}

/// Replaces the last schema by this one.
async fn declare(storage: &mut dyn Storage, schema: Schema) -> Result<Kinds> {
    let before = storage.declared().await?;
    let Opened { kinds, moves, reindexed } = Kinds::open(schema, &before)?;
    let now = kinds.declared();
    if now == before {
        return Ok(kinds);
    }
    // The schema is stored last: if this ends in between, all of it is done again.
    if !moves.is_empty() {
        let moved = crate::kinds::Declared { schema: before.schema.clone(), ..now.clone() };
        storage.declare(&moved, &moves).await?;
    }
    reindex(storage, &kinds, &reindexed).await?;
    storage.declare(&now, &[]).await?;
    Ok(kinds)
}

/// Makes new index entries of all records of some kinds.
async fn reindex(storage: &mut dyn Storage, kinds: &Kinds, of: &[KindNumber]) -> Result<()> {
    if of.is_empty() {
        return Ok(());
    }
    for account in storage.accounts().await? {
        for kind in of {
            let locals = storage.list(&account, *kind).await?;
            let indexed = entries(kinds, &locals);
            storage.write(&account, Batch { indexed, ..Batch::default() }).await?;
        }
    }
    Ok(())
}
