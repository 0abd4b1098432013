//! Sync engine for repertoires of oli and mele.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod digest;
pub mod engine;
pub mod id;
pub mod json;
pub mod limits;
mod mark;
pub mod merge;
pub mod record;
pub mod repertoire;
pub mod schema;
pub mod store;
mod sync;
pub mod text;
pub mod time;
pub mod transaction;
pub mod value;
pub mod wire;

pub use engine::Engine;
#[cfg(feature = "derive")]
pub use haumana_derive::Record;
pub use record::Record;
pub use store::Store;

/// The page that leads to a store of one's own; its example keeps every law.
#[cfg(doctest)]
#[doc = include_str!("../../docs/write-a-store.md")]
struct WriteAStore;
