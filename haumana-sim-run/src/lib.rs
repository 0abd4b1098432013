//! The model of many devices ([`haumana_sim`]) at scale: histories by the million, on each store.
//!
//! ```text
//! seeds ──▶ worker ──▶ history on a store ──▶ totals ──▶ journal ──▶ state file ──▶ summary, page
//!                            │ violation
//!                            └──▶ smallest history that fails ──▶ story, command that repeats it
//! ```
//!
//! A run continues where the last one ended. The state file says which seeds of which profile are
//! done on which store. A journal beside it has every seed that is done since the file was written.
//! So if a run is killed, only the seeds in progress are lost.
//!
//! # Stores
//!
//! Each history has an empty store of its own, which is removed afterwards ([`StoreName`]):
//!
//! - `memory`: the reference.
//! - `http`: in memory. Requests of devices go over HTTP on loopback through the API. Actions of a
//!   person or an operator call the engine.
//! - `sqlite`: on files, synced to disk as a server syncs them. Backups are copies of the files.
//! - `postgres`: in a schema of a real server. Backups are copies of its tables.
//! - `dynamodb`: in tables of an emulator, with throttling, torn reads, cut connections, and
//!   batches of which only a part is done. It has no backups: profiles with backups run without
//!   them.
//!
//! # Features
//!
//! `http`, `sqlite`, `postgres` and `dynamodb` are the stores, `all-stores` is all of them. The
//! first two are built by default.

pub mod findings;
pub mod open;
pub mod ranges;
pub mod runner;
pub mod state;
pub mod stores;
pub mod summary;
pub mod totals;

pub use findings::Finding;
pub use open::{Memory, Open};
pub use ranges::Ranges;
pub use runner::{Limits, run};
pub use state::State;
pub use stores::StoreName;
pub use summary::Summary;
pub use totals::Totals;
