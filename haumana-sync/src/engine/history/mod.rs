//! The history of a record, for people: what each version changed, and which values lost.

pub(crate) mod accept;
pub(crate) mod restore;
pub(crate) mod rewind;

use crate::engine::edit::bases::fields;
use crate::engine::edit::record::Record;
use crate::engine::edit::record::{HistoryMeta, is_partial, parse};
use crate::engine::{Engine, Error, ErrorKind, Result, check_state};
use crate::id::{Key, UserId};
use crate::merge::Reason;
use crate::record::Value;
use crate::store::{HistoryEntry, StoreExt, Version};
use crate::time::UnixMillis;
use std::collections::BTreeMap;

/// How many entries are read at once. A version may have more.
const READ_ENTRIES: usize = 32;

/// Versions of a record, newest first.
///
/// It names fields and values, in the order in which they changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The record.
    pub key: Key,
    /// The versions.
    pub versions: Vec<VersionEntry>,
    /// Where the next page starts; `None` if nothing older is retained.
    ///
    /// Pass it to the next call as `before`.
    pub next: Option<Version>,
}

/// One version of a record, and its changes from the version before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// The version.
    pub version: Version,
    /// When it was committed.
    pub at: UnixMillis,
    /// The device that made it, if known.
    pub device: Option<String>,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The fields that it changed, with the values that they had before.
    pub changed: Vec<EarlierValue>,
    /// Values that were pushed and lost while this was the version.
    ///
    /// These values were never in the record. They are here even if they do not wait in the inbox.
    pub lost: Vec<LostValue>,
}

/// The value that a field had before a version changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierValue {
    /// The field.
    pub field: String,
    /// The value; `None` if it is past its retention.
    ///
    /// [`Value::Null`] means that the field had no value.
    pub value: Option<Value>,
}

/// A pushed value that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostValue {
    /// The field.
    pub field: String,
    /// The pushed value.
    pub value: Value,
    /// Why it lost.
    pub reason: Reason,
    /// When it was pushed.
    pub at: UnixMillis,
    /// The device that pushed it, if known.
    pub device: Option<String>,
}

impl Engine {
    /// Lists versions of a record, newest first: at most `limit` of those below `before` (`None`:
    /// beginning with the current one). It lists fewer if more than about `limit_bytes` would have
    /// to be read.
    ///
    /// Edits of one record in one request are one version. Values that these edits replaced among
    /// themselves were on no other device, and are not in the history.
    ///
    /// A version is listed while its content is retained, see
    /// [`EngineConfig::retention_ms`](crate::engine::EngineConfig::retention_ms). The current
    /// version is always listed.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, kai, song, .. } = example();
    /// engine.push(&kai, "phone", &[push(None, "Hiilawe")]).await?;
    /// engine.push(&kai, "phone", &[push(Some(1), "Hiʻilawe")]).await?;
    ///
    /// let page = engine.history_of(&kai, song, None, 10, 1 << 20).await?;
    ///
    /// let newest = &page.versions[0];
    /// assert_eq!((2, "title"), (newest.version, newest.changed[0].field.as_str()));
    /// assert_eq!(Some(Value::Text("Hiilawe".to_owned())), newest.changed[0].value);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there never was such a record. [`ErrorKind::Importing`] or
    /// [`ErrorKind::Erasing`] while the account is being imported or erased.
    pub async fn history_of(
        &self,
        user: &UserId,
        key: Key,
        before: Option<Version>,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<HistoryPage> {
        check_state(self.store.head(user).await?.as_ref())?;
        let mut walk = Walk { versions: Vec::new(), bytes: 0, is_at_end: false };
        let found = self.store.read_one(user, key).await?;
        let envelope =
            found.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such record"))?;
        if before.is_none()
            && let Some(record) = self.open_readable(user, &envelope)?
        {
            walk.start(record);
        }
        let oldest = self.context(self.clock.now()).oldest;
        let mut behind = before;
        while walk.complete() < limit && (walk.complete() == 0 || walk.bytes <= limit_bytes) {
            let entries = self.whole_versions(user, &key, behind).await?;
            let Some(last) = entries.last() else {
                walk.is_at_end = true;
                break;
            };
            behind = Some(last.key.version);
            let is_there = |entry: &&HistoryEntry| oldest <= entry.at && !is_partial(entry);
            for entry in entries.iter().filter(is_there) {
                // If it cannot be read, the witness was notified when it was read.
                if let Ok(version) = self.version_of(entry) {
                    walk.take(version, entry.content.len());
                }
            }
        }
        Ok(walk.into_page(key, limit))
    }

    /// Reads the next versions of a record with all of their sides. At the end it returns none.
    pub(crate) async fn whole_versions(
        &self,
        user: &UserId,
        key: &Key,
        before: Option<Version>,
    ) -> Result<Vec<HistoryEntry>> {
        let mut limit = READ_ENTRIES;
        loop {
            let entries = self.store.history_of(user, key, before, limit).await?;
            let version = |entry: Option<&HistoryEntry>| entry.map(|entry| entry.key.version);
            let is_one = version(entries.first()) == version(entries.last());
            // Only a version that alone exceeds the limit is cut.
            if !is_one || entries.len() < limit {
                return Ok(entries);
            }
            limit = limit.saturating_mul(4);
        }
    }
}

/// One entry of the history, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryVersion {
    /// The version.
    pub version: Version,
    /// 0 for the version itself. Others are pushes of which a part lost.
    pub side: u32,
    /// When it was committed, or pushed.
    pub at: UnixMillis,
    /// The device that made it, if known.
    pub device: Option<String>,
    /// The fields that it changed.
    pub changed: Vec<String>,
    /// The fields that lost, and why.
    pub lost: Vec<(String, Reason)>,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// Its fields.
    pub fields: BTreeMap<String, Value>,
}

impl Engine {
    /// Opens an entry of the history under its kind.
    pub(crate) fn version_of(&self, entry: &HistoryEntry) -> Result<HistoryVersion> {
        let kind = self.schema().kind(entry.key.key.kind).ok_or_else(Error::unreadable)?;
        let meta: HistoryMeta = parse(&entry.meta)?;
        let is_whole = entry.key.side == 0 && !meta.deleted && !meta.partial;
        let mut fields = fields(kind, &entry.content, is_whole)?;
        // The creation time belongs to no single version.
        fields.retain(|name, _| !kind.named(name).is_fixed_edit_time());
        Ok(HistoryVersion {
            version: entry.key.version,
            side: entry.key.side,
            at: meta.at,
            device: meta.device,
            changed: meta.changed,
            lost: meta.lost,
            deleted: meta.deleted,
            fields,
        })
    }
}

/// The versions read so far, each with the pushes that lost against it.
struct Walk {
    versions: Vec<(HistoryVersion, Vec<HistoryVersion>)>,
    bytes: usize,
    is_at_end: bool,
}

impl Walk {
    fn start(&mut self, record: Record) {
        let current = HistoryVersion {
            version: record.version,
            side: 0,
            at: record.modified_at,
            deleted: record.content.is_none(),
            device: record.meta.device,
            changed: record.meta.changed,
            lost: Vec::new(),
            // No version is newer, so its fields are not needed.
            fields: BTreeMap::new(),
        };
        self.versions.push((current, Vec::new()));
    }

    fn take(&mut self, version: HistoryVersion, content_bytes: usize) {
        self.bytes += content_bytes;
        let is_here = self.versions.last().is_some_and(|(last, _)| last.version == version.version);
        match (self.versions.last_mut(), version.side) {
            // It was superseded between two reads: it is already here as the current version.
            (Some(_), 0) if is_here => {}
            (_, 0) => self.versions.push((version, Vec::new())),
            // A version in between, of several edits in one request, is not in the history. What
            // lost there is listed with the version that they became.
            (Some((_, sides)), _) => sides.push(version),
            // It was listed on the page before.
            (None, _) => {}
        }
    }

    /// The number of versions, from the first, of which everything was read.
    fn complete(&self) -> usize {
        match self.is_at_end {
            true => self.versions.len(),
            // The first may be the current version, which has no fields. There is no version before
            // it to compare.
            false => self.versions.iter().rposition(|(version, _)| !version.deleted).unwrap_or(0),
        }
    }

    fn into_page(self, key: Key, limit: usize) -> HistoryPage {
        let count = self.complete().min(limit);
        let has_more = count < self.versions.len() || !self.is_at_end;
        let entries = (0..count).map(|at| self.entry(at));
        let versions: Vec<VersionEntry> = entries.collect();
        let next = versions.last().filter(|_| has_more).map(|last| last.version);
        HistoryPage { key, versions, next }
    }

    fn entry(&self, at: usize) -> VersionEntry {
        let (version, sides) = &self.versions[at];
        let before = self.versions[at + 1..].iter().find(|(before, _)| !before.deleted);
        let earlier = |field: &String| EarlierValue {
            field: field.clone(),
            value: before
                .map(|(before, _)| before.fields.get(field).cloned().unwrap_or(Value::Null)),
        };
        VersionEntry {
            version: version.version,
            at: version.at,
            device: version.device.clone(),
            deleted: version.deleted,
            changed: version.changed.iter().map(earlier).collect(),
            lost: sides.iter().flat_map(lost_values).collect(),
        }
    }
}

fn lost_values(side: &HistoryVersion) -> impl Iterator<Item = LostValue> {
    side.lost.iter().map(|(field, reason)| LostValue {
        field: field.clone(),
        value: side.fields.get(field).cloned().unwrap_or(Value::Null),
        reason: *reason,
        at: side.at,
        device: side.device.clone(),
    })
}
