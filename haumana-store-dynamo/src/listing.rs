//! Reading the index: which records there are, in the order of their last change.
//!
//! All reads of the index are strongly consistent: a local index allows that, and all other reads
//! are compared with a listing. Strong consistency means that finished writes are seen. It does not
//! mean that a transaction in progress is seen as a whole. For that there are [`Looks`] and the
//! memory of the head.
//!
//! An entry whose attributes cannot be read is skipped. A read by key still finds its record.

use crate::heads::{Recent, StoredHead, mark};
use crate::items::Item;
use crate::records::{self, Listed};
use crate::requests::{Asked, Order, Range, Through};
use crate::retry::Call;
use crate::schema::{TableSchema, partition, table_of};
use crate::store::DynamoStore;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::{CommitId, IndexEntry, Result, Revision, Stamp};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The fewest entries that a page asks for: as many as one read unit holds.
const FIRST_PAGE: i32 = 25;
/// The most entries that a page asks for. 1 MB holds about 6,000.
const LARGEST_PAGE: i32 = 6_000;

impl DynamoStore {
    /// Lists the records of one kind by id.
    ///
    /// It reads the index of the whole table, with all its kinds, since places sort by revision and
    /// not by kind.
    pub(crate) async fn list_kind(
        &self,
        user: &UserId,
        kind: KindNumber,
    ) -> Result<Vec<IndexEntry>> {
        let mut call = self.reading("index");
        let mut looks = Looks::default();
        loop {
            let Some(head) = self.stored_head(&mut call, user).await? else {
                return Ok(Vec::new());
            };
            let all = self.list_behind(&mut call, user, table_of(kind), Range::All).await?;
            if head.is_missing(table_of(kind), &all, |_| true) && !looks.are_enough(&head) {
                call.wait(torn()).await?;
                continue;
            }
            let mut entries: Vec<IndexEntry> = newest(all)
                .into_values()
                .filter(|listed| listed.key.kind == kind)
                .map(|listed| listed.entry())
                .collect();
            entries.sort_unstable_by_key(|entry| entry.id);
            return Ok(entries);
        }
    }

    /// Lists all entries of a table's index in `range`, in the order of places.
    ///
    /// It has no limit: it is for the tail of a stream, or for a whole account.
    pub(crate) async fn list_behind(
        &self,
        call: &mut Call,
        user: &UserId,
        table: TableSchema,
        range: Range,
    ) -> Result<Vec<Listed>> {
        let asked = through_index(user, table, range, Order::Ascending);
        let mut listed = Vec::new();
        let take = |item: Item| {
            listed.extend(records::decode_listed(table, &item));
            Ok(())
        };
        self.query_all(call, &asked, take).await?;
        Ok(listed)
    }

    /// Lists a table's index in the order of places until it has more than `wanted` records that
    /// count. Also returns whether it reached the end.
    ///
    /// Each request asks for what is still missing. So a short page costs one unit, and a long one
    /// takes few requests.
    pub(crate) async fn list_some(
        &self,
        call: &mut Call,
        user: &UserId,
        table: TableSchema,
        range: Range,
        wanted: usize,
        counts: impl Fn(&Listed) -> bool,
    ) -> Result<(Vec<Listed>, bool)> {
        let mut asked = through_index(user, table, range, Order::Ascending);
        let mut listed: Vec<Listed> = Vec::new();
        let mut from = None;
        loop {
            let n_counted = listed.iter().filter(|one| counts(one)).count();
            if wanted < n_counted {
                return Ok((listed, false));
            }
            let missing = wanted.saturating_add(1) - n_counted;
            asked.page = Some(
                i32::try_from(missing).unwrap_or(LARGEST_PAGE).clamp(FIRST_PAGE, LARGEST_PAGE),
            );
            let answer = self.query(call, &asked, from).await?;
            let items = answer.items.iter();
            listed.extend(items.flat_map(|item| records::decode_listed(table, item)));
            from = answer.next;
            if from.is_none() {
                return Ok((listed, true));
            }
        }
    }

    /// Lists a table's index backwards, as far as entries are stamped later than `stamp`, in pages
    /// that grow. Stamps never decrease along the stream, so all entries before are older.
    ///
    /// Pages begin small, because a device that syncs often is behind by a few records.
    pub(crate) async fn list_later_than(
        &self,
        call: &mut Call,
        user: &UserId,
        table: TableSchema,
        stamp: Stamp,
    ) -> Result<Vec<Listed>> {
        let mut asked = through_index(user, table, Range::All, Order::Descending);
        let (mut listed, mut from, mut page) = (Vec::new(), None, FIRST_PAGE);
        loop {
            asked.page = Some(page);
            let answer = self.query(call, &asked, from).await?;
            for item in &answer.items {
                let Ok(one) = records::decode_listed(table, item) else { continue };
                if one.stamp <= stamp {
                    return Ok(listed);
                }
                listed.push(one);
            }
            from = answer.next;
            if from.is_none() {
                return Ok(listed);
            }
            page = LARGEST_PAGE.min(page * 4);
        }
    }
}

/// Counts how often a call has looked for the records of the last commits.
///
/// If a Query finds a part of a commit, a later one soon finds all of it. If a record of an old
/// commit is still missing, it was deleted by hand. Then the other records are returned without it.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    n: u32,
    /// The head for which it has looked.
    under: Option<CommitId>,
}

impl Looks {
    /// The fewest looks of a call, for one head.
    const ENOUGH: u32 = 5;
    /// No transaction is half visible for as long as this.
    const OVER_SECS: i64 = 60;

    /// Counts a look that missed something. Returns whether another look would be in vain.
    pub(crate) fn are_enough(&mut self, head: &StoredHead) -> bool {
        if self.under != Some(head.head.commit) {
            // Somebody has committed since, so another record may be missing now.
            *self = Self { n: 0, under: Some(head.head.commit) };
        }
        self.n += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let newest = head.recent.iter().map(|recent| recent.stamp.0).max().unwrap_or_default();
        let over = newest.saturating_add(Self::OVER_SECS);
        Self::ENOUGH <= self.n && over <= i64::try_from(now).unwrap_or_default()
    }
}

impl StoredHead {
    /// Whether a record that one of the `due` last commits wrote to `table` is missing in `listed`,
    /// or listed in its old state.
    ///
    /// A record that was changed again since is listed with a later revision, which counts as
    /// found.
    pub(crate) fn is_missing(
        &self,
        table: TableSchema,
        listed: &[Listed],
        due: impl Fn(&Recent) -> bool,
    ) -> bool {
        let due: Vec<&Recent> = self.recent.iter().filter(|recent| due(recent)).collect();
        let Some(first) = due.iter().map(|recent| recent.revision).min() else {
            return false;
        };
        let mut seen: HashMap<u32, Revision> = HashMap::new();
        for one in listed.iter().filter(|one| first <= one.revision) {
            let newest = seen.entry(mark(one.key)).or_default();
            *newest = one.revision.max(*newest);
        }
        let is_seen = |mark: &u32, at: Revision| seen.get(mark).is_some_and(|seen| at <= *seen);
        due.iter()
            .any(|recent| recent.marks_in(table).iter().any(|mark| !is_seen(mark, recent.revision)))
    }
}

/// The latest entry of each record. A record that changes while pages are read is found twice.
pub(crate) fn newest(listed: Vec<Listed>) -> HashMap<Key, Listed> {
    let mut newest: HashMap<Key, Listed> = HashMap::with_capacity(listed.len());
    for one in listed {
        let known = newest.entry(one.key).or_insert(one);
        if known.revision < one.revision {
            *known = one;
        }
    }
    newest
}

/// The failure of a reader that found a part of a commit.
///
/// It is retried like a throttled request. If the time is over, it is `Throttled`.
pub(crate) fn torn() -> crate::error::Failure {
    crate::error::Failure::new(crate::error::Class::Throttled, "a part of a commit")
}

fn through_index(user: &UserId, table: TableSchema, range: Range, order: Order) -> Asked {
    let partition = partition(table, user);
    let through = Through::Index;
    Asked { table, partition, through, range, order, page: None, consistent: true }
}
