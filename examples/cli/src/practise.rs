//! Logging practice.

use crate::answer::Answer;
use crate::args::Practise;
use crate::fields::Fields;
use crate::find::{piece, title_of};
use crate::local_time::{self, minute, minute_of};
use crate::problem::Problem;
use crate::system::Machine;
use haumana_replica::{Replica, View};
use haumana_sync::engine::Clock;
use haumana_sync::id::{Key, Kind, RecordId};
use haumana_sync::record::Value;
use haumana_sync::time::UnixMillis;
use serde_json::json;

const MINUTE_MS: i64 = 60_000;

pub(crate) fn practise(replica: &Replica, args: Practise) -> Result<Answer, Problem> {
    let found = args.piece.map(|text| piece(replica, &text)).transpose()?;
    let now = Machine.now();
    match (found, args.minutes, args.from, args.to) {
        (found, None, None, _) if args.end => end(replica, found.as_ref(), now),
        (Some(found), Some(minutes), ..) => {
            let start = now.plus_ms(-i64::from(minutes) * MINUTE_MS);
            log(replica, &found, start, Some(now))
        }
        (Some(found), None, Some(from), Some(to)) => {
            let (start, end) = (time(&from)?, time(&to)?);
            if end < start {
                return Err(Problem::Refused("a session ends after it starts".into()));
            }
            log(replica, &found, start, Some(end))
        }
        (Some(found), ..) => {
            if let Some(running) = running(replica, Some(found.key.id))?.first() {
                let since = minute_of(&running.content.get("startedAt"));
                return Err(Problem::Running(since.unwrap_or_default()));
            }
            log(replica, &found, now, None)
        }
        (None, ..) => Err(Problem::NotFound { what: "piece", text: String::new() }),
    }
}

fn time(text: &str) -> Result<UnixMillis, Problem> {
    let refused = || {
        let examples = "2026-11-23 18:00 or 2026-11-23T18:00:00-10:00";
        Problem::Refused(format!("{text} is no time such as {examples}"))
    };
    local_time::read(text).ok_or_else(refused)
}

fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

fn log(
    replica: &Replica,
    piece: &View,
    start: UnixMillis,
    end: Option<UnixMillis>,
) -> Result<Answer, Problem> {
    let mut fields = Fields::from([
        ("pieceId".to_owned(), text(piece.key.id)),
        ("startedAt".to_owned(), text(start)),
    ]);
    if let Some(end) = end {
        fields.extend(ending(end));
    }
    let id = replica.add_session(fields).map_err(Problem::local)?;
    answer(replica, id, piece.key, start, end)
}

fn ending(at: UnixMillis) -> Fields {
    let source = text("manual");
    Fields::from([("endedAt".to_owned(), text(at)), ("endedAtSource".to_owned(), source)])
}

fn end(replica: &Replica, piece: Option<&View>, now: UnixMillis) -> Result<Answer, Problem> {
    let sessions = running(replica, piece.map(|piece| piece.key.id))?;
    let [session] = &sessions[..] else {
        let what = if sessions.is_empty() {
            "no session is running"
        } else {
            "more than one session is running; name the piece"
        };
        return Err(Problem::Refused(what.into()));
    };
    let field = |name: &str| session.content.get(name);
    let start = field("startedAt").as_text().and_then(UnixMillis::parse).unwrap_or(now);
    let piece = field("pieceId").as_text().and_then(RecordId::parse).map(Key::piece);
    // A clock that went back must not end a session before it began.
    let at = now.max(start);
    replica.edit(session.key, ending(at)).map_err(Problem::local)?;
    answer(replica, session.key.id, piece.unwrap_or(session.key), start, Some(at))
}

fn answer(
    replica: &Replica,
    id: RecordId,
    piece: Key,
    start: UnixMillis,
    end: Option<UnixMillis>,
) -> Result<Answer, Problem> {
    let title = title_of(replica, piece);
    let text = match end {
        Some(end) => format!("practised {title} for {} min", (end.0 - start.0) / MINUTE_MS),
        None => {
            format!(
                "practising {title} since {}; end it with: haumana practise --end",
                minute(start)
            )
        }
    };
    let json = json!({
        "id": id.to_string(),
        "pieceId": piece.id.to_string(),
        "startedAt": start.to_string(),
        "endedAt": end.map(|end| end.to_string()),
    });
    Ok(Answer::new(text, json))
}

/// Sessions without an end, of one piece or of all.
pub(crate) fn running(replica: &Replica, piece: Option<RecordId>) -> Result<Vec<View>, Problem> {
    let mut sessions = replica.list(Kind::Session).map_err(Problem::local)?;
    sessions.retain(|session| {
        let of = session.content.get("pieceId").as_text().and_then(RecordId::parse);
        session.content.get("endedAt").is_null() && (piece.is_none() || of == piece)
    });
    Ok(sessions)
}
