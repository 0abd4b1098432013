//! The real program against the real local server.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod between;
mod conflicts;
mod editing;
mod elsewhere;
mod failing;
mod meanwhile;
mod readme;
mod shown;
mod texts;
mod times;
mod world;
