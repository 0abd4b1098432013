//! What is doubtful in a session, so that a reader can flag it.

use super::Session;
use crate::time::UnixMillis;

const DAY_MS: i64 = 86_400_000;
/// How far the clocks of devices may be ahead without a flag.
const LEEWAY_MS: i64 = 10 * 60_000;

/// Why a session may be a mistake. The session is kept anyway: a wrong clock is no reason to lose a
/// practice, and an edit can correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SessionDoubt {
    /// It starts more than ten minutes from now.
    StartsInFuture,
    /// It ends before it starts.
    EndsBeforeStart,
    /// It lasts longer than a day.
    LongerThanADay,
}

impl SessionDoubt {
    /// Returns a stable name for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionDoubt::StartsInFuture => "starts_in_future",
            SessionDoubt::EndsBeforeStart => "ends_before_start",
            SessionDoubt::LongerThanADay => "longer_than_a_day",
        }
    }
}

impl Session {
    /// Returns what looks wrong in the session at the time `now`. It is computed and never stored.
    ///
    /// # Examples
    ///
    /// ```
    /// use haumana_sync::repertoire::{Session, SessionDoubt};
    /// use haumana_sync::time::UnixMillis;
    ///
    /// let session: Session = serde_json::from_str(
    ///     r#"{"pieceId":"5EED0000-0000-4000-8000-000000000001","startedAt":"2099-01-01T00:00:00Z",
    ///         "endedAt":"2099-01-31T00:00:00Z","createdAt":"2026-11-22T00:00:00Z"}"#,
    /// )?;
    /// let now = UnixMillis::parse("2026-11-23T00:00:00Z").unwrap_or_default();
    ///
    /// let doubts = session.doubts(now);
    ///
    /// assert_eq!(vec![SessionDoubt::StartsInFuture, SessionDoubt::LongerThanADay], doubts);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn doubts(&self, now: UnixMillis) -> Vec<SessionDoubt> {
        let mut doubts = Vec::new();
        if now.plus_ms(LEEWAY_MS) < self.started_at {
            doubts.push(SessionDoubt::StartsInFuture);
        }
        if let Some(ended_at) = self.ended_at {
            if ended_at < self.started_at {
                doubts.push(SessionDoubt::EndsBeforeStart);
            }
            if self.started_at.plus_ms(DAY_MS) < ended_at {
                doubts.push(SessionDoubt::LongerThanADay);
            }
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RecordId;
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(started_ms: i64, ended_ms: Option<i64>, expected: &[SessionDoubt]) {
        let session = Session {
            piece_id: RecordId::from_bits(1),
            started_at: UnixMillis(started_ms),
            ended_at: ended_ms.map(UnixMillis),
            ended_at_source: None,
            created_at: UnixMillis(0),
            unknown: BTreeMap::new(),
        };
        assert_eq!(expected, session.doubts(UnixMillis(0)));
    }

    #[test]
    fn a_session_of_a_day_that_starts_now_is_not_doubtful() {
        check(0, None, &[]);
        check(LEEWAY_MS, Some(LEEWAY_MS), &[]);
        check(-DAY_MS, Some(0), &[]);
    }

    #[test]
    fn what_is_past_a_bound_is_doubtful() {
        check(LEEWAY_MS + 1, None, &[SessionDoubt::StartsInFuture]);
        check(0, Some(-1), &[SessionDoubt::EndsBeforeStart]);
        check(-DAY_MS, Some(1), &[SessionDoubt::LongerThanADay]);
    }
}
