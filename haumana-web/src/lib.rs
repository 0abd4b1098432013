//! `haumana-replica` in a web page.
//!
//! The replica is the one that every other client has. The page brings what a browser has in place of
//! files and sockets: rows in IndexedDB, `fetch`, its clock and its randomness. [`RowStorage`] keeps a
//! replica in such rows, and is tried without a browser too.

#[cfg(target_arch = "wasm32")]
mod api;
#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(target_arch = "wasm32")]
mod host;
mod rows;
#[cfg(target_arch = "wasm32")]
mod shown;
mod storage;

pub use rows::{Row, RowChange, Rows};
pub use storage::RowStorage;
