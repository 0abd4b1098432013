//! The tests of haumana-sync, one binary.

mod app;
mod conformance;
mod merge;
mod push;
mod support;
mod sync;
mod text;
