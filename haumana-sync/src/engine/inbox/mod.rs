//! The inbox: values that lost and wait for a person; and history.

pub(crate) mod page;

use crate::engine::commit::transaction::Transaction;
use crate::engine::commit::{Draft, OldFacts, STAMP_AHEAD_SECS, StoredConflict, conflict_id};
use crate::engine::edit::bases::units;
use crate::engine::edit::record::{parse, to_json};
use crate::engine::edit::{Against, Change, Doubt, Edit};
use crate::engine::history::restore::{check_base, with_difference};
use crate::engine::push::plan::since;
use crate::engine::{Engine, Error, ErrorKind, Result, check_state};
use crate::id::{Key, KindNumber, RecordId, UserId};
use crate::json::quoted;
use crate::merge::Reason;
use crate::record::Value;
use crate::schema::{FieldType, Kind, Merge, Schema};
use crate::store::{Envelope, HistoryKey, IndexEntry, StoreExt, Version};
use crate::time::UnixMillis;
use std::fmt::Write as _;

/// LIMIT: how many entries before a version are searched for a value that it does not have.
const OLDER_ENTRIES: usize = 16;

/// A value that lost and is still open.
///
/// The id is derived from the record, the version, the field and the lost value. So every device
/// and every retry names the same entry, and the same loss is in the inbox once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its id.
    pub id: RecordId,
    /// The record.
    pub key: Key,
    /// The field; `None` if a delete was involved.
    ///
    /// Fields that are merged as one group are named by the group's leading field.
    pub field: Option<String>,
    /// The field's value now.
    ///
    /// It is read when the conflict is listed. So an old conflict shows what the record has today.
    pub kept: Value,
    /// The value that lost; `None` if it is past its retention.
    pub lost: Option<Value>,
    /// The version that the push was based on, if known.
    pub base: Option<Version>,
    /// Why it lost.
    pub reason: Reason,
    /// When it lost.
    pub at: UnixMillis,
    /// The device whose push led to the conflict, if known.
    pub device: Option<String>,
}

/// How a person closes a conflict.
///
/// `Restore` and `Set` are ordinary edits. They are merged with concurrent edits, they are in the
/// record's history, and all devices get them with their next sync.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Example { engine, clock, kai, song, .. } = example();
/// use haumana_sync::engine::Resolution;
///
/// engine.push(&kai, "phone", &[push(None, "Hiilawe")]).await?;
/// engine.push(&kai, "ipad", &[push(Some(1), "Hiʻilawe")]).await?;
/// clock.pass_ms(60_000);
/// engine.push(&kai, "phone", &[push(Some(1), "Hi'ilawe")]).await?;
///
/// let (open, _) = engine.conflict_page(&kai, None, 10, 1 << 20).await?;
/// engine.resolve(&kai, open[0].id, &Resolution::Restore).await?;
///
/// let now = engine.pull(&kai, None, 10, 1 << 20).await?.changes.remove(0);
/// assert_eq!((4, Some(r#"{"title":"Hiʻilawe"}"#)), (now.version, now.value.as_deref()));
/// let (open, _) = engine.conflict_page(&kai, None, 10, 1 << 20).await?;
/// assert!(open.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Leave the record as it is.
    ///
    /// No version is made. The entry leaves the inbox.
    Keep,
    /// Restore the lost value. If a delete lost, delete the record.
    ///
    /// For a counter the sum is restored: each device keeps what it has counted.
    Restore,
    /// Set another value.
    ///
    /// The field must be able to hold it. [`Engine::conflict_value`] reads one from JSON.
    Set(Value),
}

/// The end of a page of open conflicts; the next page starts after it. A conflict's place is the time
/// at which it lost, and its id if two lost in the same millisecond.
pub type ConflictPlace = (UnixMillis, RecordId);

impl Engine {
    /// Returns the places of the open conflicts behind `after`, newest first.
    pub(crate) async fn open_places(
        &self,
        user: &UserId,
        after: Option<ConflictPlace>,
    ) -> Result<Vec<ConflictPlace>> {
        check_state(self.store.head(user).await?.as_ref())?;
        let index = self.store.index(user, KindNumber::CONFLICT).await?;
        let open = index.iter().filter(|entry| !entry.deleted).map(conflict_place);
        let mut places: Vec<ConflictPlace> =
            open.filter(|place| after.is_none_or(|after| *place < after)).collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        Ok(places)
    }

    pub(crate) async fn open_conflict(
        &self,
        user: &UserId,
        envelope: &Envelope,
    ) -> Result<Conflict> {
        let stored: StoredConflict = parse(&envelope.content)?;
        let record = self.store.read_one(user, stored.key).await?;
        let record = record.map(|record| self.open_readable(user, &record)).transpose()?;
        let name = stored.field.as_deref();
        let kept = record.flatten().and_then(|record| Some(record.content?.unit(name?)));
        let lost = self.lost_value(user, envelope.key.id, &stored).await?;
        Ok(Conflict {
            id: envelope.key.id,
            key: stored.key,
            kept: kept.unwrap_or(Value::Null),
            lost,
            base: stored.base,
            reason: stored.reason,
            at: stored.at,
            device: stored.device,
            field: stored.field,
        })
    }

    /// Returns the value that lost; `None` if it is past its retention.
    pub(crate) async fn lost_value(
        &self,
        user: &UserId,
        id: RecordId,
        stored: &StoredConflict,
    ) -> Result<Option<Value>> {
        let (Some(name), Some((version, side))) = (&stored.field, stored.lost) else {
            return Ok(stored.field.is_none().then_some(Value::Null));
        };
        let key = HistoryKey { key: stored.key, version, side };
        let oldest = self.context(self.clock.now()).oldest;
        let entry = self.store.history(user, &[key]).await?.into_iter().flatten().next();
        let entry = entry.filter(|entry| oldest <= entry.at);
        if let Some(entry) = &entry
            && let Ok(version) = self.version_of(entry)
            && !version.deleted
            && let Some(kind) = self.schema().kind(stored.key.kind)
        {
            let value = units(kind, version.fields).remove(name);
            return Ok(value.or((side == 0).then_some(Value::Null)));
        }
        if 0 < side {
            return Ok(None);
        }
        // Entries of version 0.1 may name a tombstone or a version that was skipped. Then the value
        // is in an older entry. The id of the conflict is derived from the value, so it shows which
        // one.
        let entries =
            self.store.history_of(user, &stored.key, Some(version), OLDER_ENTRIES).await?;
        for entry in entries.iter().filter(|entry| oldest <= entry.at) {
            let kind = self.schema().kind(stored.key.kind);
            let (Some(kind), Ok(entry)) = (kind, self.version_of(entry)) else { continue };
            let mut values = units(kind, entry.fields);
            let value = values.remove(name).unwrap_or(Value::Null);
            if conflict_id(stored.key, stored.version, Some(name), &value) == id {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Closes a conflict as [`Engine::resolve_as`] does, for a person who sees the current record.
    ///
    /// If the record may have changed since the person looked at it, call [`Engine::resolve_as`]
    /// with the version that they saw. Otherwise the choice replaces an edit that the person never
    /// saw, and only the history has that edit.
    ///
    /// # Errors
    ///
    /// As [`Engine::resolve_as`].
    pub async fn resolve(
        &self,
        user: &UserId,
        id: RecordId,
        resolution: &Resolution,
    ) -> Result<()> {
        self.resolve_as(user, id, resolution, None).await
    }

    /// Closes a conflict. Closing it again in the same way changes nothing.
    ///
    /// `base` is the version that the person saw. Edits since then are merged, and values that they
    /// lose are in the inbox.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`] if there is no conflict with that id.
    /// - [`ErrorKind::ConflictClosed`] if it was closed in another way.
    /// - [`ErrorKind::PastRetention`] if the lost value is gone.
    /// - [`ErrorKind::Invalid`] if the field cannot hold the value, there is no room for it, the
    ///   field is fixed by now, or `base` is no version of the record. The conflict stays open.
    pub async fn resolve_as(
        &self,
        user: &UserId,
        id: RecordId,
        resolution: &Resolution,
        base: Option<Version>,
    ) -> Result<()> {
        let mut attempts = self.attempts(user);
        loop {
            let transaction = attempts.next().await?;
            let found = transaction.read(&[Key::conflict(id)]).await?;
            let Some(envelope) = found.into_iter().flatten().next() else {
                return Err(Error::new(ErrorKind::NotFound, "there is no such conflict"));
            };
            let mut stored: StoredConflict = parse(&envelope.content)?;
            let mark = mark(resolution);
            if let Some(closed) = &stored.resolution {
                let is_same = *closed == mark;
                return is_same.then_some(()).ok_or_else(closed_otherwise);
            }
            let edit = self.resolving_edit(user, id, &stored, resolution).await?;
            stored.resolution = Some(mark);
            let closed = Envelope {
                deleted: true,
                version: envelope.version + 1,
                content: to_json(&stored),
                ..envelope
            };
            let about = Resolving { transaction: &transaction, stored: &stored, base };
            let drafts = self.resolving_drafts(user, about, edit, closed).await?;
            let committed = self.commit(user, transaction.into_head(), drafts).await;
            match committed.stopped_whole() {
                None => return Ok(()),
                Some(stopped) => attempts.start_over(stopped)?,
            }
        }
    }

    /// Makes the edit for a resolution, without its base.
    async fn resolving_edit(
        &self,
        user: &UserId,
        id: RecordId,
        stored: &StoredConflict,
        resolution: &Resolution,
    ) -> Result<Option<Edit>> {
        let value = match resolution {
            Resolution::Keep => return Ok(None),
            Resolution::Set(value) => value.clone(),
            Resolution::Restore => {
                let value = self.lost_value(user, id, stored).await?;
                value.ok_or_else(|| past_retention("the lost value is past its retention"))?
            }
        };
        let Some(name) = &stored.field else {
            if matches!(resolution, Resolution::Set(_)) {
                return Err(Error::new(ErrorKind::Invalid, "there is no field to set"));
            }
            return Ok(Some(Edit { delete: true, ..Edit::default() }));
        };
        let kind = self.schema().kind(stored.key.kind).ok_or_else(Error::unreadable)?;
        let is_fitting = fits(kind, name, &value);
        if !is_fitting {
            return Err(Error::new(ErrorKind::Invalid, "the field cannot hold this value"));
        }
        let now = self.clock.now();
        Ok(Some(Edit { changes: vec![put(name, value, now)], ..Edit::default() }))
    }

    async fn resolving_drafts(
        &self,
        user: &UserId,
        about: Resolving<'_>,
        edit: Option<Edit>,
        closed: Envelope,
    ) -> Result<Vec<Draft>> {
        let Resolving { transaction, stored, base } = about;
        let Some(mut edit) = edit else {
            return Ok(vec![closing(closed)]);
        };
        let Some(envelope) = self.store.read_one(user, stored.key).await? else {
            return Err(Error::new(ErrorKind::NotFound, "the record is gone"));
        };
        let record = self.open(&envelope)?;
        check_base(&record, base)?;
        let context = transaction.context();
        // The person who saw the conflict also saw its version.
        let base = base.map(|base| base.max(stored.version).min(record.version));
        let last = self.last_content(user, &record, context).await?;
        for change in &mut edit.changes {
            change.against = since(&record, &change.name, base, context);
            let now = match &record.content {
                Some(content) => content.unit(&change.name),
                None => last.get(&change.name).cloned().unwrap_or(Value::Null),
            };
            let unit = record.unit(&change.name);
            if unit.field_type() == Some(&FieldType::Counter) {
                change.value = with_difference(&now, &change.value);
            }
            if unit.policy() == Merge::Fixed && now != change.value {
                crate::mark::hit!(fixed_field_is_not_resolved);
                return Err(Error::new(ErrorKind::Invalid, "the value of the field is fixed"));
            }
        }
        let edit = Edit { base, ..edit };
        let mut drafts = self.edited(user, (&envelope, &record), edit, context).await?;
        match drafts.last_mut() {
            // The record and the entry change together, or neither does.
            Some(last) => {
                last.inbox.push(closed);
                Ok(drafts)
            }
            None => Ok(vec![closing(closed)]),
        }
    }
}

/// Entries of version 0.1 have no hash; their stamp is the second in which they came.
fn conflict_place(entry: &IndexEntry) -> ConflictPlace {
    let at = match i64::try_from(entry.hash.bits()) {
        Ok(ms) if 0 < ms => UnixMillis(ms),
        _ => UnixMillis::from_secs(entry.stamp.0 - STAMP_AHEAD_SECS),
    };
    (at, entry.id)
}

/// The conflict that a resolution closes.
#[derive(Clone, Copy)]
struct Resolving<'a> {
    transaction: &'a Transaction<'a>,
    stored: &'a StoredConflict,
    base: Option<Version>,
}

pub(crate) fn put(name: &str, value: Value, now: UnixMillis) -> Change {
    Change {
        name: name.to_owned(),
        value,
        parts: None,
        on: None,
        edited_at: now,
        claimed_at: now,
        against: Against::Unmoved,
        doubt: Doubt::None,
    }
}

/// Whether the unit `name` can have this value.
fn fits(kind: &Kind, name: &str, value: &Value) -> bool {
    match (kind.group_named(name), value) {
        (None, value) => kind.named(name).check(value).is_ok(),
        (Some(_), Value::Group(group)) => {
            let mut fields = kind.fields_of(name).into_iter();
            fields.all(|field| kind.named(field).check(group.get(field)).is_ok())
        }
        (Some(_), value) => {
            let mut fields = kind.fields_of(name).into_iter();
            value.is_null() && fields.all(|field| !kind.named(field).is_required())
        }
    }
}

/// An inbox entry that changes alone.
fn closing(closed: Envelope) -> Draft {
    Draft::plain(Some(OldFacts::of(&closed)), closed)
}

/// What a closed entry keeps, to recognise the same resolution when it comes again.
fn mark(resolution: &Resolution) -> String {
    match resolution {
        Resolution::Keep => "keep".to_owned(),
        Resolution::Restore => "restore".to_owned(),
        Resolution::Set(value) => format!("set {:016x}", value.hash()),
    }
}

fn closed_otherwise() -> Error {
    Error::new(ErrorKind::ConflictClosed, "the conflict was closed in another way")
}

pub(crate) fn past_retention(what: &'static str) -> Error {
    Error::new(ErrorKind::PastRetention, what)
}

/// Writes one entry of the inbox.
pub(crate) fn write_conflict(out: &mut String, schema: &Schema, conflict: &Conflict) {
    let optional = |text: Option<&str>| text.map_or("null".to_owned(), quoted);
    let lost = conflict.lost.as_ref().map_or("null".to_owned(), quoted);
    let base = conflict.base.map_or("null".to_owned(), |base| base.to_string());
    let _ = write!(
        out,
        r#"{{"conflictId":"{}","kind":"{}","id":"{}","field":{},"kept":{},"lost":{lost},"base":{base},"reason":{},"at":"{}","deviceId":{}}}"#,
        conflict.id,
        schema.name_of(conflict.key.kind),
        conflict.key.id,
        optional(conflict.field.as_deref()),
        quoted(&conflict.kept),
        quoted(&conflict.reason),
        conflict.at,
        optional(conflict.device.as_deref()),
    );
}
