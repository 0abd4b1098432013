//! What the pushes of a new client may do to a piece.
//!
//! Each check takes what the server had (`track`), the pushes of one request, and what it has now.
//! A push is *loose* if the server need not know its base; then only the weakest checks apply.
//!
//! Two devices with one name (`has_twins`) look like one that contradicts itself. Then an edit of
//! either may count as late.

use super::pushed::{Pushed, is_copy_of_past, is_news, is_of, is_untouched_default};
use crate::content::{Content, FIELDS, Val, aspect_name, is_long};
use crate::guest::{GuestField, GuestSet, extra_of};
use crate::judge::{Checked, Violation};
use crate::ledger::{KnownVersion, Stored, Track};
use crate::lines;
use crate::server::wrong;
use crate::traces::{Meeting, is_alike};
use crate::watch::Lost;
use crate::world::Typed;
use haumana_sync::id::RecordId;

/// Versions may leap, as in another life, so it is not checked how far they rise.
pub(super) fn check_version(track: &Track, id: RecordId, after: &Stored) -> Checked {
    if after.k < track.k {
        return wrong(id, format!("the version fell to {}", after.k));
    }
    if track.raw != after.raw && after.k == track.k {
        return wrong(id, "the piece changed under its version");
    }
    Ok(())
}

/// An edit wins against a delete, and a piece is deleted only by a delete (G6).
///
/// Called if the piece is a tombstone now, whether it was one before or not.
pub(super) fn check_deleted(
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
            // If two devices have one name, one edits what the other has deleted. A server that
            // takes them for one device sees an edit that came late, after a delete of the same
            // device.
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

/// A delete deletes a piece that nobody has edited since. Only an edit brings a piece back.
///
/// If two devices have one name, one may have edited later what the other deletes.
///
/// Called if the piece is live now.
pub(super) fn check_alive(
    track: &Track,
    id: RecordId,
    pushes: &[Pushed<'_>],
    has_twins: bool,
) -> Checked {
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

/// If there are several pushes of the field, only the possible values are checked, since the order
/// of the device's own edits decides.
pub(super) fn check_aspect(
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
    // The base may instead be what the device sent before.
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

/// A value that loses against something that its user had not seen must be in the inbox.
///
/// Only for a request with one push of the piece: if there are several, the device itself has
/// replaced the earlier ones.
pub(super) fn check_guest_traces(
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
        // Whatever the number means elsewhere, here its version has that value.
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
///
/// Null clears a key.
pub(super) fn check_extra(
    track: &Track,
    id: RecordId,
    pushes: &[Pushed<'_>],
    after: &Stored,
) -> Checked {
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
