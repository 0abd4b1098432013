//! Practice sessions: listing them, and correcting what looks wrong about them.

use crate::answer::{Answer, one_line, short, table};
use crate::args::{Mend, Sessions};
use crate::find::{kind, piece, title_in};
use crate::json::Json;
use crate::local_time::minute;
use crate::problem::Problem;
use crate::system::Machine;
use crate::timing::{Doubt, MINUTE_MS, Times, ending, piece_of, text, time};
use haumana_replica::{Replica, View};
use haumana_sync::engine::Clock;
use haumana_sync::time::UnixMillis;

/// How many candidates are listed.
const LISTED: usize = 10;

/// The title of the piece of a session, for people.
async fn shown_title(replica: &Replica, session: &View) -> String {
    let unknown = || "(a piece that is not here)".to_owned();
    title_in(replica, session).await.map_or_else(unknown, |title| one_line(&title))
}

pub(crate) async fn describe(replica: &Replica, session: &View) -> String {
    let title = shown_title(replica, session).await;
    format!("the session of {title} ({})", Times::of(session).words())
}

async fn all(replica: &Replica) -> Result<Vec<View>, Problem> {
    let kind = kind(replica, "session").await?.number();
    let mut sessions = replica.records(kind).await.map_err(Problem::local)?;
    sessions.sort_by_key(|session| std::cmp::Reverse((Times::of(session).start, session.key)));
    Ok(sessions)
}

/// The session whose id begins with this text.
pub(crate) async fn find(replica: &Replica, text: &str) -> Result<View, Problem> {
    let (digits, what) = (text.trim().to_uppercase(), "session".to_owned());
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
    json["title"] = title_in(replica, session).await.into();
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
