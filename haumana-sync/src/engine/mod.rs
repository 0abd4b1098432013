//! The engine: it reads requests, merges edits, and tells the store what to write.
//!
//! One engine serves all users of one store. It holds no state of its own, so any number of
//! engines, in any number of processes, may work on one store at the same time.
//!
//! # One sync
//!
//! 1. Read the user's [`Head`]. If the device's cursor is at the head and it pushes nothing, the
//!    answer is ready.
//! 2. Read the pushed records, and for each the base that its edit names.
//! 3. Merge field by field ([`crate::merge`]). Values that lose become entries of the history and
//!    the inbox.
//! 4. Write records, history and the next head in one [`Store::commit`]. It fails if another
//!    commit came first; then start again from 1 with the edits that are left.
//! 5. Read the change feed after the device's cursor, and answer.
//!
//! # Reading order
//!
//! - [`Engine::sync`] is the call of new clients: pushes in, results and changes out. [`Engine::push`]
//!   is its first half without JSON: [`Push`], [`PushOp`], [`PushResult`].
//! - The inbox: [`Engine::conflict_page`], [`Engine::resolve`], [`Conflict`], [`Resolution`].
//! - The history: [`VersionEntry`], [`Restored`], and [`Rewound`] for a whole account.
//! - Moving and ending: [`Export`], [`Imported`], [`Erasure`].
//! - Operating: [`Verified`] compares what is stored with itself, [`Repaired`] repairs it.
//!
//! # What a host has to do
//!
//! - Verify who is asking. Every call takes a [`UserId`], and believes it.
//! - Repeat nothing. A failed call returns its kind ([`ErrorKind`]), and the device sends the same
//!   request again. All calls that change something may be repeated: what was done already changes
//!   nothing the second time.
//! - Limit requests. [`crate::limits`] lists what the engine accepts. A host also limits bodies,
//!   time, and concurrent requests, as `haumana-api` does.
//! - Call [`Operate::sweep`](crate::store::Operate::sweep) regularly. The engine deletes old
//!   history of a user at most once a day, and only when that user commits. Only the host does it
//!   for users who never commit again.
//!
//! # Several engines
//!
//! Two engines that race for one user's head lose no edit. One commit succeeds. The other engine
//! reads the account again, merges again, and commits on top. After
//! [`COMMIT_TRIES`](crate::limits::COMMIT_TRIES) lost races a call gives up with
//! [`ErrorKind::Unavailable`].
//!
//! Engines of one store should have the same [`Schema`] and [`Generation`], and clocks that differ
//! by two seconds at most. A commit is stamped three seconds ahead. So such differences do no harm
//! to clients whose cursor is a time.

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

/// Tells the time. The library never asks the system, so tests can set the clock.
///
/// `SystemClock` of `haumana-api` and of `haumana-replica` asks the system.
///
/// The engine uses it to date commits, to find what is past its retention, and to replace an edit
/// time in the future by the current time. The change feed is ordered by revisions, not by the
/// clock. So a clock that jumps back only delays the deletion of old history.
///
/// ```
/// use haumana_sync::engine::Clock;
/// use haumana_sync::time::UnixMillis;
///
/// #[derive(Debug)]
/// struct Noon;
///
/// impl Clock for Noon {
///     fn now(&self) -> UnixMillis {
///         UnixMillis(1_767_268_800_000)
///     }
/// }
/// ```
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the time now.
    fn now(&self) -> UnixMillis;
}

/// Returns random bits. The library never asks the system, so tests can repeat a run.
///
/// The bits must not be predictable, because they distinguish versions and deliveries.
///
/// The engine makes epochs and commit ids from them, and the number of versions that it skips after
/// a restored backup. If a source repeats itself, two epochs of an account can look like one. So
/// use the operating system's source, as `SystemRandom` of `haumana-api` does. Tests can use
/// `conformance::SeededRandom`.
pub trait Random: Debug + Send + Sync + 'static {
    /// Returns 64 bits that nobody can predict.
    fn next_u64(&self) -> u64;
}

/// The settings of an engine. [`EngineConfig::new`] makes them; then set the fields that differ.
///
/// Later versions may add fields.
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
    /// The generation of the data. It must rise after a backup was restored.
    ///
    /// `SqliteStore` and `PostgresStore` count it themselves: pass their `life().generation`. With
    /// DynamoDB an operator raises it, and `DynamoStore::generation` remembers the highest. With a
    /// store of your own, keep a number in the configuration. If it does not rise, a device that
    /// had synced after the backup was taken keeps a cursor beyond the restored data.
    pub generation: Generation,
    /// How long superseded versions, lost values and delivery records are kept, in
    /// milliseconds. Usually [`RETENTION_MS`].
    ///
    /// A device that was offline longer than this still loses no edit. But the content of the base
    /// that its edits name may be gone by then. Then a field that others have changed since is not
    /// merged: the edit goes to the inbox, as [`Reason::BaseGone`](crate::merge::Reason::BaseGone).
    pub retention_ms: i64,
}

impl EngineConfig {
    /// Settings for data of this generation, with history that is kept for [`RETENTION_MS`].
    pub const fn new(generation: Generation) -> Self {
        Self { generation, retention_ms: RETENTION_MS }
    }
}

/// The usual retention time: 90 days.
///
/// If a device is offline for this long, its texts are still merged by line.
pub const RETENTION_MS: i64 = 90 * 86_400_000;

/// Keeps the records of users the same on all of their devices.
///
/// An engine is a [`Store`] with a schema, a clock and random bits. It is cheap to make, and has no
/// state: everything is in the store. Make one for each store, share it as `Arc<Engine>`, and call
/// it from as many tasks as you like. The [front page](crate#two-devices) has a complete example.
///
/// | to | call |
/// |---|---|
/// | sync a device | [`Engine::sync`], or [`Engine::push`] and [`Engine::pull`] by themselves |
/// | show and close conflicts | [`Engine::conflict_page`], [`Engine::resolve`], [`Engine::resolve_as`], [`Engine::conflict_value`] |
/// | show and restore earlier versions | [`Engine::history_of`], [`Engine::restore_record`], [`Engine::rewind`] |
/// | move an account | [`Engine::export`], [`Engine::export_page`], [`Engine::check_import`], [`Engine::import`] |
/// | end an account | [`Engine::erase`], [`Engine::erase_as`] |
/// | operate | [`Engine::health`], [`Engine::summary`], [`Engine::verify`], [`Engine::repair`], [`Engine::accept_record`] |
/// | speak another protocol | [`Engine::attempts`], [`crate::transaction`] |
///
/// Futures of an engine may be dropped at any point. A commit that was under way is written as a
/// whole or not at all. Send the same request again to find out which.
#[derive(Debug)]
pub struct Engine {
    /// What is read through it is checked; see `screen`.
    store: Arc<dyn Store>,
    screen: Arc<Screened>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    config: EngineConfig,
    later: OtherLife,
    history_bytes: u64,
}

/// What happens, after a backup was restored, to content that devices hold from before.
///
/// A restored backup lacks all that was written after it was taken. Devices still hold that
/// content. The backup may have given its version numbers to other content. So such content is
/// compared by value and by time, not by version. Every value that loses has the reason
/// [`Reason::OtherLife`](crate::merge::Reason::OtherLife).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherLife {
    /// The later edit wins. The value that it replaces is in the inbox.
    ///
    /// Use it if a disk failed and the backup is old: what devices hold is newer, and is wanted.
    #[default]
    Merged,
    /// The backup wins. Other values that devices hold of its records are in the inbox.
    ///
    /// Use it if the backup was restored on purpose, to undo what the devices did.
    Discarded,
}

impl Engine {
    /// Makes an engine on `store` for records of the kinds of `schema`.
    ///
    /// Nothing is read or written. The host must first check that the records of the store can be
    /// read under `schema`, with [`crate::succession::succeed`].
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

    /// Sets the schema: the kinds of record that the engine keeps.
    ///
    /// It is for hosts that make the engine before they know the schema. Requests that are under
    /// way keep their schema, since each engine is a value of its own.
    #[must_use]
    pub fn with_schema(self, schema: Schema) -> Self {
        let screen = Screened { schema, ..(*self.screen).clone() };
        self.screened(screen)
    }

    /// Sets the witness, which is notified of stored records that cannot be read. Without a witness
    /// they are skipped silently.
    ///
    /// A host logs such records, and an operator looks: [`Engine::verify`] says what is wrong with
    /// the account, and [`Engine::repair`] repairs what can be repaired.
    #[must_use]
    pub fn with_witness(self, witness: Arc<dyn Witness>) -> Self {
        let screen = Screened { witness, ..(*self.screen).clone() };
        self.screened(screen)
    }

    fn screened(self, screen: Screened) -> Self {
        let screen = Arc::new(screen);
        Self { store: screen.clone(), screen, ..self }
    }

    /// Notifies the witness of a record that cannot be read. It is for dialects that find such a
    /// record themselves.
    ///
    /// The engine notifies it of every such record that its own calls read.
    pub fn tell_unreadable(&self, user: &UserId, key: Key) {
        self.screen.tell(user, key);
    }

    /// Returns the schema.
    pub fn schema(&self) -> &Schema {
        &self.screen.schema
    }

    /// Sets what happens to content from another generation. The default is [`OtherLife::Merged`].
    #[must_use]
    pub fn with_other_life(self, later: OtherLife) -> Self {
        Self { later, ..self }
    }

    /// Sets how many bytes of history an account keeps. The default is
    /// [`limits::USER_HISTORY_BYTES`].
    ///
    /// When the limit is exceeded, the oldest history is deleted: about a sixteenth of the limit at
    /// once, after the commit that exceeded it. Nothing is refused because of history, and a value
    /// that waits in the inbox keeps its entry.
    #[must_use]
    pub fn with_history_bytes(self, history_bytes: u64) -> Self {
        Self { history_bytes, ..self }
    }

    /// Returns `Ok` if the store answers.
    ///
    /// It reads the head of a user id that nobody has. Use it for a readiness probe. It says
    /// nothing about any account.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store does not answer.
    pub async fn health(&self) -> Result<()> {
        // Nobody has this id: ids of people contain letters or digits.
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
            is_imported: false,
            leap: limits::VERSION_LEAP,
        }
    }

    /// As [`Engine::context`], for edits of an account with these notes.
    fn context_of(&self, now: UnixMillis, notes: &Notes) -> MergeContext {
        // From outside the data: so two servers that were restored from one backup skip different
        // numbers.
        let chance = self.random.next_u64() % u64::from(limits::VERSION_LEAP_CHANCE);
        let leap = limits::VERSION_LEAP + u32::try_from(chance).unwrap_or_default();
        let (floor, is_imported) = (notes.floor, notes.imported.is_some());
        MergeContext { floor, is_imported, leap, ..self.context(now) }
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
                // If it was set aside when it was read, the witness knows it already.
                if !envelope.is_unreadable() {
                    self.screen.tell(user, envelope.key);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the store for reading. Records that cannot be read are set aside. Write through a
    /// [`Transaction`] only.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns the store as [`Engine::store`] does, without checking the content of records. It is
    /// for a dialect that checks it with [`KnownFields`](crate::record::KnownFields).
    pub fn store_unlooked(&self) -> impl Store + use<> {
        Screened { looks_into_records: false, ..(*self.screen).clone() }
    }

    /// Returns the generation of the data.
    pub(crate) fn generation(&self) -> Generation {
        self.config.generation
    }

    /// Returns the time now.
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Returns 64 random bits.
    ///
    /// A host may use them for ids of its own. Then tests that seed the engine repeat those ids,
    /// too.
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

/// How many more records, bytes and open conflicts the user has room for.
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

    /// Reserves room for a record that grows from `old` (`None`: new) to `new` bytes, and for the
    /// given number of entries of the inbox.
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
