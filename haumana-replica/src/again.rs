//! What the server refused for a reason that passes, such as a full account, is sent again by later
//! syncs as it is. A few records are tried first, so that an account that stays full costs little.

use crate::record::Local;
use haumana_sync::engine::Refusal;
use haumana_sync::id::Key;

/// LIMIT: how many of them are tried first. While all of a request are accepted, the next one has twice
/// as many.
const FIRST: usize = 10;

/// How far it has come, through the records in the order of their keys.
#[derive(Debug)]
pub(crate) struct Again {
    /// Behind which record it goes on; `None`: with the first one.
    pub(crate) after: Option<Key>,
    /// How many of them the next request has at most.
    pub(crate) size: usize,
    /// Whether this sync has been refused one again; the rest waits for the next sync.
    pub(crate) is_over: bool,
}

/// What one request tries again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) keys: Vec<Key>,
    /// Behind which record the next request goes on; `None`: with the first one.
    pub(crate) next: Option<Key>,
}

impl Default for Again {
    fn default() -> Self {
        Self { after: None, size: FIRST, is_over: false }
    }
}

impl Again {
    /// Takes note of how many of `tried` were refused again. Returns whether this sync goes on.
    pub(crate) fn note(&mut self, tried: &Tried, n_refused: usize) -> bool {
        self.after = tried.next;
        self.is_over |= n_refused != 0;
        let goes_on = !self.is_over && !tried.keys.is_empty();
        self.size = if goes_on { self.size.saturating_mul(2) } else { FIRST };
        goes_on
    }

    /// A sync has come to its end, and the next one tries again.
    pub(crate) fn rest(&mut self) {
        self.is_over = false;
    }
}

/// Whether a record was refused for a reason that passes without an edit of it.
pub(crate) fn passes(local: &Local) -> bool {
    let passing = [Refusal::QuotaExceeded, Refusal::Unreadable];
    let code = local.pending.refused.as_deref();
    passing.iter().any(|refusal| Some(refusal.code()) == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_sync::id::RecordId;

    #[test]
    fn only_what_was_accepted_makes_the_next_request_larger() {
        let mut again = Again::default();
        let one = vec![Key::piece(RecordId::from_bits(1))];
        let sizes = [
            (one.clone(), 0, 2 * FIRST),
            (one.clone(), 0, 4 * FIRST),
            // There was nothing that may pass.
            (Vec::new(), 0, FIRST),
            (Vec::new(), 0, FIRST),
            (one.clone(), 0, 2 * FIRST),
            (one, 1, FIRST),
        ];
        for (keys, n_refused, size) in sizes {
            again.note(&Tried { keys, next: None }, n_refused);
            assert_eq!(size, again.size);
        }
    }
}
