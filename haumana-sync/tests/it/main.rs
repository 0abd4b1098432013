//! The tests of haumana-sync, one binary.

mod text;
