//! The real program against the real local server.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod conflicts;
mod editing;
mod failing;
mod readme;
mod shown;
mod world;
