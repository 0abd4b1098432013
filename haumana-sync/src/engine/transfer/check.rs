//! Checks an import as a whole before any of it is written.

use crate::engine::Engine;
use crate::engine::ImportRequest;
use crate::engine::Refusal;
use crate::engine::transfer::read::{Read, Reading};
use crate::id::{Key, UserId};
use crate::limits;
use crate::store::{Envelope, HistoryEntry, HistoryKey, Version};
use crate::time::UnixMillis;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// How many leaps the version numbers after two imports of one export may be apart.
const LEAPS: u32 = 16;

/// The first entry of an export that cannot be accepted.
///
/// If a field of the schema is wrong, `Display` names it. It contains nothing of what was sent.
///
/// Unlike a push, an import is all or nothing: half of an export would look like a whole account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{list}[{at}]: {what} ({})", .refusal.code())]
pub struct ImportFlaw {
    /// The list that contains it.
    pub list: &'static str,
    /// Its place in the list, from 0.
    pub at: usize,
    /// What kind of flaw it is.
    pub refusal: Refusal,
    what: Cow<'static, str>,
}

/// An export of which every entry can be accepted. It borrows the document. Each entry is read
/// again when it is written.
#[derive(Debug)]
pub struct CheckedImport<'a> {
    pub(crate) request: ImportRequest<'a>,
    pub(crate) user: UserId,
    pub(crate) now: UnixMillis,
    pub(crate) leap: Version,
    /// Records that were deleted, or brought back, while the export was read are in it twice: with
    /// the version that counts.
    twice: HashMap<Key, Version>,
}

/// One entry.
pub(crate) enum Entry {
    Record(Envelope),
    History(HistoryEntry),
}

/// A list of the document, and how its entries are read.
type List<'r, 'a> = (&'static str, &'r [&'a RawValue], fn(&Reading<'_>, &RawValue) -> Read<Entry>);

fn lists<'r, 'a>(request: &'r ImportRequest<'a>) -> [List<'r, 'a>; 6] {
    [
        ("pieces", &request.pieces, |reading, json| {
            reading.listed("pieces", json).map(Entry::Record)
        }),
        ("practiceSessions", &request.sessions, |reading, json| {
            reading.listed("practiceSessions", json).map(Entry::Record)
        }),
        ("history", &request.history, |reading, json| reading.history(json).map(Entry::History)),
        ("conflicts", &request.conflicts, |reading, json| {
            reading.conflict(json).map(Entry::Record)
        }),
        ("tombstones", &request.tombstones, |reading, json| {
            reading.tombstone(json).map(Entry::Record)
        }),
        ("records", &request.records, |reading, json| {
            reading.other_record(json).map(Entry::Record)
        }),
    ]
}

impl Engine {
    /// Checks every entry of an export that `user` wants to import.
    ///
    /// Nothing is read from the store and nothing is written. Entries are read under the engine's
    /// schema, so an export of an app with other kinds is refused.
    ///
    /// # Errors
    ///
    /// [`ImportFlaw`] names the first entry that cannot be accepted. Then none of the export can
    /// be.
    pub fn check_import<'a>(
        &self,
        user: &UserId,
        request: ImportRequest<'a>,
    ) -> Result<CheckedImport<'a>, ImportFlaw> {
        let now = self.clock.now();
        // An older export may be imported after this one. A random number makes the versions of
        // both differ.
        let chance = self.random.next_u64() % u64::from(LEAPS * limits::VERSION_LEAP);
        let leap = limits::VERSION_LEAP + Version::try_from(chance).unwrap_or_default();
        let twice = HashMap::new();
        let mut import = CheckedImport { request, user: user.clone(), now, leap, twice };
        let reading = self.reading(&import);
        let (mut live, mut dead) = (HashMap::new(), HashMap::new());
        let mut versions = HashSet::new();
        for (list, entries, read) in lists(&import.request) {
            for (at, json) in entries.iter().enumerate() {
                let flaw = |refusal, what| ImportFlaw { list, at, refusal, what };
                let entry = read(&reading, json).map_err(|refusal| {
                    let named = reading.flaw(list, json).map(Cow::Owned);
                    flaw(refusal, named.unwrap_or(Cow::Borrowed(refusal.message())))
                })?;
                let is_first = match entry {
                    Entry::History(entry) => versions.insert(entry.key),
                    Entry::Record(record) => is_new(&record, &mut live, &mut dead),
                };
                if !is_first {
                    let what = Cow::Borrowed("the same stands in the document twice");
                    return Err(flaw(Refusal::InvalidId, what));
                }
            }
        }
        let newest = |(key, dead): (Key, Version)| Some((key, dead.max(live.get(&key).copied()?)));
        import.twice = dead.into_iter().filter_map(newest).collect();
        Ok(import)
    }

    pub(crate) fn reading<'i>(&'i self, import: &'i CheckedImport<'_>) -> Reading<'i> {
        Reading {
            schema: self.schema(),
            user: &import.user,
            owner: import.request.owner.as_deref(),
            now: import.now,
            generation: self.config.generation,
            leap: import.leap,
        }
    }
}

/// Whether no earlier entry is of the same record. A record that was deleted while it was exported
/// may also be a tombstone of a greater version, and one that was brought back a live record of
/// another version.
fn is_new(
    record: &Envelope,
    live: &mut HashMap<Key, Version>,
    dead: &mut HashMap<Key, Version>,
) -> bool {
    let key = record.key;
    let is_tombstone = record.deleted && !key.kind.is_inbox();
    if !is_tombstone {
        let is_first = live.insert(key, record.version).is_none();
        return is_first && dead.get(&key) != Some(&record.version);
    }
    let is_first = dead.insert(key, record.version).is_none();
    is_first && live.get(&key).is_none_or(|version| *version < record.version)
}

impl CheckedImport<'_> {
    /// Reads the entries one after the other. They were read before, so all can be read. If the
    /// document has a record and its tombstone, the one with the higher version is given.
    pub(crate) fn entries<'r>(&'r self, reading: Reading<'r>) -> impl Iterator<Item = Entry> + 'r {
        let lists = lists(&self.request).into_iter();
        let entries = lists.flat_map(move |(_, entries, read)| {
            entries.iter().filter_map(move |json| read(&reading, json).ok())
        });
        entries.filter(|entry| match entry {
            Entry::Record(record) => {
                self.twice.get(&record.key).is_none_or(|version| *version == record.version)
            }
            Entry::History(_) => true,
        })
    }
}

/// The keys of entries that may be in the store already.
pub(crate) fn history_keys(entries: &[HistoryEntry]) -> Vec<HistoryKey> {
    entries.iter().map(|entry| entry.key).collect()
}
