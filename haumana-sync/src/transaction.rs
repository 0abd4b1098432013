//! What a dialect stands on.
//!
//! A dialect turns what its clients send into edits, and what has become of them into replies. Between
//! the two is a [`Transaction`]: it reads an account, applies edits and commits them together. Whoever
//! loses the race for the account's head starts over with the next of its [`Attempts`].
//!
//! A dialect finds out what an edit was made on, in whatever way its clients tell it, and says so in
//! [`Against`]. It may keep hashes and numbers beside each record and beside the account, in a
//! [`Slot`], which the engine stores and never reads.

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
