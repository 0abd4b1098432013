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
pub use totals::Totals;
