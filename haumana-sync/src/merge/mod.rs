//! Deciding what becomes of two edits. Pure, total, deterministic.

mod elements;
mod field;
mod rank;

pub(crate) use elements::element_hash;
pub use field::{Base, FieldMerge, Reason, Side, Winner, merge_field};
