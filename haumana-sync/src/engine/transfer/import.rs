//! Importing an export into an empty account.

use crate::engine::commit::notes::{ImportedCounts, Notes};
use crate::engine::commit::trail::Trail;
use crate::engine::commit::{OldFacts, SLICE, Stopped, count};
use crate::engine::edit::meta::Meta;
use crate::engine::edit::record::parse;
use crate::engine::transfer::check::{CheckedImport, Entry, history_keys};
use crate::engine::transfer::read::was_imported_at;
use crate::engine::{Engine, Error, ErrorKind, Quota, Result};
use crate::id::{Key, UserId};
use crate::limits;
use crate::schema::Schema;
use crate::store::{Batch, Envelope, Head, HeadState, HistoryEntry, StoreExt};

/// What an import has put into the account: the counts cover all its pages so far, and a repeated
/// page counts once.
///
/// A person can compare the counts with those of the document, or of all its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Entries of `pieces`.
    pub pieces: usize,
    /// Entries of `practiceSessions`.
    pub sessions: usize,
    /// Entries of `history`.
    pub history: usize,
    /// Entries of `conflicts`.
    pub conflicts: usize,
    /// Entries of `tombstones`.
    pub tombstones: usize,
    /// Entries of `records`, which has the kinds without a separate list.
    pub records: usize,
    /// Whether the import is finished.
    pub state: PartState,
}

/// Whether more pages of an import follow.
///
/// An import in pages is one import. Between its pages the account is marked, and every other call
/// fails with [`ErrorKind::Importing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// The account can be used.
    Done,
    /// Another page of the export must follow. Until then the account accepts nothing else.
    More,
}

impl Engine {
    /// Imports an export into the user's account. The account must be empty: it never had any data,
    /// or it was erased.
    ///
    /// While the import runs, and after it was interrupted, nothing else is accepted for the user.
    /// Repeating the same import finishes it. Once it is finished, repeating it changes nothing,
    /// even if the records were edited since. The pages of a paged export are imported one by one,
    /// the last page last. Every commit is atomic.
    ///
    /// Records keep the versions of the export. The numbers right above them are skipped, because
    /// another epoch of the account may have given them to other content. Devices of the account
    /// start over, and keep their pending edits.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, kai, song, .. } = example();
    /// use haumana_sync::engine::ImportRequest;
    ///
    /// engine.push(&kai, "phone", &[push(None, "Hiilawe")]).await?;
    /// engine.push(&kai, "phone", &[push(Some(1), "Hiʻilawe")]).await?;
    /// let export = engine.export_page(&kai, None, 1 << 20).await?.json;
    ///
    /// // Kai has another account now.
    /// let kala = UserId::verified_by_caller("kala").ok_or("not a user id")?;
    /// let import = engine.check_import(&kala, ImportRequest::from_json(export.as_bytes())?)?;
    /// let imported = engine.import(&import).await?;
    ///
    /// // The record is there with its version, and with the version before it.
    /// assert_eq!((1, 1), (imported.records, imported.history));
    /// assert_eq!(2, engine.pull(&kala, None, 10, 1 << 20).await?.changes[0].version);
    /// # let _ = song;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotEmpty`] if the account contains anything else. [`ErrorKind::Invalid`] if
    /// there is no room. [`ErrorKind::Unavailable`] if the store cannot answer, and
    /// [`ErrorKind::Erasing`] while the account is being erased; then import the same again later.
    pub async fn import(&self, import: &CheckedImport<'_>) -> Result<Imported> {
        let mut attempts = self.attempts(&import.user);
        loop {
            let head = attempts.head().await?;
            match self.import_round(import, head).await {
                Ok(counts) => return Ok(import.counted_as(counts)),
                Err(stopped) => attempts.start_over(stopped)?,
            }
        }
    }

    /// Returns what is in the account by this import; `None` means all that the document has.
    async fn import_round(
        &self,
        import: &CheckedImport<'_>,
        head: Option<Head>,
    ) -> Result<Option<ImportedCounts>, Stopped> {
        let user = &import.user;
        let is_used = head.as_ref().is_some_and(|head| 0 < head.records);
        let begun = match head.as_ref().map(|head| head.state) {
            Some(HeadState::Importing) => head,
            Some(HeadState::Erasing) => {
                crate::engine::check_state(head.as_ref())?;
                return Ok(None);
            }
            Some(HeadState::Active) if is_used => {
                self.find_imported(import).await?;
                return Ok(Notes::of(head.as_ref())?.imported);
            }
            _ if import.is_empty() => return Ok(None),
            _ => Some(self.turn(user, head.as_ref(), HeadState::Importing).await?),
        };
        let Some(mut head) = begun else { return Ok(None) };
        let slice = self.slice();
        let mut part = Part::default();
        for entry in import.entries(self.reading(import)) {
            let (items, bytes) = (part.items + 1, part.bytes + entry.size_bytes());
            let is_full = slice.items < items || slice.bytes < bytes;
            if is_full && 0 < part.items {
                head = self.write_part(user, head, std::mem::take(&mut part)).await?;
            }
            part.add(entry);
        }
        head = self.write_part(user, head, part).await?;
        if !import.request.has_next {
            let active = self.turn(user, Some(&head), HeadState::Active).await?;
            let mut trail = Trail::starting_at(Some(active));
            self.shed(user, &mut trail).await;
            head = trail.head.unwrap_or(head);
        }
        Ok(Notes::of(Some(&head))?.imported)
    }

    /// Writes the entries of a part that are not there yet.
    async fn write_part(&self, user: &UserId, old: Head, part: Part) -> Result<Head, Stopped> {
        let keys: Vec<Key> = part.records.iter().map(|record| record.key).collect();
        let found = self.store.read(user, &keys).await?;
        let known = self.store.history(user, &history_keys(&part.history)).await?;
        let history = part.history.into_iter().zip(known);
        let history: Vec<_> =
            history.filter(|(_, known)| known.is_none()).map(|(entry, _)| entry).collect();
        let mut head = self.next_head(Some(&old), HeadState::Importing, self.clock.now());
        let mut notes = Notes::of(Some(&old))?;
        let mut room = Quota::of(Some(&old), &notes);
        let mut counts = notes.imported.unwrap_or_default();
        counts.history += history.len();
        for entry in &history {
            notes.history.add(entry.at, entry.size_bytes() as u64, self.history_bytes);
        }
        if self.history_bytes.saturating_mul(2) < notes.history.bytes() {
            return Err(Error::new(ErrorKind::Invalid, "there is no room for all history").into());
        }
        let mut records = Vec::new();
        for (mut record, there) in part.records.into_iter().zip(found) {
            if !is_due(&record, there.as_ref())? {
                continue;
            }
            let bytes = there.as_ref().map(|there| there.content.len());
            let is_counted = !record.key.kind.is_inbox();
            let is_full = limits::USER_CONFLICTS < counts.conflicts as u64;
            if is_full || is_counted && !room.take(bytes, record.content.len(), 0) {
                return Err(Error::new(ErrorKind::Invalid, "there is no room for all of it").into());
            }
            count(self.schema(), &mut head, there.as_ref().map(OldFacts::of), &record);
            counts.replace(self.schema(), there.as_ref(), &record);
            record.revision = head.revision;
            record.stamp = head.stamp;
            records.push(record);
        }
        if records.is_empty() && history.is_empty() {
            return Ok(old);
        }
        notes.imported = Some(counts);
        // The first commit after the import counts them.
        notes.open = None;
        head.notes = notes.to_text();
        self.put(user, Some(&old), Batch { head, records, history }).await
    }

    /// Commits only a head.
    async fn turn(
        &self,
        user: &UserId,
        old: Option<&Head>,
        state: HeadState,
    ) -> Result<Head, Stopped> {
        let now = self.clock.now();
        let mut head = self.next_head(old, state, now);
        // Devices may hold what is being imported; they are not from before an erasure.
        head.erased_at = None;
        let imported_at = Some(now);
        let mut notes = Notes { floor: 0, open: None, imported_at, ..Notes::of(Some(&head))? };
        if state == HeadState::Importing {
            notes.imported = Some(ImportedCounts::default());
        }
        head.notes = notes.to_text();
        self.put(user, old, Batch { head, records: Vec::new(), history: Vec::new() }).await
    }

    async fn put(&self, user: &UserId, old: Option<&Head>, batch: Batch) -> Result<Head, Stopped> {
        self.store.commit_settled(user, old, &batch).await?;
        Ok(batch.head)
    }

    /// The account is in use. That is allowed if this import wrote everything of the document.
    async fn find_imported(&self, import: &CheckedImport<'_>) -> Result<(), Stopped> {
        let mut part = Part::default();
        for entry in import.entries(self.reading(import)) {
            part.add(entry);
            if SLICE.items <= part.items || SLICE.bytes <= part.bytes {
                self.check_part(&import.user, std::mem::take(&mut part)).await?;
            }
        }
        self.check_part(&import.user, part).await
    }

    async fn check_part(&self, user: &UserId, part: Part) -> Result<(), Stopped> {
        let keys: Vec<Key> = part.records.iter().map(|record| record.key).collect();
        let found = self.store.read(user, &keys).await?;
        for (record, there) in part.records.iter().zip(found) {
            let there = there.ok_or_else(not_empty)?;
            let is_conflict = record.key.kind.is_inbox();
            let meta: Meta = parse(&there.meta).map_err(|_| not_empty())?;
            // The id of a conflict is derived from its content.
            if !is_conflict && !was_imported_at(&meta, record.version) {
                return Err(not_empty().into());
            }
        }
        Ok(())
    }
}

/// Entries that are written together.
#[derive(Default)]
struct Part {
    records: Vec<Envelope>,
    history: Vec<HistoryEntry>,
    items: usize,
    bytes: usize,
}

impl Part {
    fn add(&mut self, entry: Entry) {
        self.items += 1;
        self.bytes += entry.size_bytes();
        match entry {
            Entry::Record(record) => self.records.push(record),
            Entry::History(entry) => self.history.push(entry),
        }
    }
}

impl Entry {
    fn size_bytes(&self) -> usize {
        match self {
            Entry::Record(record) => record.size_bytes(),
            Entry::History(entry) => entry.size_bytes(),
        }
    }
}

impl CheckedImport<'_> {
    fn is_empty(&self) -> bool {
        self.counted().entries() == 0 && !self.request.has_next
    }

    fn counted_as(&self, counts: Option<ImportedCounts>) -> Imported {
        let counted = self.counted();
        let Some(counts) = counts else { return counted };
        let ImportedCounts { pieces, sessions, history, conflicts, tombstones, records } = counts;
        Imported { pieces, sessions, history, conflicts, tombstones, records, ..counted }
    }

    fn counted(&self) -> Imported {
        let request = &self.request;
        Imported {
            pieces: request.pieces.len(),
            sessions: request.sessions.len(),
            history: request.history.len(),
            conflicts: request.conflicts.len(),
            tombstones: request.tombstones.len(),
            records: request.records.len(),
            state: if request.has_next { PartState::More } else { PartState::Done },
        }
    }
}

impl ImportedCounts {
    /// Counts a record that is written, which may replace that of an earlier page.
    fn replace(&mut self, schema: &Schema, old: Option<&Envelope>, new: &Envelope) {
        if let Some(old) = old {
            let list = self.list(schema, old);
            *list = list.saturating_sub(1);
        }
        *self.list(schema, new) += 1;
    }

    fn list(&mut self, schema: &Schema, record: &Envelope) -> &mut usize {
        let kind = record.key.kind;
        match schema.kind(kind).and_then(|kind| kind.own_list()) {
            _ if kind.is_inbox() => &mut self.conflicts,
            _ if record.deleted => &mut self.tombstones,
            Some("pieces") => &mut self.pieces,
            Some(_) => &mut self.sessions,
            None => &mut self.records,
        }
    }
}

impl Imported {
    /// How many entries the document had.
    pub fn entries(&self) -> usize {
        self.pieces + self.sessions + self.history + self.conflicts + self.tombstones + self.records
    }
}

/// Whether an imported record replaces the stored one. A later page may have a later version of a
/// record that changed during the export.
fn is_due(record: &Envelope, there: Option<&Envelope>) -> Result<bool> {
    let Some(there) = there else { return Ok(true) };
    let is_same = there.content == record.content && there.deleted == record.deleted;
    if there.version == record.version && !is_same {
        return Err(not_empty());
    }
    Ok(there.version < record.version)
}

fn not_empty() -> Error {
    Error::new(ErrorKind::NotEmpty, "the account is not empty")
}
