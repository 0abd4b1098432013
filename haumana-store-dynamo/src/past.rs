//! History as items, and the slips that say when it is due to be purged.
//!
//! # How history ends
//!
//! DynamoDB deletes items itself some time after `_expires`, which costs nothing. That time is set
//! when the entry is written: the entry's time plus the time for which history is kept. That is the
//! usual end.
//!
//! A purge deletes earlier, for example when an operator shortens the retention. It must find due
//! entries without reading all of a user's history. For that, each commit with history leaves a
//! *slip* whose sort key is the time of its oldest entry.

use crate::error::Bad;
use crate::items::{Item, bytes, key_item, n, number, sort_of};
use crate::pack::{pack, unpack};
use crate::schema::{EXPIRES, HISTORY, ItemKey, history_key, history_of, partition};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::{CommitId, HistoryEntry, HistoryKey};
use haumana_sync::time::UnixMillis;
use std::time::Duration;

/// The prefix of the sort keys of slips. No kind of record has this name.
pub(crate) const SLIPS: &str = "DUE#";

/// Returns the item of an entry. Nobody reads history in the console, so texts are compressed. That
/// saves a write unit or two for each edit.
pub(crate) fn encode(user: &UserId, entry: &HistoryEntry, ttl: Duration) -> Item {
    let mut item = key_item(&history_key(user, entry.key));
    let own = [
        ("_at", n(entry.at.0)),
        ("_content", pack(&entry.content)),
        ("_meta", pack(&entry.meta)),
        (EXPIRES, expires(entry.at, ttl)),
    ];
    item.extend(own.map(|(name, value)| (name.to_owned(), value)));
    item
}

/// Reads the item of an entry. If somebody has changed it by hand, it is set aside. `None`: it is
/// not an entry.
pub(crate) fn read(item: &Item) -> Option<HistoryEntry> {
    let key = history_of(sort_of(HISTORY, item).ok()?)?;
    Some(decode(item).unwrap_or_else(|_| HistoryEntry::unreadable(key)))
}

/// Reads the item of an unchanged entry.
pub(crate) fn decode(item: &Item) -> Result<HistoryEntry, Bad> {
    Ok(HistoryEntry {
        key: history_of(sort_of(HISTORY, item)?).ok_or(Bad("sk"))?,
        at: UnixMillis(number(item, "_at")?),
        content: item.get("_content").and_then(unpack).ok_or(Bad("_content"))?,
        meta: item.get("_meta").and_then(unpack).ok_or(Bad("_meta"))?,
    })
}

/// The history that one commit wrote, by time. A purge reads this instead of the history itself.
///
/// The entries of a user are found by record and version. So that a purge finds due entries without
/// reading all, each commit with history leaves one slip. Its sort key is the time of its oldest
/// entry.
///
/// It is written in the transaction of the commit, so each entry is on one slip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    pub commit: CommitId,
    pub entries: Vec<(HistoryKey, UnixMillis)>,
}

/// Bytes of one entry in a slip: kind, id, version, side, time.
const SLIP_ENTRY: usize = 1 + 16 + 4 + 4 + 8;

impl Slip {
    /// Returns the slip of a commit; `None` if the commit has no history.
    pub(crate) fn of(commit: CommitId, entries: &[HistoryEntry]) -> Option<Self> {
        let entries: Vec<_> = entries.iter().map(|entry| (entry.key, entry.at)).collect();
        (!entries.is_empty()).then_some(Self { commit, entries })
    }

    /// Returns the key of its item: by its oldest entry, then by commit.
    ///
    /// Two commits at the same time have different commit ids, so their slips do not replace each
    /// other.
    pub(crate) fn key(&self, user: &UserId) -> ItemKey {
        let oldest = self.entries.iter().map(|(_, at)| *at).min().unwrap_or_default();
        let sort = format!("{}#{:032x}", slips_before(oldest), self.commit.0);
        ItemKey { table: HISTORY, partition: partition(HISTORY, user), sort }
    }

    /// Returns its item.
    ///
    /// It expires with its newest entry, so there is no entry without a slip.
    pub(crate) fn encode(&self, user: &UserId, ttl: Duration) -> Item {
        let mut item = key_item(&self.key(user));
        let newest = self.entries.iter().map(|(_, at)| *at).max().unwrap_or_default();
        let mut packed = Vec::with_capacity(SLIP_ENTRY * self.entries.len());
        for (key, at) in &self.entries {
            packed.push(key.key.kind.get());
            packed.extend(key.key.id.bits().to_be_bytes());
            packed.extend(key.version.to_be_bytes());
            packed.extend(key.side.to_be_bytes());
            packed.extend(at.0.to_be_bytes());
        }
        item.insert("_entries".to_owned(), AttributeValue::B(Blob::new(packed)));
        item.insert(EXPIRES.to_owned(), expires(newest, ttl));
        item
    }

    /// Reads an item.
    pub(crate) fn decode(item: &Item) -> Result<Self, Bad> {
        let sort = sort_of(HISTORY, item)?;
        let commit = sort.rsplit('#').next().and_then(|hex| u128::from_str_radix(hex, 16).ok());
        let packed = bytes(item, "_entries")?.chunks_exact(SLIP_ENTRY);
        let entries: Option<Vec<_>> = packed.map(slip_entry).collect();
        Ok(Self {
            commit: CommitId(commit.ok_or(Bad("sk"))?),
            entries: entries.ok_or(Bad("_entries"))?,
        })
    }
}

fn slip_entry(packed: &[u8]) -> Option<(HistoryKey, UnixMillis)> {
    let (kind, packed) = packed.split_first()?;
    let (id, packed) = packed.split_first_chunk()?;
    let (version, packed) = packed.split_first_chunk()?;
    let (side, packed) = packed.split_first_chunk()?;
    let (at, _) = packed.split_first_chunk()?;
    let id = RecordId::from_bits(u128::from_be_bytes(*id));
    let key = HistoryKey {
        key: Key { kind: KindNumber::new(*kind), id },
        version: u32::from_be_bytes(*version),
        side: u32::from_be_bytes(*side),
    };
    Some((key, UnixMillis(i64::from_be_bytes(*at))))
}

/// Returns a sort key. The slips with an entry older than `before` are below it.
///
/// 20 digits hold all 64 bits, after the shift.
pub(crate) fn slips_before(before: UnixMillis) -> String {
    // Shifted, so that times before 1970 sort as numbers too.
    format!("{SLIPS}{:020}", i128::from(before.0) - i128::from(i64::MIN))
}

/// In seconds, as DynamoDB requires.
fn expires(at: UnixMillis, ttl: Duration) -> AttributeValue {
    let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    n(at.secs().saturating_add(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_come_back_and_sort_by_their_oldest_entry() {
        let user = UserId::verified_by_caller("kai").unwrap();
        let key = Key::conflict(RecordId::from_bits(u128::MAX));
        let slip = |at: i64| Slip {
            commit: CommitId(7),
            entries: [(at, 0), (at.saturating_add(5), u32::MAX)]
                .map(|(at, side)| (HistoryKey { key, version: 3, side }, UnixMillis(at)))
                .to_vec(),
        };
        let slips = [i64::MIN, -50, 0, 9, 10, 1 << 60].map(slip);

        let sorts = slips.clone().map(|slip| slip.key(&user).sort);
        assert!(sorts.is_sorted(), "{sorts:?}");
        for slip in slips {
            let item = slip.encode(&user, Duration::from_secs(60));
            assert_eq!(Ok(slip), Slip::decode(&item));
        }
    }
}
