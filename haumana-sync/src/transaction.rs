//! The foundation of a dialect: a protocol of your own on the same records.
//!
//! A dialect turns its clients' requests into edits, and the outcomes into replies. `haumana-app`
//! is one; `POST /sync` needs none. In between is a [`Transaction`]: it reads an account, applies
//! edits and commits them together. If another commit was faster, start over with the next of the
//! [`Attempts`].
//!
//! A dialect has to find the base of each edit, however its clients express it. It passes the base
//! as [`Against`]. It may keep hashes and numbers beside each record, and beside the account, in a
//! [`Slot`]. The engine stores a slot and never reads it.

pub use crate::engine::commit::staging::waves;
pub use crate::engine::commit::{Committed, Stopped, live_term};
pub use crate::engine::edit::bases::needed;
pub use crate::engine::edit::meta::{AtVersion, Claim, FORMAT, Meta, Past, Seen, Touch};
pub use crate::engine::edit::packed::{Packed, step, stepped};
pub use crate::engine::edit::record::Record;
pub use crate::engine::edit::slot::Slot;
pub use crate::engine::edit::{
    Against, Applied, Bases, Change, Doubt, Edit, Lost, MergeContext, Stale,
};
pub use crate::engine::{Attempts, Transaction};
