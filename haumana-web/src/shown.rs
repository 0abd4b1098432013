//! What the page is told, as JSON.

use haumana_replica::{Conflict, Error, Phase, RecordVersion, Replica, Status, View};
use haumana_sync::id::Key;
use haumana_sync::record::Value;
use haumana_sync::schema::Schema;
use serde::Serialize;
use serde_json::{Value as Json, json};
use wasm_bindgen::JsValue;

/// A value as JSON.
fn value(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}

/// A record beside its fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: String,
    kind: Option<&'a str>,
    version: Option<u32>,
    is_pending: bool,
    refused: Option<&'a str>,
    explanation: Option<&'a str>,
}

/// A record as JSON. Its fields are the text that they are, and nobody reads them on the way: many
/// records are listed, and numbers stay as they were written.
pub(crate) fn view(schema: &Schema, view: &View) -> Option<String> {
    let beside = Shown {
        id: view.key.id.to_string(),
        kind: kind(schema, view.key),
        version: view.version,
        is_pending: view.is_pending,
        refused: view.refused.as_deref(),
        explanation: view.explanation.as_deref(),
    };
    let mut json = serde_json::to_string(&beside).ok()?;
    json.pop(); // its last bracket
    Some(json + ",\"fields\":" + &view.content.to_json() + "}")
}

/// The name of a record's kind; nothing if the schema does not know it.
fn kind(schema: &Schema, key: Key) -> Option<&str> {
    schema.kind(key.kind).map(|kind| kind.name())
}

pub(crate) fn conflict(schema: &Schema, conflict: &Conflict) -> Json {
    json!({
        "conflictId": conflict.id.to_string(), "kind": kind(schema, conflict.key), "id": conflict.key.id.to_string(),
        "field": conflict.field, "kept": value(&conflict.kept), "lost": value(&conflict.lost),
        "reason": conflict.reason, "at": conflict.at.to_string(), "device": conflict.device,
    })
}

pub(crate) fn version(version: &RecordVersion) -> Json {
    let changed = version.changed.iter().map(
        |changed| json!({ "field": changed.field, "earlier": changed.earlier.as_ref().map(value) }),
    );
    let lost = version.lost.iter();
    let lost = lost.map(
        |lost| json!({ "field": lost.field, "value": value(&lost.value), "reason": lost.reason }),
    );
    json!({
        "version": version.version, "at": version.at.to_string(), "device": version.device,
        "isDeleted": version.is_deleted, "changed": changed.collect::<Vec<_>>(),
        "lost": lost.collect::<Vec<_>>(),
    })
}

pub(crate) async fn status(replica: &Replica) -> Json {
    let Status { phase, pending, refused, open_conflicts, following, equal_at, .. } =
        replica.status();
    let phase = match phase {
        Phase::Failed(kind) => format!("Failed: {kind:?}"),
        phase => format!("{phase:?}"),
    };
    json!({
        "phase": phase, "following": format!("{following:?}"), "pending": pending, "refused": refused, "openConflicts": open_conflicts,
        "equalAt": equal_at.map(|at| at.to_string()), "device": replica.device().await,
    })
}

/// An `Error` whose `name` is the kind, for branching.
pub(crate) fn error(why: &Error) -> JsValue {
    let cause = std::error::Error::source(why).map(ToString::to_string);
    let said = why.explanation().map(str::to_owned).or(cause);
    let message = said.map(|said| format!("{why} ({said})")).unwrap_or_else(|| why.to_string());
    let error = js_sys::Error::new(&message);
    error.set_name(&format!("{:?}", why.kind()));
    error.into()
}
