//! When a session was, what looks wrong about it, and how it is written.

use crate::fields::Fields;
use crate::local_time::{self, minute, time_of};
use crate::problem::Problem;
use haumana_replica::View;
use haumana_sync::id::RecordId;
use haumana_sync::record::Value;
use haumana_sync::time::UnixMillis;
use serde_json::json;

pub(crate) const MINUTE_MS: i64 = 60_000;
/// A longer session looks forgotten, or like a typing error.
const LONG_MINUTES: i64 = 12 * 60;
/// How far apart the clocks of two devices may be without a warning. The library has a wider bound
/// of its own.
const CLOCKS_MS: i64 = 10 * MINUTE_MS;

/// When a session was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) start: UnixMillis,
    pub(crate) end: Option<UnixMillis>,
}

/// What looks wrong about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    StartsInFuture,
    EndsInFuture,
    EndsBeforeStart,
    Long,
    RunsLong,
}

impl Doubt {
    /// For scripts.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::StartsInFuture => "starts_in_future",
            Self::EndsInFuture => "ends_in_future",
            Self::EndsBeforeStart => "ends_before_start",
            Self::Long => "long",
            Self::RunsLong => "runs_long",
        }
    }

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::StartsInFuture => "starts in the future",
            Self::EndsInFuture => "ends in the future",
            Self::EndsBeforeStart => "ends before it starts",
            Self::Long => "longer than 12 hours",
            Self::RunsLong => "running for more than 12 hours",
        }
    }
}

impl Times {
    pub(crate) fn of(session: &View) -> Self {
        let field = |name: &str| time_of(&session.content.get(name));
        // A session cannot be made without a start.
        Self { start: field("startedAt").unwrap_or_default(), end: field("endedAt") }
    }

    /// What looks wrong about these times, at the time `now`.
    pub(crate) fn doubts(self, now: UnixMillis) -> Vec<Doubt> {
        let latest = now.plus_ms(CLOCKS_MS);
        let minutes = |end: UnixMillis| end.0.saturating_sub(self.start.0) / MINUTE_MS;
        let doubts = [
            (latest < self.start, Doubt::StartsInFuture),
            (self.end.is_some_and(|end| latest < end && self.start <= latest), Doubt::EndsInFuture),
            (self.end.is_some_and(|end| end < self.start), Doubt::EndsBeforeStart),
            (self.end.is_some_and(|end| LONG_MINUTES < minutes(end)), Doubt::Long),
            (self.end.is_none() && LONG_MINUTES < minutes(now), Doubt::RunsLong),
        ];
        doubts.into_iter().filter(|(is_so, _)| *is_so).map(|(_, doubt)| doubt).collect()
    }

    /// Refuses times that look like a mistake, unless `insist` is true.
    pub(crate) fn check(self, now: UnixMillis, insist: bool) -> Result<(), Problem> {
        let doubts = self.doubts(now);
        if doubts.contains(&Doubt::EndsBeforeStart) {
            return Err(Problem::Refused("a session ends after it starts".into()));
        }
        match doubts.first() {
            Some(doubt) if !insist => {
                let (what, times) = (doubt.words(), self.words());
                Err(Problem::Refused(format!(
                    "that session ({times}) is {what}; if it is meant so, say --insist"
                )))
            }
            _ => Ok(()),
        }
    }

    /// When it was, and how long.
    pub(crate) fn words(self) -> String {
        format!("{}, {}", minute(self.start), self.length())
    }

    pub(crate) fn length(self) -> String {
        match self.end {
            None => "running".to_owned(),
            Some(end) => length((end.0.saturating_sub(self.start.0)) / MINUTE_MS),
        }
    }

    pub(crate) fn json(self, session: &View) -> serde_json::Value {
        json!({
            "id": session.key.id.to_string(),
            "pieceId": session.content.get("pieceId").as_text(),
            "startedAt": self.start.to_string(),
            "endedAt": self.end.map(|end| end.to_string()),
        })
    }
}

/// Minutes for people.
pub(crate) fn length(minutes: i64) -> String {
    match minutes {
        120.. => format!("{} h {} min", minutes / 60, minutes % 60),
        minutes => format!("{minutes} min"),
    }
}

/// The piece of a session, if it names one.
pub(crate) fn piece_of(session: &View) -> Option<RecordId> {
    session.content.get("pieceId").as_text().and_then(RecordId::parse)
}

/// A value of a field that is text.
pub(crate) fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

/// The fields for an end that a person gives.
pub(crate) fn ending(at: UnixMillis) -> Fields {
    let source = text("manual");
    Fields::from([("endedAt".to_owned(), text(at)), ("endedAtSource".to_owned(), source)])
}

/// Reads a time of the command line.
pub(crate) fn time(text: &str) -> Result<UnixMillis, Problem> {
    let refused = || {
        let examples = "2026-11-23 18:00 or 2026-11-23T18:00:00-10:00";
        Problem::Refused(format!("{text} is no time such as {examples}"))
    };
    local_time::read(text).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_435_260_000);

    #[track_caller]
    fn check(start_minutes: i64, end_minutes: Option<i64>, expected: &[Doubt]) {
        let at = |minutes: i64| NOW.plus_ms(minutes * MINUTE_MS);
        let times = Times { start: at(start_minutes), end: end_minutes.map(at) };
        assert_eq!(expected, times.doubts(NOW));
    }

    #[test]
    fn what_is_long_or_of_the_future_looks_wrong() {
        check(-60, Some(0), &[]);
        check(-720, Some(0), &[]);
        check(-721, Some(0), &[Doubt::Long]);
        check(-43_200, Some(0), &[Doubt::Long]);
        check(-720, None, &[]);
        check(-721, None, &[Doubt::RunsLong]);
        check(10, Some(10), &[]);
        check(11, Some(12), &[Doubt::StartsInFuture]);
        check(11, None, &[Doubt::StartsInFuture]);
        check(-5, Some(11), &[Doubt::EndsInFuture]);
        check(-5, Some(-6), &[Doubt::EndsBeforeStart]);
    }

    #[test]
    fn times_at_the_ends_of_the_calendar_do_not_overflow() {
        let times = Times { start: UnixMillis(i64::MIN), end: Some(UnixMillis(i64::MAX)) };

        assert_eq!(vec![Doubt::EndsInFuture, Doubt::Long], times.doubts(NOW));
    }
}
