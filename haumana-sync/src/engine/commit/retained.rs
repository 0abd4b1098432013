//! How much history an account holds, and since when. The head has this, so nothing else must be
//! read.
//!
//! Entries are deleted when their retention is over, without a commit. So sizes are kept by time,
//! and expire in the same way.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// How finely the limit is divided: about the oldest sixteenth is removed at once.
const STEPS: u64 = 16;

/// Bytes of history by the time at which they were superseded, oldest first. Each span begins at
/// its time and ends where the next begins.
///
/// Accounts from before this existed begin empty; what they had expires within its retention time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Retained(Vec<(UnixMillis, u64)>);

impl Retained {
    /// Whether nothing is known of any history.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many bytes there are. It may be too high by one step.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|(_, bytes)| *bytes).sum()
    }

    /// Adds entries that were superseded at `at`, to an account that keeps `limit` bytes.
    pub(crate) fn add(&mut self, at: UnixMillis, bytes: u64, limit: u64) {
        if bytes == 0 {
            return;
        }
        let n_spans = self.0.len();
        // The number of spans that begin at or before it; 0 if it is older than all of them.
        let n_begun = self.0.iter().rposition(|(from, _)| *from <= at).map_or(0, |place| place + 1);
        let is_between = 0 < n_begun && n_begun < n_spans;
        match self.0.get_mut(n_begun.saturating_sub(1)) {
            Some((from, span)) if is_between || *from == at || *span + bytes <= limit / STEPS => {
                *from = at.min(*from);
                *span += bytes;
            }
            _ => self.0.insert(n_begun, (at, bytes)),
        }
    }

    /// Forgets what was superseded before `oldest`. `last` is the time of the last write.
    pub(crate) fn expire(&mut self, oldest: UnixMillis, last: UnixMillis) {
        if last < oldest {
            self.0.clear();
        }
        self.forget(oldest);
    }

    /// Forgets the spans that end at or before `before`.
    pub(crate) fn forget(&mut self, before: UnixMillis) {
        let ends = self.0.iter().skip(1).map(|(from, _)| *from);
        let n_ended = ends.take_while(|end| *end <= before).count();
        self.0.drain(..n_ended);
    }

    /// Returns the time before which history must be removed, so that `limit` bytes are left;
    /// `None` if there is room, or if all of it is in one span.
    pub(crate) fn cutoff(&self, limit: u64) -> Option<UnixMillis> {
        let mut left = self.bytes();
        let mut cutoff = None;
        for (span, next) in self.0.iter().zip(self.0.iter().skip(1)) {
            if left <= limit {
                break;
            }
            left -= span.1;
            cutoff = Some(next.0);
        }
        cutoff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(spans: &[(i64, u64)]) -> Retained {
        Retained(spans.iter().map(|(at, bytes)| (UnixMillis(*at), *bytes)).collect())
    }

    #[test]
    fn small_amounts_share_a_span_and_a_full_one_is_closed() {
        let mut retained = Retained::default();
        for at in 0..10 {
            retained.add(UnixMillis(at), 30, 1600);
        }

        assert_eq!(of(&[(0, 90), (3, 90), (6, 90), (9, 30)]), retained);
        assert_eq!(300, retained.bytes());
    }

    #[test]
    fn what_is_older_than_a_span_counts_where_it_belongs() {
        let mut retained = of(&[(10, 90), (20, 90)]);

        retained.add(UnixMillis(15), 17, 1600);
        retained.add(UnixMillis(5), 5, 1600);
        retained.add(UnixMillis(6), 5, 1600);

        assert_eq!(of(&[(5, 10), (10, 107), (20, 90)]), retained);
    }

    #[test]
    fn nothing_gives_way_at_the_limit_and_the_oldest_does_just_past_it() {
        let retained = of(&[(1, 50), (2, 50), (3, 60)]);

        assert_eq!(None, retained.cutoff(160));
        assert_eq!(Some(UnixMillis(2)), retained.cutoff(159));
        assert_eq!(Some(UnixMillis(3)), retained.cutoff(100));
        assert_eq!(Some(UnixMillis(3)), retained.cutoff(1), "the last span stays");
        assert_eq!(None, of(&[(1, 50)]).cutoff(1));
    }

    #[test]
    fn spans_leave_with_their_retention() {
        let mut retained = of(&[(1, 50), (5, 50), (9, 60)]);

        retained.expire(UnixMillis(8), UnixMillis(10));
        assert_eq!(of(&[(5, 50), (9, 60)]), retained);
        retained.expire(UnixMillis(11), UnixMillis(10));
        assert!(retained.is_empty(), "whoever wrote nothing since has nothing left");
    }
}
