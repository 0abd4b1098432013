//! Whether the promises held.

use super::device::{Device, Name};
use haumana_sync::digest::Digest;
use haumana_sync::engine::Engine;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::schema::{Deletes, FieldType, Kind, Schema};
use haumana_sync::wire::import::ImportRequest;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// What was pushed: of each record and field the values as JSON.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pushed: BTreeMap<(Name, String), BTreeSet<String>>,
    counted: BTreeMap<(Name, String), BTreeMap<String, Json>>,
    /// What was added to a set and nobody has ever taken out; and what somebody has.
    added: BTreeMap<(Name, String), BTreeSet<String>>,
    removed: BTreeMap<(Name, String), BTreeSet<String>>,
    deleted: BTreeSet<Name>,
    refused: BTreeSet<Name>,
}

impl Judge {
    pub(super) fn pushed(
        &mut self,
        name: &Name,
        kind: &Kind,
        device: &str,
        content: &Map<String, Json>,
        set: &Map<String, Json>,
    ) {
        for (field, value) in set {
            let place = (name.clone(), field.clone());
            match kind.named(field).field_type() {
                FieldType::Counter => {
                    let entries = self.counted.entry(place).or_default();
                    entries.insert(device.to_owned(), value[device].clone());
                }
                FieldType::Set { .. } => {
                    let (old, new) = (elements(&content.get(field)), elements(&Some(value)));
                    let added = self.added.entry(place.clone()).or_default();
                    added.extend(new.difference(&old).cloned());
                    self.removed.entry(place).or_default().extend(old.difference(&new).cloned());
                }
                // Their parts are merged: no whole value need be in any version.
                FieldType::Lines { .. } | FieldType::List { .. } => {}
                _ => {
                    let values = self.pushed.entry(place).or_default();
                    values.insert(normal(kind, field, value).to_string());
                }
            }
        }
    }

    pub(super) fn deleted(&mut self, name: &Name) {
        self.deleted.insert(name.clone());
    }

    pub(super) fn refused(&mut self, name: &Name, result: &Json) {
        let code = result["error"]["code"].as_str();
        assert!(self.deleted.contains(name), "{name:?} is never deleted, and refused: {result}");
        assert_eq!(Some("base_gone"), code, "nothing else is wrong with a push: {result}");
        self.refused.insert(name.clone());
    }

    /// All devices hold the same, and the server's digest says so.
    pub(super) fn check_device(&self, first: &Device, device: &Device, schema: &Schema) {
        assert_eq!(first.agreed, device.agreed, "devices agree");
        for name in &self.deleted {
            let kind = schema.named(&name.0);
            if kind.is_some_and(|kind| kind.delete_policy() == Deletes::Stick) {
                let agreed = device.agreed.get(name);
                assert!(
                    agreed.is_none_or(|agreed| agreed.value.is_none()),
                    "{name:?} stays deleted"
                );
            }
        }
        let mut sum = Digest::default();
        for ((kind, id), agreed) in &device.agreed {
            let version = u32::try_from(agreed.version).unwrap_or_default();
            let id = RecordId::parse(id).unwrap_or(RecordId::from_bits(0));
            assert!(schema.named(kind).is_some(), "a kind of the schema");
            sum = sum.plus(Digest::of_version(kind, id, version, agreed.value.is_none()));
        }
        assert_eq!(device.digest.as_str(), Some(sum.to_string().as_str()), "the digest is proof");
    }

    /// Every value that was pushed is in the record, or the history knows it. Every device's part of
    /// a counter is in it.
    pub(super) async fn check_values(&self, engine: &Engine, user: &UserId, device: &Device) {
        let document = serde_json::from_str(&export(engine, user).await).unwrap_or(Json::Null);
        let entries = document["conflicts"].as_array().into_iter().flatten();
        let open = entries.filter(|entry| entry["resolution"].is_null()).count();
        assert_eq!(Json::from(open), device.open_conflicts, "a reply counts the inbox");
        for ((name, field), values) in &self.pushed {
            if self.refused.contains(name) {
                continue;
            }
            let known = known_values(name, field, device, &document);
            for value in values {
                assert!(
                    known.contains(value),
                    "{value} of {field} of {name:?} has no trace: {known:?}"
                );
            }
        }
        for ((name, field), added) in &self.added {
            let Some(value) = self.whole(name, device) else { continue };
            let there = elements(&value.get(field));
            let removed = &self.removed[&(name.clone(), field.clone())];
            let missing: Vec<&String> =
                added.difference(removed).filter(|one| !there.contains(*one)).collect();
            assert!(missing.is_empty(), "{missing:?} of {field} of {name:?} was never taken out");
        }
        for ((name, field), entries) in &self.counted {
            let Some(value) = self.whole(name, device) else { continue };
            for (device, entry) in entries {
                assert_eq!(*entry, value[field][device], "{field} of {name:?} counts {device}");
            }
        }
    }

    /// The content of a record that nobody ever deleted.
    fn whole<'d>(&self, name: &Name, device: &'d Device) -> Option<&'d Map<String, Json>> {
        let is_whole = !self.deleted.contains(name) && !self.refused.contains(name);
        device.agreed.get(name)?.value.as_ref().filter(|_| is_whole)
    }

    /// An export that is imported into another account holds the same records.
    pub(super) async fn check_export(&self, engine: &Engine, user: &UserId, schema: &Schema) {
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

fn elements(value: &Option<&Json>) -> BTreeSet<String> {
    let elements = value.and_then(Json::as_array).into_iter().flatten();
    elements.map(Json::to_string).collect()
}

/// A value as the record keeps it.
fn normal(kind: &Kind, field: &str, value: &Json) -> Json {
    let field = kind.named(field);
    let raw = serde_json::value::to_raw_value(value).ok();
    let read = raw.and_then(|raw| field.read(&raw));
    read.map_or(Json::Null, |value| serde_json::to_value(field.normal(value)).unwrap_or_default())
}

/// Every value of a field that the record has, had, or refused.
fn known_values(name: &Name, field: &str, device: &Device, document: &Json) -> BTreeSet<String> {
    let current = device.agreed.get(name).and_then(|agreed| agreed.value.as_ref());
    let mut known = BTreeSet::new();
    known.insert(current.and_then(|value| value.get(field)).unwrap_or(&Json::Null).to_string());
    for entry in document["history"].as_array().into_iter().flatten() {
        if entry["kind"] == name.0.as_str() && entry["id"] == name.1.as_str() {
            known.insert(entry["value"][field].to_string());
        }
    }
    known
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
