//! Where a replica keeps its records: a small contract, and two implementations.
//!
//! - [`SqliteStorage`] is for apps: one file, which survives a loss of power.
//! - [`MemoryStorage`] is for tests and examples.
//! - An `Arc<Mutex<S>>` of a storage is a storage, too: it outlives its replica.
//! - Write your own for another platform. The contract is [`Storage`]. `haumana-web` in the
//!   repository has one for browsers.

#[cfg(feature = "sqlite")]
mod index;
mod memory;
#[cfg(feature = "sqlite")]
mod place;
#[cfg(feature = "sqlite")]
mod private;
#[cfg(feature = "sqlite")]
mod rows;
#[cfg(feature = "sqlite")]
mod schema;
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod writes;

pub use memory::MemoryStorage;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStorage;

use crate::error::Result;
pub use crate::index::{IndexEntries, IndexRange, IndexValue};
pub use crate::kinds::Declared;
use crate::maybe_send::MaybeSend;
use crate::record::Local;
use async_trait::async_trait;
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::store::Version;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// What a replica keeps of one account in addition to its records.
///
/// It is written together with the records of a reply. So the cursor and the records always fit
/// together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Where the next pull starts.
    pub cursor: Option<String>,
    /// The number of full listings so far.
    pub mark: u64,
    /// Whether a full listing is under way.
    pub is_listing: bool,
    /// Whether the server has said, in this listing, that its past differs from this device's.
    pub is_other_life: bool,
    /// The digest of what was agreed.
    pub digest: Digest,
    /// Whether the account was erased on the server, and nobody has decided about the local
    /// records.
    pub is_erased: bool,
    /// The last cursor of a device that starts over. It is sent once more right before the first
    /// page is asked for and anything is pushed. So a server that has erased the account, or has
    /// another past, can say so.
    pub probe: Option<String>,
    /// The last call beside `POST /sync` that the server has not answered.
    pub unanswered: Option<Unanswered>,
    /// How many entries of the inbox are open, by the server's last reply; `None` if no reply said
    /// so.
    pub open_conflicts: Option<u64>,
}

/// A call that changes something and that the server has not answered. If it is repeated, it is the
/// same request.
///
/// Without it, a person who presses a button again after a lost reply would restore or erase twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// A description of the call, as text.
    pub call: String,
    /// The version that the person saw.
    pub base: Option<Version>,
    /// The name of the request.
    pub request_id: String,
}

/// What a write must survive. Every write survives the end of the process.
///
/// An edit needs the first variant, a server's reply the second. A storage may always keep more
/// than required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outlives {
    /// A loss of power. The person has seen that the edit is saved, and no server has it.
    #[default]
    PowerLoss,
    /// The end of the process only. A loss of power may undo the write and all writes after it.
    /// Then the device has never seen the reply, and the server sends it again.
    Process,
}

/// Everything that one transaction writes.
///
/// Each record replaces the stored record as a whole.
#[derive(Debug, Default)]
pub struct Batch {
    /// The account's new state; `None` leaves it.
    pub state: Option<State>,
    /// New record states; an empty one deletes the record.
    pub records: Vec<Local>,
    /// The index entries of those records, if their kinds have indexed fields.
    pub indexed: Vec<IndexEntries>,
    /// What the write must survive.
    pub outlives: Outlives,
}

impl Batch {
    /// An edit of a record by a person.
    pub(crate) fn edit(local: Local, indexed: Vec<IndexEntries>) -> Self {
        Self { records: vec![local], indexed, ..Self::default() }
    }

    /// What the server said, and would say again.
    pub(crate) fn repeatable(state: Option<State>, records: Vec<Local>) -> Self {
        Self { state, records, indexed: Vec::new(), outlives: Outlives::Process }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
/// Keeps the records of all accounts of one device.
///
/// One replica makes one call after the other. Calls are async, for storages that answer later,
/// such as a browser's. On `wasm32` nothing needs to be `Send`.
///
/// Every call names its account, and reads or changes no other.
///
/// A storage needs no merge and no schema. A `Local` is opaque to it, except for four questions:
/// whether it is open, due, or refused, and in which listing the record was named.
pub trait Storage: Debug + MaybeSend + 'static {
    /// Returns the id of this installation, which is the device's id on the server. If there is
    /// none yet, it stores and returns `fresh`, a random id.
    ///
    /// # Guarantees
    ///
    /// - A storage that can detect that it was copied or restored stores `fresh`: at most one of
    ///   the copies keeps the id. Pending edits stay pending in both.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn device(&mut self, fresh: &str) -> Result<String>;

    /// Replaces the id of this installation.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; then the id is unchanged.
    async fn set_device(&mut self, id: &str) -> Result<()>;

    /// Returns what it keeps about the kinds of its records.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn declared(&mut self) -> Result<Declared>;

    /// Stores `declared`. For each pair in `moves`, it gives the records of the first kind number
    /// the second number, in that order, in all accounts. It does all of this or nothing.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; then nothing has changed.
    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()>;

    /// Returns the accounts of which it has any data.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn accounts(&mut self) -> Result<Vec<String>>;

    /// Reads an account's state; the default if there is none.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn state(&mut self, account: &str) -> Result<State>;

    /// Reads records, in the order of `keys`; `None` for a record without stored state.
    ///
    /// It is called for each edit and for each page. So it should find records by their key.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>>;

    /// Lists all records of a kind, by id.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>>;

    /// Lists records with something to send, in the order of their keys.
    ///
    /// [`Pending::is_due`](crate::Pending::is_due) says which these are. The order must not change
    /// between two calls.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>>;

    /// Lists open records that the server refused, in the order of their keys, after `after`.
    ///
    /// [`Pending::is_open`](crate::Pending::is_open) and
    /// [`Pending::refused`](crate::Pending::refused) say which these are. It is called once per
    /// sync while there are such records.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn refused(
        &mut self,
        account: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Local>>;

    /// Lists records that no listing has named since `mark`, including records that were never
    /// agreed.
    ///
    /// It is called at the end of a full listing: the server does not have the records that it has
    /// not named.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>>;

    /// Lists the records whose index entry for `field` is in `range`, by value and then by id.
    ///
    /// # Guarantees
    ///
    /// - The entries are those of the last [`Batch::indexed`] of each record. They are ordered as
    ///   [`IndexValue`] is.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>>;

    /// Counts open records: those to send, and those that were refused.
    ///
    /// Keep a count or an index for it, since it is called at each sign-in and after each page.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn count_open(&mut self, account: &str) -> Result<OpenCount>;

    /// Writes `batch`: all of it or nothing, and after all earlier writes. Once it has returned,
    /// the end of the process undoes nothing, and a loss of power undoes only what
    /// [`Batch::outlives`] allows.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; then nothing was written.
    ///
    /// # Cancellation
    ///
    /// A dropped call has written all of it or nothing.
    async fn write(&mut self, account: &str, batch: Batch) -> Result<()>;

    /// Deletes all data of an account.
    ///
    /// Other accounts and the id of the installation stay.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; then nothing was deleted.
    async fn forget(&mut self, account: &str) -> Result<()>;
}

/// How many records are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenCount {
    /// Records with an edit that the server has not settled, including refused ones.
    pub pending: usize,
    /// Records that the server refused.
    pub refused: usize,
}
