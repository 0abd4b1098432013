//! The two kinds of record and their fields.

mod content;
mod counter;
mod field;
mod members;
mod piece;
mod session;
mod session_doubt;
mod session_group;
mod session_set;
pub mod typed;

pub use crate::schema::FieldError;
pub use crate::value::{GroupValue, Value};
pub use content::Content;
pub use counter::Counter;
pub use field::{FieldClass, FieldSpec, PIECE_FIELDS, field_spec};
pub use members::members;
pub use piece::Piece;
pub use session::{EndedAtSource, Session};
pub use session_doubt::SessionDoubt;
pub use session_group::SessionGroup;
pub use session_set::{SessionFlaw, SessionSet};
pub use typed::Record;

pub use crate::limits::BESIDE_KEY;
