//! The two kinds of record and their fields.

mod content;
mod field;
mod piece;
mod session;
mod session_doubt;
mod session_group;
mod session_set;
mod value;

pub use crate::schema::FieldError;
pub use content::Content;
pub use field::{FieldClass, FieldSpec, PIECE_FIELDS, field_spec};
pub use piece::Piece;
pub use session::{EndedAtSource, Session};
pub use session_doubt::SessionDoubt;
pub use session_group::SessionGroup;
pub use session_set::{SessionFlaw, SessionSet};
pub use value::{GroupValue, Value};

/// The key under which exports keep what stands beside a record's fields. It is nobody else's: what
/// an export held is ignored when it comes back in a push, so that it is never taken for content.
pub const BESIDE_KEY: &str = "_haumana";
