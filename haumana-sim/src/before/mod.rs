//! The earlier logic: the rules of the TypeScript functions as a server beside ours. The same
//! phones have the same histories on both.
//!
//! A history follows from its seed alone. Each step has dice of its own. So what a user types, and
//! which request is lost, does not depend on the server's answers. On our server every check of the
//! model holds too ([`crate::World`]). What is counted here is counted in the same way for both.
//!
//! # What is compared
//!
//! | | the functions | our server |
//! |---|---|---|
//! | two edits of one piece | the later push replaces the whole piece | merged field by field |
//! | a lost reply | the next push is a new edit | recognised |
//! | what a phone gets | what is on the first page of its partition | all that is new |
//!
//! The resulting numbers show what the change of server is worth, in lost edits.

mod functions;
mod history;
mod score;

pub use functions::{Functions, PAGE_BYTES};
pub use score::Score;

use super::judge::Violation;

/// The rules of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// This server's.
    Ours,
    /// The functions', which read one page of this size.
    Before {
        /// The size of a page.
        page_bytes: usize,
    },
}

/// Makes the history of `seed` under `rules`, with about `pieces` pieces, and counts.
///
/// The functions cannot violate anything: their losses are counted, and are the result.
///
/// # Errors
///
/// If our server does something that must not happen.
pub async fn run(rules: Rules, seed: u64, pieces: usize) -> Result<Score, Violation> {
    history::run(rules, seed, pieces).await
}
