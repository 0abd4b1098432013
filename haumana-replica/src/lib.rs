//! The client half of haumana-sync: one person's records on one device, offline first.
//!
//! Edits go into local storage at once and to the server when there is one. A field that was
//! touched stays marked, with its time and the version that its user saw, until the server has
//! answered for exactly that edit; so an edit made while a reply is on its way, or taken back after
//! a reply was lost, is never forgotten. The server decides what a merge becomes; until then a view
//! shows the pending edits over what was agreed.
//!
//! # A copy is another device
//!
//! Each installation has a random id, which [`Replica::open`] makes with its storage. A SQLite file
//! knows where it lives: a copy, or a file that was put back, takes a new id when it is opened, and a
//! server that sees two installations use one id says so, which has the same effect. What is pending
//! stays pending in both. A change whose reply was lost is sent again exactly as it was, before any
//! later change of the same field, so that the server can tell a lost reply from a copy.
//!
//! # A server with another past
//!
//! A server may be restored from a backup, erased and filled from an export, or begun anew. The
//! device then takes over what the server has, and offers what it held itself ([`Offer`]): records
//! whole and deletes, both without a base and marked as no new edits. The server takes what it has
//! lost. What was brought back stays, and what is not taken is in the inbox. What a person typed and
//! the server has not answered for stays an edit of its own time.
//!
//! # What survives
//!
//! What a person did is on the disk when the call returns ([`storage::Outlives::PowerLoss`]). What a
//! sync brings is not waited for: it outlives the end of the process at any moment, and a loss of
//! power may take back the syncs since the last edit, all of them or the latest. The device is then
//! one that never saw those replies; it sends what was pending again and is told the rest again.

mod asking;
mod content;
mod discard;
mod error;
mod history;
mod inbox;
mod maybe_send;
mod moving;
mod offer;
mod push;
mod record;
mod replica;
mod retry;
mod round;
mod settle;
mod status;
pub mod storage;
mod sync;
pub mod transport;
mod wire;

pub use content::Content;
pub use error::{AnswerForm, Answered, Error, ErrorKind, Result};
pub use history::{Changed, HistoryPage, Lost, PieceVersion};
pub use inbox::{Conflict, ConflictPage};
pub use maybe_send::{MaybeSend, MaybeSync};
pub use moving::Imported;
pub use offer::Offer;
pub use record::{Agreed, Earlier, EditError, Local, Pending, Removal, Touch};
pub use replica::{Erasure, Replica, ReplicaConfig, View};
pub use retry::{Backoff, Sleep};
pub use round::{Outgoing, Progress};
pub use status::{Phase, Status};
pub use sync::Summary;
