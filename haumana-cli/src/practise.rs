//! Logging practice.

use crate::answer::{Answer, one_line, short};
use crate::args::Practise;
use crate::fields::Fields;
use crate::find::{kind, piece, title_of};
use crate::local_time::{minute, minute_of};
use crate::problem::Problem;
use crate::system::Machine;
use crate::timing::{Doubt, MINUTE_MS, Times, ending, length, piece_of, text, time};
use haumana_replica::{Replica, View};
use haumana_sync::engine::Clock;
use haumana_sync::id::{Key, RecordId};
use haumana_sync::time::UnixMillis;
use serde_json::json;

pub(crate) async fn practise(replica: &Replica, args: Practise) -> Result<Answer, Problem> {
    let found = match args.piece {
        Some(text) => Some(piece(replica, &text).await?),
        None => None,
    };
    let (now, insist) = (Machine.now(), args.insist);
    match (found, args.minutes, args.from, args.to) {
        (found, None, None, _) if args.end => end(replica, found.as_ref(), now, insist).await,
        (Some(found), Some(minutes), ..) => {
            let start = now.plus_ms(-i64::from(minutes) * MINUTE_MS);
            let times = Times { start, end: Some(now) };
            times.check(now, insist)?;
            log(replica, &found, times).await
        }
        (Some(found), None, Some(from), Some(to)) => {
            let times = Times { start: time(&from)?, end: Some(time(&to)?) };
            times.check(now, insist)?;
            log(replica, &found, times).await
        }
        (Some(found), ..) => {
            if let Some(running) = running(replica, Some(found.key.id)).await?.first() {
                let since = minute_of(&running.content.get("startedAt"));
                return Err(Problem::Running(since.unwrap_or_default()));
            }
            log(replica, &found, Times { start: now, end: None }).await
        }
        (None, ..) => Err(Problem::NotFound { what: "piece".to_owned(), text: String::new() }),
    }
}

async fn log(replica: &Replica, piece: &View, times: Times) -> Result<Answer, Problem> {
    let mut fields = Fields::from([
        ("pieceId".to_owned(), text(piece.key.id)),
        ("startedAt".to_owned(), text(times.start)),
    ]);
    if let Some(end) = times.end {
        fields.extend(ending(end));
    }
    let id = replica.create("session", fields).await.map_err(Problem::local)?;
    answer(replica, id, piece.key, times).await
}

async fn end(
    replica: &Replica,
    piece: Option<&View>,
    now: UnixMillis,
    insist: bool,
) -> Result<Answer, Problem> {
    let sessions = running(replica, piece.map(|piece| piece.key.id)).await?;
    let [session] = &sessions[..] else {
        let what = if sessions.is_empty() {
            "no session is running"
        } else {
            "more than one session is running; name the piece"
        };
        return Err(Problem::Refused(what.into()));
    };
    let start = Times::of(session).start;
    // If the clock went back, the session must not end before it began.
    let times = Times { start, end: Some(now.max(start)) };
    let doubts = times.doubts(now);
    if let Some(doubt) = doubts.first().filter(|_| !insist) {
        let what = match doubt {
            Doubt::Long => "has been running for more than 12 hours",
            doubt => doubt.words(),
        };
        return Err(Problem::Refused(format!(
            "the session that is running ({}) {what}. Say when it ended: haumana mend {} --minutes \
             N; or end it now all the same: --insist",
            minute(start),
            short(session.key.id)
        )));
    }
    let piece = piece_key(replica, session).await;
    replica.set(session.key, ending(now.max(start))).await.map_err(Problem::local)?;
    answer(replica, session.key.id, piece.unwrap_or(session.key), times).await
}

async fn answer(
    replica: &Replica,
    id: RecordId,
    piece: Key,
    times: Times,
) -> Result<Answer, Problem> {
    let (title, Times { start, end }) = (one_line(&title_of(replica, piece).await), times);
    let text = match end {
        Some(end) => format!("practised {title} for {}", length((end.0 - start.0) / MINUTE_MS)),
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
pub(crate) async fn running(
    replica: &Replica,
    piece: Option<RecordId>,
) -> Result<Vec<View>, Problem> {
    let kind = kind(replica, "session").await?.number();
    let mut sessions = replica.records(kind).await.map_err(Problem::local)?;
    sessions.retain(|session| {
        session.content.get("endedAt").is_null() && (piece.is_none() || piece_of(session) == piece)
    });
    Ok(sessions)
}

/// The piece of a session, if it names one.
pub(crate) async fn piece_key(replica: &Replica, session: &View) -> Option<Key> {
    let kind = kind(replica, "piece").await.ok()?.number();
    piece_of(session).map(|id| Key { kind, id })
}
