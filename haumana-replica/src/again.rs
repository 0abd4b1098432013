//! Retries of records that the server refused for a reason that passes, such as a full account.
//! Later syncs send them again unchanged. A few records are tried first, so an account that stays
//! full costs little.

use crate::record::Local;
use haumana_sync::engine::Refusal;
use haumana_sync::id::Key;

/// LIMIT: how many of them are tried first. If all of a request are accepted, the next request has
/// twice as many.
const FIRST: usize = 10;

/// How far the retries have come, through the records in the order of their keys.
#[derive(Debug)]
pub(crate) struct Again {
    /// The record after which it continues; `None` to begin with the first one.
    pub(crate) after: Option<Key>,
    /// The most of them in the next request.
    pub(crate) size: usize,
    /// Whether one was refused again in this sync. Then the others wait for the next sync.
    pub(crate) is_over: bool,
}

/// The retries of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) keys: Vec<Key>,
    /// The record after which the next request continues; `None` to begin with the first one.
    pub(crate) next: Option<Key>,
}

impl Default for Again {
    fn default() -> Self {
        Self { after: None, size: FIRST, is_over: false }
    }
}

impl Again {
    /// Notes how many of `tried` were refused again. Returns whether this sync continues with
    /// retries.
    pub(crate) fn note(&mut self, tried: &Tried, n_refused: usize) -> bool {
        self.after = tried.next;
        self.is_over |= n_refused != 0;
        let goes_on = !self.is_over && !tried.keys.is_empty();
        self.size = if goes_on { self.size.saturating_mul(2) } else { FIRST };
        goes_on
    }

    /// The sync has ended. The next one tries again.
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
            // There was no record to retry.
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
