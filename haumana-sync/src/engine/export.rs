//! Everything of one user, written page by page.

use super::commit::StoredConflict;
use super::export_write::{
    write_entry, write_history, write_piece, write_session, write_tombstone,
};
use super::record::{parse, to_json};
use super::{Engine, Error, ErrorKind, Result, check_state};
use crate::id::{Key, Kind, UserId};
use crate::store::{After, Envelope, Epoch, Place, Version};
use crate::time::UnixMillis;
use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;

/// The form of what is written.
pub const EXPORT_VERSION: &str = "1.0";
/// How many records are read at once.
const READ_RECORDS: usize = 32;
/// How much is written before it is handed on; a single record may be larger.
const CHUNK_BYTES: usize = 64 * 1024;

/// The lists of an export, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Pieces,
    Sessions,
    History,
    Conflicts,
    Tombstones,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Pieces => "pieces",
            Part::Sessions => "practiceSessions",
            Part::History => "history",
            Part::Conflicts => "conflicts",
            Part::Tombstones => "tombstones",
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Part::Pieces => Some(Part::Sessions),
            Part::Sessions => Some(Part::History),
            Part::History => Some(Part::Conflicts),
            Part::Conflicts => Some(Part::Tombstones),
            Part::Tombstones => None,
        }
    }

    fn holds(self, record: &Envelope) -> bool {
        let (kind, is_live) = (record.key.kind, !record.deleted);
        match self {
            Part::Pieces => kind == Kind::Piece && is_live,
            Part::Sessions => kind == Kind::Session && is_live,
            Part::History => kind != Kind::Conflict,
            Part::Conflicts => kind == Kind::Conflict,
            Part::Tombstones => kind != Kind::Conflict && !is_live,
        }
    }
}

/// An export under way.
///
/// It walks the user's stream once for each list, so that what is held at a time is one page and
/// the ids of one list. A record that changes meanwhile stands in each list at most once.
#[derive(Debug)]
pub struct Export {
    user: UserId,
    epoch: Option<Epoch>,
    /// The list that is being written; `None`: all are.
    part: Option<Part>,
    after: After,
    /// What of this list is written; a record that changes meanwhile comes by again.
    seen: HashSet<Key>,
    /// Records whose history is due, and how far the first of them is written.
    due: VecDeque<Key>,
    before: Option<Version>,
    /// What is written and not handed on.
    out: String,
    needs_comma: bool,
}

impl Engine {
    /// Begins to export everything of the user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store cannot answer, [`ErrorKind::Erasing`] while the
    /// account is being erased.
    pub async fn export(&self, user: &UserId) -> Result<Export> {
        let head = self.store.head(user).await?;
        check_state(head.as_ref())?;
        let mut export = Export {
            user: user.clone(),
            epoch: head.map(|head| head.epoch),
            part: Some(Part::Pieces),
            after: After::Start,
            seen: HashSet::new(),
            due: VecDeque::new(),
            before: None,
            out: String::new(),
            needs_comma: false,
        };
        export.begin(self.clock.now());
        Ok(export)
    }

    /// Returns the next part of the JSON text; `None` at its end.
    ///
    /// # Errors
    ///
    /// As [`Engine::export`]; [`ErrorKind::Gone`] if the account was erased meanwhile. What was
    /// returned before is then no whole export.
    pub async fn export_more(&self, export: &mut Export) -> Result<Option<String>> {
        while export.part.is_some() && export.out.len() < CHUNK_BYTES {
            match export.due.front().copied() {
                Some(key) => self.export_history(export, &key).await?,
                None => self.export_page(export).await?,
            }
        }
        let out = std::mem::take(&mut export.out);
        Ok((!out.is_empty()).then_some(out))
    }

    async fn export_page(&self, export: &mut Export) -> Result<()> {
        let Some(part) = export.part else { return Ok(()) };
        let page = self.store.changes(&export.user, export.after, READ_RECORDS).await?;
        check_state(page.head.as_ref())?;
        let is_same = export.epoch.is_none() || page.head.map(|head| head.epoch) == export.epoch;
        if !is_same {
            return Err(Error::new(ErrorKind::Gone, "the account was erased"));
        }
        for record in &page.records {
            let within = Some(record.key);
            export.after = After::Place(Place { revision: record.revision, within });
            if part.holds(record) && export.seen.insert(record.key) {
                self.export_record(export, part, record).await?;
            }
        }
        if !page.more {
            export.is_read();
        }
        Ok(())
    }

    async fn export_record(
        &self,
        export: &mut Export,
        part: Part,
        record: &Envelope,
    ) -> Result<()> {
        if part == Part::History {
            export.due.push_back(record.key);
            return Ok(());
        }
        export.separate();
        match part {
            Part::Pieces => write_piece(&mut export.out, &export.user, record),
            Part::Sessions => write_session(&mut export.out, &export.user, record),
            Part::Tombstones => write_tombstone(&mut export.out, record),
            Part::Conflicts | Part::History => self.export_conflict(export, record).await,
        }
    }

    /// Writes an entry of the inbox; a closed one with how it was closed.
    async fn export_conflict(&self, export: &mut Export, record: &Envelope) -> Result<()> {
        let stored: StoredConflict = parse(&record.content)?;
        let conflict = self.open_conflict(&export.user, record).await?;
        write_entry(&mut export.out, &conflict, &stored);
        Ok(())
    }

    async fn export_history(&self, export: &mut Export, key: &Key) -> Result<()> {
        let entries = self.whole_versions(&export.user, key, export.before).await?;
        for entry in &entries {
            export.separate();
            write_history(&mut export.out, entry)?;
        }
        export.before = entries.last().map(|entry| entry.key.version);
        if entries.is_empty() {
            export.due.pop_front();
            if export.due.is_empty() && export.after == After::Start {
                export.finish_part();
            }
        }
        Ok(())
    }
}

impl Export {
    fn begin(&mut self, now: UnixMillis) {
        let user = to_json(&self.user.as_str());
        let _ = write!(
            self.out,
            r#"{{"exportDate":"{now}","exportVersion":"{EXPORT_VERSION}","user":{{"id":{user}}},"pieces":["#
        );
    }

    fn separate(&mut self) {
        if std::mem::replace(&mut self.needs_comma, true) {
            self.out.push(',');
        }
    }

    /// The stream was read to its end for this list.
    fn is_read(&mut self) {
        self.after = After::Start;
        self.seen = HashSet::new();
        // Otherwise the list ends when the history of the last record is written.
        if self.due.is_empty() {
            self.finish_part();
        }
    }

    fn finish_part(&mut self) {
        self.needs_comma = false;
        self.part = self.part.and_then(Part::next);
        match self.part {
            Some(part) => {
                let _ = write!(self.out, r#"],"{}":["#, part.name());
            }
            None => self.out.push_str("]}"),
        }
    }
}
