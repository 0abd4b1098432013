//! Reading the stream: the changes behind a place or a stamp, complete up to the head.
//!
//! # How a page is read
//!
//! 1. The head. If nothing can be behind the place, that was all: one small read.
//! 2. The index of each table that has changed since, from the place on, until it has more records
//!    than asked for.
//! 3. The listed records are compared with those that the head remembers. If a part of a commit is
//!    missing, the call waits and starts over.
//! 4. The records of the page are fetched. If a record has a higher revision than the head, it has
//!    moved on, and comes on a later page.
//!
//! # Why the end of the stream is read completely
//!
//! A page that ends among the last commits could miss one of their records, and nobody would
//! notice, because a missing record looks like one behind the end of the page. So if a page reaches
//! the first commit that the head remembers, everything from there on is listed. Only then it is
//! compared and cut.
//!
//! # Duplicates
//!
//! A record that changes between two pages is found at its old place, at its new one, or at both.
//! The later one counts. Nothing is skipped, since a change moves a record only towards the end of
//! the stream.

use crate::heads::{Recent, StoredHead};
use crate::listing::{Looks, newest, torn};
use crate::records::Listed;
use crate::requests::Range;
use crate::retry::Call;
use crate::schema::{PIECES, SESSIONS, TableSchema, place, place_after};
use crate::store::DynamoStore;
use haumana_sync::id::UserId;
use haumana_sync::store::{After, Envelope, Page, Place, Result, Revision};

/// LIMIT: a page ends behind the record that exceeds this, so that a page does not fill the memory
/// of a small host. No reply of such a host is larger.
const PAGE_BYTES: usize = 8 << 20;
/// The bytes that a record counts besides its content.
const RECORD_BYTES: usize = 700;

impl DynamoStore {
    /// It repeats until the call's time is over; then it is `Throttled`.
    pub(crate) async fn read_changes(
        &self,
        user: &UserId,
        after: After,
        limit: usize,
    ) -> Result<Page> {
        let mut call = self.reading("changes");
        let mut looks = Looks::default();
        loop {
            let Some(head) = self.stored_head(&mut call, user).await? else {
                return Ok(Page { head: None, records: Vec::new(), more: false });
            };
            if is_behind(&head, after) {
                return Ok(Page { head: Some(head.head), records: Vec::new(), more: false });
            }
            let asked = (after, limit);
            let Some((due, more)) = self.due(&mut call, user, &head, asked, &mut looks).await?
            else {
                call.wait(torn()).await?;
                continue;
            };
            let Some(records) = self.contents(user, &head, &due).await? else {
                call.wait(torn()).await?;
                continue;
            };
            // All of them have moved on during the read. They come behind a newer head.
            if more && records.is_empty() {
                continue;
            }
            return Ok(Page { head: Some(head.head), records, more });
        }
    }

    /// Lists the records of the page, and whether more follow; `None` if a part of a commit was
    /// missing.
    ///
    /// It lists no contents. `looks` counts over all tries of the call.
    async fn due(
        &self,
        call: &mut Call,
        user: &UserId,
        head: &StoredHead,
        (after, limit): (After, usize),
        looks: &mut Looks,
    ) -> Result<Option<(Vec<Listed>, bool)>> {
        let mut all = Vec::new();
        let mut is_whole = true;
        for (table, last) in [PIECES, SESSIONS].into_iter().zip(head.last_in) {
            if nothing_in_table(last, after) {
                continue;
            }
            let (listed, ended) = self.list_table(call, user, table, head, after, limit).await?;
            is_whole &= ended;
            let is_torn = ended && head.is_missing(table, &listed, |recent| is_due(recent, after));
            if is_torn && !looks.are_enough(head) {
                return Ok(None);
            }
            all.extend(listed);
        }
        let mut due = in_stream(all, head, after);
        if !is_whole && self.reaches_recent(head, &due, limit) {
            // The page reaches one of the last commits. So everything up to the end of the stream
            // is read; otherwise nobody could say whether one of their records is missing.
            let Some(tail) = self.recent_tail(call, user, head, after, looks).await? else {
                return Ok(None);
            };
            let first = first_recent(head);
            due.retain(|one| one.revision < first);
            due.extend(tail);
            due = in_stream(due, head, after);
        }
        let fits = fitting(&due, limit);
        let more = fits < due.len();
        due.truncate(fits);
        Ok(Some((due, more)))
    }

    /// For a stamp the index is read backwards, since places sort by revision and not by time. Also
    /// returns whether the end of the stream was reached.
    async fn list_table(
        &self,
        call: &mut Call,
        user: &UserId,
        table: TableSchema,
        head: &StoredHead,
        after: After,
        limit: usize,
    ) -> Result<(Vec<Listed>, bool)> {
        let range = match after {
            After::Start => Range::All,
            After::Place(after) => Range::Behind(bound(head, after)),
            After::Stamp(stamp) => {
                let listed = self.list_later_than(call, user, table, stamp).await?;
                return Ok((listed, true));
            }
        };
        let counts = |one: &Listed| one.revision <= head.head.revision && one.is_behind(after);
        self.list_some(call, user, table, range, limit, counts).await
    }

    fn reaches_recent(&self, head: &StoredHead, due: &[Listed], limit: usize) -> bool {
        let last = due.get(..limit).unwrap_or(due).last();
        last.is_some_and(|last| first_recent(head) <= last.revision)
    }

    /// Lists the records of the last commits and everything behind them; `None` if a part is
    /// missing.
    async fn recent_tail(
        &self,
        call: &mut Call,
        user: &UserId,
        head: &StoredHead,
        after: After,
        looks: &mut Looks,
    ) -> Result<Option<Vec<Listed>>> {
        let before = Revision(first_recent(head).0.saturating_sub(1));
        let mut tail = Vec::new();
        for table in [PIECES, SESSIONS] {
            let range = Range::Behind(place_after(before));
            let listed = self.list_behind(call, user, table, range).await?;
            let is_torn = head.is_missing(table, &listed, |recent| is_due(recent, after));
            if is_torn && !looks.are_enough(head) {
                return Ok(None);
            }
            tail.extend(listed);
        }
        Ok(Some(tail))
    }

    /// Fetches the contents of a page; `None` if index and table disagree, or if the index has a
    /// revision that the table does not have yet.
    async fn contents(
        &self,
        user: &UserId,
        head: &StoredHead,
        due: &[Listed],
    ) -> Result<Option<Vec<Envelope>>> {
        let mut found = self.fetch_listed("changes", user, due, head).await?;
        let mut records = Vec::with_capacity(due.len());
        for listed in due {
            match found.remove(&listed.key) {
                Some(record) if record.revision == listed.revision => records.push(record),
                // It is at the place that the index says.
                Some(record) if record.is_unreadable() => {
                    let Listed { revision, stamp, .. } = *listed;
                    records.push(Envelope { revision, stamp, ..record });
                }
                // It has changed since, and will come at its new place.
                Some(record) if head.head.revision < record.revision => {}
                Some(_) => return Ok(None),
                // It was erased since.
                None => {}
            }
        }
        Ok(Some(records))
    }
}

/// Whether nothing can be behind `after`.
fn is_behind(head: &StoredHead, after: After) -> bool {
    match after {
        After::Start => false,
        After::Place(Place { revision, within: None }) => head.head.revision <= revision,
        After::Place(Place { revision, .. }) => head.head.revision < revision,
        After::Stamp(stamp) => head.head.stamp <= stamp,
    }
}

/// Whether a table has not changed since `after`, so that it need not be read.
fn nothing_in_table(last: Option<Revision>, after: After) -> bool {
    match (last, after) {
        (Some(last), After::Place(after)) => {
            last < after.revision || (last == after.revision && after.within.is_none())
        }
        _ => false,
    }
}

/// The place behind which the index is listed. If it is inside one of the last commits, that commit
/// is listed from its beginning, to see whether it is complete.
fn bound(head: &StoredHead, after: Place) -> String {
    match after.within {
        None => place_after(after.revision),
        Some(_) if first_recent(head) <= after.revision => {
            place_after(Revision(after.revision.0.saturating_sub(1)))
        }
        Some(key) => place(after.revision, key),
    }
}

/// The first revision that the head remembers.
fn first_recent(head: &StoredHead) -> Revision {
    let recent = head.recent.iter().map(|recent| recent.revision);
    recent.min().unwrap_or(Revision(head.head.revision.0 + 1))
}

/// Whether some of a commit's records are behind `after`.
fn is_due(recent: &Recent, after: After) -> bool {
    match after {
        After::Start => true,
        After::Place(Place { revision, within: None }) => revision < recent.revision,
        After::Place(Place { revision, .. }) => revision <= recent.revision,
        After::Stamp(stamp) => stamp < recent.stamp,
    }
}

/// Returns the records behind `after` up to the head, in the order of the stream.
fn in_stream(listed: Vec<Listed>, head: &StoredHead, after: After) -> Vec<Listed> {
    let latest = newest(listed).into_values();
    let mut due: Vec<Listed> =
        latest.filter(|one| one.revision <= head.head.revision && one.is_behind(after)).collect();
    due.sort_unstable_by_key(Listed::place);
    due
}

impl Listed {
    /// Whether it is behind `after`.
    fn is_behind(&self, after: After) -> bool {
        match after {
            After::Start => true,
            After::Stamp(stamp) => stamp < self.stamp,
            After::Place(Place { revision, within: None }) => revision < self.revision,
            After::Place(Place { revision, within: Some(key) }) => (revision, key) < self.place(),
        }
    }
}

/// How many of `due` fit a page: at least one, if there is one.
///
/// Sizes come from the index, so a page is cut before any content is read.
fn fitting(due: &[Listed], limit: usize) -> usize {
    let mut bytes = 0_usize;
    let mut fits = 0;
    for one in due.iter().take(limit) {
        bytes = bytes.saturating_add(one.size_bytes as usize + RECORD_BYTES);
        if 0 < fits && PAGE_BYTES < bytes {
            break;
        }
        fits += 1;
    }
    fits
}
