//! The tests of haumana-sync, one binary.

mod merge;
mod text;
