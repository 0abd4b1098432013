//! Where a replica keeps its records: a small contract, and two that keep it.
//!
//! - [`SqliteStorage`] is for apps: one file, which survives a loss of power.
//! - [`MemoryStorage`] is for tests and examples.
//! - A shared storage, an `Arc<Mutex<S>>`, is one as well: it outlives its replica.
//! - Write your own for another platform. The contract is [`Storage`]; a browser's is in
//!   `haumana-web` of the repository.

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

/// What a replica remembers of one account beside its records.
///
/// It is written together with the records of a reply, so cursor and records never disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Where the next pull starts.
    pub cursor: Option<String>,
    /// Counts the listings of everything.
    pub mark: u64,
    /// Whether one is under way.
    pub is_listing: bool,
    /// Whether the server has said that it has another past than this device, in this listing.
    pub is_other_life: bool,
    /// The digest of what was agreed.
    pub digest: Digest,
    /// The account was erased on the server, and nobody has said what is to become of what is here.
    pub is_erased: bool,
    /// The last cursor of a device that starts over; it is shown once more before anything is
    /// pushed, so that a server that has erased the account can say so.
    pub probe: Option<String>,
    /// The last call beside `POST /sync` that the server has not answered.
    pub unanswered: Option<Unanswered>,
    /// How many entries of the inbox are open, as the server said last; `None` if it has not said.
    pub open_conflicts: Option<u64>,
}

/// A call that changes something and that the server has not answered: made again, it is the same
/// request.
///
/// Without it, a person who presses a button again after a lost reply would restore or erase a
/// second time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// What was asked for, as text.
    pub call: String,
    /// The version that the person saw.
    pub base: Option<Version>,
    /// The name of the request.
    pub request_id: String,
}

/// What a write has to outlive, beside the end of the process, which all do.
///
/// An edit asks for the first, what a server said for the second. A storage may always keep more
/// than is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outlives {
    /// A loss of power: somebody is told that it is kept, and nobody else has it.
    #[default]
    PowerLoss,
    /// Nothing more. A loss of power may take it back, with everything that was written after it;
    /// the device is then one that never saw a reply, and the server says it again.
    Process,
}

/// Everything that one transaction writes.
///
/// The records are whole: what is in the storage of them is replaced.
#[derive(Debug, Default)]
pub struct Batch {
    /// The account's new state; `None` leaves it.
    pub state: Option<State>,
    /// Records as they are from now on; one of which nothing is known is removed.
    pub records: Vec<Local>,
    /// The index entries of those records, where their kinds have indexed fields.
    pub indexed: Vec<IndexEntries>,
    /// What it has to outlive.
    pub outlives: Outlives,
}

impl Batch {
    /// What a person did to a record.
    pub(crate) fn edit(local: Local, indexed: Vec<IndexEntries>) -> Self {
        Self { records: vec![local], indexed, ..Self::default() }
    }

    /// What the server said, or will say again.
    pub(crate) fn repeatable(state: Option<State>, records: Vec<Local>) -> Self {
        Self { state, records, indexed: Vec::new(), outlives: Outlives::Process }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
/// Keeps the records of all accounts of one device.
///
/// The calls of one replica come one after the other. They are async so that storage fits which
/// answers later, such as a browser's; on `wasm32` nothing of it need be `Send`.
///
/// Every call names the account that it is about; nothing crosses from one to another.
///
/// A storage needs no merge and no schema: it keeps what it is given. `Local`s are opaque to it but
/// for four questions: whether something is open, due, or refused, and in which listing the record
/// was named.
pub trait Storage: Debug + MaybeSend + 'static {
    /// Returns the id of this installation, which is the device's id on the server. Keeps `fresh`,
    /// a random one, as that if there is none yet.
    ///
    /// # Guarantees
    ///
    /// - Storage that can tell that it is a copy, or was put back from one, keeps `fresh`: the id
    ///   stays with at most one of them. What is pending stays pending in both.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn device(&mut self, fresh: &str) -> Result<String>;

    /// Keeps `id` as the id of this installation, in place of the one that it had.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; the id is the same as before then.
    async fn set_device(&mut self, id: &str) -> Result<()>;

    /// Returns what it remembers of the kinds whose records it keeps.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn declared(&mut self) -> Result<Declared>;

    /// Remembers `declared`, and gives the records of each kind in `moves` its second number in place
    /// of its first, in that order, in all accounts. All of it or nothing.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; nothing has changed then.
    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()>;

    /// Returns the accounts of which it knows anything.
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

    /// Reads records, each in its place; `None` where nothing is known.
    ///
    /// It is called for each edit and for each page, so it should find records by their key.
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
    /// [`Pending::is_due`](crate::Pending::is_due) says which. The order must not change between
    /// two calls.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>>;

    /// Lists open records that the server refused, in the order of their keys, behind `after`.
    ///
    /// [`Pending::is_open`](crate::Pending::is_open) and
    /// [`Pending::refused`](crate::Pending::refused) say which. It is called once a sync while there
    /// are such records.
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

    /// Lists records that no listing has named since `mark`, those that were never agreed included.
    ///
    /// It is called at the end of a listing of everything: what the server has not named it does
    /// not have.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>>;

    /// Lists the records whose index entry for `field` is in `range`, by value and then by id.
    ///
    /// # Guarantees
    ///
    /// - The entries are those of the last [`Batch::indexed`] of each record. Values are ordered as
    ///   [`IndexValue`] orders them.
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

    /// Counts records with something open: those to send, and those that were refused.
    ///
    /// Keep a count or an index for it: it is called when somebody signs in and after each page.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    async fn count_open(&mut self, account: &str) -> Result<OpenCount>;

    /// Writes `batch`: all of it or nothing, and after everything that was written before. Once it
    /// has returned, the end of the process takes nothing back, and a loss of power only what
    /// [`Batch::outlives`] allows.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; nothing was written then.
    ///
    /// # Cancellation
    ///
    /// A call that is dropped has written all of it or nothing.
    async fn write(&mut self, account: &str, batch: Batch) -> Result<()>;

    /// Forgets everything of an account.
    ///
    /// Other accounts and the id of the installation stay.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used; nothing was forgotten then.
    async fn forget(&mut self, account: &str) -> Result<()>;
}

/// How many records wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenCount {
    /// Records with something that the server has not settled, refused ones included.
    pub pending: usize,
    /// Records that the server refused.
    pub refused: usize,
}
