//! What crosses the wire, in both directions.

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
