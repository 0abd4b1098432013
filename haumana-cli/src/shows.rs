//! What is on this device: the list, one piece, and how things stand.

use crate::answer::{Answer, content_json, cut, indent, label, one_line, short, table, words};
use crate::args::List;
use crate::device::Device;
use crate::find::{folded, piece, title, title_of};
use crate::json::Json;
use crate::kept::unsaved;
use crate::local_time::{day, minute_of, time_of};
use crate::practise::running;
use crate::problem::Problem;
use haumana_replica::{Phase, Replica, View};
use haumana_sync::id::{KindNumber, RecordId};
use haumana_sync::record::Value;
use serde_json::json;
use std::collections::HashMap;

/// The longest title in the list, in columns.
const TITLE_COLUMNS: usize = 40;

/// How often and when last each piece was practised.
type Practised = HashMap<RecordId, (usize, Value)>;

async fn practised(replica: &Replica) -> Result<Practised, Problem> {
    let mut practised = Practised::new();
    for session in replica.records(KindNumber::SESSION).await.map_err(Problem::local)? {
        let piece = session.content.get("pieceId");
        let Some(id) = piece.as_text().and_then(RecordId::parse) else { continue };
        let start = session.content.get("startedAt");
        let entry = practised.entry(id).or_insert((0, Value::Null));
        entry.0 += 1;
        // Times in this form are in order when their text is.
        if entry.1.as_text() < start.as_text() {
            entry.1 = start;
        }
    }
    Ok(practised)
}

fn state(view: &View) -> String {
    match (&view.refused, view.is_pending) {
        (Some(code), _) => format!("refused: {code}"),
        (None, true) => "pending".to_owned(),
        (None, false) => String::new(),
    }
}

fn view_json(view: &View, practised: &Practised) -> Json {
    let none = (0, Value::Null);
    let (count, last) = practised.get(&view.key.id).unwrap_or(&none);
    let mut json = content_json(&view.content);
    json.insert("id".into(), view.key.id.to_string().into());
    json.insert("version".into(), view.version.into());
    json.insert("pending".into(), view.is_pending.into());
    json.insert("refused".into(), view.refused.clone().into());
    json.insert("practised".into(), json!({ "count": count, "last": last.as_text() }).into());
    Json::Map(json)
}

pub(crate) async fn list(replica: &Replica, args: &List) -> Result<Answer, Problem> {
    let wanted = args.text.as_deref().map(folded).unwrap_or_default();
    let mut views = replica.records(KindNumber::PIECE).await.map_err(Problem::local)?;
    views.retain(|view| folded(&title(view)).contains(&wanted));
    views.retain(|view| view.is_pending || !args.pending);
    views.sort_by_cached_key(|view| (folded(&title(view)), view.key));
    let practised = practised(replica).await?;
    let json = Json::list(views.iter().map(|view| view_json(view, &practised)));
    let heading = ["TITLE", "CATEGORY", "PRACTISED", "LAST", "STATE", "ID"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for view in &views {
        let (count, last) = practised.get(&view.key.id).cloned().unwrap_or((0, Value::Null));
        rows.push(vec![
            cut(&title(view), TITLE_COLUMNS),
            words(&view.content.get("category")),
            if count == 0 { String::new() } else { count.to_string() },
            time_of(&last).map_or(String::new(), day),
            state(view),
            short(view.key.id),
        ]);
    }
    let text = if views.is_empty() { "no pieces".to_owned() } else { table(&rows) };
    Ok(Answer::new(text, Json::map([("pieces", json)])))
}

pub(crate) async fn show(replica: &Replica, text: &str) -> Result<Answer, Problem> {
    let view = piece(replica, text).await?;
    let practised = practised(replica).await?;
    let mut rows = Vec::new();
    let mut texts = String::new();
    for name in view.content.all_names() {
        let value = view.content.get(name);
        match name {
            "title" => {}
            "lyrics" | "englishTranslation" | "notes" => {
                if let Some(text) = value.as_text().filter(|text| !text.is_empty()) {
                    texts.push_str(&format!(
                        "\n\n{}\n{}",
                        one_line(label(name)),
                        indent(text, "    ")
                    ));
                }
            }
            "createdAt" => {
                rows.push(vec!["added".to_owned(), minute_of(&value).unwrap_or_default()]);
            }
            _ if value.is_null() => {}
            _ => rows.push(vec![label(name).to_owned(), words(&value)]),
        }
    }
    if let Some((count, last)) = practised.get(&view.key.id) {
        let last = minute_of(last).unwrap_or_default();
        rows.push(vec!["practised".to_owned(), format!("{count}×, last {last}")]);
    }
    let version = view.version.map_or("never synced".to_owned(), |version| version.to_string());
    rows.push(vec!["version".to_owned(), version]);
    if view.is_pending {
        let why = view.explanation.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        rows.push(vec!["state".to_owned(), format!("{}{why}", state(&view))]);
    }
    rows.push(vec!["id".to_owned(), view.key.id.to_string()]);
    let text = format!("{}\n{}{texts}", one_line(&title(&view)), table(&rows));
    Ok(Answer::new(text, view_json(&view, &practised)))
}

pub(crate) async fn status(device: &Device, replica: &Replica) -> Result<Answer, Problem> {
    let (account, server) = (device.account()?, device.server());
    let status = replica.status();
    let n_pieces = replica.records(KindNumber::PIECE).await.map_err(Problem::local)?.len();
    let mut rows = vec![
        vec!["account".to_owned(), account.as_str().to_owned()],
        vec!["server".to_owned(), server.clone()],
        vec!["device".to_owned(), device.folder().display().to_string()],
        vec!["pieces".to_owned(), n_pieces.to_string()],
        vec!["pending".to_owned(), status.pending.to_string()],
    ];
    if status.refused != 0 {
        rows.push(vec!["refused".to_owned(), format!("{}; see haumana list", status.refused)]);
    }
    let is_erased = status.phase == Phase::Erased;
    if is_erased {
        rows.push(vec!["erased".to_owned(), Problem::Erased.to_string()]);
    }
    let sessions = running(replica, None).await?;
    for session in &sessions {
        let since = minute_of(&session.content.get("startedAt")).unwrap_or_default();
        rows.push(vec![
            "practising".to_owned(),
            format!("{} since {since}", title_of(replica, session.key).await),
        ]);
    }
    let unsaved = unsaved(device);
    for path in &unsaved {
        rows.push(vec!["unsaved".to_owned(), path.display().to_string()]);
    }
    let json = json!({
        "account": account.as_str(), "server": server, "device": device.folder(),
        "pieces": n_pieces, "pending": status.pending, "refused": status.refused,
        "erased": is_erased, "running": sessions.len(), "unsaved": unsaved,
    });
    Ok(Answer::new(table(&rows), json))
}
