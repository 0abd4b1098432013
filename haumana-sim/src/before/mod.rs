//! The logic before: the rules of the TypeScript functions as a server beside ours, and the same phones
//! with the same histories on both.
//!
//! A history is made from its seed alone. Each step has dice of its own, so that what a user types, and
//! which request is lost, is the same whatever the server answered. On our server every check of the
//! model holds besides ([`crate::World`]); what is counted here is counted in the same way for both.
//!
//! # What is compared
//!
//! | | the functions | our server |
//! |---|---|---|
//! | two edits of one piece | the later push replaces the whole piece | merged field by field |
//! | a lost reply | the next push is a new edit | recognised |
//! | what a phone is given | what is on the first page of its partition | all that is new |
//!
//! The numbers that come out say what the change of server is worth, in edits that are lost.

mod functions;
mod history;
mod score;

pub use functions::{Functions, PAGE_BYTES};
pub use score::Score;

use super::judge::Violation;

/// Whose rules a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of this server.
    Ours,
    /// Those of the functions, which read one page of so many bytes.
    Before {
        /// What a page holds.
        page_bytes: usize,
    },
}

/// Makes the history of `seed` under `rules`, with about `pieces` pieces, and counts.
///
/// The functions cannot violate anything: what they lose is counted, and is the result.
///
/// # Errors
///
/// If our server does something that must not happen.
pub async fn run(rules: Rules, seed: u64, pieces: usize) -> Result<Score, Violation> {
    history::run(rules, seed, pieces).await
}
