//! The two kinds of record and their fields.

mod content;
mod members;

pub use crate::schema::FieldError;
pub use crate::value::{GroupValue, Value};
pub use content::Content;
pub use members::members;

pub use crate::limits::BESIDE_KEY;
