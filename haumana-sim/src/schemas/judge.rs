//! Whether the promises held.
//!
//! | type | what is checked |
//! |---|---|
//! | plain values | each accepted value is in the record or in its history |
//! | lines, lists, sets | each part of an accepted value is in the record or in its history |
//! | sets | an element that nobody removed is there; one that somebody removed is not |
//! | counters | the sum is what all devices added |
//! | plain values under `later` | each is in the record or in the inbox, or a user who saw it replaced it |
//! | plain values, if all clocks are right | the one that the policy prefers stays |
//!
//! Records that were deleted or refused are skipped if a delete explains what is missing.

use super::choices::{Choices, is_plain, value_of};
use haumana_sync::digest::Digest;
use haumana_sync::engine::Engine;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::json::JsonText;
use haumana_sync::record::{Counter, Value};
use haumana_sync::schema::{Deletes, FieldType, Kind, Merge, Schema};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::import::ImportRequest;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// Kind and id, as on the wire.
pub type Name = (String, String);

/// A record's name and one of its fields.
pub(super) type Place = (Name, String);

/// The state on which the server and a device agreed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The version.
    pub version: u64,
    /// `None`: deleted.
    pub value: Option<Map<String, Json>>,
}

/// What a device holds, and what the server last said about all of it.
///
/// It is filled in by a device of this model, or by a test's own client.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The records.
    pub records: BTreeMap<Name, Agreed>,
    /// The server's digest of them.
    pub digest: String,
    /// How many conflicts are open on the server; `None` if the device does not keep that.
    pub open_conflicts: Option<u64>,
}

/// What the users of all devices did, and what the server accepted of it.
///
/// It notes each edit when it is made, and checks at the end.
#[derive(Debug, Default)]
pub struct Judge {
    /// The values of each field, as JSON.
    accepted: BTreeMap<Place, BTreeSet<String>>,
    /// The parts of fields that are merged by parts: lines, and elements as JSON.
    parts: BTreeMap<Place, BTreeSet<String>>,
    /// Each device's entry of a counter.
    counted: BTreeMap<Place, BTreeMap<String, Json>>,
    sums: BTreeMap<Place, i64>,
    /// How often each element was added. The next field has the elements that somebody ever
    /// removed.
    added: BTreeMap<Place, BTreeMap<String, usize>>,
    removed: BTreeMap<Place, BTreeSet<String>>,
    deleted: BTreeSet<Name>,
    restored: BTreeSet<Name>,
    refused: BTreeSet<Name>,
    /// Of fields under `later`, what users saved since the last restore of a backup.
    saved: BTreeMap<Place, BTreeSet<String>>,
    /// Whether a backup was restored. Then what was taken out of a set may come back.
    has_lives: bool,
    /// The values that users saw when they saved others.
    seen: BTreeMap<Place, BTreeSet<String>>,
    /// What the policies must have chosen, of devices whose clocks are right.
    choices: Choices,
}

impl Judge {
    /// A device that knew the `content` of a record pushes `set`.
    pub fn pushed(
        &mut self,
        name: &Name,
        kind: &Kind,
        device: &str,
        content: &Map<String, Json>,
        set: &Map<String, Json>,
    ) {
        self.saw(name, kind, content, set.keys());
        for (field, value) in set {
            match kind.named(field).field_type() {
                FieldType::Counter => {
                    let place = (name.clone(), field.clone());
                    let entries = self.counted.entry(place).or_default();
                    entries.insert(device.to_owned(), value[device].clone());
                }
                FieldType::Set { .. } => {
                    let old = content.get(field).unwrap_or(&Json::Null);
                    self.edited(name, field, old, value);
                }
                _ => self.accepted(name, kind, field, value),
            }
        }
    }

    /// A user who saw the `content` of a record replaces some of its fields.
    pub fn saw<'f>(
        &mut self,
        name: &Name,
        kind: &Kind,
        content: &Map<String, Json>,
        fields: impl IntoIterator<Item = &'f String>,
    ) {
        for field in fields {
            let value = content.get(field).unwrap_or(&Json::Null);
            let seen = self.seen.entry((name.clone(), field.clone())).or_default();
            seen.insert(normal(kind, field, value).to_string());
        }
    }

    /// The server accepted a value of a field that a user saved, so the value must leave a trace.
    pub fn accepted(&mut self, name: &Name, kind: &Kind, field: &str, value: &Json) {
        self.offered(name, kind, field, value);
        if asks(kind, field) {
            let saved = self.saved.entry((name.clone(), field.to_owned())).or_default();
            saved.insert(normal(kind, field, value).to_string());
        }
    }

    /// The server accepted a value that a device holds and that is no new edit, so the value must
    /// leave a trace.
    pub fn offered(&mut self, name: &Name, kind: &Kind, field: &str, value: &Json) {
        let place = (name.clone(), field.to_owned());
        match kind.named(field).field_type() {
            FieldType::Counter => {}
            // Their parts are merged, so the whole value need not be in any version.
            FieldType::Lines { .. } | FieldType::List { .. } | FieldType::Set { .. } => {
                self.parts.entry(place).or_default().extend(parts(value));
            }
            _ => {
                // A restored backup may lack a record, of which a device then sends a part. The rest
                // has defaults, which other devices send on, although nobody has set them.
                if !(self.has_lives && is_default(kind, field, value)) {
                    let values = self.accepted.entry(place).or_default();
                    values.insert(normal(kind, field, value).to_string());
                }
            }
        }
    }

    /// A backup was restored: what the server had accepted since then may be gone, unless a device
    /// holds it.
    pub fn went_back(&mut self) {
        (self.accepted, self.saved) = Default::default();
        (self.parts, self.added, self.removed) = Default::default();
        // A deleted record may be there again.
        self.restored.extend(self.deleted.iter().cloned());
        self.has_lives = true;
    }

    /// A user who saw `shown`, or no such record, saved `set` on a device whose clock is right.
    pub(super) fn saved(
        &mut self,
        record: (&Name, &Kind),
        shown: Option<&Map<String, Json>>,
        set: &Map<String, Json>,
        at: UnixMillis,
    ) {
        self.choices.saved(record, shown, set, at);
    }

    /// A user who saw the elements of `old` saved those of `new`.
    pub fn edited(&mut self, name: &Name, field: &str, old: &Json, new: &Json) {
        let place = (name.clone(), field.to_owned());
        let (old, new) = (parts(old), parts(new));
        let added = self.added.entry(place.clone()).or_default();
        for element in new.difference(&old) {
            *added.entry(element.clone()).or_default() += 1;
        }
        self.removed.entry(place).or_default().extend(old.difference(&new).cloned());
    }

    /// A user changed a counter.
    pub fn counted(&mut self, name: &Name, field: &str, by: i64) {
        *self.sums.entry((name.clone(), field.to_owned())).or_default() += by;
    }

    /// A user deleted a record.
    pub fn deleted(&mut self, name: &Name) {
        self.deleted.insert(name.clone());
    }

    /// A user restored an earlier version of a record, or a value that had lost.
    pub fn restored(&mut self, name: &Name) {
        self.restored.insert(name.clone());
    }

    /// The server refused a push. Only a deleted record may be the cause.
    pub fn refused(&mut self, name: &Name, result: &Json) {
        self.check_refusal(name, result);
        self.refused.insert(name.clone());
    }

    /// Like [`Judge::refused`], for a device that pushes again.
    pub fn check_refusal(&self, name: &Name, result: &Json) {
        let code = result["error"]["code"].as_str();
        // A restored backup may lack a record. Its device then sends it whole.
        let may_lack = self.has_lives || self.deleted.contains(name);
        assert!(may_lack, "{name:?} is never deleted, and refused: {result}");
        assert_eq!(Some("base_gone"), code, "nothing else is wrong with a push: {result}");
    }

    /// Checks that both devices hold the same, and that the server's digest agrees.
    ///
    /// The digest is computed from what the device holds (G2).
    ///
    /// # Panics
    ///
    /// If they do not.
    pub fn check_device(&self, first: &Held, device: &Held, schema: &Schema) {
        assert_eq!(first.records, device.records, "devices agree");
        for name in self.deleted.difference(&self.restored) {
            let kind = schema.named(&name.0);
            // A delete that comes from before a restored backup is offered, and asks.
            let sticks = kind.is_some_and(|kind| kind.delete_policy() == Deletes::Stick);
            if sticks && !self.has_lives {
                let agreed = device.records.get(name);
                assert!(
                    agreed.is_none_or(|agreed| agreed.value.is_none()),
                    "{name:?} stays deleted"
                );
            }
        }
        let mut sum = Digest::default();
        for ((kind, id), agreed) in &device.records {
            let version = u32::try_from(agreed.version).unwrap_or_default();
            let id = RecordId::parse(id).unwrap_or(RecordId::from_bits(0));
            assert!(schema.named(kind).is_some(), "a kind of the schema");
            sum = sum.plus(Digest::of_version(kind, id, version, agreed.value.is_none()));
        }
        assert_eq!(device.digest, sum.to_string(), "the digest is proof");
    }

    /// Checks that every accepted value is in the record or in the history, that counters are
    /// exact, and that elements are there unless somebody removed them.
    ///
    /// Everything is read from one export, as a user could do it.
    ///
    /// # Panics
    ///
    /// If a promise does not hold.
    pub async fn check_values(&self, engine: &Engine, user: &UserId, device: &Held) {
        let document = serde_json::from_str(&export(engine, user).await).unwrap_or(Json::Null);
        let entries = document["conflicts"].as_array().into_iter().flatten();
        let open = entries.filter(|entry| entry["resolution"].is_null()).count() as u64;
        assert!(device.open_conflicts.is_none_or(|told| told == open), "a reply counts the inbox");
        self.check_traces(device, &document);
        self.check_elements(device, &document);
        self.check_inbox(engine.schema(), device, &document);
        for ((name, field), entries) in &self.counted {
            let Some(value) = self.whole(name, device) else { continue };
            for (device, entry) in entries {
                assert_eq!(*entry, value[field][device], "{field} of {name:?} counts {device}");
            }
        }
        for ((name, field), sum) in &self.sums {
            let Some(value) = self.whole(name, device) else { continue };
            let has = value.get(field).map_or(0, sum_of);
            assert_eq!(*sum, has, "{field} of {name:?} is the sum of what was counted: {value:?}");
        }
    }

    /// No value of a field under `later` was replaced without being asked about (G1).
    fn check_inbox(&self, schema: &Schema, device: &Held, document: &Json) {
        for (place, saved) in &self.saved {
            let (name, field) = place;
            let Some(kind) = schema.named(&name.0) else { continue };
            let Some(value) = self.whole(name, device) else { continue };
            let current = value.get(field).unwrap_or(&Json::Null);
            let known = lost(name, field, document).into_iter().chain([current, &Json::Null]);
            let mut known: BTreeSet<String> =
                known.map(|value| normal(kind, field, value).to_string()).collect();
            known.extend(self.seen.get(place).into_iter().flatten().cloned());
            let missing: Vec<&String> = saved.difference(&known).collect();
            assert!(
                missing.is_empty(),
                "{missing:?} of {field} of {name:?} was replaced by nobody who saw it, and is not \
                 in the inbox"
            );
        }
    }

    /// Checks that each plain value is the one that its policy prefers.
    ///
    /// # Panics
    ///
    /// If another one is there.
    pub(super) fn check_choices(&self, schema: &Schema, device: &Held) {
        for place in self.choices.places() {
            let (name, field) = place;
            let (Some(best), Some(value)) = (self.choices.of(place), self.whole(name, device))
            else {
                continue;
            };
            let kind = schema.named(&name.0).unwrap_or_else(|| panic!("a kind: {name:?}"));
            let has = value_of(kind.named(field), value.get(field).unwrap_or(&Json::Null));
            assert_eq!(*best, has, "{field} of {name:?} is what its policy prefers");
        }
    }

    fn check_traces(&self, device: &Held, document: &Json) {
        for ((name, field), values) in &self.accepted {
            if self.refused.contains(name) {
                continue;
            }
            let known = known_values(name, field, device, document);
            let mut known: BTreeSet<String> = known.iter().map(Json::to_string).collect();
            known.extend(self.replaced(name, field).iter().map(Json::to_string));
            for value in values {
                assert!(
                    known.contains(value),
                    "{value} of {field} of {name:?} has no trace: {known:?}"
                );
            }
        }
        for ((name, field), accepted) in &self.parts {
            if self.refused.contains(name) {
                continue;
            }
            let known = known_values(name, field, device, document);
            let mut known: BTreeSet<String> = known.iter().flat_map(parts).collect();
            known.extend(self.replaced(name, field).iter().flat_map(parts));
            let missing: Vec<&String> = accepted.difference(&known).collect();
            assert!(missing.is_empty(), "{missing:?} of {field} of {name:?} have no trace");
        }
    }

    /// What users replaced. After a restored backup the server may never have had it.
    fn replaced(&self, name: &Name, field: &str) -> Vec<Json> {
        let place = (name.clone(), field.to_owned());
        let seen = self.seen.get(&place).filter(|_| self.has_lives).into_iter().flatten();
        seen.filter_map(|text| serde_json::from_str(text).ok()).collect()
    }

    /// An element that nobody removed is there, and one that somebody removed is not. If two whole
    /// values clashed, one of them lost, and is in the inbox.
    ///
    /// If two users add the same element, it is added twice. A removal removes what its user saw.
    fn check_elements(&self, device: &Held, document: &Json) {
        for (place, added) in &self.added {
            let (name, field) = place;
            let Some(value) = self.whole(name, device) else { continue };
            let there = value.get(field).map(parts).unwrap_or_default();
            let (removed, lost) = (&self.removed[place], lost(name, field, document));
            let has_clashed = !lost.is_empty() || self.has_lives;
            let lost: BTreeSet<String> = lost.into_iter().flat_map(parts).collect();
            for (element, times) in added {
                let (is_there, is_removed) = (there.contains(element), removed.contains(element));
                assert!(
                    is_there || is_removed || lost.contains(element),
                    "{element} of {field} of {name:?} was never taken out"
                );
                // An element that is added again, by a user who did not see it there, stays.
                assert!(
                    !is_there || !is_removed || 1 < *times || has_clashed,
                    "{element} of {field} of {name:?} was taken out"
                );
            }
        }
    }

    /// The content of a record that nobody ever deleted or restored.
    fn whole<'d>(&self, name: &Name, device: &'d Held) -> Option<&'d Map<String, Json>> {
        let sets = [&self.deleted, &self.refused, &self.restored];
        let is_whole = !sets.iter().any(|set| set.contains(name));
        device.records.get(name)?.value.as_ref().filter(|_| is_whole)
    }

    /// Checks that an export that is imported into another account has the same records.
    ///
    /// # Panics
    ///
    /// If it has not.
    pub async fn check_export(&self, engine: &Engine, user: &UserId, schema: &Schema) {
        let text = export(engine, user).await;
        let Some(other) = UserId::verified_by_caller(format!("{}-again", user.as_str())) else {
            return;
        };
        let request = ImportRequest::from_json(text.as_bytes())
            .unwrap_or_else(|error| panic!("an export can be read: {error:?}"));
        let import = engine.check_import(&other, request);
        let import =
            import.unwrap_or_else(|flaw| panic!("an export can be taken: {flaw:?} {text}"));
        let imported = engine.import(&import).await;
        imported.unwrap_or_else(|error| panic!("an export can be imported: {error}"));
        let again = export(engine, &other).await;
        let records = |text: &str| -> BTreeMap<String, Json> {
            let document: Json = serde_json::from_str(text).unwrap_or(Json::Null);
            let records = document["records"].as_array().cloned().unwrap_or_default();
            let name = |record: &Json| format!("{}{}", record["kind"], record["id"]);
            records.iter().map(|record| (name(record), record["value"].clone())).collect()
        };
        assert_eq!(records(&text), records(&again), "an import has the same records");
        assert!(!schema.kinds().is_empty());
    }
}

/// The parts of a value: elements as JSON, or lines.
///
/// Empty lines do not count.
fn parts(value: &Json) -> BTreeSet<String> {
    let lines = value.as_str().unwrap_or_default().lines();
    let lines = lines.filter(|line| !line.is_empty()).map(str::to_owned);
    let elements = value.as_array().into_iter().flatten();
    elements.map(Json::to_string).chain(lines).collect()
}

/// Whether the user of a field is asked about a value that lost as a whole.
fn asks(kind: &Kind, name: &str) -> bool {
    let mut fields = kind.fields().iter();
    let field = fields.find(|field| field.name() == name);
    field.is_some_and(|field| is_plain(kind, field) && field.policy() == Merge::Later)
}

fn sum_of(value: &Json) -> i64 {
    let json = JsonText::parse(&value.to_string());
    json.map_or(0, |json| Counter::of(&Value::Json(json)).sum())
}

/// A value in the form in which records keep it, so that values can be compared.
fn normal(kind: &Kind, field: &str, value: &Json) -> Json {
    serde_json::to_value(value_of(kind.named(field), value)).unwrap_or_default()
}

/// Every value of a field that the record has, had, or refused.
fn known_values(name: &Name, field: &str, device: &Held, document: &Json) -> Vec<Json> {
    let current = device.records.get(name).and_then(|agreed| agreed.value.as_ref());
    let mut known = vec![current.and_then(|value| value.get(field)).cloned().unwrap_or_default()];
    for entry in document["history"].as_array().into_iter().flatten() {
        if entry["kind"] == name.0.as_str() && entry["id"] == name.1.as_str() {
            known.push(entry["value"][field].clone());
        }
    }
    known
}

/// Whether a record that does not set the field has this value.
fn is_default(kind: &Kind, field: &str, value: &Json) -> bool {
    let field = kind.named(field);
    !value.is_null() && value_of(field, value) == field.default_at(UnixMillis(0))
}

/// The values of a field that lost.
fn lost<'d>(name: &Name, field: &str, document: &'d Json) -> Vec<&'d Json> {
    let entries = document["conflicts"].as_array().into_iter().flatten();
    let of_field = entries.filter(|entry| {
        let is_of_record = entry["kind"] == name.0.as_str() && entry["id"] == name.1.as_str();
        is_of_record && entry["field"] == field
    });
    of_field.map(|entry| &entry["lost"]).collect()
}

async fn export(engine: &Engine, user: &UserId) -> String {
    let export = engine.export(user).await;
    let mut export = export.unwrap_or_else(|error| panic!("an export begins: {error}"));
    let mut text = String::new();
    loop {
        let part = engine.export_more(&mut export).await;
        match part.unwrap_or_else(|error| panic!("an export goes on: {error}")) {
            Some(part) => text.push_str(&part),
            None => return text,
        }
    }
}
