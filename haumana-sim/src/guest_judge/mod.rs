//! Whether a new client's pushes did what the contract says, and nothing else.
//!
//! A push of `/sync` names its base. So more is known about its user than about a phone's user, and
//! the judge can require more. Several pushes of one record in one request are one change: the
//! later one wins over the earlier one of its own device.
//!
//! # The order of the checks
//!
//! 1. The version never falls, and no content changes under one version.
//! 2. A delete needs a push that deletes. It loses against an edit that it had not seen (G6).
//! 3. A deleted piece comes back only by a new edit.
//! 4. Each field is the server's value, a pushed one, or a merge of long texts.
//! 5. Unknown keys come back byte for byte (G11).
//! 6. A value that lost is in the inbox (G1).

mod checks;
mod pushed;

use self::checks::{
    check_alive, check_aspect, check_deleted, check_extra, check_guest_traces, check_version,
};
use self::pushed::Pushed;
use super::content::{Content, FIELDS, Val, aspect_name};
use super::guest::{GuestCall, GuestField, GuestPush};
use super::judge::{self, Checked, Setting};
use super::ledger::{Ledger, Observed, Stored, Track};
use super::server::wrong;
use super::words::marks;
use super::world::World;
use haumana_sync::engine::RETENTION_MS;
use haumana_sync::id::{KindNumber, RecordId};

/// What a reply says about a push.
///
/// It is read from the reply, and compared with the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The outcome.
    pub outcome: String,
    /// Why it was rejected.
    pub code: Option<String>,
}

impl Said {
    /// A refused push.
    pub(super) fn refused(code: &str) -> Self {
        Self { outcome: "rejected".to_owned(), code: Some(code.to_owned()) }
    }
}

impl World<'_> {
    /// Explains every change of the store by the pushes of a new client.
    ///
    /// Without a reply every push may have been accepted or not.
    pub(super) fn take_in_guest(
        &mut self,
        call: &GuestCall,
        said: Option<&[Said]>,
        observed: &Observed,
    ) -> Checked {
        let gone = self.ledgers[call.account].tracks.keys().find(|id| !observed.contains_key(id));
        if let Some(id) = gone {
            return wrong(*id, "the piece is gone from the store");
        }
        for (id, stored) in observed {
            let pushes: Vec<Pushed<'_>> = self.pushed(call, said, *id);
            let old = self.ledgers[call.account].tracks.get(id);
            let is_same = old.is_some_and(|old| old.raw == stored.raw && old.k == stored.k);
            if !is_same && pushes.is_empty() {
                return wrong(*id, "the piece changed, and no new client's push was for it");
            }
            if pushes.is_empty() {
                continue;
            }
            let (old_k, now_ms) = (old.map_or(0, |old| old.k), self.now_ms());
            self.judge_guest(call, &pushes, *id, stored)?;
            if old_k != stored.k {
                self.tally.versions += 1;
                let (k, raw) = (stored.k, stored.raw.clone());
                self.note(Some(*id), || {
                    format!("the server goes from version {old_k} to {k} at {now_ms}: {raw}")
                });
            }
        }
        let lacks =
            |push: &&GuestPush| push.kind == KindNumber::PIECE && !observed.contains_key(&push.id);
        for (n, push) in call.pushes.iter().enumerate().filter(|(_, push)| lacks(push)) {
            let is_taken = said.is_some_and(|said| said[n].outcome != "rejected");
            if is_taken && push.set.is_some() {
                return wrong(push.id, "a new client's piece was taken and is not in the store");
            }
        }
        Ok(())
    }

    /// Decides, for all checks, whether a push can be judged strictly.
    fn pushed<'c>(
        &self,
        call: &'c GuestCall,
        said: Option<&[Said]>,
        id: RecordId,
    ) -> Vec<Pushed<'c>> {
        let track = self.ledgers[call.account].tracks.get(&id);
        let is_forgotten = self.ledgers[call.account].forgotten.contains(&id);
        let pushes = call.pushes.iter().enumerate();
        let of_piece = pushes.filter(|(_, push)| push.kind == KindNumber::PIECE && push.id == id);
        let is_apart = self.is_of_other_life(call);
        let is_silent = self.profile.forgotten_generations;
        let is_old = call.at_ms + RETENTION_MS < self.now_ms() || self.profile.ages;
        let pushed = of_piece.map(|(n, push)| Pushed {
            push,
            taken: said.map(|said| said[n].outcome != "rejected"),
            is_loose: is_forgotten
                || is_apart
                || self.guest_edits.may_be_known(push)
                || track
                    .is_some_and(|track| track.travelled || (is_old && push.base != Some(track.k))),
            is_unknown: self.guest_edits.may_be_known(push)
                || is_old
                || (is_silent && track.is_some_and(|track| track.travelled)),
        });
        pushed.collect()
    }

    /// If a piece is new, or its last content may be gone, there is nothing to compare it with.
    fn judge_guest(
        &mut self,
        call: &GuestCall,
        pushes: &[Pushed<'_>],
        id: RecordId,
        after: &Stored,
    ) -> Checked {
        let (now_ms, life) = (self.now_ms(), self.life);
        let setting = Setting {
            now_ms,
            life,
            retention_ms: RETENTION_MS,
            by_line: false,
            is_taken: false,
            is_copy: false,
            has_copies: false,
            in_parts: self.profile.small_commits,
        };
        let (has_twins, has_copied_guests) = (self.has_twins, self.has_copied_guests);
        let edits = &self.guest_edits;
        let ledger = &mut self.ledgers[call.account];
        let is_new = !ledger.tracks.contains_key(&id);
        let mut track = ledger.tracks.get(&id).cloned().unwrap_or_default();
        track.travelled |= is_new && ledger.forgotten.contains(&id);
        check_version(&track, id, after)?;
        let Some((content, created)) = after.content() else {
            let own = |aspect| edits.of_device(&call.device, id, aspect);
            let has_typed = |aspect: usize, value: &Val| {
                let typed = self.typed.get(&(id, aspect)).into_iter().flatten().enumerate();
                let bits = own(aspect);
                typed.into_iter().any(|(bit, typed)| bits >> bit & 1 == 1 && typed == value)
            };
            // After a delete under the same name an edit may count as late. Then it is in the
            // inbox.
            let kept = if has_copied_guests { after.lost.as_slice() } else { &[] };
            check_deleted(&track, id, pushes, (has_twins, kept), own, has_typed)?;
            see(&mut track, pushes, None);
            track.blurred |= pushes.iter().any(|pushed| pushed.set().is_some());
            track.update(after, life);
            owe(ledger, id, pushes);
            ledger.tracks.insert(id, track);
            return Ok(());
        };
        check_alive(&track, id, pushes, has_twins)?;
        let was_deleted = !is_new && track.content.is_none();
        // A delete leaves a tombstone even of a piece that the server never had.
        let was_never_there = was_deleted && track.last.is_none();
        let is_unclear = track.blurred || judge::is_forgotten(&track, setting);
        let is_blank = is_new || was_never_there || (was_deleted && is_unclear);
        if !is_blank && created != track.created {
            return wrong(id, "createdAt changed");
        }
        for aspect in (0..FIELDS.len()).filter(|_| !is_blank) {
            let was = track.last.as_ref().map_or(Val::Nil, |last| last.aspect(aspect));
            check_aspect(&track, id, aspect, pushes, was, content.aspect(aspect), has_twins)?;
        }
        for aspect in (0..FIELDS.len()).filter(|_| is_new) {
            let sent: Vec<_> = pushes.iter().filter_map(|pushed| pushed.field(aspect)).collect();
            let is = content.aspect(aspect);
            // Without a reply, perhaps only the first push was accepted.
            let is_later =
                |first: &Pushed<'_>| first.taken.is_none() && first.field(aspect).is_none();
            if pushes.first().is_some_and(is_later) {
                continue;
            }
            if !sent.is_empty() && sent.iter().all(|field| field.value != is) {
                return wrong(
                    id,
                    format!("{}: a new piece is not what was pushed", aspect_name(aspect)),
                );
            }
        }
        if !is_blank {
            check_extra(&track, id, pushes, after)?;
        }
        if !is_blank {
            check_guest_traces(&track, pushes, after, &content, &self.typed)?;
        }
        loosen(&mut track, pushes, &content);
        see(&mut track, pushes, Some(&content));
        track.update(after, life);
        owe(ledger, id, pushes);
        ledger.tracks.insert(id, track);
        Ok(())
    }
}

/// If a push won although its user had not seen the server's value, nobody has seen the result.
fn loosen(track: &mut Track, pushes: &[Pushed<'_>], content: &Content) {
    for aspect in 0..FIELDS.len() {
        let was = track.last.as_ref().map(|last| last.aspect(aspect));
        for pushed in pushes.iter().filter(|pushed| pushed.is_loose) {
            let moved = was.as_ref().is_some_and(|was| *was != content.aspect(aspect));
            if moved && pushed.field(aspect).is_some() {
                track.seen.0[aspect] |= judge::phantom(track.seen.0[aspect]);
            }
        }
    }
}

/// Notes which edits the server knows from now on: those that it has accepted, or, without a reply,
/// those that can be seen.
fn see(track: &mut Track, pushes: &[Pushed<'_>], content: Option<&Content>) {
    let before = track.clone();
    for pushed in pushes {
        for field in pushed.set().into_iter().flat_map(|set| &set.fields) {
            let was = before.last.as_ref().map(|last| last.aspect(field.aspect));
            let is = content.map(|content| content.aspect(field.aspect));
            if pushed.taken == Some(true) || was != is && content.is_some() {
                track.seen.0[field.aspect] |= pushed.seen(field, &before);
            }
        }
        track.tainted = true;
    }
}

/// From now on the server owes the values that it has accepted. It does not owe a value that its
/// device replaced in the same request, since the edits of one record in one request are one
/// change. Such a request may be repeated without the push that replaced it.
///
/// Marks of owed values must be found at the end.
fn owe(ledger: &mut Ledger, id: RecordId, pushes: &[Pushed<'_>]) {
    for (at, pushed) in pushes.iter().enumerate() {
        let later = |field: &&GuestField| {
            pushes[at + 1..].iter().any(|later| later.field(field.aspect).is_some())
        };
        let fields = pushed.set().into_iter().flat_map(|set| set.fields.iter().filter(later));
        let replaced = fields.flat_map(|field| marks(field.value.text()));
        ledger.replaced.extend(replaced.map(|mark| (id, mark)));
    }
    let taken = pushes.iter().filter(|pushed| pushed.taken == Some(true));
    for set in taken.filter_map(Pushed::set) {
        let marks = marks(&set.text).into_iter().map(|mark| (id, mark));
        ledger.owed.extend(marks.filter(|mark| !ledger.replaced.contains(mark)));
    }
}
