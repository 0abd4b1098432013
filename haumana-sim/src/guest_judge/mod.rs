//! Whether a new client's pushes did what the contract says, and nothing else.

use super::content::{Content, FIELDS, Val, aspect_name, is_long};
use super::guest::{GuestCall, GuestField, GuestPush, GuestSet, extra_of};
use super::judge::{self, Checked, Setting, Violation};
use super::ledger::{KnownVersion, Ledger, Observed, Stored, Track};
use super::lines;
use super::server::wrong;
use super::traces::{Meeting, is_alike};
use super::watch::Lost;
use super::words::marks;
use super::world::{Typed, World};
use haumana_sync::engine::RETENTION_MS;
use haumana_sync::id::{KindNumber, RecordId};
use haumana_sync::record::Value;
use haumana_sync::repertoire::Piece;
use haumana_sync::time::UnixMillis;

/// What a reply says of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The outcome.
    pub outcome: String,
    /// Why it was rejected.
    pub code: Option<String>,
}

impl Said {
    /// That a push was refused.
    pub(super) fn refused(code: &str) -> Self {
        Self { outcome: "rejected".to_owned(), code: Some(code.to_owned()) }
    }
}

/// A push, and what became of it.
#[derive(Clone, Copy)]
struct Pushed<'a> {
    push: &'a GuestPush,
    /// Whether it was taken; `None` if nobody heard.
    taken: Option<bool>,
    /// Whether the protocol cannot know its base.
    is_loose: bool,
    /// Whether nothing can be said of what it meets, not even that it leaves a trace.
    is_unknown: bool,
}

impl<'a> Pushed<'a> {
    fn set(&self) -> Option<&'a GuestSet> {
        self.push.set.as_ref().filter(|_| self.taken != Some(false))
    }

    fn field(&self, aspect: usize) -> Option<&'a GuestField> {
        self.set()?.fields.iter().find(|field| field.aspect == aspect)
    }

    /// Whether it offers a copy: what it is a copy of was seen by whoever replaced it.
    fn is_loose_copy(&self) -> bool {
        self.push.offered && !self.is_loose
    }

    fn deletes(&self) -> bool {
        self.push.set.is_none() && self.taken != Some(false)
    }

    /// Everything that its user had seen of a field.
    fn seen(&self, field: &GuestField, track: &Track) -> u128 {
        let base = self.push.base.and_then(|base| track.named(base));
        base.map_or(0, |base| base.seen.0[field.aspect]) | field.own | field.edit.unwrap_or(0)
    }
}

/// Whether the edit is not in what the server had.
fn is_news(field: &GuestField, track: &Track) -> bool {
    field.edit.is_some_and(|edit| edit & track.seen.0[field.aspect] == 0)
}

/// Whether the server has had a value that is pushed without a base: such a one is a copy.
fn is_copy_of_past(pushed: &Pushed<'_>, field: &GuestField, track: &Track) -> bool {
    let mut contents = track.versions.values().map(|known| &known.content).chain(&track.last);
    let was_there = contents.any(|content| content.aspect(field.aspect) == field.value);
    // What was made and deleted in one request nobody has seen.
    let is_blurred = track.content.is_none() && track.blurred;
    pushed.push.base.is_none() && (was_there || is_blurred)
}

/// Whether the server's value is what a new piece has by itself, and has been so since: nobody
/// chose it, and its own device makes the piece without a base.
fn is_untouched_default(pushed: &Pushed<'_>, aspect: usize, track: &Track) -> bool {
    let new = Piece::new(UnixMillis(0));
    let default = match new.get(FIELDS[aspect].0) {
        Value::Text(text) => Val::Text(text),
        Value::Flag(flag) => Val::Flag(flag),
        _ => Val::Nil,
    };
    let mut contents = track.versions.values().map(|known| &known.content);
    pushed.push.base.is_none() && contents.all(|content| content.aspect(aspect) == default)
}

/// Whether an entry of the inbox holds the value of a pushed field.
fn is_of(lost: &Lost, field: &GuestField) -> bool {
    lost.field.as_deref() == Some(FIELDS[field.aspect].0)
        && lost.shown(field.aspect).is_some_and(|value| value == field.value)
}

impl World<'_> {
    /// Explains every change of the store by the pushes of a new client.
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
            // Behind a delete of the same name an edit may be late; it waits in the inbox then.
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
        // A delete leaves a tombstone also of a piece that the server never had.
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
            // If nobody heard, perhaps the first push alone was taken.
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

fn check_version(track: &Track, id: RecordId, after: &Stored) -> Checked {
    if after.k < track.k {
        return wrong(id, format!("the version fell to {}", after.k));
    }
    if track.raw != after.raw && after.k == track.k {
        return wrong(id, "the piece changed under its version");
    }
    Ok(())
}

/// An edit wins against a delete, and a delete needs one who deletes (G6).
fn check_deleted(
    track: &Track,
    id: RecordId,
    pushes: &[Pushed<'_>],
    (has_twins, kept): (bool, &[Lost]),
    own: impl Fn(usize) -> u128,
    has_typed: impl Fn(usize, &Val) -> bool,
) -> Checked {
    let Some(content) = &track.content else {
        let revives = |pushed: &&Pushed<'_>| {
            let is_news = |field: &GuestField| {
                is_news(field, track)
                    && !is_copy_of_past(pushed, field, track)
                    && !kept.iter().any(|lost| is_of(lost, field))
            };
            let has_news = pushed.set().is_some_and(|set| set.fields.iter().any(is_news));
            let knows = pushed.push.base.is_some_and(|base| track.k <= base);
            // Of one name, a device edits what the other has deleted: who takes them for one sees an
            // edit that came late, behind a delete of the same device.
            pushed.taken == Some(true) && has_news && !pushed.is_loose && !knows && !has_twins
        };
        let deletes = pushes.iter().any(Pushed::deletes);
        return match pushes.iter().find(revives).filter(|_| !deletes) {
            Some(_) => wrong(id, "an edit did not bring a deleted piece back"),
            None => Ok(()),
        };
    };
    let mut deletes = pushes.iter().filter(|pushed| pushed.deletes()).peekable();
    if deletes.peek().is_none() {
        return wrong(id, "a push that does not delete deleted the piece");
    }
    if pushes.iter().all(|pushed| pushed.push.offered) {
        return wrong(id, "what was deleted in another life is deleted again");
    }
    let is_unaware = |pushed: &Pushed<'_>| {
        let Some(base) = pushed.push.base.and_then(|base| track.versions.get(&base)) else {
            return false;
        };
        let is_unseen = |aspect: usize| {
            let value = content.aspect(aspect);
            let is_kept = || {
                let name = FIELDS[aspect].0;
                let of_field = |lost: &&Lost| lost.field.as_deref() == Some(name);
                kept.iter().filter(of_field).any(|lost| lost.shown(aspect).as_ref() == Some(&value))
            };
            let is_known =
                base.content.aspect(aspect) == value || has_typed(aspect, &value) || is_kept();
            !is_known && track.seen.0[aspect] & !(base.seen.0[aspect] | own(aspect)) != 0
        };
        let has_unseen = (0..FIELDS.len()).any(is_unseen);
        !pushed.is_loose && has_unseen && base.content != *content
    };
    match deletes.all(is_unaware) {
        true => wrong(id, "a delete won against an edit that its user had not seen"),
        false => Ok(()),
    }
}

/// A piece that nobody edited since is deleted by a delete, and comes back by an edit only.
///
/// Of one name, what one device deletes the other may have edited later.
fn check_alive(track: &Track, id: RecordId, pushes: &[Pushed<'_>], has_twins: bool) -> Checked {
    let has_set = pushes.iter().any(|pushed| pushed.set().is_some());
    let is_due = |pushed: &Pushed<'_>| {
        let is_current = pushed.push.base == Some(track.k) && track.content.is_some();
        pushed.deletes()
            && pushed.taken == Some(true)
            && is_current
            && !pushed.is_loose
            && !has_twins
    };
    if !has_set && pushes.iter().any(is_due) {
        return wrong(id, "a delete of the last version did not delete");
    }
    let was_deleted = track.k != 0 && track.content.is_none();
    let may_revive = pushes.iter().any(|pushed| {
        let fields = pushed.set().into_iter().flat_map(|set| &set.fields);
        let has_extra = pushed.set().is_some_and(|set| !set.extra.is_empty());
        let has_news =
            fields.into_iter().any(|field| field.edit.is_none() || is_news(field, track));
        has_news || has_extra || (pushed.is_loose && has_set)
    });
    match was_deleted && !may_revive {
        true => wrong(id, "what is no new edit brought a deleted piece back"),
        false => Ok(()),
    }
}

fn check_aspect(
    track: &Track,
    id: RecordId,
    aspect: usize,
    pushes: &[Pushed<'_>],
    was: Val,
    is: Val,
    has_twins: bool,
) -> Checked {
    let sent: Vec<(&Pushed<'_>, &GuestField)> = pushes
        .iter()
        .filter_map(|pushed| pushed.field(aspect).map(|field| (pushed, field)))
        .collect();
    let ours = track.seen.0[aspect];
    let say = |what: &str| {
        let sent: Vec<_> = sent
            .iter()
            .map(|(pushed, field)| {
                let (base, seen) = (pushed.push.base, pushed.seen(field, track));
                format!("{:?} on {base:?} (edits {seen:b})", field.value)
            })
            .collect();
        let text = format!(
            "{}: {what}\n  before {was:?} (edits {ours:b})\n  pushed {}\n  after  {is:?}",
            aspect_name(aspect),
            sent.join("\n         "),
        );
        Err(Violation::of(id, text))
    };
    let stays = is == was;
    let arrives = sent.iter().any(|(_, field)| field.value == is);
    if sent.is_empty() {
        return if stays { Ok(()) } else { say("a field that nobody pushed changed") };
    }
    let is_loose = sent.iter().any(|(pushed, _)| pushed.is_loose);
    let is_new =
        |(_, field): &(&Pushed<'_>, &GuestField)| field.edit.is_none() || is_news(field, track);
    let has_news = sent.iter().any(is_new);
    if !stays && !has_news && !is_loose {
        return say("what was sent before changed the field");
    }
    if !stays && !arrives && !is_long(aspect) {
        return say("the result is neither side's value");
    }
    let [(pushed, field)] = sent[..] else { return Ok(()) };
    let is_strict = pushed.taken == Some(true) && !is_loose && !has_twins;
    // What the device sent before may be the base instead.
    let is_first = is_strict && is_long(aspect) && field.own == 0;
    let base = pushed.push.base.and_then(|base| track.versions.get(&base)).filter(|_| is_first);
    let check = |base: &KnownVersion| {
        lines::check(aspect, &base.content.0[aspect], [&was, &field.value], &is)
    };
    if let Some(text) = base.and_then(check) {
        return say(&text);
    }
    let is_ahead = is_news(field, track) && ours & !pushed.seen(field, track) == 0;
    match is_strict && is_ahead && !arrives {
        true => say("an edit was lost"),
        false => Ok(()),
    }
}

/// What loses against what its user had not seen waits in the inbox.
fn check_guest_traces(
    track: &Track,
    pushes: &[Pushed<'_>],
    after: &Stored,
    content: &Content,
    typed: &Typed,
) -> Checked {
    let (Some(last), [pushed]) = (&track.last, pushes) else { return Ok(()) };
    let is_certain = pushed.taken == Some(true) && !pushed.is_unknown && !pushed.is_loose_copy();
    for field in pushed.set().into_iter().flat_map(|set| &set.fields).filter(|_| is_certain) {
        let aspect = field.aspect;
        let base = pushed.push.base.and_then(|base| track.versions.get(&base));
        let held = base.filter(|_| !pushed.is_loose).map(|base| base.content.aspect(aspect));
        let (seen, ours) = (pushed.seen(field, track), track.seen.0[aspect]);
        let meeting = Meeting {
            id: pushed.push.id,
            aspect,
            typed,
            lost: &after.lost,
            held,
            number: u64::from(pushed.push.base.unwrap_or(0)),
        };
        let (was, is) = (last.aspect(aspect), content.aspect(aspect));
        // Whatever a number is worth elsewhere, here its version has that value.
        let is_known = base.is_some_and(|base| base.content.aspect(aspect) == was)
            || meeting.values_of(field.own).any(|value| *value == was);
        let is_nobodys = is_untouched_default(pushed, aspect, track);
        let is_overwritten =
            track.content.is_some() && ours & !seen != 0 && !is_known && !is_nobodys;
        if is_overwritten && !is_alike(aspect, &is, &was) {
            meeting.check(&was, &is, seen, "the server's value")?;
        }
        let is_edit = is_news(field, track) && !is_copy_of_past(pushed, field, track);
        if is_edit && !is_alike(aspect, &is, &field.value) {
            meeting.check(&field.value, &is, ours, "an edit")?;
        }
    }
    Ok(())
}

/// Unknown keys are kept, byte for byte.
fn check_extra(track: &Track, id: RecordId, pushes: &[Pushed<'_>], after: &Stored) -> Checked {
    let is = extra_of(&after.raw);
    let sets = || pushes.iter().filter_map(Pushed::set);
    let names: Vec<&String> = is
        .keys()
        .chain(track.extra.keys())
        .chain(sets().flat_map(|set| set.extra.keys()))
        .collect();
    for name in names {
        let (was, now) = (track.extra.get(name), is.get(name));
        let null = "null".to_owned();
        let arrives = |set: &GuestSet| {
            let pushed = set.extra.get(name);
            pushed.is_some() && pushed.filter(|pushed| **pushed != null) == now
        };
        if was != now && !sets().any(arrives) {
            let text = format!("the key {name} went from {was:?} to {now:?}, which nobody pushed");
            return wrong(id, text);
        }
        let is_due = |pushed: &&Pushed<'_>| {
            let has = pushed.set().is_some_and(|set| set.extra.contains_key(name));
            let is_current = pushed.push.base == Some(track.k) && track.content.is_some();
            has && is_current && pushed.taken == Some(true) && !pushed.is_loose
        };
        let due = pushes.iter().find(is_due).and_then(Pushed::set);
        if due.is_some_and(|set| !arrives(set)) && pushes.len() == 1 {
            let text = format!("the key {name} is {now:?}, not what was pushed");
            return wrong(id, text);
        }
    }
    Ok(())
}

/// Where a push won although it had not seen the server's value, nobody has seen the result.
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

/// Takes over which edits the server knows from now on: what it said that it took, and where
/// nobody heard, what can be seen.
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

/// What the server said that it took, it owes from then on: but for what its device replaced in the
/// same request, since the edits of one record in one request are one change. Such a request may
/// come again without what replaced it.
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
