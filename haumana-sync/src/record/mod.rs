//! The content of records: values by field, typed access, and the stored form.
//!
//! - [`Record`]: a struct as a kind of record. Start here if you write an app.
//! - [`Value`]: the value of one field, of any type.
//! - [`Content`]: all values of one record, and the JSON that stores keep.
//! - [`Counter`]: the value of a field that all devices add to.
//! - [`KnownFields`] and [`members`]: for code that writes its own replies.

mod content;
mod counter;
mod members;
pub mod typed;

pub use crate::limits::BESIDE_KEY;
pub use crate::schema::FieldError;
pub use crate::value::{GroupValue, NotFinite, Value};
pub use content::{Content, KnownFields};
pub use counter::Counter;
pub use members::members;
pub use typed::Record;
