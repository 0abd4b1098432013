//! Restores an earlier version of a record, and applies edits that a person asks for.

use crate::digest::Digest;
use crate::engine::commit::Draft;
use crate::engine::edit::apply::parts::apply_within;
use crate::engine::edit::bases::{fields, needed, units};
use crate::engine::edit::meta::AtVersion;
use crate::engine::edit::record::{Record, is_tombstone, is_whole};
use crate::engine::edit::{Edit, MergeContext};
use crate::engine::inbox::{past_retention, put};
use crate::engine::push::plan::since;
use crate::engine::{Engine, Error, ErrorKind, Result};
use crate::id::{Key, UserId};
use crate::record::{Content, Counter, Value};
use crate::schema::FieldType;
use crate::store::{Envelope, HistoryKey, Version};
use std::collections::{BTreeMap, BTreeSet};

/// What the person who restores a version has seen, and the name of the request.
///
/// With the default, the person is assumed to know the current record, and a repeated restore is
/// recognised by its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The version that they saw. Later edits are merged. Without it, they know the current
    /// version.
    ///
    /// Name it whenever the screen may be older than the record. Then an edit that somebody made
    /// meanwhile is merged, and is in the inbox if it loses.
    pub base: Option<Version>,
    /// A name of the request. Without it, a repeat is recognised by the version to restore and the
    /// base.
    ///
    /// Give a name if a person may restore the same version twice on purpose. It has at most
    /// [`REQUEST_ID_CHARS`](crate::limits::REQUEST_ID_CHARS) characters.
    pub request_id: Option<String>,
}

/// The outcome of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The record's version now.
    pub version: Version,
    /// Whether nothing changed: the record had that content already, or the request was seen
    /// before.
    pub is_unchanged: bool,
}

impl Engine {
    /// Makes the content of an earlier version the record's content again, as a new edit. It also
    /// works for a deleted record. Repeating the request, early or late, changes nothing.
    ///
    /// A restore does not go back in time. The versions in between stay in the history, and the
    /// next version has the old content. Counters are restored by a difference: what other devices
    /// count meanwhile is kept.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, kai, song, .. } = example();
    /// use haumana_sync::engine::Asked;
    ///
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    /// engine.push(&kai, "phone", &[push(Some(1), "by mistake")]).await?;
    ///
    /// let restored = engine.restore_record(&kai, song, 1, &Asked::default()).await?;
    ///
    /// assert_eq!((3, false), (restored.version, restored.is_unchanged));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the record or the version never existed, or the version is a
    /// delete; [`ErrorKind::PastRetention`] if the version's content is gone;
    /// [`ErrorKind::Invalid`] if there is no room for it, or the base is no version of the record.
    pub async fn restore_record(
        &self,
        user: &UserId,
        key: Key,
        version: Version,
        asked: &Asked,
    ) -> Result<Restored> {
        let mut attempts = self.attempts(user);
        loop {
            let transaction = attempts.next().await?;
            let context = transaction.context();
            let (envelope, record) = transaction.open_one(key).await?;
            let old_version = record.version;
            let unchanged = Restored { version: old_version, is_unchanged: true };
            let name = asked.name(version);
            if record.meta.has_seen(name, context.oldest) {
                crate::mark::hit!(repeated_restore_changes_nothing);
                return Ok(unchanged);
            }
            check_base(&record, asked.base)?;
            let edit = self.restoring_edit(user, &record, version, asked.base, context).await?;
            let edit = Edit { seen: vec![name], base: asked.base, ..edit };
            let drafts = self.edited(user, (&envelope, &record), edit, context).await?;
            let Some(last) = drafts.last() else { return Ok(unchanged) };
            let version = last.new.version;
            let committed = self.commit(user, transaction.into_head(), drafts).await;
            match committed.stopped_whole() {
                None => return Ok(Restored { version, is_unchanged: version == old_version }),
                Some(stopped) => attempts.start_over(stopped)?,
            }
        }
    }

    /// The edit that restores a version. For the current version the edit changes nothing. It is
    /// remembered, so that it changes nothing when it comes again late.
    async fn restoring_edit(
        &self,
        user: &UserId,
        record: &Record,
        version: Version,
        base: Option<Version>,
        context: MergeContext,
    ) -> Result<Edit> {
        if version == 0 || record.version < version || record.meta.is_foreign(version) {
            return Err(Error::new(ErrorKind::NotFound, "there was no such version"));
        }
        if version == record.version && record.content.is_some() {
            return Ok(Edit::default());
        }
        let key = HistoryKey { key: record.key(), version, side: 0 };
        let entry = self.store.history(user, &[key]).await?.into_iter().flatten().next();
        let is_delete = version == record.version || entry.as_ref().is_some_and(is_tombstone);
        if is_delete {
            crate::mark::hit!(version_that_is_a_delete_is_not_restored);
            return Err(Error::new(ErrorKind::NotFound, "that version is a delete"));
        }
        let entry = entry.filter(|entry| context.oldest <= entry.at && is_whole(entry));
        let Some(entry) = entry else {
            return Err(past_retention("the version's content is past its retention"));
        };
        let fields = units(&record.kind, fields(&record.kind, &entry.content, true)?);
        let last = self.last_content(user, record, context).await?;
        Ok(content_edit(record, fields, Some(&last), base, context))
    }

    /// The content of a deleted record, if it is in the history.
    pub(crate) async fn last_content(
        &self,
        user: &UserId,
        record: &Record,
        context: MergeContext,
    ) -> Result<BTreeMap<String, Value>> {
        if record.content.is_some() {
            return Ok(BTreeMap::new());
        }
        let key = HistoryKey { key: record.key(), version: record.meta.last_version, side: 0 };
        let mut bases = self.read_bases(user, BTreeSet::from([key]), context.oldest).await?;
        Ok(bases.remove(&key).unwrap_or_default())
    }

    /// Applies an edit that a person asked for. The person knows the current record, or saw
    /// `edit.base`. Returns what is to be written, in order.
    pub(crate) async fn edited(
        &self,
        user: &UserId,
        (envelope, record): (&Envelope, &Record),
        edit: Edit,
        context: MergeContext,
    ) -> Result<Vec<Draft>> {
        let base = edit.base.unwrap_or(record.version);
        let knows_delete = record.version <= base;
        let edit = Edit { base: Some(base), knows_delete, is_asked: true, ..edit };
        let keys = needed(Some(record), &edit).into_iter().collect();
        let bases = self.read_bases(user, keys, context.oldest).await?;
        let last = HistoryKey { key: record.key(), version: record.meta.last_version, side: 0 };
        let is_set = |name: &str| edit.changes.iter().any(|change| change.name == name);
        let is_whole = record.kind.unit_names().all(is_set);
        // A record that its device deleted before the server had it has no content to restore.
        let never_was = record.meta.created.version == record.version;
        let lacks_content = record.content.is_none() && !never_was && !bases.contains_key(&last);
        if lacks_content && !edit.delete && !is_whole {
            return Err(past_retention("the record's content is past its retention"));
        }
        let (target, old) = ((&record.kind, record.id), Some((envelope, record)));
        let limits = self.store.batch_limits();
        let applied = apply_within(target, old, &edit, &bases, (context, limits));
        let drafts = applied.and_then(|it| Draft::all_of(it, Some(envelope), context.now));
        let mut drafts =
            drafts.map_err(|_| Error::new(ErrorKind::Invalid, "the record cannot take this"))?;
        self.drop_known_conflicts(user, drafts.iter_mut().collect()).await?;
        Ok(drafts)
    }
}

/// The edit that makes `fields` the content of a record. For a deleted record it sets all fields,
/// and compares them with its `last` content.
pub(crate) fn content_edit(
    record: &Record,
    fields: BTreeMap<String, Value>,
    last: Option<&BTreeMap<String, Value>>,
    base: Option<Version>,
    context: MergeContext,
) -> Edit {
    let current = record.content.iter().flat_map(Content::unknown_names);
    let current = current.chain(last.into_iter().flatten().map(|(name, _)| name.as_str()));
    let cleared = current.filter(|name| !fields.contains_key(*name));
    let cleared = cleared.map(|name| (name, &Value::Null));
    let mut edit = Edit::default();
    let kept = fields.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in cleared.chain(kept) {
        let now = match &record.content {
            Some(content) => Some(content.unit(name)),
            None => last.and_then(|last| last.get(name)).cloned(),
        };
        let is_counter = record.unit(name).field_type() == Some(&FieldType::Counter);
        let value = match now {
            Some(now) if is_counter => with_difference(&now, value),
            _ => value.clone(),
        };
        // A value that is as the person saw it is no change.
        if !is_at(record, name, &value, base) {
            let against = since(record, name, base, context);
            let change = put(name, value, context.now);
            edit.changes.push(crate::engine::edit::Change { against, ..change });
        }
    }
    edit
}

/// The device under which a restore counts on counters. Other devices keep what they have counted.
const RESTORED: &str = "(restored)";

/// A counter with the sum of `then`: its present totals, and the difference. Totals only grow, so
/// putting earlier totals back would change nothing.
pub(crate) fn with_difference(now: &Value, then: &Value) -> Value {
    let mut counter = Counter::of(now);
    match Counter::of(then).exact_sum() - counter.exact_sum() {
        0 => now.clone(),
        by => {
            crate::mark::hit!(restored_counter_is_written_as_a_difference);
            counter.add_exactly(RESTORED, by);
            counter.to_value()
        }
    }
}

impl Asked {
    /// The hash by which the request is recognised when it comes again.
    fn name(&self, version: Version) -> u64 {
        let name = match &self.request_id {
            Some(id) => format!("restore\0id\0{id}"),
            None => format!("restore\0{version}\0{:?}", self.base),
        };
        Digest::of([name.as_bytes()]).short()
    }
}

/// Refuses a base that is no version of the record.
pub(crate) fn check_base(record: &Record, base: Option<Version>) -> Result<()> {
    let is_good =
        |base: Version| 0 < base && base <= record.version && !record.meta.is_foreign(base);
    match base.is_none_or(is_good) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Invalid, "base is no version of the record")),
    }
}

/// Whether the field had this value at the version that a person saw.
fn is_at(record: &Record, name: &str, value: &Value, base: Option<Version>) -> bool {
    let Some(base) = base else { return false };
    match (record.meta.at_version(name, base), &record.content) {
        (AtVersion::Current, Some(content)) => content.unit(name) == *value,
        (AtVersion::Past { hash, .. }, _) => record.unit(name).hash(value) == hash,
        _ => false,
    }
}
