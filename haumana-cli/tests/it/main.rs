//! The real program against the real local server.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod between;
mod conflicts;
mod deleting;
mod editing;
mod elsewhere;
mod failing;
mod following;
mod guides;
mod kinds;
mod manuals;
mod meanwhile;
mod mending;
mod moving;
mod rewinding;
mod servers;
mod sessions;
mod shown;
#[cfg(unix)]
mod terminal;
mod texts;
mod times;
mod world;
