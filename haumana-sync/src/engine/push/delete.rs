//! Deletes by new clients: what their device knew, and what it edited before and after.

use crate::engine::edit::meta::{Claim, Touch};
use crate::engine::edit::record::Record;
use crate::engine::edit::{Edit, MergeContext};
use crate::engine::push::pusher::{Life, Own, Pusher};
use crate::engine::push::{Push, PushOp};
use crate::merge::Reason;
use crate::record::{Content, Value};
use crate::schema::Deletes;
use crate::store::Version;
use crate::time::UnixMillis;

/// Returns the edit for a delete; `None` if there is nothing to do.
///
/// A delete of a record that does not exist leaves a tombstone, because earlier edits of its device
/// may still come.
pub(crate) fn plan_delete(
    push: &Push,
    pusher: &mut Pusher<'_>,
    record: Option<&Record>,
    context: MergeContext,
) -> Option<Edit> {
    let device = Some(pusher.device.to_owned());
    let at = push.time_of("", context.now);
    let hash = push.identity(device.as_deref(), at, "", &Value::Null);
    let of = Claim::of_record(device.as_deref());
    let claim = Claim { of, base: push.base, claimed_at: at, at: context.now };
    let is_timed = push.is_timed("");
    let edit = Edit { device, delete: true, seen: vec![hash], ..Edit::default() };
    let claims = || is_timed.then_some(claim).into_iter().collect();
    let Some(record) = record else {
        crate::mark::hit!(delete_of_what_is_not_there_leaves_a_tombstone);
        return Some(Edit { claims: claims(), ..edit });
    };
    if record.meta.has_seen(hash, context.oldest) {
        return None;
    }
    if is_of_other_life(push, pusher) {
        // A record that was brought back stays; see `Engine::restore`, imports and backups.
        crate::mark::hit!(delete_of_another_life_stands_in_the_inbox);
        let edit = Edit { reason: Some(Reason::OtherLife), ..edit };
        return record.content.is_some().then_some(edit);
    }
    if record.content.is_none() && (!is_timed || record.meta.is_overtaken(&claim, context.oldest)) {
        return None;
    }
    // If it is of another life, its base is unknown, so the edits here win.
    let is_of_here = |base: Version| base <= record.version && !record.meta.is_foreign(base);
    let named = push.base.filter(|base| is_of_here(*base));
    let sticks = record.kind.delete_policy() == Deletes::Stick;
    if sticks && record.content.is_none() {
        return None;
    }
    let is_late = !sticks && is_edited_since(record, pusher.device, claim, context);
    let is_known = push.base.is_none_or(is_of_here);
    if sticks && !is_known {
        crate::mark::hit!(delete_on_a_base_of_another_life_stands_in_the_inbox);
        return Some(Edit { reason: Some(Reason::OtherLife), ..edit });
    }
    let covered = match push.base {
        _ if is_late => None,
        _ if sticks => Some(Vec::new()),
        Some(base) if !is_of_here(base) => None,
        _ => covered(record, pusher, named, at, context),
    };
    let base = match covered {
        Some(_) => Some(record.version),
        None => named.filter(|_| !is_late),
    };
    Some(Edit { base, own: covered.unwrap_or_default(), claims: claims(), ..edit })
}

/// Whether a delete is of another life of the account: it is an offer, or its cursor shows it.
pub(crate) fn is_of_other_life(push: &Push, pusher: &Pusher<'_>) -> bool {
    push.op == PushOp::OfferDelete || pusher.life == Life::Other
}

/// Whether the device made all changes since the base itself, before it deleted. Then its user knew
/// all of them, even if the replies were lost. Returns the fields of which that is not certain;
/// `None` if somebody else changed something.
fn covered(
    record: &Record,
    pusher: &Pusher<'_>,
    base: Option<Version>,
    deleted_at: UnixMillis,
    context: MergeContext,
) -> Option<Vec<String>> {
    let meta = &record.meta;
    // A change by a restore or an import is nobody's own edit.
    let begun = meta.foreign.iter().map(|(_, to)| *to).filter(|to| *to < record.version).max();
    let is_ours = meta.generation == context.generation && !is_imported(record);
    let is_known = |touch: &Touch| base.is_some_and(|base| touch.version <= base);
    let may_be_own = |touch: &Touch| {
        touch.device.as_deref() == Some(pusher.device)
            && touch.claimed_at <= deleted_at
            && is_ours
            && begun.is_none_or(|begun| begun < touch.version)
    };
    let mut unsure = Vec::new();
    let creation = (!is_known(&meta.created)).then(|| pusher.own_creation(record));
    let touched = meta.touched.iter().filter(|(_, touch)| !is_known(touch));
    let touches = touched.map(|(name, touch)| (name, touch, pusher.own(record, name, touch)));
    // The field that names the record for people represents all fields.
    let first = record.kind.unit_names().next().unwrap_or_default().to_owned();
    let creation = creation.map(|own| (&first, &meta.created, own));
    for (name, touch, own) in creation.into_iter().chain(touches) {
        match own {
            _ if !may_be_own(touch) => return None,
            Own::Elsewhere => return None,
            Own::Told => {}
            Own::Unsure => unsure.push(name.clone()),
        }
    }
    // The edit that brought it back may have changed no field.
    let is_revival_known = match &meta.revived {
        Some(revived) => is_known(revived) || may_be_own(revived),
        None => true,
    };
    if base != Some(record.version) && is_revival_known {
        crate::mark::hit!(delete_knows_what_its_device_edited_before);
    }
    unsure.dedup();
    is_revival_known.then_some(unsure)
}

/// Whether the record is unchanged since it was imported.
fn is_imported(record: &Record) -> bool {
    crate::engine::transfer::read::was_imported_at(&record.meta, record.version)
}

/// Whether the record is deleted, and the device of a change has itself deleted it after that
/// change.
pub(crate) fn is_of_deleted(
    record: &Record,
    device: &str,
    change: Claim,
    context: MergeContext,
) -> bool {
    let change = Claim { of: Claim::of_record(Some(device)), ..change };
    record.content.is_none() && record.meta.is_overtaken(&change, context.oldest)
}

/// Whether the device of a delete has edited a field after it.
fn is_edited_since(record: &Record, device: &str, delete: Claim, context: MergeContext) -> bool {
    let known = record.kind.unit_names();
    let names = known.chain(record.meta.touched.keys().map(String::as_str));
    let unknown = record.content.iter().flat_map(Content::unknown_names);
    let mut claims = names.chain(unknown).map(|name| Claim::of(Some(device), name));
    let is_edited = !record.meta.claims.is_empty()
        && claims.any(|of| record.meta.is_overtaken(&Claim { of, ..delete }, context.oldest));
    if is_edited {
        crate::mark::hit!(late_delete_loses_to_its_devices_newer_change);
    }
    is_edited
}
