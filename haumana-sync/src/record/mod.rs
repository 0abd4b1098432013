//! The two kinds of record and their fields.

mod field;
mod piece;
mod session;
mod value;

pub use field::{FieldClass, FieldError, FieldSpec, PIECE_FIELDS, field_spec};
pub use piece::Piece;
pub use session::{EndedAtSource, Session};
pub use value::Value;

/// The key under which exports keep what stands beside a record's fields. It is nobody else's: what
/// an export held is ignored when it comes back in a push, so that it is never taken for content.
pub const BESIDE_KEY: &str = "_haumana";
