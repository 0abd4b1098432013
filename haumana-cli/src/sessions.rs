//! Sessions of practising: what looks wrong about them, and mending it.

use crate::answer::{Answer, one_line, short, table};
use crate::args::{Mend, Sessions};
use crate::find::{piece, title};
use crate::json::Json;
use crate::local_time::{self, minute, time_of};
use crate::practise::{ending, text};
use crate::problem::Problem;
use crate::system::Machine;
use haumana_replica::{Replica, View};
use haumana_sync::engine::Clock;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::time::UnixMillis;
use serde_json::json;

pub(crate) const MINUTE_MS: i64 = 60_000;
/// What is longer looks like a session that somebody forgot to end, or like a slip of the finger.
const LONG_MINUTES: i64 = 12 * 60;
/// By how much the clocks of two devices may differ without anybody being wrong, as the library has
/// it for its own, wider bounds.
const CLOCKS_MS: i64 = 10 * MINUTE_MS;
/// How many candidates are listed.
const LISTED: usize = 10;

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
    fn code(self) -> &'static str {
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

    /// What looks wrong about them, seen from `now`.
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

    /// Refuses what looks like a slip, unless somebody insists on it.
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

    /// When, and how long.
    pub(crate) fn words(self) -> String {
        format!("{}, {}", minute(self.start), self.length())
    }

    fn length(self) -> String {
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

/// The title of the piece of a session, if the device has it.
async fn title_of(replica: &Replica, session: &View) -> Option<String> {
    let piece = piece_of(session).map(Key::piece)?;
    replica.record(piece).await.ok().flatten().map(|piece| title(&piece))
}

/// … for people.
async fn shown_title(replica: &Replica, session: &View) -> String {
    let unknown = || "(a piece that is not here)".to_owned();
    title_of(replica, session).await.map_or_else(unknown, |title| one_line(&title))
}

pub(crate) async fn describe(replica: &Replica, session: &View) -> String {
    let title = shown_title(replica, session).await;
    format!("the session of {title} ({})", Times::of(session).words())
}

async fn all(replica: &Replica) -> Result<Vec<View>, Problem> {
    let mut sessions = replica.records(KindNumber::SESSION).await.map_err(Problem::local)?;
    sessions.sort_by_key(|session| std::cmp::Reverse((Times::of(session).start, session.key)));
    Ok(sessions)
}

/// The session whose id begins so.
pub(crate) async fn find(replica: &Replica, text: &str) -> Result<View, Problem> {
    let (digits, what) = (text.trim().to_uppercase(), "session");
    let mut sessions = all(replica).await?;
    sessions.retain(|session| session.key.id.to_string().starts_with(&digits));
    match &sessions[..] {
        [one] if !digits.is_empty() => Ok(one.clone()),
        [_, _, ..] if !digits.is_empty() => {
            let mut rows = Vec::new();
            for session in sessions.iter().take(LISTED) {
                rows.push(vec![format!("  {}", session.key.id), describe(replica, session).await]);
            }
            Err(Problem::Ambiguous { what, text: text.to_owned(), list: table(&rows) })
        }
        _ => Err(Problem::NotFound { what, text: text.to_owned() }),
    }
}

pub(crate) async fn list(replica: &Replica, args: &Sessions) -> Result<Answer, Problem> {
    let found = match &args.piece {
        Some(text) => Some(piece(replica, text).await?),
        None => None,
    };
    let of = found.map(|piece| piece.key.id);
    let now = Machine.now();
    let mut sessions = all(replica).await?;
    sessions.retain(|session| of.is_none() || piece_of(session) == of);
    sessions.retain(|session| !args.wrong || !Times::of(session).doubts(now).is_empty());
    let n_more = sessions.len().saturating_sub(args.limit);
    sessions.truncate(args.limit);

    let heading = ["STARTED", "LENGTH", "PIECE", "STATE", "ID"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let mut json = Vec::new();
    for session in &sessions {
        rows.push(row(replica, session, now).await);
        json.push(session_json(replica, session, now).await);
    }
    let mut text = if sessions.is_empty() { "no sessions".to_owned() } else { table(&rows) };
    if n_more != 0 {
        text.push_str(&format!("\n{n_more} more: see --limit"));
    }
    Ok(Answer::new(
        text,
        Json::map([("sessions", Json::list(json.into_iter())), ("more", n_more.into())]),
    ))
}

async fn row(replica: &Replica, session: &View, now: UnixMillis) -> Vec<String> {
    let times = Times::of(session);
    let mut state: Vec<String> =
        times.doubts(now).into_iter().map(|doubt| format!("! {}", doubt.words())).collect();
    match &session.refused {
        Some(code) => state.push(format!("refused: {code}")),
        None if session.is_pending => state.push("pending".to_owned()),
        None => {}
    }
    let (started, title) = (minute(times.start), shown_title(replica, session).await);
    vec![started, times.length(), title, state.join(", "), short(session.key.id)]
}

async fn session_json(replica: &Replica, session: &View, now: UnixMillis) -> serde_json::Value {
    let times = Times::of(session);
    let minutes = times.end.map(|end| end.0.saturating_sub(times.start.0) / MINUTE_MS);
    let doubts: Vec<&str> = times.doubts(now).into_iter().map(Doubt::code).collect();
    let mut json = times.json(session);
    json["title"] = title_of(replica, session).await.into();
    json["minutes"] = minutes.into();
    json["wrong"] = doubts.into();
    json["pending"] = session.is_pending.into();
    json["refused"] = session.refused.clone().into();
    json
}

pub(crate) async fn mend(replica: &Replica, args: &Mend) -> Result<Answer, Problem> {
    let found = find(replica, &args.session).await?;
    let before = Times::of(&found);
    let now = Machine.now();
    let after = mended(before, args)?;
    after.check(now, args.insist)?;
    let mut fields = crate::fields::Fields::new();
    if after.start != before.start {
        fields.insert("startedAt".to_owned(), text(after.start));
    }
    if let Some(end) = after.end.filter(|_| after.end != before.end) {
        fields.extend(ending(end));
    }
    let described = format!("{} ({})", shown_title(replica, &found).await, after.words());
    if fields.is_empty() {
        return Ok(Answer::new(format!("{described} was so already"), after.json(&found)));
    }
    replica.set(found.key, fields).await.map_err(Problem::local)?;
    let text = format!("mended the session of {described}; it was {}", before.words());
    Ok(Answer::new(text, after.json(&found)))
}

fn mended(before: Times, args: &Mend) -> Result<Times, Problem> {
    let read = |text: &Option<String>| text.as_deref().map(time).transpose();
    let (start, end) = (read(&args.start)?, read(&args.end)?);
    let length_ms = args.minutes.map(|minutes| i64::from(minutes) * MINUTE_MS);
    Ok(match (start, end, length_ms) {
        (None, Some(end), Some(ms)) => Times { start: end.plus_ms(-ms), end: Some(end) },
        (start, None, Some(ms)) => {
            let start = start.unwrap_or(before.start);
            Times { start, end: Some(start.plus_ms(ms)) }
        }
        (start, end, _) => Times { start: start.unwrap_or(before.start), end: end.or(before.end) },
    })
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
