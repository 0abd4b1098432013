//! Packed copies: all live records of a kind, read in a few units instead of one for each four.
//!
//! The app downloads all practice sessions at each sync. A session is an item of 400 bytes and an
//! entry of 141 in the index. Here a few hundred of them are one compressed item. See ADR 0032.
//!
//! A copy states a fact that stays true: *these are the contents, when the head was at `to` or
//! beyond, of the records that were last changed in (`from`, `to`]*. So copies may be read late, be
//! missing, overlap, or be written by two readers at once. Changes behind the last copy are read
//! from the index. If a record is found twice, the later revision counts.
//!
//! - The reader that found many changes behind the last copy writes the next one. A commit never
//!   does.
//! - They are in the account's own partition of the history, so that an erasure finds them. They
//!   are written only while the head says that the account is not being erased, in one transaction
//!   with that check.
//! - They expire like history, because they hold content that was replaced or deleted since. Then
//!   they are made again from the records.
//!
//! # Format
//!
//! A copy's sort key is `COPY#kind#epoch#generation#from`. Because epoch and generation are in the
//! key, a copy of another life of the account is never read. The item has `_to`, `_expires`, and
//! `_records`: one JSON array a line, of revision, stamp, id and content, compressed. The content
//! of a deleted record is null.
//!
//! Copies are read in the order of `from`. As long as each begins at or before the end of the one
//! before, nothing is missing. Copies behind the first gap are not used.

use crate::items::{Item, key_item, n, number, text};
use crate::listing::{Looks, newest, torn};
use crate::meter::Direction;
use crate::pack::{pack, unpack};
use crate::records::Listed;
use crate::requests::Range;
use crate::schema::{
    EXPIRES, HISTORY, ItemKey, LAST_REVISION, PIECES, head_key, partition, place_after, table_of,
};
use crate::store::DynamoStore;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnConsumedCapacity, TransactWriteItem,
};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::{Envelope, Head, HeadState, LiveRecord, Result, Revision, Stamp};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The prefix of the sort keys of copies. No kind of record has this name.
pub(crate) const COPIES: &str = "COPY#";
/// Up to this many changes behind the last copy are read one by one. With more, another copy is
/// made.
///
/// Writing a copy costs write units, so it is not done for every change.
const TAIL: usize = 8;
/// An account with fewer records of the kind has no copies, because they would save nothing.
const FEW: usize = 24;
/// LIMIT: bytes of one copy before it is compressed; an item has at most 400 kB.
const COPY_BYTES: usize = 350_000;

const TO: &str = "_to";
const RECORDS: &str = "_records";

/// The content of a record at a revision; without content it was deleted.
///
/// It has only what `live_records` returns, and the revision for the order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    id: RecordId,
    revision: Revision,
    stamp: Stamp,
    content: Option<String>,
}

/// Records by id, each in its latest state.
///
/// The order in which copies and records are added does not matter.
#[derive(Debug, Default)]
struct Newest(HashMap<RecordId, Held>);

impl Newest {
    fn add(&mut self, held: Held) {
        match self.0.get(&held.id) {
            Some(known) if held.revision < known.revision => {}
            _ => drop(self.0.insert(held.id, held)),
        }
    }

    fn live(self) -> Vec<LiveRecord> {
        let live = self.0.into_values().filter_map(|held| {
            Some(LiveRecord { id: held.id, stamp: held.stamp, content: held.content? })
        });
        live.collect()
    }
}

impl DynamoStore {
    /// Reads all live records of a kind.
    ///
    /// If a copy is due, it is written before the answer is returned. If that fails, it is ignored.
    pub(crate) async fn read_live(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Vec<LiveRecord>> {
        let (op, table) = ("live", table_of(kind));
        let mut call = self.reading(op);
        let mut looks = Looks::default();
        loop {
            let Some(stored) = self.stored_head(&mut call, user).await? else {
                return Ok(Vec::new());
            };
            let (mut all, covered) = self.read_copies(user, kind, &stored.head).await;
            let behind = match covered {
                Revision(0) => Range::All,
                covered => Range::Behind(place_after(covered)),
            };
            let listed = self.list_behind(&mut call, user, table, behind).await?;
            let is_torn = stored.is_missing(table, &listed, |recent| covered < recent.revision);
            if is_torn && !looks.are_enough(&stored) {
                call.wait(torn()).await?;
                continue;
            }
            let tail: Vec<Listed> =
                newest(listed).into_values().filter(|one| one.key.kind == kind).collect();
            let keys: Vec<Key> =
                tail.iter().filter(|one| !one.deleted).map(|one| one.key).collect();
            let live = tail.iter().filter(|one| !one.deleted);
            let found = self.fetch_listed(op, user, live, &stored).await?;
            // If a record is gone, the account is being erased. Then nothing may count as complete.
            let is_read = |key| found.get(key).is_some_and(|record| !record.is_unreadable());
            let is_whole = !is_torn && keys.iter().all(is_read);
            let mut tail: Vec<Held> =
                tail.into_iter().filter_map(|one| held(one, &found)).collect();
            tail.sort_unstable_by_key(|held| (held.revision, held.id));
            if is_whole && TAIL < tail.len() && FEW <= all.0.len() + tail.len() {
                self.write_copies(user, kind, &stored.head, covered, &tail).await;
            }
            tail.into_iter().for_each(|held| all.add(held));
            return Ok(all.live());
        }
    }

    /// Reads the copies of this life of the account, and the revision up to which they are
    /// complete.
    ///
    /// A copy that cannot be read counts as missing: everything is in the records.
    async fn read_copies(
        &self,
        user: &UserId,
        kind: KindNumber,
        head: &Head,
    ) -> (Newest, Revision) {
        let (mut all, mut covered) = (Newest::default(), Revision(0));
        let life = life(kind, head);
        let (first, last) = (format!("{life}{:011}", 0), format!("{life}{LAST_REVISION}"));
        let (call, mut from) = (self.reading("live_records"), None);
        loop {
            let request = self
                .client
                .query()
                .table_name(self.table(HISTORY))
                // A copy that is not visible yet counts as not made yet.
                .consistent_read(false)
                .key_condition_expression(
                    "#partition = :partition AND #sort BETWEEN :low AND :high",
                )
                .expression_attribute_names("#partition", HISTORY.partition)
                .expression_attribute_names("#sort", HISTORY.sort)
                .expression_attribute_values(
                    ":partition",
                    AttributeValue::S(partition(HISTORY, user)),
                )
                .expression_attribute_values(":low", AttributeValue::S(first.clone()))
                .expression_attribute_values(":high", AttributeValue::S(last.clone()))
                .set_exclusive_start_key(from)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send();
            let Ok(answer) = call.send_once(request).await else { return (all, covered) };
            self.meter.add(Direction::Read, answer.consumed_capacity.as_slice());
            for item in answer.items.unwrap_or_default() {
                let copy = decode(&life, &item).filter(|copy| copy.to <= head.revision);
                // A gap: later copies are true, but changes in the gap are unknown.
                let Some(copy) = copy.filter(|copy| copy.from <= covered) else {
                    return (all, covered);
                };
                covered = covered.max(copy.to);
                copy.records.into_iter().for_each(|held| all.add(held));
            }
            from = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return (all, covered);
            }
        }
    }

    /// Writes copies of the changes behind `covered`. If that fails, the next reader tries.
    ///
    /// It stops at the first failure, so that there is never a gap.
    async fn write_copies(
        &self,
        user: &UserId,
        kind: KindNumber,
        head: &Head,
        covered: Revision,
        tail: &[Held],
    ) {
        if head.state != HeadState::Active {
            return;
        }
        let mut from = covered;
        for (to, records) in parts(tail, head.revision) {
            let copy = encode(user, kind, head, from, to, records, self.expiry());
            if self.write_copy(user, head, copy).await.is_none() {
                return;
            }
            from = to;
        }
    }

    /// The check and the copy are one transaction. If an erasure begins meanwhile, it either finds
    /// the copy and deletes it, or the copy is refused.
    async fn write_copy(&self, user: &UserId, head: &Head, copy: Item) -> Option<()> {
        let check = ConditionCheck::builder()
            .table_name(self.table(PIECES))
            .set_key(Some(key_item(&head_key(user))))
            .condition_expression("#epoch = :epoch AND #state = :active")
            .expression_attribute_names("#epoch", "_epoch")
            .expression_attribute_names("#state", "_state")
            .expression_attribute_values(":epoch", n(head.epoch.0))
            .expression_attribute_values(":active", AttributeValue::S("active".to_owned()));
        let put = Put::builder().table_name(self.table(HISTORY)).set_item(Some(copy));
        let items = [
            TransactWriteItem::builder().condition_check(check.build().ok()?).build(),
            TransactWriteItem::builder().put(put.build().ok()?).build(),
        ];
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items.into()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let written = self.writing("live_records").send_once(request).await;
        self.meter.add(Direction::Write, written.ok()?.consumed_capacity());
        Some(())
    }

    fn expiry(&self) -> u64 {
        now_secs().saturating_add(self.options.history_ttl.as_secs())
    }
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The content of a listed record; `None` if it is gone, for example while an account is erased.
fn held(listed: Listed, found: &HashMap<Key, Envelope>) -> Option<Held> {
    let id = listed.key.id;
    if listed.deleted {
        return Some(Held { id, revision: listed.revision, stamp: listed.stamp, content: None });
    }
    let record = found.get(&listed.key)?;
    let content = (!record.deleted).then(|| record.content.clone());
    Some(Held { id, revision: record.revision, stamp: record.stamp, content })
}

/// Cuts records that are sorted by revision into copies. No copy ends within a revision.
///
/// Otherwise half of a commit would be behind the end of a copy, where nobody looks for it.
fn parts(tail: &[Held], head: Revision) -> Vec<(Revision, &[Held])> {
    let mut parts = Vec::new();
    let (mut first, mut n_bytes) = (0, 0);
    for (at, pair) in tail.windows(2).enumerate() {
        // Windows of two have two elements.
        let (this, next) = (&pair[0], &pair[1]);
        n_bytes += this.content.as_ref().map_or(0, String::len) + 64;
        if COPY_BYTES <= n_bytes && this.revision < next.revision && this.revision < head {
            parts.push((this.revision, &tail[first..=at]));
            (first, n_bytes) = (at + 1, 0);
        }
    }
    // `first` is at most the length.
    parts.push((head, &tail[first..]));
    parts
}

/// The prefix of the sort keys of one life's copies of a kind.
///
/// Padding makes numbers sort as text.
fn life(kind: KindNumber, head: &Head) -> String {
    format!("{COPIES}{}#{:016x}#{:08x}#", kind.get(), head.epoch.0, head.generation.0)
}

/// One copy.
struct Copy {
    from: Revision,
    to: Revision,
    records: Vec<Held>,
}

fn encode(
    user: &UserId,
    kind: KindNumber,
    head: &Head,
    from: Revision,
    to: Revision,
    records: &[Held],
    expires: u64,
) -> Item {
    let sort = format!("{}{:011}", life(kind, head), from.0);
    let key = ItemKey { table: HISTORY, partition: partition(HISTORY, user), sort };
    let mut item = key_item(&key);
    let lines: Vec<String> = records.iter().map(line).collect();
    item.insert(TO.to_owned(), n(to.0));
    item.insert(RECORDS.to_owned(), pack(&lines.join("\n")));
    item.insert(EXPIRES.to_owned(), n(expires));
    item
}

fn line(held: &Held) -> String {
    let Held { id, revision, stamp, content } = held;
    // Numbers and texts always serialise.
    serde_json::to_string(&(revision.0, stamp.0, id.to_string(), content)).unwrap_or_default()
}

/// Reads a copy that has not expired; `None` for anything else.
fn decode(life: &str, item: &Item) -> Option<Copy> {
    let from = text(item, HISTORY.sort).ok()?.strip_prefix(life)?.parse().ok()?;
    if number::<u64>(item, EXPIRES).ok()? <= now_secs() {
        return None;
    }
    let lines = unpack(item.get(RECORDS)?)?;
    let read = |line: &str| {
        let (revision, stamp, id, content): (u64, i64, String, Option<String>) =
            serde_json::from_str(line).ok()?;
        let id = RecordId::parse(&id)?;
        Some(Held { id, revision: Revision(revision), stamp: Stamp(stamp), content })
    };
    let records: Option<Vec<Held>> = lines.lines().map(read).collect();
    Some(Copy { from: Revision(from), to: Revision(number(item, TO).ok()?), records: records? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(revision: u64, size: usize) -> Held {
        let (id, content) = (RecordId::from_bits(revision.into()), Some("x".repeat(size)));
        Held { id, revision: Revision(revision), stamp: Stamp(7), content }
    }

    #[test]
    fn no_copy_ends_within_a_revision_and_the_last_one_reaches_the_head() {
        let tail: Vec<Held> = [1, 2, 2, 2, 3, 9].map(|at| record(at, COPY_BYTES / 2)).into();

        let parts = parts(&tail, Revision(12));

        let ends: Vec<u64> = parts.iter().map(|(to, _)| to.0).collect();
        let sizes: Vec<usize> = parts.iter().map(|(_, records)| records.len()).collect();
        assert_eq!((vec![2, 12], vec![4, 2]), (ends, sizes));
    }

    #[test]
    fn a_record_that_is_met_twice_counts_as_it_was_changed_last() {
        let deleted = Held { content: None, ..record(5, 0) };
        let before = Held { revision: Revision(4), ..record(5, 1) };
        for order in [[&before, &deleted], [&deleted, &before]] {
            let mut all = Newest::default();
            order.into_iter().cloned().for_each(|held| all.add(held));

            assert!(all.live().is_empty(), "it was deleted last");
        }
    }
}
