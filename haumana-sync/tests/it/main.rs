//! The tests of haumana-sync, one binary.

#![allow(clippy::unwrap_used, reason = "tests")]

mod app;
mod arrivals;
mod asked;
mod bounded;
mod chains;
mod conformance;
mod copied_counts;
mod copies;
mod device_copies;
mod erasing;
mod export;
mod full;
mod gaps;
mod history;
mod house;
mod import;
mod integrity;
mod kinds;
mod live;
mod lives;
mod lost;
mod merge;
mod mistakes;
mod phone;
mod policies;
mod push;
mod pushing;
mod quota;
mod readable;
mod repeats;
mod rewind;
mod sessions;
mod succession;
mod support;
mod sync;
mod sync_lives;
mod takeover;
mod text;
mod typed;
mod unreadable;
