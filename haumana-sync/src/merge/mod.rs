//! Deciding what becomes of two edits. Pure, total, deterministic.

mod field;
mod session;

pub use field::{Base, FieldMerge, Reason, Side, Winner, merge_field};
pub use session::{compare_sessions, join_sessions};
