//! What phones send, and how the ledger takes the results.
//!
//! # From an outcome to the ledger
//!
//! 1. The reply is decoded by the app's rules. If it contains another account's names or marks,
//!    that is a leak (G8).
//! 2. Exactly the records that must be refused were refused.
//! 3. Each piece in the store is compared with the ledger. If a piece changed without a push, or is
//!    gone, that is a violation. A pushed piece goes to the judge.
//! 4. The reply is compared with the present store.

use super::checks::accepted;
use super::faults::FaultKind;
use super::judge::{self, Checked, Setting, Violation, judge};
use super::ledger::{KnownPush, Ledger, Observed, Stored};
use super::leeway::{delivery, known_push, leeway};
use super::phone::{LocalPiece, Request};
use super::reply::{Reply, decode};
use super::traces::check_traces;
use super::words;
use super::world::World;
use haumana_sync::engine::{ErrorKind, RETENTION_MS};
use haumana_sync::id::RecordId;
use haumana_sync::limits;
use serde_json::json;
use std::collections::BTreeMap;

/// The result of one call, and the store right after it.
///
/// The store is read at once after the call, before anything else can happen.
pub(super) struct Outcome {
    pub(super) body: Result<Vec<u8>, ErrorKind>,
    pub(super) observed: Observed,
    /// The store of the outer call's account, right before it.
    pub(super) before: Observed,
}

/// A reply, and what was found out about it.
///
/// It may still be lost in flight.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The reply.
    pub reply: Reply,
    /// Pieces in which the phone now matches the server.
    pub settled: Vec<RecordId>,
}

/// The circumstances of a call.
///
/// Both `true` is the strict case.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Whether no store fault struck.
    pub is_calm: bool,
    /// Whether nobody else wrote in between.
    pub is_alone: bool,
}

impl World<'_> {
    /// Makes the phone's request.
    ///
    /// It has all pieces of the account that the app believes in, whatever the token says. In
    /// profiles with invalid records, some are added that must be refused one by one.
    pub fn request(&mut self, phone: usize) -> Request {
        let now_ms = self.now_ms();
        let (account, token) = (self.phones[phone].account, self.phones[phone].token);
        let sent: Vec<LocalPiece> = self.phones[phone].pieces_of(account).cloned().collect();
        let user = self.users[account].as_str().to_owned();
        let mut pieces: Vec<_> = sent.iter().map(|piece| piece.write(&user)).collect();
        let mut bad = Vec::new();
        if self.profile.invalid && self.dice.chance(30) {
            let id = self.new_id().to_string();
            bad.push((id.clone(), "invalid_field"));
            pieces.insert(
                0,
                json!({"pieceId": id, "userId": self.users[token].as_str(), "title": 7}),
            );
            bad.push(("hula".to_owned(), "invalid_id"));
            pieces.push(json!({"pieceId": "hula", "title": "", "lyrics": ""}));
        }
        let mut body = json!({"operation": "sync", "pieces": pieces});
        let mut last_secs = self.phones[phone].last_synced.map(|(secs, _)| secs);
        if let Some((secs, of)) = self.phones[phone].last_synced {
            body["lastSyncedAt"] = json!(super::phone::stamp(secs));
            if of != token {
                self.phones[phone].may_lack.insert(token);
            }
        }
        if self.profile.invalid && self.dice.chance(5) {
            let strange = ["", "yesterday", "2099-01-01T00:00:00Z", "12"];
            body["lastSyncedAt"] = json!(self.dice.pick(&strange));
            last_secs = None;
        }
        self.tally.faults.note_many(FaultKind::RecordInvalid, bad.len() as u64);
        for piece in &sent {
            let is_large = piece.content.0.iter().any(|v| limits::LONG_TEXT_BYTES < v.text().len());
            let code = if account != token { "wrong_user" } else { "too_large" };
            if is_large || account != token {
                bad.push((piece.id.to_string(), code));
            }
        }
        let life = self.life;
        let body = serde_json::to_vec(&body).expect("JSON can be written");
        Request {
            body,
            phone,
            token,
            account,
            sent,
            bad,
            last_secs,
            life,
            at_ms: now_ms,
            is_done: false,
        }
    }

    /// Checks the result of a request and adds it to the ledger.
    ///
    /// `None` if the call failed.
    pub(super) async fn account(
        &mut self,
        request: &mut Request,
        outcome: Outcome,
        start: &Start,
        course: Course,
    ) -> Checked<Option<Answer>> {
        let mut reply = match outcome.body {
            Err(kind) => {
                self.check_failure(kind, course)?;
                None
            }
            Ok(body) => {
                self.check_leaks(request.token, &body)?;
                let reply = decode(&body);
                Some(reply.map_err(|error| {
                    Violation::general(format!("the app cannot read the reply: {error}"))
                })?)
            }
        };
        if let Some(reply) = &reply {
            check_rejected(request, reply)?;
            self.tally.syncs += 1;
            request.is_done |= course.is_calm;
        }
        self.end_deliveries(request, reply.is_some() && course.is_calm);
        self.take_in(request, reply.as_ref(), &outcome.observed, course)?;
        if let Some(reply) = &reply {
            self.begin_deliveries(request, reply, course);
        }
        let Some(mut reply) = reply.take() else { return Ok(None) };
        let settled = self.check_reply(request, &mut reply, start, course)?;
        self.note_reply(request, &reply);
        Ok(Some(Answer { reply, settled }))
    }

    /// Explains every change of the store by the request.
    ///
    /// It is called without a reply, too: a failed call may have been done, and the store shows
    /// that.
    pub(super) fn take_in(
        &mut self,
        request: &Request,
        reply: Option<&Reply>,
        observed: &Observed,
        course: Course,
    ) -> Checked {
        let (now_ms, life) = (self.now_ms(), self.life);
        let ledger = &mut self.ledgers[request.token];
        let is_copy = is_of_copy(request, ledger);
        let gone = ledger.tracks.keys().find(|id| !observed.contains_key(id));
        if let Some(id) = gone {
            return Err(Violation::of(*id, "the piece is gone from the store"));
        }
        for (id, stored) in observed {
            let is_bad = request.bad.iter().any(|(bad, _)| *bad == id.to_string());
            let sent = request.sent.iter().find(|sent| sent.id == *id && !is_bad);
            let old = ledger.tracks.get(id);
            let Some(sent) = sent else {
                let is_same = old.is_some_and(|old| old.raw == stored.raw && old.k == stored.k);
                if !is_same {
                    return Err(Violation::of(*id, "the piece changed, and no push was for it"));
                }
                continue;
            };
            let in_updated =
                reply.is_some_and(|reply| reply.updated.iter().any(|piece| piece.id == *id));
            let is_whole = reply.is_some() && course.is_calm && !self.profile.small_replies;
            let setting = Setting {
                now_ms,
                life,
                retention_ms: RETENTION_MS,
                by_line: self.profile.by_line,
                is_taken: in_updated || is_whole,
                is_copy,
                has_copies: self.profile.copies,
                in_parts: self.profile.small_commits,
            };
            if ledger.is_erased(sent) {
                return Err(Violation::of(*id, "a phone brought an erased piece back"));
            }
            let old_k = old.map_or(0, |old| old.k);
            if let Some(old) = old.filter(|_| setting.is_taken || old_k != stored.k) {
                let leeway = leeway(old, sent, request, setting);
                let is_silent = leeway.apart && self.profile.forgotten_generations;
                let is_loose = leeway.unknown || leeway.form || is_silent;
                if !is_loose {
                    let by_line = self.profile.by_line;
                    check_traces(old, sent, stored, &self.typed, leeway, by_line)?;
                }
            }
            judge(ledger, sent, request, stored, setting)?;
            if stored.k != old_k {
                self.tally.versions += 1;
                let text =
                    format!("the server goes from version {old_k} to {}: {}", stored.k, stored.raw);
                if let Some(trace) = &mut self.trace {
                    trace.push((Some(*id), text));
                }
            }
        }
        let ledger = &self.ledgers[request.token];
        let missing = request.sent.iter().find(|sent| {
            let is_bad = request.bad.iter().any(|(bad, _)| *bad == sent.id.to_string());
            let is_whole = reply.is_some() && course.is_calm && !self.profile.small_replies;
            let is_erased = ledger.may_be_erased(sent);
            is_whole && !is_bad && !is_erased && !observed.contains_key(&sent.id)
        });
        match missing {
            Some(sent) => Err(Violation::of(sent.id, "a pushed piece is not in the store")),
            None => Ok(()),
        }
    }

    /// A request shows the numbers that its phone received. Earlier deliveries have ended.
    ///
    /// If a phone sends an older number of the same delivery from then on, it is a copy.
    fn end_deliveries(&mut self, request: &Request, is_certain: bool) {
        let tracks = &mut self.ledgers[request.token].tracks;
        for sent in accepted(request).filter(|_| is_certain) {
            let pushes = tracks.get_mut(&sent.id).into_iter().flat_map(|track| &mut track.pushes);
            let shown = delivery(sent.version);
            for known in pushes.filter(|known| known.given != 0 && known.given == shown) {
                known.ended = true;
            }
        }
    }

    /// The reply to a push begins a delivery.
    ///
    /// Only if the call had no faults and nobody crossed it. Otherwise it is not certain which
    /// reply the server remembers.
    fn begin_deliveries(&mut self, request: &Request, reply: &Reply, course: Course) {
        let now_ms = self.now_ms();
        let tracks = &mut self.ledgers[request.token].tracks;
        for piece in reply.updated.iter().filter(|_| course.is_calm && course.is_alone) {
            let Some(track) = tracks.get_mut(&piece.id) else { continue };
            // The server does not follow the push that makes a piece.
            if matches!(track.pushes.as_slice(), [made] if made.delivery == 0) {
                continue;
            }
            let last = track.pushes.last_mut().filter(|known| known.at_ms == now_ms);
            if let Some(known) = last.filter(|known| known.left_trace && known.given == 0) {
                known.given = delivery(piece.version);
            }
        }
    }

    /// A mark names the account of the user who typed it.
    pub(super) fn check_leaks(&self, token: usize, body: &[u8]) -> Checked {
        let text = String::from_utf8_lossy(body);
        for other in (0..self.users.len()).filter(|other| *other != token) {
            let leaks =
                text.contains(&words::mark_of(other)) || text.contains(self.users[other].as_str());
            self.ensure(!leaks, || "a reply holds something of another account".to_owned())?;
        }
        Ok(())
    }

    fn note_reply(&mut self, request: &Request, reply: &Reply) {
        if self.trace.is_none() {
            return;
        }
        for (list, pieces) in [("serverPieces", &reply.server), ("updatedPieces", &reply.updated)] {
            for piece in pieces {
                let text = format!(
                    "reply to phone {}: {list} with number {:x}",
                    request.phone, piece.version
                );
                self.note(Some(piece.id), || text);
            }
        }
    }

    /// Repeats a request that was done before: nothing may change (G5).
    ///
    /// It is not checked after a restore, past the retention time, or if the protocol cannot know
    /// that the request is old.
    ///
    /// # Errors
    ///
    /// If something changes.
    pub async fn repeat(&mut self, request: &mut Request) -> Checked<Option<Answer>> {
        let user = self.users[request.token].clone();
        let before = self.watch.observe(&user).await;
        let is_old = |at_ms: i64| at_ms + RETENTION_MS < self.now_ms();
        let is_old = request.life != self.life
            || is_old(request.at_ms)
            || request.sent.iter().any(|sent| is_old(sent.given_ms));
        let must_stay = request.is_done && !is_old;
        let (answer, _) = self.call(request, None).await?;
        self.tally.repeats += 1;
        if must_stay {
            let after = self.watch.observe(&user).await;
            let tracks = &self.ledgers[request.token].tracks;
            let is_certain = |id: &RecordId| {
                let sent = request.sent.iter().find(|sent| sent.id == *id);
                sent.zip(tracks.get(id)).is_none_or(|(sent, track)| {
                    let is_overtaken = track.overtaken.contains(&delivery(sent.version));
                    let lives_apart = track.travelled && sent.life != Some(self.life);
                    !is_overtaken && !lives_apart
                })
            };
            let is_as_before = |id: &RecordId, stored: &Stored| {
                before.get(id).is_some_and(|before| before.is_same_to_everybody(stored))
            };
            let differs =
                after.iter().find(|(id, stored)| !is_as_before(id, stored) && is_certain(id));
            if let Some((id, _)) = differs {
                return Err(Violation::of(*id, "a request that came again changed something"));
            }
        }
        Ok(answer)
    }
}

/// Whether a request carries a number whose delivery has ended, and so comes from a copy. A
/// repeated push proves nothing: the phone itself may have sent it before the reply arrived.
///
/// One such number in a request is enough, for all of its pieces.
fn is_of_copy(request: &Request, ledger: &Ledger) -> bool {
    accepted(request).any(|sent| {
        let pushes = ledger.tracks.get(&sent.id).into_iter().flat_map(|track| &track.pushes);
        let push = known_push(sent, request, request.at_ms);
        let of_delivery = pushes.filter(|known| known.delivery == push.delivery);
        let is_repeat =
            |known: &KnownPush| known.order == push.order && known.content == push.content;
        of_delivery.filter(|known| !is_repeat(known)).any(|known| known.ended)
    })
}

/// Checks that exactly the records that cannot be accepted are rejected, under their codes.
///
/// They are compared as a whole and without an order, so one refusal too many or too few is found.
fn check_rejected(request: &Request, reply: &Reply) -> Checked {
    let mut expected: Vec<(String, String)> =
        request.bad.iter().map(|(id, code)| (id.clone(), (*code).to_owned())).collect();
    let mut rejected = reply.rejected.clone();
    expected.sort();
    rejected.sort();
    if expected != rejected {
        let text = format!("rejected: {rejected:?}\n  expected: {expected:?}");
        return Err(Violation::general(text));
    }
    Ok(())
}

/// Every live piece at some time, with its version and stamp.
pub type Start = BTreeMap<RecordId, (u32, i64)>;

/// Makes a [`judge::Violation`] about a piece.
pub fn wrong<T>(id: RecordId, text: impl Into<String>) -> Result<T, judge::Violation> {
    Err(Violation::of(id, text))
}
