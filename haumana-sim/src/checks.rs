//! Checks whether a reply is right.
//!
//! The steps:
//!
//! 1. Each piece in it is a version that the server had, byte for byte.
//! 2. `syncedAt` is near the present.
//! 3. `serverPieces` has no duplicates, nothing deleted, nothing refused, nothing that the phone
//!    would ignore, and nothing that its user deleted on the phone.
//! 4. All accepted edits are acknowledged, and nothing is missing.
//! 5. After the reply the phone matches the server in every piece that it sent.
//!
//! Steps 4 and 5 depend on the call. If the store failed, or somebody else wrote in between, less
//! can be required.

use super::faults::FaultKind;
use super::judge::Checked;
use super::ledger::Track;
use super::phone::{LocalPiece, Request};
use super::reply::{Reply, ReplyPiece};
use super::server::{Course, Start, wrong};
use super::world::World;
use haumana_sync::id::RecordId;
use std::collections::{BTreeMap, BTreeSet};

impl World<'_> {
    /// Checks a reply, and fills in which edits are in its pieces. Returns the pieces in which the
    /// phone will match the server.
    ///
    /// # Errors
    ///
    /// If the reply breaks the contract.
    pub fn check_reply(
        &mut self,
        request: &Request,
        reply: &mut Reply,
        start: &Start,
        course: Course,
    ) -> Checked<Vec<RecordId>> {
        let is_whole = !self.profile.small_replies;
        let (server, updated) = (&mut reply.server, &mut reply.updated);
        let ledger = &self.ledgers[request.token];
        let is_erased = |id| accepted(request).any(|s| s.id == id && ledger.may_be_erased(s));
        // Of an erased piece only the number is used.
        for piece in server.iter_mut().chain(updated.iter_mut().filter(|p| !is_erased(p.id))) {
            self.check_piece(request, piece)?;
        }
        let tracks = &ledger.tracks;
        server.iter_mut().for_each(|piece| fill_in_deleted(piece, tracks));
        let synced_ms = reply.synced_secs * 1000;
        let is_near = (self.now_ms() - 1000..=self.now_ms() + 2000).contains(&synced_ms);
        self.ensure(is_near || (!is_whole && synced_ms < self.now_ms() + 2000), || {
            format!("syncedAt is {} ms from now", synced_ms - self.now_ms())
        })?;
        check_server_pieces(request, reply, &self.ledgers[request.token].tracks, (start, course))?;
        if is_whole && course.is_calm {
            self.check_acknowledged(request, reply)?;
            self.check_complete(request, reply, start)?;
        } else if course.is_calm && self.check_complete(request, reply, start).is_err() {
            self.tally.faults.note(FaultKind::ReplyCut);
        }
        self.check_exact(request, reply, start, course)
    }

    /// Checks that a piece in a reply equals the server's.
    ///
    /// It also fills in which edits are in the piece, which is not on the wire. The phone stores
    /// that.
    fn check_piece(&self, request: &Request, piece: &mut ReplyPiece) -> Checked {
        if piece.user != self.users[request.token].as_str() {
            return wrong(piece.id, "a piece of a reply has another user");
        }
        let k = (piece.version >> 32) as u32;
        if !piece.version.is_multiple_of(1 << 12) {
            return wrong(piece.id, format!("the number {:x} has steps in it", piece.version));
        }
        let Some(track) = self.ledgers[request.token].tracks.get(&piece.id) else {
            return wrong(piece.id, "a reply holds a piece that the server does not have");
        };
        piece.life = self.life;
        if track.content.is_none() || track.tombstones.contains(&k) {
            return Ok(());
        }
        let Some(known) = track.versions.get(&k) else {
            return wrong(piece.id, format!("there is no version {k}"));
        };
        // Of the copy of a deleted piece only the number is used.
        if known.content != piece.content && track.tombstones.is_empty() {
            return wrong(piece.id, format!("version {k} is not what the reply says: {piece:?}"));
        }
        // A copy of a deleted piece is acknowledged under the time of the delete.
        if known.modified_ms != piece.modified_ms && track.tombstones.is_empty() {
            return wrong(piece.id, format!("version {k} has another modifiedAt than before"));
        }
        piece.seen = known.seen.clone();
        piece.life = known.life;
        Ok(())
    }

    /// Checks that the phone gets what it lacks: everything, or what is stamped later than
    /// `lastSyncedAt`.
    ///
    /// `start` has the pieces from when the call began. Pieces that were added meanwhile may come
    /// or not.
    fn check_complete(&self, request: &Request, reply: &Reply, start: &Start) -> Checked {
        let tracks = &self.ledgers[request.token].tracks;
        // A piece that somebody has deleted since the call began need not come. A push deletes
        // nothing.
        let is_deleted = |id| tracks.get(id).is_some_and(|track| track.content.is_none());
        for (id, (_, stamp_secs)) in start.iter().filter(|(id, _)| !is_deleted(*id)) {
            let is_due = request.last_secs.is_none_or(|last| last < *stamp_secs);
            let is_held = request.sent.iter().any(|sent| sent.id == *id);
            if is_due && !is_held && reply.server.iter().all(|piece| piece.id != *id) {
                return wrong(*id, "the reply lacks a piece that the phone does not have");
            }
        }
        Ok(())
    }

    /// Checks that every accepted edit is acknowledged.
    fn check_acknowledged(&self, request: &Request, reply: &Reply) -> Checked {
        for sent in accepted(request).filter(|sent| sent.flagged) {
            if reply.updated.iter().all(|piece| piece.id != sent.id) {
                return wrong(sent.id, "an accepted edit is not in updatedPieces");
            }
        }
        Ok(())
    }

    /// Checks that after the reply the phone holds the server's content of every piece in it (rule
    /// 1).
    ///
    /// Returns the pieces that are settled. If others wrote meanwhile, any version since the
    /// beginning of the call is accepted.
    fn check_exact(
        &self,
        request: &Request,
        reply: &Reply,
        start: &Start,
        course: Course,
    ) -> Checked<Vec<RecordId>> {
        let mut settled = Vec::new();
        for sent in accepted(request) {
            let Some(track) = self.ledgers[request.token].tracks.get(&sent.id) else { continue };
            let Some(current) = &track.content else { continue };
            let was_deleted = !start.contains_key(&sent.id) && !track.tombstones.is_empty();
            if was_deleted && !course.is_alone {
                continue;
            }
            let server = reply.server.iter().find(|piece| piece.id == sent.id);
            let in_reply =
                server.is_some() || reply.updated.iter().any(|piece| piece.id == sent.id);
            let held = server.map_or(&sent.content, |piece| &piece.content);
            if held == current {
                settled.push(sent.id);
                continue;
            }
            let old_k = start.get(&sent.id).map_or(0, |old| old.0);
            let was_current =
                || track.versions.range(old_k..).any(|(_, version)| version.content == *held);
            let is_excused = !in_reply && (self.profile.small_replies || !course.is_calm);
            let is_exact = (!course.is_alone || !course.is_calm) && was_current();
            if !is_exact && !is_excused {
                let text =
                    format!("the phone is left with\n  {held:?}, the server has\n  {current:?}");
                return wrong(sent.id, text);
            }
        }
        Ok(settled)
    }
}

/// The pieces of a request that can be accepted.
///
/// If the app believes in another account than the token's, there are none: the server refuses them
/// all.
pub fn accepted(request: &Request) -> impl Iterator<Item = &LocalPiece> {
    let is_bad = |sent: &LocalPiece| request.bad.iter().any(|(id, _)| *id == sent.id.to_string());
    request.sent.iter().filter(move |sent| request.account == request.token && !is_bad(sent))
}

/// Whether a piece of a reply is the last content of a deleted piece.
///
/// Such a piece may be in a reply that was made before the delete.
fn is_last_live(piece: &ReplyPiece, now: &BTreeMap<RecordId, Track>) -> bool {
    let last = now.get(&piece.id).and_then(|track| track.versions.last_key_value());
    last.is_some_and(|(k, known)| {
        u64::from(*k) == piece.version >> 32 && known.content == piece.content
    })
}

/// Fills in which edits are in a piece that was deleted after its reply had been made.
fn fill_in_deleted(piece: &mut ReplyPiece, now: &BTreeMap<RecordId, Track>) {
    let deleted = now.get(&piece.id).filter(|track| track.content.is_none());
    let last = deleted.and_then(|track| track.versions.last_key_value());
    if let Some((_, known)) = last.filter(|_| is_last_live(piece, now)) {
        (piece.seen, piece.life) = (known.seen.clone(), known.life);
    }
}

/// The app compares numbers and overwrites only with a higher one. So a copy with a lower number
/// would leave the phone different for good.
fn check_server_pieces(
    request: &Request,
    reply: &Reply,
    now: &BTreeMap<RecordId, Track>,
    (start, course): (&Start, Course),
) -> Checked {
    let mut ids = BTreeSet::new();
    for piece in &reply.server {
        if !ids.insert(piece.id) {
            return wrong(piece.id, "a piece is in serverPieces twice");
        }
        if request.bad.iter().any(|(id, _)| *id == piece.id.to_string()) {
            return wrong(piece.id, "the server's copy would overwrite an edit that was refused");
        }
        let sent = request.sent.iter().find(|sent| sent.id == piece.id);
        let is_deleted = now.get(&piece.id).is_some_and(|track| track.content.is_none());
        // A reply that was made before a delete cannot know of it.
        let was_live = !course.is_alone && (start.contains_key(&piece.id) || sent.is_some());
        if is_deleted && !(was_live && is_last_live(piece, now)) {
            return wrong(piece.id, "a deleted piece is in serverPieces");
        }
        if let Some(sent) = sent {
            if piece.version <= sent.version {
                let text =
                    format!("the phone passes over {:x}, it has {:x}", piece.version, sent.version);
                return wrong(piece.id, text);
            }
            let is_same = (0..sent.content.0.len())
                .all(|aspect| sent.content.0[aspect] == piece.content.0[aspect]);
            if is_same
                && !sent.flagged
                && (1 << 32) <= sent.version
                && piece.version >> 32 == sent.version >> 32
            {
                return wrong(piece.id, "serverPieces holds what the phone has");
            }
        }
        let is_old = |last: i64| now.get(&piece.id).is_some_and(|track| track.stamp_secs <= last);
        if sent.is_none() && request.last_secs.is_some_and(is_old) {
            return wrong(piece.id, "a piece that was deleted on the phone pops back");
        }
    }
    for piece in &reply.updated {
        if accepted(request).all(|sent| sent.id != piece.id) {
            return wrong(piece.id, "updatedPieces holds what was not pushed");
        }
    }
    Ok(())
}
