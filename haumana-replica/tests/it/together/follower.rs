//! A client that follows `docs/protocol.md` to the letter and knows nothing else: it shares no code
//! with the replica.
//!
//! What it keeps is what "What a client keeps" lists. A record's content is text by key, so that
//! nothing is lost on the way.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Kind and id, as on the wire.
pub(crate) type Name = (String, String);

/// The keys of a record, each value as text.
pub(crate) type Fields = BTreeMap<String, String>;

/// A record as the server gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub version: u32,
    pub modified_at: String,
    /// `None` of a tombstone.
    pub value: Option<Fields>,
}

/// Something that its user did, until a reply answers it.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub name: Name,
    pub base: Option<u32>,
    pub at: String,
    /// `None` deletes.
    pub set: Option<Fields>,
    pub offered: bool,
    /// What its user saw when it was made.
    saw: Option<Fields>,
    /// Whether it has been on its way.
    sent: bool,
    /// Whether a reply has answered it, while its record comes in a later page.
    answered: bool,
}

/// A request, and which of the pending edits it carries.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub body: Vec<u8>,
    pushes: Vec<Pending>,
}

/// What a reply came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub more: bool,
    pub changes: usize,
    /// Whether its digest is not the server's.
    pub mismatch: bool,
}

/// All that an installation keeps. A copy of the folder is a clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follower {
    pub device: String,
    pub cursor: Option<String>,
    pub records: BTreeMap<Name, Held>,
    pub pending: Vec<Pending>,
    /// What was held when a reply said `reset`, until the pull has ended.
    pub former: Option<BTreeMap<Name, Held>>,
    /// The last edit time that was given out.
    pub last_ms: i64,
}

#[derive(Deserialize)]
struct Reply<'a> {
    results: Vec<Answer>,
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
    /// Null while the account is empty.
    cursor: Option<String>,
    more: bool,
    reset: bool,
    #[serde(default)]
    copy: bool,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    outcome: String,
    version: Option<u32>,
    error: Option<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    kind: String,
    id: String,
    version: u32,
    modified_at: String,
    #[serde(borrow, default)]
    value: Option<BTreeMap<String, &'a RawValue>>,
}

impl Follower {
    /// The time of an edit: the device's, and later than the one before ("must grow").
    pub(crate) fn time(&mut self, now_ms: i64) -> String {
        self.last_ms = now_ms.max(self.last_ms + 1);
        haumana_sync::time::UnixMillis(self.last_ms).to_string()
    }

    /// A record as its user sees it: what the server gave, and what is pending on top.
    pub(crate) fn view(&self, name: &Name) -> Option<Fields> {
        let mut view = self.records.get(name).and_then(|held| held.value.clone());
        for edit in self.pending.iter().filter(|edit| edit.name == *name && !edit.offered) {
            view = edit.set.as_ref().map(|set| put(view.unwrap_or_default(), set));
        }
        view
    }

    /// Everything that its user sees.
    pub(crate) fn visible(&self) -> Vec<(Name, Fields)> {
        let pending = self.pending.iter().map(|edit| &edit.name);
        let names: BTreeSet<&Name> = self.records.keys().chain(pending).collect();
        names.into_iter().filter_map(|name| Some((name.clone(), self.view(name)?))).collect()
    }

    /// Its user sets fields, or deletes.
    pub(crate) fn edit(&mut self, name: &Name, set: Option<Fields>, now_ms: i64) {
        let at = self.time(now_ms);
        let base = self.records.get(name).map(|held| held.version);
        let saw = self.view(name);
        let name = name.clone();
        let (offered, sent, answered) = (false, false, false);
        self.pending.push(Pending { name, base, at, set, offered, saw, sent, answered });
    }

    /// Whether everything is settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Which edits go next: the oldest first, so that an earlier one of a record stands before a
    /// later one. One that is answered goes again before a later one of its record.
    fn next(&self, pushes: usize) -> Vec<usize> {
        // After a reset an edit waits for its record, or for the end of the pull.
        let is_listed = |name: &Name| match &self.former {
            Some(former) => !former.contains_key(name) || self.records.contains_key(name),
            None => true,
        };
        let open = self.pending.iter().enumerate();
        let open = open.filter(|(_, edit)| !edit.answered && is_listed(&edit.name));
        let open: Vec<usize> = open.map(|(at, _)| at).take(pushes).collect();
        let goes = |at: &usize| {
            let edit = &self.pending[*at];
            let before_another =
                || open.iter().any(|other| at < other && self.pending[*other].name == edit.name);
            open.contains(at) || edit.answered && before_another()
        };
        (0..self.pending.len()).filter(goes).collect()
    }

    /// The next request.
    pub(crate) fn request(&mut self, limit: usize, pushes: usize) -> Sent {
        let next = self.next(pushes);
        next.iter().for_each(|at| self.pending[*at].sent = true);
        let sent: Vec<Pending> = next.iter().map(|at| self.pending[*at].clone()).collect();
        let push: Vec<String> = sent.iter().map(Pending::write).collect();
        let cursor = serde_json::to_string(&self.cursor).unwrap();
        let body = format!(
            r#"{{"deviceId":"{}","cursor":{cursor},"limit":{limit},"push":[{}]}}"#,
            self.device,
            push.join(",")
        );
        Sent { body: body.into_bytes(), pushes: sent }
    }

    /// Takes over a reply.
    pub(crate) fn read(&mut self, sent: &Sent, reply: &[u8], fresh: &str) -> Read {
        let reply: Reply<'_> = serde_json::from_slice(reply).unwrap();
        if reply.copy {
            fresh.clone_into(&mut self.device);
        }
        if reply.reset {
            self.reset();
        }
        let named: BTreeSet<Name> = reply.changes.iter().map(Change::name).collect();
        for (push, answer) in sent.pushes.iter().zip(&reply.results) {
            let comes_later = reply.more && !named.contains(&push.name);
            let may_be_left_out = !reply.reset || push.base.is_none();
            let is_left_out = !reply.more && !named.contains(&push.name) && may_be_left_out;
            self.settle(push, answer, comes_later, is_left_out);
        }
        for change in &reply.changes {
            let value = change.value.as_ref().map(|value| {
                value.iter().map(|(key, raw)| (key.clone(), raw.get().to_owned())).collect()
            });
            let (version, modified_at) = (change.version, change.modified_at.clone());
            self.hold(change.name(), Held { version, modified_at, value });
        }
        self.cursor = reply.cursor;
        let mismatch = reply.digest.is_some_and(|digest| digest != self.digest());
        if !reply.more {
            self.pending.retain(|edit| !edit.answered);
            self.offer();
        }
        Read { more: reply.more, changes: reply.changes.len(), mismatch }
    }

    /// What an answer means for the local copy.
    fn settle(&mut self, push: &Pending, answer: &Answer, comes_later: bool, is_left_out: bool) {
        let is_it = |edit: &Pending| {
            (&edit.name, &edit.at, edit.offered) == (&push.name, &push.at, push.offered)
        };
        let Some(at) = self.pending.iter().position(is_it) else { return };
        if answer.error.as_ref().is_some_and(|error| error.code == "base_gone") {
            let whole = self.view(&push.name);
            let edit = &mut self.pending[at];
            (edit.base, edit.set) = (None, edit.set.is_some().then_some(()).and(whole));
            return;
        }
        if comes_later {
            self.pending[at].answered = true;
            return;
        }
        self.pending.remove(at);
        let Some(version) = answer.version.filter(|_| answer.outcome == "applied") else { return };
        if !is_left_out {
            return;
        }
        let old = self.records.get(&push.name).filter(|_| push.base.is_some());
        let old = old.and_then(|held| held.value.clone()).unwrap_or_default();
        let value = push.set.as_ref().map(|set| put(old, set));
        let modified_at = push.at.clone();
        self.hold(push.name.clone(), Held { version, modified_at, value });
    }

    /// Takes a record. It settles what was answered. An edit that waits was made on this version,
    /// if what it sets is there as its user saw it, unless it has been on its way.
    fn hold(&mut self, name: Name, held: Held) {
        self.pending.retain(|edit| edit.name != name || !edit.answered);
        let value = held.value.as_ref();
        let waiting = self.pending.iter_mut().filter(|edit| edit.name == name);
        for edit in waiting.filter(|edit| !edit.offered && !edit.sent) {
            if value.is_some_and(|value| edit.is_made_on(value)) {
                edit.base = Some(held.version);
            }
        }
        self.records.insert(name, held);
    }

    /// The old versions mean nothing; what was held is offered when the pull has ended.
    fn reset(&mut self) {
        let held = std::mem::take(&mut self.records);
        let former = self.former.get_or_insert_default();
        former.extend(held);
        for edit in &mut self.pending {
            (edit.base, edit.answered) = (None, false);
            edit.offered |= edit.set.is_none();
        }
    }

    /// Offers what was held before a reset. An offer goes before the edits of its record.
    fn offer(&mut self) {
        let edits = std::mem::take(&mut self.pending);
        for (name, old) in self.former.take().unwrap_or_default() {
            let is = self.records.get(&name);
            let is_same = is.is_some_and(|is| is.value == old.value);
            let is_due = match old.value {
                Some(_) => !is_same,
                None => is.is_some_and(|is| is.value.is_some()),
            };
            if is_due {
                self.pending.push(Pending {
                    name,
                    base: None,
                    at: old.modified_at,
                    set: old.value,
                    offered: true,
                    saw: None,
                    sent: false,
                    answered: false,
                });
            }
        }
        self.pending.extend(edits);
    }

    /// What to do after 410: its user begins anew, and keeps what is there, or forgets it.
    pub(crate) fn begin_anew(&mut self, fresh: &str, keeps: bool, now_ms: i64) {
        let visible = self.visible();
        *self = Self { device: fresh.to_owned(), last_ms: self.last_ms, ..Self::default() };
        for (name, fields) in visible.into_iter().filter(|_| keeps) {
            self.edit(&name, Some(fields), now_ms);
        }
    }

    /// The digest of what it holds.
    fn digest(&self) -> String {
        let term = |((kind, id), held): (&Name, &Held)| {
            let deleted = u8::from(held.value.is_none());
            let text = format!("{kind}\0{}\0{}\0{deleted}", id.to_uppercase(), held.version);
            let hash = digest(&SHA256, text.as_bytes());
            u128::from_be_bytes(hash.as_ref()[..16].try_into().unwrap())
        };
        let sum = self.records.iter().map(term).fold(0, u128::wrapping_add);
        format!("{sum:032x}")
    }
}

impl Pending {
    /// Whether its user saw of `value` what the edit is about: the fields that it sets, and all of
    /// it where it deletes.
    fn is_made_on(&self, value: &Fields) -> bool {
        let Some(saw) = &self.saw else { return false };
        let is_seen = |key: &String| match (saw.get(key), value.get(key)) {
            // The server fills in what its maker left out.
            (None, Some(raw)) => {
                key == "createdAt" || FILLED_IN.contains(&(key.as_str(), raw.as_str()))
            }
            (saw, is) => saw == is,
        };
        match &self.set {
            Some(set) => set.keys().all(is_seen),
            None => saw.keys().chain(value.keys()).all(is_seen),
        }
    }

    fn write(&self) -> String {
        let (kind, id) = &self.name;
        let base = self.base.map_or("null".to_owned(), |base| base.to_string());
        let what = match &self.set {
            None => r#""delete":true"#.to_owned(),
            Some(set) => {
                let set: Vec<String> =
                    set.iter().map(|(key, raw)| format!("\"{key}\":{raw}")).collect();
                format!(r#""set":{{{}}}"#, set.join(","))
            }
        };
        let offered = if self.offered { r#","offered":true"# } else { "" };
        let at = &self.at;
        format!(
            r#"{{"kind":"{kind}","id":"{id}","base":{base},"editedAt":"{at}"{offered},{what}}}"#
        )
    }
}

impl Change<'_> {
    fn name(&self) -> Name {
        (self.kind.clone(), self.id.clone())
    }
}

/// What the server fills in where a piece is made without it.
const FILLED_IN: [(&str, &str); 5] = [
    ("category", "\"oli\""),
    ("includeInPractice", "true"),
    ("isFavorite", "false"),
    ("lyrics", "\"\""),
    ("title", "\"\""),
];

/// A record with fields set; `null` clears.
fn put(mut fields: Fields, set: &Fields) -> Fields {
    for (key, raw) in set {
        match raw.as_str() {
            "null" => fields.remove(key),
            _ => fields.insert(key.clone(), raw.clone()),
        };
    }
    fields
}
