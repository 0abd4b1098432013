//! A device: what it has under way, and what its user waits for.

use haumana_sim::guest::GuestCall;
use haumana_sim::words::marks;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A kind and an id, as text.
pub(crate) type Name = (String, String);

/// Fields that are shown merged while they are pending.
const LONG: [&str; 2] = ["lyrics", "notes"];

/// A request under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub call: GuestCall,
    pub sent: Vec<Sent>,
    /// How much its user had typed by then.
    pub touches: usize,
}

/// One push.
#[derive(Debug)]
pub(crate) struct Sent {
    pub name: Name,
    pub fields: Vec<String>,
}

/// Where a device's sync stands.
#[derive(Debug, Default)]
pub(crate) enum Stage {
    #[default]
    Idle,
    /// The request is on its way.
    Sent(Flight),
    /// The reply is on its way, or nothing comes any more.
    Answered(Flight, Option<Vec<u8>>),
}

/// What a user typed, was told to be saved, and the server has not answered for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub value: Json,
    pub touched: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Device {
    /// How far its clock is off.
    pub skew_ms: i64,
    pub stage: Stage,
    /// Requests that may arrive once more, whenever they like.
    pub late: Vec<GuestCall>,
    pub wishes: BTreeMap<(Name, String), Wish>,
    pub touches: usize,
}

/// A record as a page has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub id: String,
    pub kind: String,
    pub fields: Box<RawValue>,
    pub is_pending: bool,
}

impl Record {
    pub(crate) fn field(&self, field: &str) -> Json {
        let fields: BTreeMap<String, Json> = serde_json::from_str(self.fields.get()).unwrap();
        fields.get(field).cloned().unwrap_or(Json::Null)
    }
}

#[derive(Deserialize)]
struct Body {
    push: Vec<PushBody>,
}

#[derive(Deserialize)]
struct PushBody {
    kind: String,
    id: String,
    #[serde(default)]
    set: BTreeMap<String, Json>,
}

/// Reads what a request pushes.
pub(crate) fn sent(body: &[u8]) -> Vec<Sent> {
    let body: Body = serde_json::from_slice(body).unwrap();
    let read = |push: PushBody| Sent {
        name: (push.kind, push.id),
        fields: push.set.into_keys().collect(),
    };
    body.push.into_iter().map(read).collect()
}

#[derive(Deserialize)]
struct Reply {
    results: Vec<Outcome>,
    changes: Vec<Json>,
}

#[derive(Deserialize)]
struct Outcome {
    outcome: String,
}

/// Whether each push was taken, and how many changes came.
pub(crate) fn told(reply: &[u8]) -> (Vec<bool>, usize) {
    let reply: Reply = serde_json::from_slice(reply).unwrap();
    let taken = reply.results.iter().map(|result| result.outcome != "rejected").collect();
    (taken, reply.changes.len())
}

impl Device {
    pub(crate) fn wish(&mut self, name: &Name, field: &str, value: Json) {
        self.touches += 1;
        let wish = Wish { value, touched: self.touches };
        self.wishes.insert((name.clone(), field.to_owned()), wish);
    }

    /// Nobody knows any more what becomes of these.
    pub(crate) fn forget(&mut self, name: &Name) {
        self.wishes.retain(|(of, _), _| of != name);
    }

    /// What the server has answered for nobody waits for, if it was not touched since.
    pub(crate) fn settle(&mut self, flight: &Flight, taken: &[bool]) {
        for (sent, _) in flight.sent.iter().zip(taken).filter(|(_, taken)| **taken) {
            for field in &sent.fields {
                let wish = (sent.name.clone(), field.clone());
                if self.wishes.get(&wish).is_some_and(|wish| wish.touched <= flight.touches) {
                    self.wishes.remove(&wish);
                }
            }
        }
    }

    /// What is wrong with what the device shows, if anything is: every edit that was acknowledged and
    /// that the server has not answered for is there, and pending.
    pub(crate) fn flaw(&self, records: &[Record]) -> Option<(Name, String)> {
        self.wishes.iter().find_map(|((name, field), wish)| {
            let is_it = |record: &&Record| (&record.kind, &record.id) == (&name.0, &name.1);
            let flaw = match records.iter().find(is_it) {
                None => format!("an edit of {field} is gone"),
                Some(record) if !record.is_pending => format!("an edit of {field} does not wait"),
                Some(record) if !shows(&record.field(field), field, &wish.value) => {
                    format!("{field} is {}, its user typed {}", record.field(field), wish.value)
                }
                Some(_) => return None,
            };
            Some((name.clone(), flaw))
        })
    }
}

/// Whether a field shows what was typed; a long text is shown merged with what others wrote.
fn shows(shown: &Json, field: &str, typed: &Json) -> bool {
    match (LONG.contains(&field), typed.as_str(), shown.as_str()) {
        (true, Some(typed), Some(shown)) => {
            marks(typed).pop().is_none_or(|mark| shown.contains(&mark))
        }
        _ => shown == typed,
    }
}
