//! Reading the content of bases.

use super::edit::{Against, Bases, Edit};
use super::record::{PieceRecord, parse};
use super::{Engine, Result};
use crate::id::UserId;
use crate::json::JsonText;
use crate::record::{FieldClass, PIECE_FIELDS, Value, field_spec};
use crate::store::HistoryKey;
use crate::time::UnixMillis;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// The history entries that applying `edit` to `record` needs.
pub fn needed(record: Option<&PieceRecord>, edit: &Edit) -> Vec<HistoryKey> {
    let mut keys: Vec<HistoryKey> = Vec::new();
    for change in &edit.changes {
        if let Against::Moved(places) = &change.against {
            let is_long = field_spec(&change.name).class == FieldClass::Long;
            keys.extend(places.iter().filter(|_| is_long));
        }
    }
    if let Some(record) = record.filter(|record| record.piece.is_none()) {
        let version = record.meta.last_version;
        keys.push(HistoryKey { key: record.key(), version, side: 0 });
    }
    keys
}

impl Engine {
    /// Reads `keys`; what is past its retention counts as gone, whether or not it was purged yet.
    pub(super) async fn read_bases(
        &self,
        user: &UserId,
        keys: BTreeSet<HistoryKey>,
        oldest: UnixMillis,
    ) -> Result<Bases> {
        if keys.is_empty() {
            return Ok(Bases::new());
        }
        let keys: Vec<HistoryKey> = keys.into_iter().collect();
        let entries = self.store.history(user, &keys).await?;
        let mut bases = Bases::new();
        for entry in entries.into_iter().flatten().filter(|entry| oldest <= entry.at) {
            bases.insert(entry.key, fields(&entry.content, entry.key.side == 0)?);
        }
        Ok(bases)
    }
}

/// Reads stored fields; of a whole version, optional fields that are absent are there as null.
pub fn fields(content: &str, is_whole: bool) -> Result<BTreeMap<String, Value>> {
    let stored: BTreeMap<String, Box<RawValue>> = parse(content)?;
    let mut fields = BTreeMap::new();
    if is_whole {
        let optional = PIECE_FIELDS.iter().filter(|spec| !spec.required);
        fields.extend(optional.map(|spec| (spec.name.to_owned(), Value::Null)));
    }
    for (name, raw) in stored {
        if name == "createdAt" {
            continue;
        }
        let value = match (field_spec(&name).class, raw.get()) {
            (_, "null") => Value::Null,
            (FieldClass::Flag, text) => Value::Flag(parse(text)?),
            (FieldClass::Short | FieldClass::Long, text) => Value::Text(parse(text)?),
            (FieldClass::Unknown, _) => JsonText::new(&raw).map_or(Value::Null, Value::Json),
        };
        fields.insert(name, value);
    }
    Ok(fields)
}
