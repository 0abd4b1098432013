//! What crosses the wire, in both directions.
//!
//! The types here are what a host needs between its HTTP and the engine: bodies become requests,
//! results become bodies. They know no HTTP. What each key means is in `docs/protocol.md` of the
//! repository.
//!
//! - [`sync`]: `POST /sync`. [`sync::SyncRequest`] reads the body, [`sync::SyncReply`] writes the
//!   answer.
//! - [`inbox`]: pages of conflicts, and how one is closed.
//! - [`history`], [`rewind`]: the past of a record, and of an account.
//! - [`import`]: an export that comes back.
//!
//! A body is read in two steps. First the whole, which is refused as a [`BadRequest`]; then each
//! record by itself, which is refused as a [`Refusal`], so that one bad record blocks no other.

pub mod history;
pub mod inbox;
/// The document that an export is, coming back.
pub mod import {
    pub use crate::engine::ImportRequest;
}
pub mod rewind;
pub mod sync;

pub use crate::engine::Refusal;
pub use crate::json::{BadRequest, Outline, comma_separated, is_oversized, quoted, read_object};
pub use crate::record::members;

/// One record of a request that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The id as it was sent.
    pub id: String,
    /// Why.
    pub refusal: Refusal,
    /// Why, for people; holds nothing of what was sent.
    pub message: String,
}
