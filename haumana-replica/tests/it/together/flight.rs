//! A request under way, and what its reply says of each push.

use haumana_replica::Outgoing;
use haumana_sim::guest::GuestCall;
use haumana_sync::id::{Key, KindNumber, RecordId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A request under way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub outgoing: Outgoing,
    pub call: GuestCall,
    pub account: usize,
    pub sent: Vec<Sent>,
    /// How much its user had typed by then.
    pub touches: usize,
}

/// One push, as text.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub key: Key,
    pub fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    push: Vec<PushBody<'a>>,
}

#[derive(Deserialize)]
struct PushBody<'a> {
    kind: String,
    id: String,
    #[serde(borrow, default)]
    set: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
struct Reply {
    results: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    outcome: String,
}

/// Reads what a request pushes.
pub(crate) fn sent(body: &[u8]) -> Vec<Sent> {
    let body: Body = serde_json::from_slice(body).unwrap();
    let read = |push: PushBody<'_>| {
        let (kind, id) = (KindNumber::from_code(&push.kind), RecordId::parse(&push.id));
        let key = Key { kind: kind.unwrap(), id: id.unwrap() };
        let fields = push.set.into_iter().map(|(name, raw)| (name, raw.get().to_owned()));
        Sent { key, fields: fields.collect() }
    };
    body.push.into_iter().map(read).collect()
}

/// Whether each push was taken.
pub(crate) fn taken(reply: &[u8]) -> Vec<bool> {
    let reply: Reply = serde_json::from_slice(reply).unwrap();
    reply.results.iter().map(|answer| answer.outcome != "rejected").collect()
}
