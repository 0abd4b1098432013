//! Taking records over from the tables of an earlier server.
//!
//! An item of such a table is a device that never sees a reply. What was taken over from it last is
//! remembered with the record, as it is of a phone whose replies get lost, and is the base of what
//! the item says later.

use super::app_plan::plan_earlier;
use super::edit::{Edit, ReceiptDraft, Setting};
use super::meta::EARLIER;
use super::record::Record;
use super::sessions::edit_of;
use super::{Engine, Error, ErrorKind, Push, PushOp, PushResult, Result};
use crate::digest::Digest;
use crate::engine::EditTimes;
use crate::id::{Key, UserId};
use crate::time::UnixMillis;
use crate::wire::WireVersion;
use crate::wire::app::{AppPiece, AppSession};

/// The device that an import stands in the history as.
pub const IMPORT_DEVICE: &str = "import";

/// An item of an earlier server's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Which item, by a text that no other item of the user has: two items may be one record, where
    /// their ids differ only in case.
    pub item: String,
    /// When the earlier server wrote it last, where it says so; else the phone's time of the edit
    /// tells which of two states of the item is older.
    pub written_at: Option<UnixMillis>,
    /// What it holds.
    pub record: EarlierRecord,
}

/// The content of an item. Its `version` says nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EarlierRecord {
    /// A piece.
    Piece(Box<AppPiece>),
    /// A session.
    Session(Box<AppSession>),
}

impl Engine {
    /// Takes over records of an earlier server, and says what became of each.
    ///
    /// May be repeated: an item that is as it was, or older, changes nothing, whatever has become
    /// of its record since, and for ever. An item that has changed is merged as an edit of what was
    /// taken over before. Nothing is deleted because an item is missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the user has erased the account here: nothing is brought back.
    /// [`ErrorKind::Unavailable`] if the store cannot answer; repeating is harmless.
    pub async fn take_over(&self, user: &UserId, records: &[Earlier]) -> Result<Vec<PushResult>> {
        let head = self.store.head(user).await?;
        if head.is_some_and(|head| head.erased_at.is_some()) {
            return Err(Error::new(ErrorKind::Gone, "the account was erased"));
        }
        let pushes: Vec<Push> = records.iter().map(push).collect();
        self.push(user, IMPORT_DEVICE, &pushes).await
    }
}

fn push(earlier: &Earlier) -> Push {
    let key = match &earlier.record {
        EarlierRecord::Piece(piece) => Key::piece(piece.id),
        EarlierRecord::Session(session) => Key::session(session.id),
    };
    let op = PushOp::TakeOver(earlier.clone());
    Push { key, base: None, edited_at: EditTimes::Unknown, op }
}

impl Earlier {
    /// The edit that the item is; `None` if it changes nothing.
    pub(super) fn plan(
        &self,
        device: Option<String>,
        record: Option<&Record>,
        setting: Setting,
    ) -> Option<Edit> {
        let piece = match &self.record {
            EarlierRecord::Piece(piece) => piece,
            // What it says is known by the session itself when it comes again.
            EarlierRecord::Session(session) => return edit_of(record, session, setting),
        };
        // Its number was counted by another server: it names no version of this one.
        let version = WireVersion(1);
        let piece = AppPiece { version, was_synced: false, ..(**piece).clone() };
        let edit = plan_earlier(record, &piece, self.receipt(&piece), setting)?;
        Some(Edit { device, ..edit })
    }

    fn receipt(&self, piece: &AppPiece) -> ReceiptDraft {
        let delivery = Digest::of([self.item.as_bytes()]).short() | EARLIER;
        let written_ms = self.written_at.map_or(0, |at| u64::try_from(at.0).unwrap_or(0));
        let claimed_ms = piece.modified_at.map_or(i64::MIN, |at| at.0);
        // Unknown keys are content, too.
        let content = piece.piece.to_json();
        ReceiptDraft {
            // The largest number marks copies from before this server.
            delivery: delivery.min(u64::MAX - 1),
            order: (written_ms, claimed_ms),
            hash: Digest::of([content.as_bytes()]).short(),
            answer: None,
        }
    }
}
