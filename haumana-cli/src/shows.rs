//! What is on this device: the list, one record, and the status.

use crate::answer::{Answer, content_json, cut, indent, one_line, short, table, words};
use crate::device::Device;
use crate::find::{folded, kind, record, title_in, title_of};
use crate::json::Json;
use crate::kept::unsaved;
use crate::local_time::{day, minute_of, time_of};
use crate::naming::{
    Flag, flags, is_creation_time, is_left_out, label, plural, target, title_field,
};
use crate::online::inbox;
use crate::practise::running;
use crate::problem::Problem;
use crate::values::shown;
use crate::verbs::{Asked, RECORD, TEXT};
use haumana_replica::{Phase, Replica, View};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind};
use serde_json::json;
use std::collections::HashMap;

/// The widest cell in the list, in columns.
const CELL_COLUMNS: usize = 40;
/// The most fields in the list; `--columns` chooses others.
const FIELDS: usize = 8;

/// How often each piece was practised, and when last.
type Practised = HashMap<RecordId, (usize, Value)>;

/// Only pieces can be practised, and only if the schema has sessions.
async fn practised(replica: &Replica, of: &Kind) -> Result<Option<Practised>, Problem> {
    let Ok(sessions) = kind(replica, "session").await else { return Ok(None) };
    if of.name() != "piece" {
        return Ok(None);
    }
    let mut practised = Practised::new();
    for session in replica.records(sessions.number()).await.map_err(Problem::local)? {
        let piece = session.content.get("pieceId");
        let Some(id) = piece.as_text().and_then(RecordId::parse) else { continue };
        let start = session.content.get("startedAt");
        let entry = practised.entry(id).or_insert((0, Value::Null));
        entry.0 += 1;
        // In this form, the order of the texts is the order of the times.
        if entry.1.as_text() < start.as_text() {
            entry.1 = start;
        }
    }
    Ok(Some(practised))
}

fn state(view: &View) -> String {
    match (&view.refused, view.is_pending) {
        (Some(code), _) => format!("refused: {code}"),
        (None, true) => "pending".to_owned(),
        (None, false) => String::new(),
    }
}

fn view_json(view: &View, practised: Option<&Practised>) -> Json {
    let mut json = content_json(&view.content);
    json.insert("id".into(), view.key.id.to_string().into());
    json.insert("version".into(), view.version.into());
    json.insert("pending".into(), view.is_pending.into());
    json.insert("refused".into(), view.refused.clone().into());
    if let Some(practised) = practised {
        let none = (0, Value::Null);
        let (count, last) = practised.get(&view.key.id).unwrap_or(&none);
        json.insert("practised".into(), json!({ "count": count, "last": last.as_text() }).into());
    }
    Json::Map(json)
}

pub(crate) async fn list(replica: &Replica, asked: &Asked) -> Result<Answer, Problem> {
    let kind = &*asked.kind;
    let wanted = folded(&asked.text(TEXT));
    let (is_pending, chosen) = (asked.is_on("pending"), chosen(asked));
    let mut found = Vec::new();
    for view in replica.records(kind.number()).await.map_err(Problem::local)? {
        let title = folded(&title_in(replica, &view).await.unwrap_or_default());
        if title.contains(&wanted) && (view.is_pending || !is_pending) {
            found.push((title, view));
        }
    }
    found.sort_by(|(a, one), (b, other)| (a, one.key).cmp(&(b, other.key)));
    let views: Vec<View> = found.into_iter().map(|(_, view)| view).collect();
    let practised = practised(replica, kind).await?;
    let json = Json::list(views.iter().map(|view| view_json(view, practised.as_ref())));
    let all = plural(kind);
    let text = match views.is_empty() {
        true => format!("no {all}"),
        false => {
            let columns = columns(replica, kind, &views, chosen.as_deref()).await;
            rows(replica, &columns, &views, practised.as_ref()).await
        }
    };
    Ok(Answer::new(text, Json::map([(&all, json)])))
}

/// The options of the fields to show.
fn chosen(asked: &Asked) -> Option<Vec<String>> {
    let chosen = asked.matches.try_get_many::<String>("columns").ok().flatten()?;
    Some(chosen.cloned().collect())
}

/// The fields that a list shows: the title, then those that fit into a column and have a value in
/// some record.
async fn columns<'k>(
    replica: &Replica,
    kind: &'k Kind,
    views: &[View],
    chosen: Option<&[String]>,
) -> Vec<Flag<'k>> {
    let schema = replica.schema().await;
    let mut flags = flags(kind);
    if let Some(chosen) = chosen {
        flags.retain(|flag| chosen.contains(&flag.name));
        return flags;
    }
    let title = title_field(kind).map(Field::name);
    let is_used =
        |field: &Field| views.iter().any(|view| !view.content.get(field.name()).is_null());
    let is_short = |field: &Field| match field.field_type() {
        FieldType::Id => target(&schema, field).is_some(),
        FieldType::Lines { .. } | FieldType::Json => false,
        field_type => !field_type.is_structural() || *field_type == FieldType::Counter,
    };
    flags.retain(|Flag { field, .. }| {
        let is_plain = is_short(field) && is_used(field) && !is_left_out(kind, field);
        title == Some(field.name()) || is_plain
    });
    flags.sort_by_key(|flag| title != Some(flag.field.name()));
    flags.truncate(FIELDS);
    flags
}

async fn rows(
    replica: &Replica,
    columns: &[Flag<'_>],
    views: &[View],
    practised: Option<&Practised>,
) -> String {
    let mut heading: Vec<String> =
        columns.iter().map(|column| column.name.to_uppercase()).collect();
    if practised.is_some() {
        heading.extend(["PRACTISED", "LAST"].map(str::to_owned));
    }
    heading.extend(["STATE", "ID"].map(str::to_owned));
    let mut rows = vec![heading];
    for view in views {
        let mut row = Vec::new();
        for column in columns {
            row.push(cell(replica, view, column.field).await);
        }
        if let Some(practised) = practised {
            let (count, last) = practised.get(&view.key.id).cloned().unwrap_or((0, Value::Null));
            row.push(if count == 0 { String::new() } else { count.to_string() });
            row.push(time_of(&last).map_or(String::new(), day));
        }
        row.extend([state(view), short(view.key.id)]);
        rows.push(row);
    }
    table(&rows)
}

async fn cell(replica: &Replica, view: &View, field: &Field) -> String {
    let value = view.content.get(field.name());
    match named(replica, field, &value).await {
        Some(title) => cut(&title, CELL_COLUMNS),
        None if value.is_null() => String::new(),
        None => cut(&shown(view.content.kind(), field.name(), &value), CELL_COLUMNS),
    }
}

/// The title of the record that a field names.
async fn named(replica: &Replica, field: &Field, value: &Value) -> Option<String> {
    let schema = replica.schema().await;
    let kind = target(&schema, field)?.number();
    let id = value.as_text().and_then(RecordId::parse)?;
    Some(title_of(replica, Key { kind, id }).await)
}

pub(crate) async fn show(replica: &Replica, asked: &Asked) -> Result<Answer, Problem> {
    let kind = &*asked.kind;
    let view = record(replica, kind, &asked.text(RECORD)).await?;
    let practised = practised(replica, kind).await?;
    let title = title_field(kind).map(Field::name);
    let mut rows = Vec::new();
    let mut texts = String::new();
    for name in view.content.all_names().filter(|name| title != Some(name)) {
        let (field, value) = (kind.named(name), view.content.get(name));
        if matches!(field.field_type(), FieldType::Lines { .. }) {
            if let Some(text) = value.as_text().filter(|text| !text.is_empty()) {
                let label = one_line(label(kind, name));
                texts.push_str(&format!("\n\n{label}\n{}", indent(text, "    ")));
            }
            continue;
        }
        if value.is_null() {
            continue;
        }
        let said = match named(replica, field, &value).await {
            Some(title) => format!("{title} ({})", words(&value)),
            None => shown(kind, name, &value),
        };
        let label = if is_creation_time(field) { "added" } else { label(kind, name) };
        rows.push(vec![label.to_owned(), said]);
    }
    if let Some((count, last)) = practised.as_ref().and_then(|all| all.get(&view.key.id)) {
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
    let title = title_in(replica, &view).await.unwrap_or_else(|| kind.name().to_owned());
    let text = format!("{}\n{}{texts}", one_line(&title), table(&rows));
    Ok(Answer::new(text, view_json(&view, practised.as_ref())))
}

pub(crate) async fn status(device: &Device, replica: &Replica) -> Result<Answer, Problem> {
    let (account, server) = (device.account()?, device.server());
    let status = replica.status();
    let mut rows = vec![
        vec!["account".to_owned(), account.as_str().to_owned()],
        vec!["server".to_owned(), server.clone()],
        vec!["device".to_owned(), device.folder().display().to_string()],
    ];
    let mut json = json!({
        "account": account.as_str(), "server": server, "device": device.folder(),
        "pending": status.pending, "refused": status.refused,
        "openConflicts": status.open_conflicts,
    });
    let has_sessions = kind(replica, "session").await.is_ok();
    for kind in replica.schema().await.kinds() {
        // Sessions are not counted separately. They belong to their piece.
        if has_sessions && kind.name() == "session" {
            continue;
        }
        let n_records = replica.records(kind.number()).await.map_err(Problem::local)?.len();
        json[plural(kind)] = n_records.into();
        rows.push(vec![plural(kind), n_records.to_string()]);
    }
    rows.push(vec!["pending".to_owned(), status.pending.to_string()]);
    if status.refused != 0 {
        rows.push(vec!["refused".to_owned(), format!("{}; see haumana list", status.refused)]);
    }
    if let Some(values) = inbox(&status) {
        let line = format!("{values}, as of the last sync; see haumana conflicts");
        rows.push(vec!["inbox".to_owned(), line]);
    }
    let is_erased = status.phase == Phase::Erased;
    if is_erased {
        rows.push(vec!["erased".to_owned(), Problem::Erased.to_string()]);
    }
    let sessions = if has_sessions { running(replica, None).await? } else { Vec::new() };
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
    json["erased"] = is_erased.into();
    json["running"] = sessions.len().into();
    json["unsaved"] = json!(unsaved);
    Ok(Answer::new(table(&rows), json))
}
