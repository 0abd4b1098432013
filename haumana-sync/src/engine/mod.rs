//! The engine: what a request means, what becomes of it, and what the store is told to write.
//!
//! One engine serves all users of one store. It holds no state of its own, so any number of
//! engines, in any number of processes, may work on one store at the same time.

pub(crate) mod commit;
pub(crate) mod edit;
mod erase;
mod error;
mod history;
pub(crate) mod inbox;
mod integrity;
pub(crate) mod pull;
pub(crate) mod push;
mod refusal;
mod screen;
mod transfer;

pub use commit::transaction::{Attempts, Transaction};
pub use erase::Erasure;
pub use error::{Error, ErrorKind};
pub use history::restore::{Asked, Restored};
pub use history::rewind::{RewindChange, RewindMode, RewindRequest, Rewound};
pub use history::{EarlierValue, HistoryPage, LostValue, VersionEntry};
pub use inbox::{Conflict, ConflictPlace, Resolution};
pub use integrity::{
    Fault, FaultPlace, Finding, HistoryCount, KindCount, Remedy, RepairMode, Repaired, Summary,
    Verified,
};
pub use pull::cursor::Cursor;
pub use pull::{Changed, Pulled};
pub use push::{EditTimes, Push, PushOp, PushOutcome, PushResult};
pub use refusal::Refusal;
pub use screen::{Unreadable, Witness};
pub use transfer::check::{CheckedImport, ImportFlaw};
pub use transfer::document::ImportRequest;
pub use transfer::export::{EXPORT_VERSION, Export, ExportPage};
pub use transfer::import::{Imported, PartState};

use crate::id::{Key, UserId};
use crate::limits;
use crate::schema::Schema;
use crate::store::{Envelope, Generation, Head, HeadState, Store};
use crate::time::UnixMillis;
use commit::notes::Notes;
use edit::MergeContext;
use edit::record::Record;
use screen::{Screened, Silent};
use std::fmt::Debug;
use std::sync::Arc;

/// The result of a call of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tells the time. The library never asks the system itself.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the time now.
    fn now(&self) -> UnixMillis;
}

/// Gives random bits. The library never asks the system itself.
pub trait Random: Debug + Send + Sync + 'static {
    /// Returns 64 bits that nobody can foresee.
    fn next_u64(&self) -> u64;
}

/// What an engine is told once. [`EngineConfig::new`] makes one, whose fields can be set.
///
/// ```
/// use haumana_sync::engine::EngineConfig;
/// use haumana_sync::store::Generation;
///
/// let mut config = EngineConfig::new(Generation(1));
/// config.retention_ms = 30 * 86_400_000;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineConfig {
    /// Which life of the data this is; raise it after restoring a backup.
    pub generation: Generation,
    /// How long superseded versions, lost values and delivery records are kept, in
    /// milliseconds. Usually [`RETENTION_MS`].
    pub retention_ms: i64,
}

impl EngineConfig {
    /// An engine in this life of the data, which keeps history for [`RETENTION_MS`].
    pub const fn new(generation: Generation) -> Self {
        Self { generation, retention_ms: RETENTION_MS }
    }
}

/// The retention time that the promises name: 90 days.
pub const RETENTION_MS: i64 = 90 * 86_400_000;

/// Keeps the records of users the same on every device.
#[derive(Debug)]
pub struct Engine {
    /// What is read through it is screened.
    store: Arc<dyn Store>,
    screen: Arc<Screened>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    config: EngineConfig,
    later: OtherLife,
    history_bytes: u64,
}

/// What becomes of content that devices hold from another life of the data, after a backup was put
/// back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherLife {
    /// The later edit wins; what it replaces is in the inbox.
    #[default]
    Merged,
    /// The backup wins; what devices hold of its records is in the inbox.
    Discarded,
}

impl Engine {
    /// Makes an engine on `store` that keeps the kinds of `schema`.
    pub fn of(
        schema: Schema,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: EngineConfig,
    ) -> Self {
        let (later, history_bytes) = (OtherLife::Merged, limits::USER_HISTORY_BYTES);
        let screen = Arc::new(Screened {
            store,
            schema,
            witness: Arc::new(Silent),
            looks_into_records: true,
        });
        Self { store: screen.clone(), screen, clock, random, config, later, history_bytes }
    }

    /// Sets the kinds of record.
    #[must_use]
    pub fn with_schema(self, schema: Schema) -> Self {
        let screen = Screened { schema, ..(*self.screen).clone() };
        self.screened(screen)
    }

    /// Sets the witness that is told of stored records that cannot be read. Without it nobody is told.
    #[must_use]
    pub fn with_witness(self, witness: Arc<dyn Witness>) -> Self {
        let screen = Screened { witness, ..(*self.screen).clone() };
        self.screened(screen)
    }

    fn screened(self, screen: Screened) -> Self {
        let screen = Arc::new(screen);
        Self { store: screen.clone(), screen, ..self }
    }

    /// Tells the witness that a record cannot be read, as a dialect finds out.
    pub fn tell_unreadable(&self, user: &UserId, key: Key) {
        self.screen.tell(user, key);
    }

    /// Returns the kinds of record that it keeps.
    pub fn schema(&self) -> &Schema {
        &self.screen.schema
    }

    /// Says what becomes of content of another life; without this it is merged.
    #[must_use]
    pub fn with_other_life(self, later: OtherLife) -> Self {
        Self { later, ..self }
    }

    /// Says how many bytes of history an account keeps; without this
    /// [`limits::USER_HISTORY_BYTES`]. Beyond it the oldest gives way.
    #[must_use]
    pub fn with_history_bytes(self, history_bytes: u64) -> Self {
        Self { history_bytes, ..self }
    }

    /// Returns `Ok` when the store answers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if it does not.
    pub async fn health(&self) -> Result<()> {
        // Nobody's id: ids of people are never empty of letters and digits.
        if let Some(nobody) = UserId::verified_by_caller("-") {
            self.store.head(&nobody).await?;
        }
        Ok(())
    }

    fn context(&self, now: UnixMillis) -> MergeContext {
        MergeContext {
            now,
            oldest: now.plus_ms(-self.config.retention_ms),
            generation: self.config.generation,
            other_life: self.later,
            floor: 0,
            leap: limits::VERSION_LEAP,
        }
    }

    /// As [`Engine::context`], for edits of an account with these notes.
    fn context_of(&self, now: UnixMillis, notes: &Notes) -> MergeContext {
        // From outside of the data: two lives that began with one backup leap differently.
        let chance = self.random.next_u64() % u64::from(limits::VERSION_LEAP_CHANCE);
        let leap = limits::VERSION_LEAP + u32::try_from(chance).unwrap_or_default();
        MergeContext { floor: notes.floor, leap, ..self.context(now) }
    }

    /// Opens a record under its kind.
    fn open(&self, envelope: &Envelope) -> Result<Record> {
        Record::open(envelope, self.schema())
    }

    /// Opens a record under its kind. If it cannot be read, tells the witness and returns `None`.
    fn open_readable(&self, user: &UserId, envelope: &Envelope) -> Result<Option<Record>> {
        match self.open(envelope) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.is_unreadable() => {
                // What was set aside when it was read was told then.
                if !envelope.is_unreadable() {
                    self.screen.tell(user, envelope.key);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the store, to read from: what cannot be read is set aside. Nothing is written but
    /// through a [`Transaction`].
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// As [`Engine::store`], but the content of records is not checked. It is for a dialect that checks
    /// it with [`KnownFields`](crate::record::KnownFields).
    pub fn store_unlooked(&self) -> impl Store + use<> {
        Screened { looks_into_records: false, ..(*self.screen).clone() }
    }

    /// Returns which life of the data this is.
    pub(crate) fn generation(&self) -> Generation {
        self.config.generation
    }

    /// Returns the time now.
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Returns 64 random bits.
    pub fn random(&self) -> u64 {
        self.random.next_u64()
    }

    fn random_u128(&self) -> u128 {
        u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64())
    }
}

/// Refuses work on an account that is being erased or imported.
pub(crate) fn check_state(head: Option<&Head>) -> Result<()> {
    match head.map(|head| head.state) {
        None | Some(HeadState::Active | HeadState::Erased) => Ok(()),
        Some(HeadState::Erasing) => {
            Err(Error::new(ErrorKind::Erasing, "the account is being erased"))
        }
        Some(HeadState::Importing) => {
            Err(Error::new(ErrorKind::Importing, "an import into the account is not finished"))
        }
    }
}

/// How many more records, bytes and values that lost the user has room for.
#[derive(Clone, Copy, Debug)]
struct Quota {
    records: u64,
    bytes: u64,
    conflicts: u64,
}

impl Quota {
    fn of(head: Option<&Head>, notes: &Notes) -> Self {
        let (records, bytes) = head.map_or((0, 0), |head| (head.records, head.bytes));
        Self {
            records: limits::USER_RECORDS.saturating_sub(records),
            bytes: limits::USER_BYTES.saturating_sub(bytes),
            conflicts: limits::USER_CONFLICTS.saturating_sub(notes.open.unwrap_or(0)),
        }
    }

    /// Takes room for a record that grows from `old` (`None`: new) to `new` bytes, and for so many
    /// entries of the inbox.
    fn take(&mut self, old: Option<usize>, new: usize, conflicts: usize) -> bool {
        let records = u64::from(old.is_none());
        let bytes = new.saturating_sub(old.unwrap_or(0)) as u64;
        let conflicts = conflicts as u64;
        if self.records < records || self.bytes < bytes || self.conflicts < conflicts {
            return false;
        }
        self.records -= records;
        self.bytes -= bytes;
        self.conflicts -= conflicts;
        true
    }
}
