//! Sync engine for repertoires of oli and mele.
//!
//! # Features
//!
//! - `repertoire` (default): pieces and sessions, as [`repertoire`]. Without it the core knows no kind of
//!   record, and an engine is made with a schema: [`Engine::of`](engine::Engine::of).
//! - `derive`: `#[derive(Record)]`, which makes a Rust struct a kind of record.
//! - `toml`: schemas from TOML files.
//! - `conformance`: the laws of [`Store`], for those who write one, as `conformance`.
//! - `testing`: marks in the arms of the merge, which this project's own tests look at.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod digest;
pub mod engine;
pub mod id;
pub mod json;
pub mod limits;
pub mod live;
mod mark;
pub mod merge;
pub mod record;
#[cfg(feature = "repertoire")]
pub mod repertoire;
pub mod schema;
pub mod store;
pub mod succession;
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
