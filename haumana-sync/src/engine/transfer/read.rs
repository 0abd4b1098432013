//! Reads and checks one entry of an export. The result is as valid as if this engine had written
//! it.

use crate::digest::Digest;
use crate::engine::Refusal;
use crate::engine::commit::{StoredConflict, inbox_hash};
use crate::engine::edit::meta::{FORMAT, Meta, Touch};
use crate::engine::edit::record::{HistoryMeta, to_json};
use crate::id::{Key, KindNumber, RecordId, UserId};
use crate::json::JsonText;
use crate::limits;
use crate::merge::Reason;
use crate::record::{BESIDE_KEY, Content, Value};
use crate::schema::{Field, FieldError, FieldType, Kind, Merge, Schema};
use crate::store::{Envelope, Generation, HistoryEntry, HistoryKey, Revision, Stamp, Version};
use crate::time::UnixMillis;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The context in which entries are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub schema: &'a Schema,
    pub user: &'a UserId,
    /// The user that the export is of.
    pub owner: Option<&'a str>,
    pub now: UnixMillis,
    pub generation: Generation,
    /// How many versions the next change of a record skips.
    pub leap: Version,
}

/// An entry, or why it cannot be accepted.
pub(crate) type Read<T> = Result<T, Refusal>;

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// What is kept beside a version may be no larger than a record.
const META_BYTES: usize = limits::RECORD_BYTES;
/// What an export has beside a record. Earlier programs kept more than a store can hold today; the
/// surplus is dropped.
const BESIDE_BYTES: usize = 8 * limits::RECORD_BYTES;
/// A push of which a part lost may have all three long texts at their limit, and is no record.
const SIDE_BYTES: usize = 4 * limits::RECORD_BYTES;
/// Sides of one record. It is far more than anybody can cause.
const SIDES: u32 = 1 << 24;
/// A word of this library in an entry.
const WORD_BYTES: usize = 256;

impl Reading<'_> {
    /// Reads an entry of the separate list of a kind.
    pub(crate) fn listed(&self, list: &str, json: &RawValue) -> Read<Envelope> {
        let mut kinds = self.schema.kinds().iter();
        let kind = kinds.find(|kind| kind.own_list() == Some(list)).ok_or(Refusal::InvalidField)?;
        let mut fields: Fields<'_> = parse(json)?;
        let facts = self.facts(&mut fields, kind.id_name())?;
        // An earlier program wrote these beside the fields.
        fields.retain(|name, _| kind.reserved_key(name).is_none());
        self.record(kind, &fields, facts)
    }

    /// Reads an entry of `records`.
    pub(crate) fn other_record(&self, json: &RawValue) -> Read<Envelope> {
        let mut fields: Fields<'_> = parse(json)?;
        let kind = self.record_kind(&fields)?;
        let kind = self.schema.kind(kind).ok_or(Refusal::InvalidField)?;
        let facts = self.facts(&mut fields, "id")?;
        let value = fields.remove("value").ok_or(Refusal::InvalidField)?;
        self.record(kind, &parse(value)?, facts)
    }

    fn record(&self, kind: &Arc<Kind>, fields: &Fields<'_>, facts: Facts) -> Read<Envelope> {
        // An engine has accepted all that an engine has exported, perhaps under an earlier schema.
        let by = if facts.is_exported { TakenBy::EarlierSchema } else { TakenBy::Nobody };
        let record = read_record(kind, fields, facts.meta.created.edited_at, by)?;
        let content = record.to_json();
        let hash = record.content_hash(facts.id, &content);
        self.live(Key { kind: kind.number(), id: facts.id }, facts, content, hash)
    }

    /// Reads an entry of `tombstones`.
    pub(crate) fn tombstone(&self, json: &RawValue) -> Read<Envelope> {
        let mut fields: Fields<'_> = parse(json)?;
        let kind = self.record_kind(&fields)?;
        let facts = self.facts(&mut fields, "id")?;
        let content = "{}".to_owned();
        let envelope = self.live(Key { kind, id: facts.id }, facts, content, Digest::default())?;
        Ok(Envelope { deleted: true, ..envelope })
    }

    fn live(&self, key: Key, facts: Facts, content: String, hash: Digest) -> Read<Envelope> {
        if limits::RECORD_BYTES < content.len() {
            return Err(Refusal::TooLarge);
        }
        let mut meta = facts.meta;
        if !meta.fit(limits::STORED_BYTES.saturating_sub(content.len())) {
            return Err(Refusal::TooLarge);
        }
        Ok(Envelope {
            key,
            version: facts.version,
            revision: Revision(0),
            stamp: Stamp(0),
            modified_at: facts.modified_at,
            deleted: false,
            hash,
            format: FORMAT,
            content,
            meta: to_json(&meta),
        })
    }

    /// Returns which declared field of an entry cannot be accepted, and why; `None` if it is no
    /// field. `list` is the list that contains the entry.
    pub(crate) fn flaw(&self, list: &str, json: &RawValue) -> Option<String> {
        let fields: Fields<'_> = parse(json).ok()?;
        let own = self.schema.kinds().iter().find(|kind| kind.own_list() == Some(list));
        let named = || self.schema.kind(self.record_kind(&fields).ok()?);
        let kind = own.or_else(named)?;
        let is_exported = own.is_none() && list == "history" || fields.contains_key(BESIDE_KEY);
        let by = if is_exported { TakenBy::EarlierSchema } else { TakenBy::Nobody };
        let values = match (own, fields.get("value")) {
            (None, Some(value)) => parse(value).ok()?,
            (None, None) => return None,
            (Some(_), _) => fields,
        };
        if let Some(field) = missing(kind, &values, by) {
            return Some(format!("{} is missing", field.name()));
        }
        let (field, refusal) = kind.fields().iter().find_map(|field| {
            let json = values.get(field.name())?;
            Some((field, value(kind, field.name(), json, by).err()?))
        })?;
        let is_null = values.get(field.name()).is_some_and(|json| json.get() == "null");
        let what = match refusal {
            Refusal::TooLarge => "is too large".into(),
            _ if is_null => "cannot be null".into(),
            _ => field.expectation(),
        };
        Some(format!("{} {what}", field.name()))
    }

    /// Removes from `fields` what every record has.
    fn facts(&self, fields: &mut Fields<'_>, id_key: &str) -> Read<Facts> {
        let id = id(fields.remove(id_key))?;
        self.check_owner(fields.remove("userId"))?;
        let version: Version = required(fields.remove("version"))?;
        if !(1..=limits::VERSION).contains(&version) {
            return Err(Refusal::InvalidField);
        }
        let modified_at = time(fields.remove("modifiedAt"))?.ok_or(Refusal::InvalidField)?;
        let modified_at = modified_at.min(self.now);
        let is_exported = fields.contains_key(BESIDE_KEY);
        let meta = match fields.remove(BESIDE_KEY) {
            Some(json) if BESIDE_BYTES < json.get().len() => return Err(Refusal::TooLarge),
            // Serde would accept an array as a struct.
            Some(json) if !json.get().starts_with('{') => {
                let is_long = META_BYTES < json.get().len();
                return Err(if is_long { Refusal::TooLarge } else { Refusal::InvalidField });
            }
            Some(json) => parse(json)?,
            // A server wrote it that does not write this key. All fields count as changed by this
            // version.
            None => Meta { created: touched(version, modified_at), ..Meta::default() },
        };
        let meta = self.check_meta(meta, version)?;
        Ok(Facts { id, version, modified_at, meta, is_exported })
    }

    fn check_owner(&self, json: Option<&RawValue>) -> Read<()> {
        let owner: Option<String> = optional(json)?;
        let is_known = |id: &str| id.is_empty() || id == self.user.as_str();
        match owner.as_deref() {
            None => Ok(()),
            Some(id) if is_known(id) || Some(id) == self.owner => Ok(()),
            Some(_) => Err(Refusal::WrongUser),
        }
    }

    fn record_kind(&self, fields: &Fields<'_>) -> Read<KindNumber> {
        let name: String = required(fields.get("kind").copied())?;
        self.schema.named(&name).map(|kind| kind.number()).ok_or(Refusal::InvalidField)
    }

    /// Checks all that the engine relies on. Times in the future become the current time.
    fn check_meta(&self, mut meta: Meta, version: Version) -> Read<Meta> {
        let touches = std::iter::once(&meta.created).chain(meta.touched.values());
        let trails = || meta.past.values();
        let is_sound = touches.clone().all(|touch| touch.version <= version)
            && touches.filter_map(|touch| touch.device.as_ref()).all(|name| is_device(name))
            && trails().all(|trail| trail.len() <= limits::TRAIL)
            && trails().all(|trail| trail.is_sorted_by_key(|past| past.version))
            && trails().flatten().all(|past| past.version <= version)
            && meta.claims.len() <= limits::RECEIPTS
            && meta.seen.len() <= limits::RECEIPTS
            && meta.sides <= SIDES
            && meta.last_version <= version
            && meta.foreign.iter().all(|(from, to)| from <= to && *to <= limits::VERSION)
            && meta.device.as_deref().is_none_or(is_device);
        if !is_sound {
            return Err(Refusal::InvalidField);
        }
        let now = self.now;
        for touch in std::iter::once(&mut meta.created).chain(meta.touched.values_mut()) {
            touch.edited_at = touch.edited_at.min(now);
        }
        for past in meta.past.values_mut().flatten() {
            past.until = past.until.min(now);
        }
        meta.seen.iter_mut().for_each(|seen| seen.at = seen.at.min(now));
        meta.claims.iter_mut().for_each(|claim| claim.at = claim.at.min(now));
        meta.generation = self.generation;
        mark_imported(&mut meta, version, self.leap);
        Ok(meta)
    }

    /// Reads an entry of `history`.
    pub(crate) fn history(&self, json: &RawValue) -> Read<HistoryEntry> {
        let mut fields: Fields<'_> = parse(json)?;
        let key = Key { kind: self.record_kind(&fields)?, id: id(fields.remove("id"))? };
        let version: Version = required(fields.remove("version"))?;
        let side: u32 = required(fields.remove("side"))?;
        if !(1..=limits::VERSION).contains(&version) || SIDES < side {
            return Err(Refusal::InvalidField);
        }
        let made_at = time(fields.remove("at"))?.ok_or(Refusal::InvalidField)?.min(self.now);
        let lost: Vec<LostField> = optional(fields.remove("lost"))?.unwrap_or_default();
        let meta = HistoryMeta {
            at: made_at,
            device: device(fields.remove("deviceId"))?,
            changed: optional(fields.remove("changed"))?.unwrap_or_default(),
            lost: lost.into_iter().map(|lost| (lost.field, lost.reason)).collect(),
            deleted: optional(fields.remove("deleted"))?.unwrap_or_default(),
            partial: optional(fields.remove("partial"))?.unwrap_or_default(),
        };
        let value = fields.remove("value").ok_or(Refusal::InvalidField)?;
        let superseded_at = time(fields.remove("supersededAt"))?;
        let meta_json = to_json(&meta);
        if META_BYTES < meta_json.len() {
            return Err(Refusal::TooLarge);
        }
        Ok(HistoryEntry {
            key: HistoryKey { key, version, side },
            at: superseded_at.unwrap_or(self.now).min(self.now),
            content: self.history_content(key.kind, side, &meta, value)?,
            meta: meta_json,
        })
    }

    /// The content of a history entry, in the form in which it is stored.
    fn history_content(
        &self,
        kind: KindNumber,
        side: u32,
        meta: &HistoryMeta,
        json: &RawValue,
    ) -> Read<String> {
        if SIDE_BYTES < json.get().len() {
            return Err(Refusal::TooLarge);
        }
        let fields: Fields<'_> = parse(json)?;
        if side == 0 && meta.deleted {
            return Ok("{}".to_owned());
        }
        let kind = self.schema.kind(kind).ok_or(Refusal::InvalidField)?;
        if side == 0 && !meta.partial {
            let by = TakenBy::EarlierSchema;
            return Ok(read_record(kind, &fields, UnixMillis(0), by)?.to_json());
        }
        let values = fields.iter().map(|(name, json)| {
            Ok((name.as_str(), value(kind, name, json, TakenBy::EarlierSchema)?))
        });
        Ok(to_json(&values.collect::<Read<BTreeMap<&str, Value>>>()?))
    }

    /// Reads an entry of `conflicts`.
    pub(crate) fn conflict(&self, json: &RawValue) -> Read<Envelope> {
        let mut fields: Fields<'_> = parse(json)?;
        let id_of_conflict = id(fields.remove("conflictId"))?;
        let kind = self.record_kind(&fields)?;
        let at = time(fields.remove("at"))?.ok_or(Refusal::InvalidField)?.min(self.now);
        let word: Option<String> = optional(fields.remove("resolution"))?;
        let hash: Option<String> = optional(fields.remove("resolutionHash"))?;
        let resolution = resolution(word, hash)?;
        let lost: Option<LostIn> = optional(fields.remove("lostIn"))?;
        let stored = StoredConflict {
            key: Key { kind, id: id(fields.remove("id"))? },
            field: optional(fields.remove("field"))?,
            version: optional(fields.remove("version"))?.unwrap_or_default(),
            lost: lost.map(|lost| (lost.version, lost.side)),
            base: optional(fields.remove("base"))?,
            reason: required(fields.remove("reason"))?,
            at,
            device: device(fields.remove("deviceId"))?,
            resolution,
        };
        if stored.field.as_ref().is_some_and(|name| limits::UNKNOWN_KEY_BYTES < name.len()) {
            return Err(Refusal::TooLarge);
        }
        let deleted = stored.resolution.is_some();
        Ok(Envelope {
            key: Key::conflict(id_of_conflict),
            version: 1 + u32::from(deleted),
            revision: Revision(0),
            stamp: Stamp(0),
            modified_at: at,
            deleted,
            hash: inbox_hash(at),
            format: FORMAT,
            content: to_json(&stored),
            meta: "{}".to_owned(),
        })
    }
}

/// What every record has beside its content.
struct Facts {
    id: RecordId,
    version: Version,
    modified_at: UnixMillis,
    meta: Meta,
    /// Whether an engine has exported it.
    is_exported: bool,
}

#[derive(Deserialize)]
struct LostField {
    field: String,
    reason: Reason,
}

#[derive(Deserialize)]
struct LostIn {
    version: Version,
    side: u32,
}

fn touched(version: Version, at: UnixMillis) -> Touch {
    Touch { version, edited_at: at, claimed_at: at, device: None }
}

/// Marks the versions above as perhaps used by the server of the export. So the next change of the
/// record gets a number beyond them. An import is also recognised by this mark.
fn mark_imported(meta: &mut Meta, version: Version, leap: Version) {
    meta.foreign.retain(|(from, _)| *from <= version);
    meta.foreign.push((version + 1, version + leap));
}

/// Whether the record was imported at `version`.
pub(crate) fn was_imported_at(meta: &Meta, version: Version) -> bool {
    meta.foreign.iter().any(|(from, _)| *from == version + 1)
}

/// Whether an engine has accepted a record before, which shows that it is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TakenBy {
    Nobody,
    /// Since then fields may have been added, limits lowered, and words of an enum removed.
    EarlierSchema,
}

fn read_record(
    kind: &Arc<Kind>,
    fields: &Fields<'_>,
    made_at: UnixMillis,
    by: TakenBy,
) -> Read<Content> {
    let mut content = Content::new(kind, made_at);
    if missing(kind, fields, by).is_some() {
        return Err(Refusal::InvalidField);
    }
    for (name, json) in fields {
        let field = kind.named(name);
        match value(kind, name, json, by)? {
            // An absent creation time that was written out, or a field that was once optional.
            Value::Null if field.policy() == Merge::Fixed || field.is_required() => {}
            value if field.check(&value) == Err(FieldError::Invalid) => {
                content.keep_misfit(name, JsonText::new(json).ok_or(Refusal::InvalidField)?);
            }
            value => content.set(name, value),
        }
    }
    content.fill();
    Ok(content)
}

/// Returns the first field that a record must have and lacks.
fn missing<'k>(kind: &'k Kind, fields: &Fields<'_>, by: TakenBy) -> Option<&'k Field> {
    let is_needed = |field: &&Field| match by {
        TakenBy::Nobody => field.is_required() && field.same_as().is_none(),
        // The field may be newer, or may have become mandatory. The phones' kinds keep theirs.
        TakenBy::EarlierSchema => field.is_mandatory() && kind.own_list().is_some(),
    };
    let mut needed = kind.editable().filter(is_needed);
    needed.find(|field| !fields.contains_key(field.name()))
}

/// Reads the value of a field.
fn value(kind: &Kind, name: &str, json: &RawValue, by: TakenBy) -> Read<Value> {
    if limits::UNKNOWN_KEY_BYTES < name.len() {
        return Err(Refusal::TooLarge);
    }
    let field = kind.named(name);
    let value = field.read(json).ok_or(Refusal::InvalidField)?;
    if value.is_null() && field.policy() == Merge::Fixed {
        return Ok(value);
    }
    // The phones' kinds keep their limits and words.
    let was_taken = by == TakenBy::EarlierSchema && kind.own_list().is_none();
    let is_word = matches!((field.field_type(), &value), (FieldType::Enum { .. }, Value::Text(_)));
    match field.check(&value) {
        Err(FieldError::TooLarge) if was_taken => {}
        Err(FieldError::Invalid) if was_taken && (is_word || field.is_absent(&value)) => {}
        checked => checked?,
    }
    Ok(value)
}

/// How a conflict was closed, in the engine's form.
fn resolution(word: Option<String>, hash: Option<String>) -> Read<Option<String>> {
    match (word.as_deref(), hash) {
        (None, None) => Ok(None),
        (Some("keep" | "restore"), None) => Ok(word),
        (Some("set"), hash) => {
            let hash = hash.unwrap_or_default();
            let is_hash = hash.len() <= 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hash.then(|| Some(format!("set {hash}"))).ok_or(Refusal::InvalidField)
        }
        _ => Err(Refusal::InvalidField),
    }
}

fn id(json: Option<&RawValue>) -> Read<RecordId> {
    let text: Option<String> = optional(json).map_err(|_| Refusal::InvalidId)?;
    text.as_deref().and_then(RecordId::parse).ok_or(Refusal::InvalidId)
}

fn time(json: Option<&RawValue>) -> Read<Option<UnixMillis>> {
    let text: Option<String> = optional(json)?;
    let at = text.map(|text| UnixMillis::parse(&text).ok_or(Refusal::InvalidField));
    at.transpose()
}

fn device(json: Option<&RawValue>) -> Read<Option<String>> {
    let device: Option<String> = optional(json)?;
    let fits = device.as_deref().is_none_or(is_device);
    fits.then_some(device).ok_or(Refusal::InvalidField)
}

fn is_device(name: &str) -> bool {
    name.len() <= WORD_BYTES && name.chars().count() <= limits::DEVICE_ID_CHARS
}

fn required<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>) -> Read<T> {
    parse(json.ok_or(Refusal::InvalidField)?)
}

fn optional<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>) -> Read<Option<T>> {
    json.map_or(Ok(None), parse)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Read<T> {
    serde_json::from_str(json.get()).map_err(|_| Refusal::InvalidField)
}
