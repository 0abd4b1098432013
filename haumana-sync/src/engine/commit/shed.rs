//! Removes history beyond its limit: the oldest first, except values that wait in the inbox.

use crate::engine::commit::StoredConflict;
use crate::engine::commit::notes::Notes;
use crate::engine::commit::trail::Trail;
use crate::engine::edit::bases::apart;
use crate::engine::edit::record::{HistoryMeta, parse, to_json};
use crate::engine::{Engine, Result};
use crate::id::{Key, KindNumber, UserId};
use crate::record::Value;
use crate::store::{Batch, Head, HistoryEntry, HistoryKey, StoreExt};
use crate::time::UnixMillis;
use std::collections::BTreeMap;

/// How many entries of the inbox are read at once.
const READ_ENTRIES: usize = 100;

/// Values that open inbox entries refer to, by their history key, with what is stored there.
type Losers = BTreeMap<HistoryKey, (Option<HistoryEntry>, BTreeMap<String, Value>)>;

impl Engine {
    /// Counts what a commit adds to the history, and what has expired meanwhile.
    pub(crate) fn count_history(
        &self,
        notes: &mut Notes,
        before: Option<&Head>,
        entries: &[HistoryEntry],
        now: UnixMillis,
    ) {
        if entries.is_empty() {
            return;
        }
        if let Some(head) = before {
            let last = UnixMillis::from_secs(head.stamp.0);
            notes.history.expire(self.context(now).oldest, last);
        }
        for entry in entries {
            notes.history.add(entry.at, entry.size_bytes() as u64, self.history_bytes);
        }
    }

    /// Deletes the oldest history if the account holds more than its limit. If that fails, the next
    /// commit does it. Until then the head counts what is still there.
    pub(crate) async fn shed(&self, user: &UserId, trail: &mut Trail) {
        let Some(head) = &trail.head else { return };
        let Ok(mut notes) = Notes::of(Some(head)) else { return };
        let Some(cutoff) = notes.history.cutoff(self.history_bytes) else { return };
        crate::mark::hit!(oldest_history_gives_way);
        if self.keep_losers(user, trail, cutoff, &mut notes).await.is_err() {
            return;
        }
        if self.store.purge(user, cutoff).await.is_err() {
            return;
        }
        notes.history.forget(cutoff);
        notes.shed = notes.shed.max(Some(cutoff));
        if let Some(head) = &trail.head
            && let Some(batch) = self.commit_notes(user, Some(head), &notes).await
        {
            trail.add(batch);
        }
    }

    /// Writes the values that open inbox entries refer to, and that would be removed, as if they
    /// had been superseded at the cutoff. So only these values stay.
    async fn keep_losers(
        &self,
        user: &UserId,
        trail: &mut Trail,
        cutoff: UnixMillis,
        notes: &mut Notes,
    ) -> Result<()> {
        if notes.open == Some(0) {
            return Ok(());
        }
        let losers = self.open_losers(user, cutoff).await?;
        let slice = self.slice();
        let kept =
            losers.into_iter().map(|(key, (there, values))| loser(key, there, cutoff, &values));
        let mut left = kept.peekable();
        while left.peek().is_some() {
            let Some(head) = &trail.head else { return Ok(()) };
            let (mut history, mut bytes) = (Vec::new(), 0);
            while let Some(entry) = left.peek() {
                bytes += entry.size_bytes();
                let is_full = slice.items <= history.len() || slice.bytes < bytes;
                if is_full && !history.is_empty() {
                    break;
                }
                history.extend(left.next());
            }
            for entry in &history {
                notes.history.add(cutoff, entry.size_bytes() as u64, self.history_bytes);
            }
            let mut next = self.next_head(Some(head), head.state, self.clock.now());
            next.stamp = head.stamp;
            notes.quiet_since = notes.quiet_since.or(Some(head.revision.0));
            next.notes = notes.to_text();
            let batch = Batch { head: next, records: Vec::new(), history };
            self.store.commit_settled(user, Some(head), &batch).await?;
            trail.add(batch);
        }
        Ok(())
    }

    /// The values that are older than `cutoff` and that open inbox entries refer to.
    async fn open_losers(&self, user: &UserId, cutoff: UnixMillis) -> Result<Losers> {
        let index = self.store.index(user, KindNumber::CONFLICT).await?;
        let open = index.iter().filter(|entry| !entry.deleted);
        let keys: Vec<Key> = open.map(|entry| Key::conflict(entry.id)).collect();
        let mut losers = Losers::new();
        for keys in keys.chunks(READ_ENTRIES) {
            let mut places = Vec::new();
            for entry in self.store.read(user, keys).await?.into_iter().flatten() {
                let Ok(stored) = parse::<StoredConflict>(&entry.content) else { continue };
                let at = stored.lost.map(|(version, side)| HistoryKey {
                    key: stored.key,
                    version,
                    side,
                });
                places.extend(at.map(|at| (at, entry.key.id, stored)));
            }
            let at: Vec<HistoryKey> = places.iter().map(|(at, ..)| *at).collect();
            let found = self.store.history(user, &at).await?;
            for ((at, id, stored), found) in places.into_iter().zip(found) {
                if found.as_ref().is_some_and(|entry| cutoff <= entry.at) {
                    continue;
                }
                let value = self.lost_value(user, id, &stored).await?;
                if let (Some(name), Some(value)) = (stored.field, value) {
                    losers.entry(at).or_insert((found, BTreeMap::new())).1.insert(name, value);
                }
            }
        }
        Ok(losers)
    }
}

/// A history entry with only the values that lost. Nothing else of a version stays. A push of which
/// a part lost is short already.
fn loser(
    key: HistoryKey,
    there: Option<HistoryEntry>,
    at: UnixMillis,
    values: &BTreeMap<String, Value>,
) -> HistoryEntry {
    if let Some(side) = there.filter(|_| 0 < key.side) {
        return HistoryEntry { at, ..side };
    }
    let values = apart(values);
    let changed = values.keys().map(|name| (*name).to_owned()).collect();
    let meta = HistoryMeta { at, changed, partial: key.side == 0, ..HistoryMeta::default() };
    HistoryEntry { key, at, content: to_json(&values), meta: to_json(&meta) }
}
