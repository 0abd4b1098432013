//! Deletes by new clients: what their device knew, and what it did before and after.

use super::edit::{Edit, Setting};
use super::meta::{Claim, Touch};
use super::push::{EditTimes, Push};
use super::record::PieceRecord;
use crate::record::{PIECE_FIELDS, Value};
use crate::store::Version;
use crate::time::UnixMillis;

/// Returns the edit that a delete of a piece is; `None` if there is nothing to do.
pub(super) fn plan_delete(
    push: &Push,
    device: Option<String>,
    record: Option<&PieceRecord>,
    setting: Setting,
) -> Option<Edit> {
    let record = record?;
    let at = push.time_of("", setting.now);
    let hash = push.identity(device.as_deref(), at, "", &Value::Null);
    if record.meta.seen.iter().any(|old| old.hash == hash && setting.oldest <= old.at) {
        return None;
    }
    let of = Claim::of_record(device.as_deref());
    let claim = Claim { of, base: push.base, claimed_at: at, at: setting.now };
    let is_timed = push.edited_at != EditTimes::Unknown;
    if record.piece.is_none() && (!is_timed || record.meta.is_overtaken(&claim, setting.oldest)) {
        return None;
    }
    // Of another life: what it was based on is unknown, so the edits here win.
    let is_of_here = |base: Version| base <= record.version && !record.meta.is_foreign(base);
    let is_late = is_edited_since(record, device.as_deref(), claim, setting);
    let base = match push.base {
        _ if is_late => None,
        Some(base) if !is_of_here(base) => None,
        base if is_all_of(record, device.as_deref(), base, at) => Some(record.version),
        base => base,
    };
    let (seen, claims) = (vec![hash], is_timed.then_some(claim).into_iter().collect());
    Some(Edit { device, base, delete: true, seen, claims, ..Edit::default() })
}

/// Whether whatever changed since the base is what the device itself edited until it deleted: its
/// user knew all of that, also where the replies to those edits were lost.
fn is_all_of(
    record: &PieceRecord,
    device: Option<&str>,
    base: Option<Version>,
    deleted_at: UnixMillis,
) -> bool {
    let meta = &record.meta;
    let is_known = |touch: &Touch| {
        let is_own = touch.device.as_deref() == device && touch.claimed_at <= deleted_at;
        is_own || base.is_some_and(|base| touch.version <= base)
    };
    let is_all = is_known(&meta.created) && meta.touched.values().all(is_known);
    if is_all && base != Some(record.version) {
        cov_mark::hit!(delete_knows_what_its_device_edited_before);
    }
    is_all
}

/// Whether the piece is deleted, and the device of a change has itself deleted it after that.
pub(super) fn is_of_deleted(
    record: &PieceRecord,
    device: Option<&str>,
    change: Claim,
    setting: Setting,
) -> bool {
    let change = Claim { of: Claim::of_record(device), ..change };
    record.piece.is_none() && record.meta.is_overtaken(&change, setting.oldest)
}

/// Whether the device of a delete has edited a field after it.
fn is_edited_since(
    record: &PieceRecord,
    device: Option<&str>,
    delete: Claim,
    setting: Setting,
) -> bool {
    let known = PIECE_FIELDS.iter().map(|spec| spec.name);
    let names = known.chain(record.meta.touched.keys().map(String::as_str));
    let unknown = record.piece.iter().flat_map(|piece| piece.unknown.keys().map(String::as_str));
    let mut claims = names.chain(unknown).map(|name| Claim::of(device, name));
    let is_edited = !record.meta.claims.is_empty()
        && claims.any(|of| record.meta.is_overtaken(&Claim { of, ..delete }, setting.oldest));
    if is_edited {
        cov_mark::hit!(late_delete_loses_to_its_devices_newer_change);
    }
    is_edited
}
