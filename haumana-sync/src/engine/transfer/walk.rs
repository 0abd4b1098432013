//! Walks over a user's change feed for an export: once for each list, entry by entry, from any
//! place that an earlier walk reached.

use crate::digest::Digest;
use crate::engine::commit::StoredConflict;
use crate::engine::edit::record::parse;
use crate::engine::pull::cursor::{take, user_hash};
use crate::engine::transfer::write::{
    write_entry, write_history, write_listed, write_record, write_tombstone,
};
use crate::engine::{Engine, Error, ErrorKind, Result, check_state};
use crate::id::{Key, KindNumber, RecordId, UserId};
use crate::schema::Schema;
use crate::store::{
    After, Envelope, Epoch, Generation, HistoryEntry, HistoryKey, Place, Revision, Version,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::{HashSet, VecDeque};

/// How many records are read at once.
const READ_RECORDS: usize = 32;

/// The lists of an export, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Pieces,
    Sessions,
    History,
    Conflicts,
    Tombstones,
    /// Records of the kinds without a separate list; only if the schema has such kinds.
    Records,
}

impl Part {
    const ALL: [Part; 6] = [
        Part::Pieces,
        Part::Sessions,
        Part::History,
        Part::Conflicts,
        Part::Tombstones,
        Part::Records,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Pieces => "pieces",
            Part::Sessions => "practiceSessions",
            Part::History => "history",
            Part::Conflicts => "conflicts",
            Part::Tombstones => "tombstones",
            Part::Records => "records",
        }
    }

    pub(crate) fn next(self, schema: &Schema) -> Option<Self> {
        let has_records = || schema.kinds().iter().any(|kind| kind.own_list().is_none());
        let next = Self::ALL.get(self as usize + 1).copied();
        next.filter(|next| *next != Part::Records || has_records())
    }

    fn holds(self, schema: &Schema, record: &Envelope) -> bool {
        let (is_inbox, is_live) = (record.key.kind.is_inbox(), !record.deleted);
        let own_list = || schema.kind(record.key.kind).and_then(|kind| kind.own_list());
        match self {
            Part::Pieces | Part::Sessions => is_live && own_list() == Some(self.name()),
            Part::History => !is_inbox,
            Part::Conflicts => is_inbox,
            Part::Tombstones => !is_inbox && !is_live,
            Part::Records => !is_inbox && is_live && own_list().is_none(),
        }
    }
}

/// The place of a walk: everything up to here is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExportPlace {
    epoch: Epoch,
    generation: Generation,
    /// The list; `None` if all are written.
    part: Option<Part>,
    /// The last record of the list that is written with its history; `None` if there is none.
    after: Option<Place>,
    /// The last written entry of the history of the record after that.
    history: Option<HistoryKey>,
}

/// A walk under way.
#[derive(Debug)]
pub(crate) struct Walk {
    user: UserId,
    pub place: ExportPlace,
    /// Records that are read and not written.
    records: VecDeque<Envelope>,
    /// Whether the change feed was read to its end for this list.
    is_read: bool,
    /// The records of this list that are written. A record that changes meanwhile is read again.
    seen: HashSet<Key>,
    /// Entries of the first record's history that are read and not written, and how far it is read.
    entries: VecDeque<HistoryEntry>,
    before: Option<Version>,
}

impl Walk {
    pub(crate) fn new(user: &UserId, epoch: Option<Epoch>, generation: Generation) -> Self {
        let epoch = epoch.unwrap_or_default();
        let part = Some(Part::Pieces);
        Self {
            user: user.clone(),
            place: ExportPlace { epoch, generation, part, after: None, history: None },
            records: VecDeque::new(),
            is_read: false,
            seen: HashSet::new(),
            entries: VecDeque::new(),
            before: None,
        }
    }

    /// Continues where another walk was.
    pub(crate) fn resume(&mut self, place: ExportPlace) -> Result<()> {
        if (place.epoch, place.generation) != (self.place.epoch, self.place.generation) {
            return Err(other_life());
        }
        self.place = place;
        Ok(())
    }

    /// The first record and its history are written.
    fn leave_record(&mut self) -> Option<Envelope> {
        let record = self.records.pop_front()?;
        self.place.after = Some(Place { revision: record.revision, within: Some(record.key) });
        (self.place.history, self.before) = (None, None);
        Some(record)
    }

    fn begin_list(&mut self, part: Option<Part>) {
        self.place = ExportPlace { part, after: None, history: None, ..self.place };
        (self.is_read, self.seen) = (false, HashSet::new());
    }
}

impl Engine {
    /// Returns the next entry and its list; `None` at the end. Afterwards the walk's place is after
    /// the entry.
    pub(crate) async fn walk_on(&self, walk: &mut Walk) -> Result<Option<(Part, String)>> {
        while let Some(part) = walk.place.part {
            let Some(first) = walk.records.front() else {
                match walk.is_read {
                    true => walk.begin_list(part.next(self.schema())),
                    false => self.read_on(walk).await?,
                }
                continue;
            };
            if part == Part::History && part.holds(self.schema(), first) {
                if let Some(text) = self.walk_history(walk).await? {
                    return Ok(Some((part, text)));
                }
                continue;
            }
            let Some(record) = walk.leave_record() else { continue };
            let is_due = !record.is_unreadable() && part.holds(self.schema(), &record);
            if is_due && walk.seen.insert(record.key) {
                match self.record_text(&walk.user, part, &record).await {
                    Ok(text) => return Ok(Some((part, text))),
                    // It is left out. Everything else is exported.
                    Err(error) if error.is_unreadable() => {
                        self.tell_unreadable(&walk.user, record.key);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }

    async fn read_on(&self, walk: &mut Walk) -> Result<()> {
        let after = walk.place.after.map_or(After::Start, After::Place);
        let page = self.store.changes(&walk.user, after, READ_RECORDS).await?;
        check_state(page.head.as_ref())?;
        // If there was no account when it began, any epoch may begin.
        let is_same = page.head.as_ref().is_none_or(|head| head.epoch == walk.place.epoch);
        if !is_same && walk.place.epoch != Epoch::default() {
            return Err(other_life());
        }
        walk.is_read = !page.more;
        walk.records.extend(page.records);
        Ok(())
    }

    async fn record_text(&self, user: &UserId, part: Part, record: &Envelope) -> Result<String> {
        let mut out = String::new();
        match part {
            Part::Pieces | Part::Sessions => {
                let kind = self.schema().kind(record.key.kind).ok_or_else(Error::unreadable)?;
                write_listed(&mut out, kind, user, record)?;
            }
            Part::Tombstones => write_tombstone(&mut out, self.schema(), record)?,
            Part::Records => write_record(&mut out, self.schema(), record)?,
            Part::Conflicts | Part::History => {
                let stored: StoredConflict = parse(&record.content)?;
                let conflict = self.open_conflict(user, record).await?;
                write_entry(&mut out, self.schema(), &conflict, &stored);
            }
        }
        Ok(out)
    }

    /// Returns the next entry of the first record's history; `None` if it has no more.
    async fn walk_history(&self, walk: &mut Walk) -> Result<Option<String>> {
        let Some(key) = walk.records.front().map(|record| record.key) else { return Ok(None) };
        let written = walk.place.history.filter(|written| written.key == key);
        if walk.entries.is_empty() {
            let is_begun = walk.before.is_some() || written.is_some();
            if is_begun || walk.seen.insert(key) {
                self.read_history(walk, &key, written).await?;
            }
        }
        let Some(entry) = walk.entries.pop_front() else {
            walk.leave_record();
            return Ok(None);
        };
        walk.place.history = Some(entry.key);
        let mut out = String::new();
        write_history(&mut out, self.schema(), &entry)?;
        Ok(Some(out))
    }

    /// Reads the history after `written`.
    async fn read_history(
        &self,
        walk: &mut Walk,
        key: &Key,
        written: Option<HistoryKey>,
    ) -> Result<()> {
        let from = written.map(|written| written.version + 1);
        walk.before = walk.before.or(from);
        let oldest = self.context(self.clock.now()).oldest;
        while walk.entries.is_empty() {
            let entries = self.whole_versions(&walk.user, key, walk.before).await?;
            let Some(last) = entries.last() else { break };
            walk.before = Some(last.key.version);
            let is_due = |entry: &HistoryEntry| {
                written.is_none_or(|written| {
                    let (old, new) = (written, entry.key);
                    new.version < old.version || (new.version == old.version && old.side < new.side)
                })
            };
            // An entry past its retention is gone, whether or not it was purged yet.
            let kept = entries.into_iter().filter(|entry| oldest <= entry.at);
            walk.entries.extend(kept.filter(is_due));
        }
        Ok(())
    }
}

fn other_life() -> Error {
    Error::new(ErrorKind::Gone, "the account was erased or restored")
}

const FORMAT: u8 = 1;
const LEN: usize = 1 + 8 + 8 + 4 + 1 + (8 + 1 + 16) + (1 + 16 + 4 + 4) + 8;

impl ExportPlace {
    /// Writes it as an opaque text.
    pub(crate) fn encode(&self, user: &UserId) -> String {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.push(FORMAT);
        bytes.extend(user_hash(user).to_be_bytes());
        bytes.extend(self.epoch.0.to_be_bytes());
        bytes.extend(self.generation.0.to_be_bytes());
        bytes.push(self.part.map_or(Part::ALL.len() as u8, |part| part as u8));
        bytes.extend(self.after.map_or(0, |place| place.revision.0).to_be_bytes());
        write_key(&mut bytes, self.after.and_then(|place| place.within));
        write_key(&mut bytes, self.history.map(|history| history.key));
        bytes.extend(self.history.map_or(0, |history| history.version).to_be_bytes());
        bytes.extend(self.history.map_or(0, |history| history.side).to_be_bytes());
        bytes.extend(Digest::of([bytes.as_slice()]).short().to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`ExportPlace::encode`] wrote for `user`; `None` for any other text.
    pub(crate) fn decode(text: &str, user: &UserId) -> Option<Self> {
        if 2 * LEN < text.len() {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, sum) = bytes.split_at_checked(LEN - 8)?;
        let is_ours = Digest::of([body]).short().to_be_bytes() == sum;
        let mut rest = body.strip_prefix(&[FORMAT]).filter(|_| is_ours)?;
        if u64::from_be_bytes(take(&mut rest)?) != user_hash(user) {
            return None;
        }
        let epoch = Epoch(u64::from_be_bytes(take(&mut rest)?));
        let generation = Generation(u32::from_be_bytes(take(&mut rest)?));
        let [part] = take(&mut rest)?;
        let revision = Revision(u64::from_be_bytes(take(&mut rest)?));
        let within = read_key(&mut rest)?;
        let key = read_key(&mut rest)?;
        let version = u32::from_be_bytes(take(&mut rest)?);
        let side = u32::from_be_bytes(take(&mut rest)?);
        Some(Self {
            epoch,
            generation,
            part: Part::ALL.get(usize::from(part)).copied(),
            after: within.map(|key| Place { revision, within: Some(key) }),
            history: key.map(|key| HistoryKey { key, version, side }),
        })
    }
}

fn write_key(bytes: &mut Vec<u8>, key: Option<Key>) {
    bytes.push(key.map_or(0, |key| 1 + key.kind.get()));
    bytes.extend(key.map_or(0, |key| key.id.bits()).to_be_bytes());
}

fn read_key(rest: &mut &[u8]) -> Option<Option<Key>> {
    let [kind] = take(rest)?;
    let id = RecordId::from_bits(u128::from_be_bytes(take(rest)?));
    let kind = match kind {
        0 => return Some(None),
        kind => KindNumber::new(kind - 1),
    };
    Some(Some(Key { kind, id }))
}
