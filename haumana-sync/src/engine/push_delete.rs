//! Deletes by new clients: what their device knew, and what it did before and after.

use super::Result;
use super::commit::{Draft, OldFacts, inbox_entry};
use super::edit::{Edit, Lost, Setting};
use super::meta::{Claim, FORMAT, Meta, Touch};
use super::push::{Push, PushOp, PushOutcome, PushResult};
use super::pusher::{Life, Own, Pusher};
use super::record::{PieceRecord, parse, superseded, to_json};
use crate::digest::Digest;
use crate::merge::Reason;
use crate::record::{PIECE_FIELDS, Value};
use crate::store::{Envelope, Revision, Stamp, Version};
use crate::time::UnixMillis;

/// Returns the edit that a delete of a piece is; `None` if there is nothing to do.
///
/// Of a piece that is not there it leaves a tombstone: what its device did before may still come.
pub(super) fn plan_delete(
    push: &Push,
    pusher: &mut Pusher<'_>,
    record: Option<&PieceRecord>,
    setting: Setting,
) -> Option<Edit> {
    let device = Some(pusher.device.to_owned());
    let at = push.time_of("", setting.now);
    let hash = push.identity(device.as_deref(), at, "", &Value::Null);
    let of = Claim::of_record(device.as_deref());
    let claim = Claim { of, base: push.base, claimed_at: at, at: setting.now };
    let is_timed = push.is_timed("");
    let edit = Edit { device, delete: true, seen: vec![hash], ..Edit::default() };
    let claims = || is_timed.then_some(claim).into_iter().collect();
    let Some(record) = record else {
        cov_mark::hit!(delete_of_what_is_not_there_leaves_a_tombstone);
        return Some(Edit { claims: claims(), ..edit });
    };
    if record.meta.seen.iter().any(|old| old.hash == hash && setting.oldest <= old.at) {
        return None;
    }
    if is_of_other_life(push, pusher) {
        // What came back stays; see `Engine::restore`, imports and backups.
        cov_mark::hit!(delete_of_another_life_stands_in_the_inbox);
        let edit = Edit { reason: Some(Reason::OtherLife), ..edit };
        return record.piece.is_some().then_some(edit);
    }
    if record.piece.is_none() && (!is_timed || record.meta.is_overtaken(&claim, setting.oldest)) {
        return None;
    }
    // Of another life: what it was based on is unknown, so the edits here win.
    let is_of_here = |base: Version| base <= record.version && !record.meta.is_foreign(base);
    let named = push.base.filter(|base| is_of_here(*base));
    let is_late = is_edited_since(record, pusher.device, claim, setting);
    let covered = match push.base {
        _ if is_late => None,
        Some(base) if !is_of_here(base) => None,
        _ => covered(record, pusher, named, at, setting),
    };
    let base = match covered {
        Some(_) => Some(record.version),
        None => named.filter(|_| !is_late),
    };
    Some(Edit { base, own: covered.unwrap_or_default(), claims: claims(), ..edit })
}

/// Whether a delete is of another life of the account: it is offered, or its cursor says so.
fn is_of_other_life(push: &Push, pusher: &Pusher<'_>) -> bool {
    push.op == PushOp::OfferDelete || pusher.life == Life::Other
}

/// If whatever changed since the base is what the device itself edited until it deleted, its user
/// knew all of that, also where the replies to those edits were lost. Returns the fields of which
/// that is not certain.
fn covered(
    record: &PieceRecord,
    pusher: &Pusher<'_>,
    base: Option<Version>,
    deleted_at: UnixMillis,
    setting: Setting,
) -> Option<Vec<String>> {
    let meta = &record.meta;
    // What was brought back, imported or restored is nobody's own edit.
    let begun = meta.foreign.iter().map(|(_, to)| *to).filter(|to| *to < record.version).max();
    let is_ours = meta.generation == setting.generation && !is_imported(record);
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
    let title = "title".to_owned();
    let creation = creation.map(|own| (&title, &meta.created, own));
    for (name, touch, own) in creation.into_iter().chain(touches) {
        match own {
            _ if !may_be_own(touch) => return None,
            Own::Elsewhere => return None,
            Own::Told => {}
            Own::Unsure => unsure.push(name.clone()),
        }
    }
    // Whoever brought it back changed no field perhaps.
    let is_revival_known = match &meta.revived {
        Some(revived) => is_known(revived) || may_be_own(revived),
        None => true,
    };
    if base != Some(record.version) && is_revival_known {
        cov_mark::hit!(delete_knows_what_its_device_edited_before);
    }
    unsure.dedup();
    is_revival_known.then_some(unsure)
}

/// Whether the record is as it was imported.
fn is_imported(record: &PieceRecord) -> bool {
    super::import_read::was_imported_at(&record.meta, record.version)
}

/// Whether the piece is deleted, and the device of a change has itself deleted it after that.
pub(super) fn is_of_deleted(
    record: &PieceRecord,
    device: &str,
    change: Claim,
    setting: Setting,
) -> bool {
    let change = Claim { of: Claim::of_record(Some(device)), ..change };
    record.piece.is_none() && record.meta.is_overtaken(&change, setting.oldest)
}

/// Whether the device of a delete has edited a field after it.
fn is_edited_since(record: &PieceRecord, device: &str, delete: Claim, setting: Setting) -> bool {
    let known = PIECE_FIELDS.iter().map(|spec| spec.name);
    let names = known.chain(record.meta.touched.keys().map(String::as_str));
    let unknown = record.piece.iter().flat_map(|piece| piece.unknown.keys().map(String::as_str));
    let mut claims = names.chain(unknown).map(|name| Claim::of(Some(device), name));
    let is_edited = !record.meta.claims.is_empty()
        && claims.any(|of| record.meta.is_overtaken(&Claim { of, ..delete }, setting.oldest));
    if is_edited {
        cov_mark::hit!(late_delete_loses_to_its_devices_newer_change);
    }
    is_edited
}

/// What a delete of a session comes to where it is not simply deleted: of one that is not there a
/// tombstone, of another life an entry of the inbox.
pub(super) fn delete_session(
    push: &Push,
    pusher: &Pusher<'_>,
    old: Option<&Envelope>,
    setting: Setting,
) -> Option<(Draft, PushResult)> {
    let is_delete = matches!(push.op, PushOp::Delete | PushOp::OfferDelete);
    if !is_delete {
        return None;
    }
    let Some(old) = old else {
        let new = session_tombstone(push, pusher, setting);
        let result = PushResult {
            key: push.key,
            outcome: PushOutcome::Applied,
            version: Some(new.version),
            conflicts: Vec::new(),
        };
        let draft = Draft { old: None, new, history: Vec::new(), inbox: Vec::new() };
        return Some((draft, result));
    };
    if old.deleted || !is_of_other_life(push, pusher) || FORMAT < old.format {
        return None;
    }
    let lost = Lost {
        field: None,
        kept: Value::Null,
        lost: Value::Null,
        base: push.base,
        reason: Reason::OtherLife,
        device: Some(pusher.device.to_owned()),
        version: old.version,
        at: None,
    };
    let entry = inbox_entry(push.key, &lost, setting.now);
    let conflicts = vec![super::push::conflict_of(&entry, push.key, lost, setting.now)];
    let version = Some(old.version);
    let result = PushResult { key: push.key, outcome: PushOutcome::Merged, version, conflicts };
    let (facts, new) = (Some(OldFacts::of(old)), old.clone());
    Some((Draft { old: facts, new, history: Vec::new(), inbox: vec![entry] }, result))
}

/// Deletes a session that is there.
pub(super) fn deleted_session(old: &Envelope, setting: Setting) -> Result<Draft> {
    let meta: Meta = parse(&old.meta)?;
    let new = Envelope {
        deleted: true,
        content: "{}".to_owned(),
        hash: Digest::default(),
        version: old.version + 1,
        modified_at: setting.now,
        ..old.clone()
    };
    let history = vec![superseded(old, meta.device, Vec::new(), setting.now)];
    Ok(Draft { old: Some(OldFacts::of(old)), new, history, inbox: Vec::new() })
}

fn session_tombstone(push: &Push, pusher: &Pusher<'_>, setting: Setting) -> Envelope {
    let version = setting.floor + 1;
    let at = push.time_of("", setting.now);
    let device = Some(pusher.device.to_owned());
    let created = Touch { version, edited_at: at.min(setting.now), claimed_at: at, device };
    let meta = Meta { created, generation: setting.generation, ..Meta::default() };
    Envelope {
        key: push.key,
        version,
        revision: Revision(0),
        stamp: Stamp(0),
        modified_at: setting.now,
        deleted: true,
        hash: Digest::default(),
        format: FORMAT,
        content: "{}".to_owned(),
        meta: to_json(&meta),
    }
}
