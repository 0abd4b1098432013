//! Checks each entry of the history against its record.

use super::records::Records;
use super::{Fault, FaultPlace, Finding};
use crate::engine::edit::bases::{fields, units};
use crate::engine::edit::meta::AtVersion;
use crate::engine::edit::record::{Record, is_whole, parse};
use crate::engine::history::accept::is_as_written;
use crate::engine::screen::is_readable_history;
use crate::engine::{Engine, Result};
use crate::id::{Key, UserId};
use crate::record::Value;
use crate::store::{Envelope, HistoryEntry, Operate, Version};
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many entries are read at once.
const PAGE: usize = 500;

/// A record that can be read.
#[derive(Debug)]
struct Known {
    record: Record,
    /// Whether its content is what was written. If not, it does not show what the record was.
    is_as_written: bool,
}

impl Engine {
    /// Checks each entry of the history, also of records that are not there. Returns how many there
    /// are.
    pub(super) async fn look_at_history(
        &self,
        all: &dyn Operate,
        user: &UserId,
        records: &Records,
        found: &mut Vec<Finding>,
    ) -> Result<usize> {
        let (mut n_entries, mut place) = (0, None);
        loop {
            let part = all.user_history(user, place.as_ref(), PAGE).await?;
            n_entries += part.entries.len();
            let keys: BTreeSet<Key> = part.entries.iter().map(|entry| entry.key.key).collect();
            let opened = self.open_known(user, keys).await?;
            for entry in &part.entries {
                let key = entry.key.key;
                if let Some((fault, detail)) = self.fault_of(entry, records, opened.get(&key)) {
                    found.push(Finding::new(fault, FaultPlace::History(entry.key), detail));
                }
            }
            place = part.next;
            if place.is_none() {
                return Ok(n_entries);
            }
        }
    }

    /// Opens those records that exist and can be read.
    async fn open_known(&self, user: &UserId, keys: BTreeSet<Key>) -> Result<HashMap<Key, Known>> {
        let keys: Vec<Key> = keys.into_iter().collect();
        let found = self.screen.store.read(user, &keys).await?.into_iter().flatten();
        let open = |envelope: Envelope| {
            let record = Record::open(&envelope, self.schema()).ok()?;
            let is_as_written = is_as_written(&envelope, &record);
            Some((envelope.key, Known { record, is_as_written }))
        };
        Ok(found.filter_map(open).collect())
    }

    fn fault_of(
        &self,
        entry: &HistoryEntry,
        records: &Records,
        known: Option<&Known>,
    ) -> Option<(Fault, String)> {
        let version = entry.key.version;
        let Some(current) = records.version(&entry.key.key) else {
            return Some((Fault::HistoryOfNothing, String::new()));
        };
        let is_past = if entry.key.side == 0 { version < current } else { version <= current };
        if version == 0 || !is_past {
            return Some((Fault::HistoryRange, format!("the record has {current}")));
        }
        if !is_readable_history(entry) {
            return Some((Fault::HistoryUnreadable, String::new()));
        }
        let known = known?;
        let record = &known.record;
        if record.meta.sides < entry.key.side {
            let detail = format!("the record has {} sides", record.meta.sides);
            return Some((Fault::HistoryRange, detail));
        }
        let changed = changed_fields(known, entry);
        (!changed.is_empty()).then(|| (Fault::HistoryChanged, changed.join(", ")))
    }
}

/// Fields of a whole version whose values differ from what the record had then.
fn changed_fields(known: &Known, entry: &HistoryEntry) -> Vec<String> {
    let Known { record, is_as_written } = known;
    // A record of version 0.1 knows nothing of its versions.
    if !is_whole(entry) || record.meta.touched.is_empty() && record.kind.had_no_touches() {
        return Vec::new();
    }
    let Ok(fields) = fields(&record.kind, &entry.content, true) else { return Vec::new() };
    let values = units(&record.kind, fields);
    let is_changed = |name: &&str| {
        let value = values.get(*name).unwrap_or(&Value::Null);
        let known = match record.meta.at_version(name, entry.key.version) {
            AtVersion::Current if *is_as_written => record.hash(name),
            AtVersion::Current => return false,
            AtVersion::Past { hash, .. } => hash,
            AtVersion::Unknown => return false,
        };
        record.unit(name).hash(value) != known
            && !is_of_a_later_schema(record, name, (entry.key.version, &entry.content))
    };
    let names = record.kind.unit_names().filter(is_changed);
    names.map(str::to_owned).collect()
}

/// Whether a version without a stored value of a unit may be older than the unit. Then nobody has
/// set the unit since the record was made, so it had the default that a later schema gave it.
fn is_of_a_later_schema(record: &Record, name: &str, (version, stored): (Version, &str)) -> bool {
    let has_default = |field: &str| {
        let field = record.kind.named(field);
        field.is_required() && !field.is_mandatory()
    };
    let fields = record.kind.fields_of(name);
    let since = record.meta.set_at(name, version);
    since.is_some_and(|since| since <= record.meta.created.version)
        && fields.iter().any(|field| has_default(field))
        && parse::<BTreeMap<String, IgnoredAny>>(stored)
            .is_ok_and(|stored| !fields.iter().any(|field| stored.contains_key(*field)))
}
