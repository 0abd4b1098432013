//! The model of many devices ([`haumana_sim`]) at scale: histories by the million, on each store.
//!
//! ```text
//! seeds ──▶ worker ──▶ history on a store ──▶ totals ──▶ journal ──▶ state file ──▶ summary, page
//!                            │ violation
//!                            └──▶ smallest history that fails ──▶ story, command that repeats it
//! ```
//!
//! A run goes on where the last one ended: the state file says which seeds of which profile are done on
//! which store, and a journal beside it has every seed since it was written. So whatever ends a run, it
//! loses the seeds at work and no others.
//!
//! # Stores
//!
//! Each history has a store of its own, empty, which is removed afterwards ([`StoreName`]):
//!
//! - `memory`: the reference.
//! - `http`: in memory, and what devices send goes over HTTP on loopback through the API. What a person
//!   or an operator does calls the engine.
//! - `sqlite`: on files, synced to disk as a server syncs them. Backups are files that are copied back.
//! - `postgres`: in a schema of a real server. Backups are copies of its tables.
//! - `dynamodb`: in tables of an emulator, with throttling, torn reads, connections that are cut, and
//!   batches of which only a part is done. It takes no backups: profiles with backups run without.
//!
//! # Features
//!
//! `http`, `sqlite`, `postgres` and `dynamodb` are the stores, `all-stores` is all of them. The first two
//! are built by default.

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
