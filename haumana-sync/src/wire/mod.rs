//! The requests and replies on the wire.
//!
//! A host needs the types here between its HTTP and the engine: they turn bodies into requests, and
//! results into bodies. They know no HTTP. `docs/protocol.md` in the repository says what each key
//! means.
//!
//! - [`sync`]: `POST /sync`. [`sync::SyncRequest`] reads the body, [`sync::SyncReply`] writes the
//!   answer.
//! - [`inbox`]: pages of conflicts, and how one is closed.
//! - [`history`], [`rewind`]: the past of a record, and of an account.
//! - [`import`]: the document of an export, as a request.
//!
//! A body is read in two steps. First the whole body is read; if that fails, the request is a
//! [`BadRequest`]. Then each record is read by itself; if that fails, the record gets a
//! [`Refusal`]. So one bad record blocks no other.

pub mod history;
pub mod inbox;
/// The document of an export, as a request.
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
    /// Why, for people. It contains nothing of what was sent.
    pub message: String,
}
