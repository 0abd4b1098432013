//! Reads the content of bases.

use crate::engine::commit::staging::Staging;
use crate::engine::edit::record::{Record, is_partial, parse};
use crate::engine::edit::{Against, Bases, Change, Doubt, Edit};
use crate::engine::{Engine, Error, Result};
use crate::id::UserId;
use crate::record::Value;
use crate::schema::{FieldType, Kind};
use crate::store::{HistoryEntry, HistoryKey};
use crate::time::UnixMillis;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// The history entries that applying `edit` to `record` needs.
pub fn needed(record: Option<&Record>, edit: &Edit) -> Vec<HistoryKey> {
    let mut keys: Vec<HistoryKey> = Vec::new();
    let Some(record) = record else { return keys };
    for change in &edit.changes {
        if let Against::Moved(places) = &change.against {
            let needs_base = record.unit(&change.name).needs_base();
            keys.extend(places.iter().filter(|_| needs_base));
        }
    }
    // The fields of a group that were not set, and what was counted before.
    let is_doubtful = |change: &Change| {
        record.unit(&change.name).field_type() == Some(&FieldType::Counter)
            && matches!(change.doubt, Doubt::Replaced | Doubt::Apart)
    };
    if edit.changes.iter().any(|change| change.parts.is_some() || is_doubtful(change)) {
        keys.extend(base_key(record, edit));
    }
    if record.content.is_none() {
        let version = record.meta.last_version;
        keys.push(HistoryKey { key: record.key(), version, side: 0 });
    }
    keys
}

/// Where the content of the edit's base is kept, if the record has changed since.
pub(crate) fn base_key(record: &Record, edit: &Edit) -> Option<HistoryKey> {
    let version = edit.base.filter(|base| *base < record.version)?;
    Some(HistoryKey { key: record.key(), version: record.meta.written(version), side: 0 })
}

impl Engine {
    /// Reads `keys`. An entry past its retention counts as gone, whether or not it was purged yet.
    pub(crate) async fn read_bases(
        &self,
        user: &UserId,
        keys: BTreeSet<HistoryKey>,
        oldest: UnixMillis,
    ) -> Result<Bases> {
        self.read_staged_bases(user, keys, oldest, None).await
    }

    /// As [`Engine::read_bases`], including what is staged and not written yet.
    pub(crate) async fn read_staged_bases(
        &self,
        user: &UserId,
        keys: BTreeSet<HistoryKey>,
        oldest: UnixMillis,
        staging: Option<&Staging>,
    ) -> Result<Bases> {
        let staged = |key: &HistoryKey| staging.and_then(|staging| staging.history(key));
        let mut entries: Vec<_> = keys.iter().filter_map(staged).cloned().map(Some).collect();
        let keys: Vec<HistoryKey> = keys.into_iter().filter(|key| staged(key).is_none()).collect();
        if !keys.is_empty() {
            entries.extend(self.store.history(user, &keys).await?);
        }
        let mut bases = Bases::new();
        let is_there = |entry: &HistoryEntry| oldest <= entry.at && !is_partial(entry);
        for entry in entries.into_iter().flatten().filter(is_there) {
            let kind = self.schema().kind(entry.key.key.kind).ok_or_else(Error::unreadable)?;
            let fields = fields(kind, &entry.content, entry.key.side == 0)?;
            bases.insert(entry.key, units(kind, fields));
        }
        Ok(bases)
    }
}

/// Groups fields into the units that records remember.
pub(crate) fn units(kind: &Kind, mut fields: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    for group in kind.groups() {
        if group.fields().any(|name| fields.contains_key(name)) {
            let value = group.value(|name| fields.get(name).cloned().unwrap_or(Value::Null));
            group.fields().for_each(|name| {
                fields.remove(name);
            });
            fields.insert(group.name().to_owned(), value);
        }
    }
    fields
}

/// Splits units into fields, as they are stored.
pub(crate) fn apart(units: &BTreeMap<String, Value>) -> BTreeMap<&str, &Value> {
    let mut fields = BTreeMap::new();
    for (name, value) in units {
        match value {
            Value::Group(group) => fields.extend(group.fields()),
            value => {
                fields.insert(name.as_str(), value);
            }
        }
    }
    fields
}

/// Reads stored fields. For a whole version, absent optional fields are read as null.
pub(crate) fn fields(
    kind: &Kind,
    content: &str,
    is_whole: bool,
) -> Result<BTreeMap<String, Value>> {
    let stored: BTreeMap<String, Box<RawValue>> = parse(content)?;
    let mut fields = BTreeMap::new();
    if is_whole {
        let optional = kind.fields().iter().filter(|field| !field.is_required());
        fields.extend(optional.map(|field| (field.name().to_owned(), Value::Null)));
    }
    for (name, raw) in stored {
        // A value that the field cannot hold counts as absent.
        let value = kind.named(&name).read(&raw).unwrap_or(Value::Null);
        fields.insert(name, value);
    }
    Ok(fields)
}
