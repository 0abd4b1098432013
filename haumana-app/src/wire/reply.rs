//! Replies of part 1. Stored JSON is copied into them, so records come out byte for byte as they
//! were accepted.
//!
//! The app compares ids as strings in upper case, and reads times in only one form. Both are
//! written here in that form. Limits of size are upper limits, computed before anything is written.

use super::WireVersion;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::limits;
use haumana_sync::repertoire::{piece_kind, session_kind};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::{Rejected, comma_separated, members, quoted};
use std::fmt::Write as _;

/// How many records a request had, for logs and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records accepted.
    pub pushed: usize,
    /// Records delivered.
    pub pulled: usize,
    /// Accepted records whose result differs from what was sent.
    pub merged: usize,
    /// Values that lost.
    pub conflicts: usize,
    /// Records not accepted.
    pub rejected: usize,
}

/// One piece in a reply.
///
/// Its content is the stored text. Everything else is written around it.
#[derive(Clone, Debug)]
pub struct PieceOut {
    /// The id of the piece.
    pub id: RecordId,
    /// Its stored JSON object.
    pub content: String,
    /// The number of this delivery.
    pub version: WireVersion,
    /// When its version was committed.
    pub modified_at: UnixMillis,
}

impl PieceOut {
    /// An upper limit of its bytes in a reply.
    ///
    /// It counts six bytes for each byte of the user id, the most that an escape in JSON needs.
    pub fn size_bytes(&self, user: &UserId) -> usize {
        self.content.len() + 6 * user.as_str().len() + 256
    }

    fn write(&self, out: &mut String, user: &str, synced_at: &str) {
        let Self { id, content, version, modified_at } = self;
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            r#"{{"pieceId":"{id}","userId":{user},"version":{},"modifiedAt":"{modified_at}","lastSyncedAt":"{synced_at}","locallyModified":false,{}}}"#,
            version.0,
            members(piece_kind(), content),
        );
    }
}

/// The reply to `POST /pieces`.
///
/// All lists are always written, even if they are empty, because the app needs them.
#[derive(Clone, Debug)]
pub struct PiecesReply {
    /// The user that owns the pieces.
    pub user: UserId,
    /// Pieces that the phone must store.
    pub server_pieces: Vec<PieceOut>,
    /// Pushes that were accepted.
    pub updated_pieces: Vec<PieceOut>,
    /// Pushes that were not accepted.
    pub rejected: Vec<Rejected>,
    /// What the phone sends back as `lastSyncedAt`; whole seconds.
    pub synced_at: UnixMillis,
    /// The counts of the request.
    pub counts: Counts,
}

impl PiecesReply {
    /// Whether it contains no piece, and refuses none.
    ///
    /// Then the phone and the server agree, or differ in a way that no reply changes.
    pub(crate) fn tells_nothing(&self) -> bool {
        let is_empty = self.server_pieces.is_empty() && self.updated_pieces.is_empty();
        is_empty && self.rejected.is_empty()
    }

    /// Writes the body.
    pub fn into_json(self) -> Vec<u8> {
        let (user, synced_at) = (quoted(self.user.as_str()), self.synced_at.to_string());
        let pieces = self.server_pieces.iter().chain(&self.updated_pieces);
        let size: usize = pieces.map(|piece| piece.size_bytes(&self.user)).sum();
        let mut out = String::with_capacity(size + 1024);
        let list = |out: &mut String, pieces: &[PieceOut]| {
            comma_separated(out, pieces, |out, piece| piece.write(out, &user, &synced_at));
        };
        out.push_str(r#"{"serverPieces":["#);
        list(&mut out, &self.server_pieces);
        out.push_str(r#"],"uploadedPieces":["#);
        comma_separated(&mut out, &self.updated_pieces, |out, piece| {
            let _ = write!(out, r#""{}""#, piece.id);
        });
        out.push_str(r#"],"updatedPieces":["#);
        list(&mut out, &self.updated_pieces);
        out.push(']');
        write_rejected(&mut out, "rejectedPieces", "pieceId", &self.rejected);
        let _ = write!(out, r#","syncedAt":"{synced_at}"}}"#);
        out.into_bytes()
    }
}

/// The reply to `POST /sessions`.
///
/// The newest change comes first.
#[derive(Clone, Debug)]
pub struct SessionsReply {
    /// The user that owns the sessions.
    pub user: UserId,
    /// Sessions that were accepted.
    pub uploaded: Vec<RecordId>,
    /// Sessions with their stored JSON objects.
    pub server_sessions: Vec<(RecordId, String)>,
    /// Sessions that were not accepted.
    pub rejected: Vec<Rejected>,
    /// The server's time; whole seconds.
    pub synced_at: UnixMillis,
    /// The counts of the request.
    pub counts: Counts,
}

impl SessionsReply {
    /// Writes the body.
    pub fn into_json(self) -> Vec<u8> {
        let user = quoted(self.user.as_str());
        let size: usize = self.server_sessions.iter().map(|(_, json)| json.len() + 128).sum();
        let mut out = String::with_capacity(size + 1024);
        out.push_str(r#"{"uploadedSessions":["#);
        comma_separated(&mut out, &self.uploaded, |out, id| {
            let _ = write!(out, r#""{id}""#);
        });
        out.push_str(r#"],"serverSessions":["#);
        comma_separated(&mut out, &self.server_sessions, |out, (id, content)| {
            let content = members(session_kind(), content);
            let _ = write!(out, r#"{{"sessionId":"{id}","userId":{user},{content}}}"#);
        });
        out.push(']');
        write_rejected(&mut out, "rejectedSessions", "sessionId", &self.rejected);
        let _ = write!(out, r#","syncedAt":"{}"}}"#, self.synced_at);
        out.into_bytes()
    }
}

/// Writes the list of the pushes that were not accepted. Only some are named.
fn write_rejected(out: &mut String, list: &str, id_name: &str, rejected: &[Rejected]) {
    let _ = write!(out, r#","{list}":["#);
    // It is never more than there are.
    let named = &rejected[..rejected.len().min(limits::REFUSALS)];
    comma_separated(out, named, |out, rejected| {
        let (id, message) = (quoted(&rejected.id), quoted(&rejected.message));
        let code = rejected.refusal.code();
        let _ = write!(out, r#"{{"{id_name}":{id},"code":"{code}","message":{message}}}"#);
    });
    out.push(']');
}
