//! Pulls of new clients: what changed after a cursor, page by page.
//!
//! A pull does not say how a record changed. It returns the current state of each changed record.
//! So a device that was away for a year reads each record once.

pub(crate) mod cursor;

use crate::digest::Digest;
use crate::engine::commit::notes::{Notes, last_change};
use crate::engine::commit::trail::Trail;
use crate::engine::pull::cursor::Cursor;
use crate::engine::{Engine, Error, ErrorKind, Result, check_state};
use crate::id::{Key, KindNumber, UserId};
use crate::limits;
use crate::store::{After, Envelope, Head, HeadState, Place, Version};
use crate::time::UnixMillis;

/// One record in its current state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The record.
    pub key: Key,
    /// Its version.
    pub version: Version,
    /// When that version was committed.
    ///
    /// It is the server's time, the same in every answer. It does not order anything.
    pub modified_at: UnixMillis,
    /// Its fields as a JSON object; `None` for a tombstone.
    ///
    /// It is the stored text: the fields in the order of the kind, then keys that the kind does not
    /// name.
    pub value: Option<String>,
}

/// One page of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What changed, oldest change first.
    pub changes: Vec<Changed>,
    /// Where the next pull starts; `None` only while the user has no data at all.
    ///
    /// Store it together with the changes, or after them. If it is stored first and the device
    /// stops in between, the changes are skipped.
    pub cursor: Option<String>,
    /// Whether more follows.
    pub more: bool,
    /// Whether this page starts over from the beginning, because the device's cursor does not fit.
    ///
    /// The device reads on as usual and keeps its pending edits. If it holds a record that is on no
    /// page, not even as a tombstone, the server does not know the record. The device then offers
    /// it with [`PushOp::Offer`](crate::engine::PushOp::Offer).
    pub reset: bool,
    /// The digest of versions at `cursor`; only when nothing follows.
    ///
    /// A device that holds every record at its version gets the same sum of [`Digest::of_version`].
    /// If its sum differs, it has missed something, and starts over without a cursor. There is no
    /// digest while a record of the account cannot be read.
    pub digest: Option<Digest>,
    /// The server's time.
    pub server_time: UnixMillis,
}

impl Engine {
    /// Returns what changed after `cursor` (`None`: everything): at most `limit` records of about
    /// `limit_bytes` together. It returns at least one, so that every page makes progress.
    ///
    /// A cursor that is garbled, of another user, from the future, or from another epoch or
    /// generation is no error: the page starts over and says so.
    ///
    /// Call it until [`Pulled::more`] is false. `limit` is at most [`limits::PAGE_RECORDS`]; a
    /// greater one counts as that, and 0 as 1. Others may commit between two pages. A record that
    /// changes meanwhile comes once more, at its new place, and none is left out.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, kai, song, .. } = example();
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    ///
    /// let first = engine.pull(&kai, None, 500, 1 << 20).await?;
    /// let then = engine.pull(&kai, first.cursor.as_deref(), 500, 1 << 20).await?;
    ///
    /// assert_eq!((song, 1), (first.changes[0].key, first.changes[0].version));
    /// assert!(then.changes.is_empty() && !then.more, "nothing has changed since");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the account was erased after the cursor was given.
    pub async fn pull(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<Pulled> {
        let trail = Trail::starting_at(self.head(user).await?);
        self.pull_behind(user, cursor, limit, limit_bytes, trail).await
    }

    /// As [`Engine::pull`], after the commits of the same request. A device that had everything
    /// before them is answered without reading anything.
    pub(crate) async fn pull_behind(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: usize,
        limit_bytes: usize,
        trail: Trail,
    ) -> Result<Pulled> {
        let server_time = self.clock.now();
        let limit = limit.clamp(1, limits::PAGE_RECORDS);
        let Some(head) = trail.head.clone() else {
            let reset = cursor.is_some();
            return Ok(Pulled {
                changes: Vec::new(),
                cursor: None,
                more: false,
                reset,
                digest: Some(Digest::default()),
                server_time,
            });
        };
        check_state(Some(&head))?;
        let given = cursor.and_then(Cursor::decode);
        if head.state == HeadState::Erased && given.is_some_and(|given| given.is_of(user)) {
            let is_from_before =
                given.is_some_and(|given| !given.fits(user, &head, self.config.generation));
            if is_from_before {
                return Err(Error::new(ErrorKind::Gone, "the account was erased"));
            }
        }
        let fitting = given.filter(|given| given.fits(user, &head, self.config.generation));
        let reset = cursor.is_some() && fitting.is_none();
        let mut page = Paging {
            after: fitting.map_or(After::Start, |given| After::Place(given.place)),
            left_bytes: limit_bytes,
            changes: Vec::new(),
            has_aside: false,
        };
        let begins = matches!(page.after, After::Start);
        let (head, more) = match page.is_at(trail.from.as_ref()) {
            true => (head, page.take_all(trail.into_stream(), limit)),
            false => self.fill_page(user, head, limit, &mut page).await?,
        };
        let (head, has_aside) = self.note_aside(user, head, begins, page.has_aside).await;
        // If a record is left out, what the device has of it is unknown.
        let digest = (!has_aside).then_some(head.versions);
        let place = match page.after {
            After::Place(place) if more => place,
            _ => Place { revision: head.revision, within: None },
        };
        Ok(Pulled {
            changes: page.changes,
            cursor: Some(Cursor::new(user, &head, self.config.generation, place).encode()),
            more,
            reset,
            digest: digest.filter(|_| !more),
            server_time,
        })
    }

    /// Notes in the head whether the account has records that are left out of pages. Returns the
    /// head, and whether there are such records. The note is removed when a device begins to read
    /// everything, and made again when such a record is met.
    async fn note_aside(
        &self,
        user: &UserId,
        head: Head,
        begins: bool,
        has_aside: bool,
    ) -> (Head, bool) {
        // Nearly always there is nothing to note or to remove.
        if !has_aside && !head.notes.contains("hasAside") {
            return (head, false);
        }
        let Ok(notes) = Notes::of(Some(&head)) else { return (head, has_aside) };
        let is_due = has_aside || (notes.has_aside && !begins);
        if is_due == notes.has_aside || head.state != HeadState::Active {
            return (head, is_due);
        }
        crate::mark::hit!(account_with_an_unreadable_record_has_no_digest);
        // If somebody was faster, the next page notes it.
        let notes = Notes { has_aside: is_due, ..notes };
        let noted = self.commit_notes(user, Some(&head), &notes).await;
        (noted.map_or(head, |batch| batch.head), is_due)
    }

    /// Reads until the page is full or the head is reached. Returns the head that it reached.
    async fn fill_page(
        &self,
        user: &UserId,
        mut head: Head,
        limit: usize,
        page: &mut Paging,
    ) -> Result<(Head, bool)> {
        if page.is_at(Some(&head)) {
            return Ok((head, false));
        }
        while page.changes.len() < limit {
            let wanted = limit - page.changes.len();
            let read = self.store.changes(user, page.after, wanted).await?;
            head = read.head.unwrap_or(head);
            for envelope in read.records {
                if !page.take(envelope) {
                    return Ok((head, true));
                }
            }
            if !read.more {
                return Ok((head, false));
            }
        }
        Ok((head, true))
    }
}

struct Paging {
    after: After,
    left_bytes: usize,
    changes: Vec<Changed>,
    /// Whether a record was left out because it cannot be read.
    has_aside: bool,
}

impl Paging {
    /// Whether nothing can follow up to `head`. This is the usual case, in which only the head is
    /// read.
    fn is_at(&self, head: Option<&Head>) -> bool {
        match (self.after, head) {
            (After::Place(place), Some(head)) => {
                last_change(head) <= place.revision && place.within.is_none()
            }
            (After::Start, None) => true,
            _ => false,
        }
    }

    /// Adds records until the page is full. Returns whether more follow.
    fn take_all(&mut self, stream: Vec<Envelope>, limit: usize) -> bool {
        stream.into_iter().any(|envelope| limit <= self.changes.len() || !self.take(envelope))
    }

    /// Adds a record, if there is room.
    fn take(&mut self, envelope: Envelope) -> bool {
        // A record that cannot be read counts as neither changed nor deleted.
        let is_record = envelope.key.kind != KindNumber::CONFLICT && !envelope.is_unreadable();
        let bytes = envelope.content.len() + 256;
        if is_record && self.left_bytes < bytes && !self.changes.is_empty() {
            return false;
        }
        self.has_aside |= envelope.is_unreadable() && !envelope.key.kind.is_inbox();
        let within = Some(envelope.key);
        self.after = After::Place(Place { revision: envelope.revision, within });
        if is_record {
            self.left_bytes = self.left_bytes.saturating_sub(bytes);
            self.changes.push(Changed {
                key: envelope.key,
                version: envelope.version,
                modified_at: envelope.modified_at,
                value: (!envelope.deleted).then_some(envelope.content),
            });
        }
        true
    }
}
