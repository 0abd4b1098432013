//! A device that follows the protocol of `/sync`.
//!
//! It keeps what the protocol requires of a client and no more: a cursor, the records, and waiting
//! edits. An edit in flight is not changed, and while it waits its user does not touch the record
//! again.

use super::judge::{Agreed, Held, Judge, Name};
use super::values;
use crate::dice::Dice;
use haumana_sync::engine::Engine;
use haumana_sync::id::UserId;
use haumana_sync::schema::{FieldType, Kind, Merge, Schema};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// An edit that waits for the server.
///
/// If a push is sent again, its text is the same, so the server can recognise it.
#[derive(Clone, Debug)]
struct Pending {
    name: Name,
    base: Option<u64>,
    edited_at: UnixMillis,
    /// `None`: a delete.
    set: Option<Map<String, Json>>,
}

/// It has no storage and is never restarted. The real replica is used to test those.
#[derive(Debug)]
pub(super) struct Device {
    id: String,
    cursor: Json,
    pub(super) held: Held,
    pending: Vec<Pending>,
    /// What it has added to counters and subtracted, whether or not the server has confirmed it.
    counts: BTreeMap<(Name, String), (u64, u64)>,
    /// Records whose push was answered, but whose content has not come yet. Nobody edits what they
    /// do not see.
    behind: BTreeSet<Name>,
    /// Requests that it has sent. The network may repeat one, however late.
    sent: Vec<Json>,
    has_right_clock: bool,
}

/// A request that is sent, with the number of edits in it.
pub(super) struct Outgoing {
    pub(super) body: Json,
    n_edits: usize,
}

impl Device {
    /// It begins without a cursor, and receives everything.
    pub(super) fn new(id: String, has_right_clock: bool) -> Self {
        let (held, pending) = (Held::default(), Vec::new());
        let (counts, behind, sent) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let cursor = Json::Null;
        Self { id, cursor, held, pending, counts, behind, sent, has_right_clock }
    }

    /// Its user makes, edits or deletes a record. At most one edit of a record waits at a time.
    ///
    /// Records have one of three ids of each kind, so that devices meet often.
    pub(super) fn edit(
        &mut self,
        dice: &mut Dice,
        schema: &Schema,
        now: UnixMillis,
        judge: &mut Judge,
    ) {
        let kind = dice.pick(schema.kinds()).clone();
        let id = format!("5EED0000-0000-4000-8000-0000000000A{}", dice.below(3));
        let name = (kind.name().to_owned(), id);
        if self.behind.contains(&name) || self.pending.iter().any(|pending| pending.name == name) {
            return;
        }
        let agreed = self.held.records.get(&name);
        let base = agreed.map(|agreed| agreed.version);
        let content = agreed.and_then(|agreed| agreed.value.clone());
        if content.is_some() && dice.chance(6) {
            judge.deleted(&name);
            self.pending.push(Pending { name, base, edited_at: now, set: None });
            return;
        }
        let skew_ms = if self.has_right_clock { 0 } else { dice.between(-300_000, 300_000) };
        let edited_at = now.plus_ms(skew_ms);
        let shown = content.clone();
        let is_new = content.is_none();
        let content = content.unwrap_or_default();
        let set = self.set_of(dice, &kind, &name, &content);
        if !set.is_empty() || is_new {
            if self.has_right_clock {
                judge.saved((&name, &kind), shown.as_ref(), &set, edited_at);
            }
            judge.pushed(&name, &kind, &self.id, &content, &set);
            // A deleted record is made again as a whole.
            let base = base.filter(|_| !is_new);
            self.pending.push(Pending { name, base, edited_at, set: Some(set) });
        }
    }

    /// A new record gets its mandatory fields. A fixed field is set only once. A counter is pushed
    /// as this device's own entry: everything that it ever added and subtracted.
    fn set_of(
        &mut self,
        dice: &mut Dice,
        kind: &Kind,
        name: &Name,
        content: &Map<String, Json>,
    ) -> Map<String, Json> {
        let is_new = content.is_empty();
        let mut set = Map::new();
        for field in kind.fields() {
            let now = content.get(field.name()).unwrap_or(&Json::Null);
            let is_fixed = field.policy() == Merge::Fixed && !is_new;
            let is_needed = is_new && field.is_mandatory();
            if is_fixed || !(is_needed || dice.chance(35)) {
                continue;
            }
            let is_cleared = !field.is_required()
                && *field.field_type() != FieldType::Counter
                && dice.chance(10);
            let value = match field.field_type() {
                _ if is_cleared => Json::Null,
                FieldType::Counter => {
                    let place = (name.clone(), field.name().to_owned());
                    let count = self.counts.entry(place).or_default();
                    *if dice.chance(70) { &mut count.0 } else { &mut count.1 } += 1;
                    json!({ &self.id: [count.0, count.1] })
                }
                field_type => values::next(dice, field_type, now),
            };
            if value != *now {
                set.insert(field.name().to_owned(), value);
            }
        }
        if dice.chance(10) {
            set.insert("unknownKey".to_owned(), json!({ "n": dice.below(3) }));
        }
        set
    }

    /// Sends the waiting edits. The request may come twice, and the reply may be lost.
    ///
    /// One in four requests is followed by one of the device's earlier ones.
    pub(super) async fn sync(
        &mut self,
        dice: &mut Dice,
        engine: &Engine,
        user: &UserId,
        judge: &mut Judge,
    ) {
        let outgoing = self.begin(dice);
        let reply = ask(engine, user, &outgoing.body).await;
        if dice.chance(25) {
            ask(engine, user, dice.pick(&self.sent)).await;
        }
        self.hear(dice, &outgoing, &reply, judge);
    }

    /// What it sends next.
    pub(super) fn begin(&mut self, dice: &mut Dice) -> Outgoing {
        let n_edits = self.pending.len().min(1 + dice.below(4));
        let limit = 1 + dice.below(4);
        let body = self.body(n_edits, limit);
        self.sent.push(body.clone());
        Outgoing { body, n_edits }
    }

    /// One in four replies is lost.
    pub(super) fn hear(
        &mut self,
        dice: &mut Dice,
        outgoing: &Outgoing,
        reply: &Json,
        judge: &mut Judge,
    ) {
        if !dice.chance(25) {
            self.take(outgoing.n_edits, reply, judge);
        }
    }

    /// Syncs until no edit waits and no change follows.
    pub(super) async fn settle(&mut self, engine: &Engine, user: &UserId, judge: &mut Judge) {
        loop {
            let sent = self.pending.len();
            let reply = ask(engine, user, &self.body(sent, 500)).await;
            self.take(sent, &reply, judge);
            if self.pending.is_empty() && reply["more"] == json!(false) {
                return;
            }
        }
    }

    /// The limit of a page is one to four records, so that replies are cut.
    fn body(&self, sent: usize, limit: usize) -> Json {
        let pushes: Vec<Json> = self.pending.iter().take(sent).map(Pending::push).collect();
        json!({ "deviceId": self.id, "cursor": self.cursor, "limit": limit, "push": pushes })
    }

    /// If the reply was cut, the changes for some of its results may come later. Until then the
    /// user does not edit those records.
    fn take(&mut self, sent: usize, reply: &Json, judge: &mut Judge) {
        let done: Vec<Pending> = self.pending.drain(..sent).collect();
        let results = reply["results"].as_array().cloned().unwrap_or_default();
        assert_eq!(done.len(), results.len(), "every push has its answer: {reply}");
        let has_more = reply["more"] == json!(true);
        for (pending, result) in done.into_iter().zip(results) {
            let is_applied = result["outcome"] == json!("applied");
            if result["outcome"] == json!("rejected") {
                // Here only a field of a deleted record, or a lost base, can be refused.
                judge.refused(&pending.name, &result);
            } else if has_more {
                self.behind.insert(pending.name);
            } else if is_applied {
                self.apply(pending, &result);
            }
        }
        for change in reply["changes"].as_array().cloned().unwrap_or_default() {
            let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
            let agreed = Agreed {
                version: change["version"].as_u64().unwrap_or_default(),
                value: change["value"].as_object().cloned(),
            };
            let name = (text("kind"), text("id"));
            self.behind.remove(&name);
            self.held.records.insert(name, agreed);
        }
        if !has_more {
            self.behind.clear();
        }
        self.cursor = reply["cursor"].clone();
        self.held.digest = reply["digest"].as_str().unwrap_or_default().to_owned();
        self.held.open_conflicts = reply["openConflicts"].as_u64();
    }

    /// The record is the base with the set fields, unless it is among the changes.
    ///
    /// The server says `applied` without the content, so the device computes it.
    fn apply(&mut self, pending: Pending, result: &Json) {
        let version = result["version"].as_u64().unwrap_or_default();
        let old = self.held.records.get(&pending.name);
        if old.map(|old| old.version) != pending.base && pending.base.is_some() {
            return;
        }
        let value = pending.set.map(|set| {
            let mut value = old.and_then(|old| old.value.clone()).unwrap_or_default();
            for (name, new) in set {
                if new.is_null() {
                    value.remove(&name);
                } else {
                    value.insert(name, new);
                }
            }
            value
        });
        self.held.records.insert(pending.name, Agreed { version, value });
    }
}

impl Pending {
    fn push(&self) -> Json {
        let (kind, id) = &self.name;
        let mut push = json!({ "kind": kind, "id": id, "base": self.base,
            "editedAt": self.edited_at.to_string() });
        match &self.set {
            Some(set) => push["set"] = Json::Object(set.clone()),
            None => push["delete"] = json!(true),
        }
        push
    }
}

/// If a sync is refused, the run ends, since nothing fails in this model.
pub(super) async fn ask(engine: &Engine, user: &UserId, body: &Json) -> Json {
    let body = body.to_string();
    let request = SyncRequest::from_json(body.as_bytes())
        .unwrap_or_else(|error| panic!("a request of the model is good: {error:?} {body}"));
    let reply = engine.sync(user, &request, 1 << 20).await;
    let reply = reply.unwrap_or_else(|error| panic!("a sync succeeds: {error} {body}"));
    let reply: Json = serde_json::from_slice(&reply.into_json()).unwrap_or(Json::Null);
    if std::env::var_os("HAUMANA_SIM_STORY").is_some() {
        eprintln!("-> {body}\n<- {reply}");
    }
    reply
}
