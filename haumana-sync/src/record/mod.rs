//! The two kinds of record and their fields.

mod field;
mod piece;
mod session;
mod value;

pub use field::{FieldClass, FieldError, FieldSpec, PIECE_FIELDS, field_spec};
pub use piece::Piece;
pub use session::{EndedAtSource, Session};
pub use value::Value;
