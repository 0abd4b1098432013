//! The content of records: values by field, typed access, and the stored form.

mod content;
mod counter;
mod members;
pub mod typed;

pub use crate::limits::BESIDE_KEY;
pub use crate::schema::FieldError;
pub use crate::value::{GroupValue, Value};
pub use content::{Content, KnownFields};
pub use counter::Counter;
pub use members::members;
pub use typed::Record;
