//! A phone with the app: what it holds, what it sends, and how it applies replies.
//!
//! # What the app does
//!
//! - It finds pieces by id alone, whatever account they belong to.
//! - At each sync it sends all pieces of the account that it believes in, and flags those that were
//!   edited.
//! - It overwrites its copy with the server's if the server's number is higher, even if its user
//!   has edited since. No server can save that edit.
//! - It never deletes because of a reply.
//! - It keeps `lastSyncedAt` in memory, so a restart asks for everything.
//!
//! The model follows these rules exactly. It adds what the app does not know: which edits are in
//! each value.

use super::content::{ASPECTS, Content};
use super::ledger::Seen;
use super::reply::{Reply, ReplyPiece, SessionReply};
use super::server::Answer;
use haumana_sync::id::RecordId;
use haumana_sync::time::UnixMillis;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// A piece on a phone.
///
/// Half of it is stored by the app; the rest is the model's knowledge. Each field says which.
#[derive(Clone, Debug)]
pub struct LocalPiece {
    /// Its id.
    pub id: RecordId,
    /// The account that it belongs to.
    pub user: usize,
    /// Its fields.
    pub content: Content,
    /// When it was made, in seconds.
    pub created_secs: i64,
    /// When it was edited: the phone's clock, or what the server said.
    pub modified_ms: i64,
    /// Its own `lastSyncedAt`, by the phone's clock.
    pub synced_secs: Option<i64>,
    /// The number that carries the base.
    pub version: u64,
    /// `locallyModified`.
    pub flagged: bool,
    /// The edits that its user saw, by aspect. The app does not know them.
    pub seen: Seen,
    /// The life of the server in which the phone last matched the server.
    pub life: Option<u32>,
    /// The life of the server in which the version that its number names was made.
    pub number_life: u32,
    /// When the phone received its number.
    pub given_ms: i64,
}

/// A session on a phone.
#[derive(Clone, Debug)]
pub struct LocalSession {
    /// Its id.
    pub id: RecordId,
    /// The account that it belongs to.
    pub user: usize,
    /// The piece that was practised.
    pub piece: RecordId,
    /// When it began, in seconds.
    pub started_secs: i64,
    /// When it ended, in seconds, if it has.
    pub ended_secs: Option<i64>,
    /// Whether it was uploaded. It is never uploaded again.
    pub uploaded: bool,
}

/// A form that stays open while the phone syncs.
///
/// Saving it overwrites the piece with all of its fields.
#[derive(Clone, Debug)]
pub struct Form {
    /// The piece.
    pub piece: RecordId,
    /// The content that it showed when it was opened.
    pub content: Content,
    /// The edits in that content.
    pub seen: Seen,
}

/// A `POST /pieces` as it was sent.
///
/// It never changes: the network may bring it at any time, and the phone goes on meanwhile.
#[derive(Clone, Debug)]
pub struct Request {
    /// The body.
    pub body: Vec<u8>,
    /// The phone that sent it.
    pub phone: usize,
    /// The account of the token.
    pub token: usize,
    /// The account that the app believed in.
    pub account: usize,
    /// The pieces in it.
    pub sent: Vec<LocalPiece>,
    /// Ids of records in it that cannot be accepted, with the code that they must get.
    pub bad: Vec<(String, &'static str)>,
    /// Its `lastSyncedAt` if that is one, in seconds.
    pub last_secs: Option<i64>,
    /// The life of the server in which it was sent.
    pub life: u32,
    /// When it was sent.
    pub at_ms: i64,
    /// Whether all of it succeeded, without a fault of the store.
    pub is_done: bool,
}

/// The stage of a phone's sync.
///
/// A restart in any stage leads back to the first one. A sent request may still arrive.
#[derive(Clone, Debug, Default)]
pub enum Stage {
    /// No sync is in progress.
    #[default]
    Idle,
    /// The request is on its way.
    Sent(Request),
    /// The reply is in flight; `None`: an error, or no reply.
    Answered(Request, Option<Answer>),
}

/// A phone.
///
/// `account` and `token` differ for a moment when its user signs in to another account.
#[derive(Clone, Debug)]
pub struct Phone {
    /// Its place in the run.
    pub number: usize,
    /// The account that the app believes is signed in.
    pub account: usize,
    /// The account that the token names.
    pub token: usize,
    /// The error of its clock.
    pub skew_ms: i64,
    /// The `syncedAt` of the last whole sync, in seconds, and the account it was for. In memory.
    pub last_synced: Option<(i64, usize)>,
    /// Its pieces.
    pub pieces: Vec<LocalPiece>,
    /// Its sessions.
    pub sessions: Vec<LocalSession>,
    /// The open form.
    pub form: Option<Form>,
    /// Pieces that were deleted on it and have not come back.
    pub deleted: BTreeSet<RecordId>,
    /// The sync in progress.
    pub stage: Stage,
    /// Accounts whose records it may lack, because it used `lastSyncedAt` of another account.
    pub may_lack: BTreeSet<usize>,
    /// Pieces that a restored backup brought, stamped before its `lastSyncedAt`. It asks for them
    /// only after a restart.
    pub not_asked_for: BTreeSet<RecordId>,
}

/// A time as the app writes it.
///
/// Whole seconds without a fraction, in UTC.
pub fn stamp(secs: i64) -> String {
    UnixMillis::from_secs(secs).to_string().replace(".000Z", "Z")
}

impl LocalPiece {
    /// Writes it as the app does.
    pub fn write(&self, user: &str) -> Json {
        let mut json = Map::new();
        json.insert("pieceId".to_owned(), json!(self.id.to_string()));
        json.insert("userId".to_owned(), json!(user));
        self.content.write(&mut json);
        json.insert("createdAt".to_owned(), json!(stamp(self.created_secs)));
        json.insert("modifiedAt".to_owned(), json!(stamp(self.modified_ms.div_euclid(1000))));
        if let Some(secs) = self.synced_secs {
            json.insert("lastSyncedAt".to_owned(), json!(stamp(secs)));
        }
        json.insert("version".to_owned(), json!(self.version));
        json.insert("locallyModified".to_owned(), json!(self.flagged));
        Json::Object(json)
    }

    /// Overwrites the piece with the server's copy.
    ///
    /// `modifiedAt` of an edited piece stays, because the app compares it later.
    fn overwrite(&mut self, theirs: &ReplyPiece, phone_secs: i64, given_ms: i64) {
        self.given_ms = given_ms;
        self.content = theirs.content.clone();
        self.seen = theirs.seen.clone();
        self.version = theirs.version;
        self.number_life = theirs.life;
        if !self.flagged {
            self.modified_ms = theirs.modified_ms;
        }
        self.synced_secs = Some(phone_secs);
    }
}

impl LocalSession {
    /// Writes it as the app does.
    pub fn write(&self, user: &str) -> Json {
        let mut json = json!({
            "sessionId": self.id.to_string(),
            "userId": user,
            "pieceId": self.piece.to_string(),
            "startedAt": stamp(self.started_secs),
            "createdAt": stamp(self.started_secs),
        });
        if let Some(secs) = self.ended_secs {
            json["endedAt"] = json!(stamp(secs));
            json["endedAtSource"] = json!("manual");
        }
        json
    }
}

impl Phone {
    /// A phone that holds nothing.
    pub fn new(number: usize, skew_ms: i64) -> Self {
        Self {
            number,
            account: 0,
            token: 0,
            skew_ms,
            last_synced: None,
            pieces: Vec::new(),
            sessions: Vec::new(),
            form: None,
            deleted: BTreeSet::new(),
            stage: Stage::Idle,
            may_lack: BTreeSet::new(),
            not_asked_for: BTreeSet::new(),
        }
    }

    /// The pieces of an account.
    pub fn pieces_of(&self, user: usize) -> impl Iterator<Item = &LocalPiece> {
        self.pieces.iter().filter(move |piece| piece.user == user)
    }

    /// Finds a piece as the app does: by its id alone.
    pub fn piece_mut(&mut self, id: RecordId) -> Option<&mut LocalPiece> {
        self.pieces.iter_mut().find(|piece| piece.id == id)
    }

    /// Finds a piece.
    pub fn piece(&self, id: RecordId) -> Option<&LocalPiece> {
        self.pieces.iter().find(|piece| piece.id == id)
    }

    /// The phone's clock, in seconds.
    pub fn clock_secs(&self, now_ms: i64) -> i64 {
        (now_ms + self.skew_ms).div_euclid(1000)
    }

    /// Forgets everything that is only in memory.
    pub fn restart(&mut self) {
        self.last_synced = None;
        self.not_asked_for.clear();
        self.form = None;
        self.stage = Stage::Idle;
    }

    /// Applies a reply: first `serverPieces`, then `updatedPieces`. `user_of` returns the account
    /// of a name.
    ///
    /// # Errors
    ///
    /// If the phone ignores the server's copy of a piece that it sent. That is the server's
    /// mistake: the phone would differ for good.
    pub fn take_over(
        &mut self,
        request: &Request,
        reply: &Reply,
        now_ms: i64,
        user_of: &dyn Fn(&str) -> usize,
    ) -> Result<(), (RecordId, String)> {
        let secs = self.clock_secs(now_ms);
        let given_ms = request.at_ms;
        for theirs in &reply.server {
            let is_own = |piece: &LocalPiece| {
                piece.version < theirs.version
                    || (piece.version == theirs.version
                        && piece.modified_ms < theirs.modified_ms
                        && !piece.flagged)
            };
            match self.piece_mut(theirs.id) {
                Some(ours) if is_own(ours) => ours.overwrite(theirs, secs, given_ms),
                // It was not in the request, because the app believed in another account.
                Some(_) if request.sent.iter().all(|sent| sent.id != theirs.id) => {}
                Some(ours) => {
                    let text = format!(
                        "the phone holds number {:x} and passes over the server's copy with {:x}",
                        ours.version, theirs.version
                    );
                    return Err((theirs.id, text));
                }
                None => {
                    self.deleted.remove(&theirs.id);
                    self.add(theirs, user_of(&theirs.user), secs, given_ms);
                }
            }
        }
        for theirs in &reply.updated {
            let overwritten = reply.server.iter().any(|other| other.id == theirs.id);
            let sent = request.sent.iter().find(|sent| sent.id == theirs.id);
            let Some(ours) = self.piece_mut(theirs.id) else { continue };
            ours.version = theirs.version;
            ours.number_life = theirs.life;
            ours.modified_ms = theirs.modified_ms;
            ours.flagged = false;
            ours.synced_secs = Some(secs);
            ours.given_ms = given_ms;
            for aspect in (0..ASPECTS).filter(|_| !overwritten) {
                let in_flight = sent.is_some_and(|sent| sent.seen.0[aspect] != ours.seen.0[aspect]);
                let kept = if in_flight { ours.seen.0[aspect] } else { 0 };
                ours.seen.0[aspect] = kept | theirs.seen.0[aspect];
            }
        }
        Ok(())
    }

    fn add(&mut self, theirs: &ReplyPiece, user: usize, phone_secs: i64, given_ms: i64) {
        self.pieces.push(LocalPiece {
            id: theirs.id,
            user,
            content: theirs.content.clone(),
            created_secs: theirs.created_ms.div_euclid(1000),
            modified_ms: theirs.modified_ms,
            synced_secs: Some(phone_secs),
            version: theirs.version,
            flagged: false,
            seen: theirs.seen.clone(),
            life: None,
            number_life: theirs.life,
            given_ms,
        });
    }

    /// Applies a reply to `POST /sessions`.
    pub fn take_over_sessions(&mut self, reply: &SessionReply, user_of: &dyn Fn(&str) -> usize) {
        for session in &mut self.sessions {
            session.uploaded |= reply.uploaded.contains(&session.id);
        }
        for theirs in &reply.server {
            if self.sessions.iter().all(|ours| ours.id != theirs.id) {
                self.sessions.push(LocalSession {
                    id: theirs.id,
                    user: user_of(&theirs.user),
                    piece: theirs.piece,
                    started_secs: theirs.started_ms.div_euclid(1000),
                    ended_secs: theirs.ended_ms.map(|ms| ms.div_euclid(1000)),
                    uploaded: true,
                });
            }
        }
    }
}
