//! What a piece from the phones' app means: which base it has, and what its user changed.
//!
//! Everything is decided from what is kept beside the current version; only a text that both
//! sides changed needs the base's content, and that is read by whoever applies the edit.

use super::edit::{Against, Change, Edit, ReceiptDraft, Setting, Stale};
use super::meta::{AtVersion, Receipt};
use super::record::PieceRecord;
use crate::merge::Reason;
use crate::record::{FieldClass, FieldSpec, PIECE_FIELDS, Value, field_spec};
use crate::store::{HistoryKey, Version};
use crate::time::UnixMillis;
use crate::wire::app::AppPiece;
use std::collections::BTreeSet;

/// Marks receipts of copies from before this server: they tell exact repeats and nothing else.
const LEGACY: u64 = u64::MAX;

/// The base of a push.
#[derive(Clone, Copy, Debug)]
enum AppBase<'a> {
    /// An earlier push of the same device, whose reply it never saw.
    Receipt(&'a Receipt),
    /// A version that it was given.
    Version(Version),
    /// None that this life of the server knows.
    Unknown,
}

/// Returns the edit that `push` is; `None` if it changes nothing.
pub fn plan(record: Option<&PieceRecord>, push: &AppPiece, setting: Setting) -> Option<Edit> {
    let times = Times::of(push, setting);
    let Some(record) = record else {
        return Some(creation(push, times));
    };
    let draft = draft(push);
    let repeat = |old: &&Receipt| {
        old.delivery == draft.delivery && old.order == draft.order && old.hash == draft.hash
    };
    let retained = || record.meta.receipts.iter().filter(|old| setting.oldest <= old.at);
    if retained().any(|old| repeat(&old)) {
        cov_mark::hit!(exact_repeat_changes_nothing);
        return None;
    }
    let latest =
        retained().filter(|old| old.delivery == draft.delivery).max_by_key(|old| old.order);
    match latest.filter(|_| draft.delivery != LEGACY) {
        Some(latest) if draft.order < latest.order => {
            cov_mark::hit!(older_push_changes_nothing);
            let is_seen = retained().any(|old| old.hash == draft.hash);
            if is_seen { None } else { outdated(record, push, latest, times, setting) }
        }
        Some(latest) => {
            cov_mark::hit!(base_is_the_push_whose_reply_was_lost);
            against_base(record, push, AppBase::Receipt(latest), times, setting)
        }
        None => first_push(record, push, times, setting),
    }
}

/// The version that an unchanged copy of a deleted piece is acknowledged as: the one it is a copy of.
/// Under the tombstone's number it would count as an edit when it comes again.
pub fn copy_of(record: &PieceRecord, push: &AppPiece, setting: Setting) -> Version {
    let draft = draft(push);
    let of_delivery = record.meta.receipts.iter().filter(|old| {
        setting.oldest <= old.at && old.delivery == draft.delivery && draft.delivery != LEGACY
    });
    let named = push.version.version();
    let of_no_version = record.version;
    match of_delivery.max_by_key(|old| old.order) {
        Some(latest) if latest.diverged.is_empty() => latest.version,
        Some(_) => of_no_version,
        None if push.version.is_issued() => {
            let is_known = named <= record.version && !record.meta.is_foreign(named);
            if is_known { named } else { of_no_version }
        }
        None => {
            let likeliest = likeliest_version(record, push, setting);
            if distance(record, push, likeliest) == 0 { likeliest } else { of_no_version }
        }
    }
}

/// A push that comes after a newer one of its device changes nothing. What it says and nobody has
/// seen is kept aside all the same: a phone whose clock was set back looks just like that.
fn outdated(
    record: &PieceRecord,
    push: &AppPiece,
    latest: &Receipt,
    times: Times,
    setting: Setting,
) -> Option<Edit> {
    let base = match push.version.is_issued() {
        true => AppBase::Version(push.version.version()),
        false => AppBase::Receipt(latest),
    };
    let mut edit = against_base(record, push, base, times, setting)?;
    edit.changes.retain(|change| !has_had(record, &change.name, &change.value));
    for change in &mut edit.changes {
        change.against = Against::Outdated;
    }
    (!edit.changes.is_empty()).then_some(edit)
}

/// Whether the field has or had this value, as far as is remembered.
fn has_had(record: &PieceRecord, name: &str, value: &Value) -> bool {
    let spec = field_spec(name);
    let past = record.meta.past.get(name).map(Vec::as_slice).unwrap_or_default();
    let mut hashes = past.iter().map(|past| past.hash).chain([record.app_hash(name)]);
    hashes.any(|hash| !differs(&spec, value, hash))
}

#[derive(Clone, Copy)]
struct Times {
    claimed_at: UnixMillis,
    edited_at: UnixMillis,
}

impl Times {
    fn of(push: &AppPiece, setting: Setting) -> Self {
        let claimed_at = push.modified_at.unwrap_or(setting.now);
        Self { claimed_at, edited_at: claimed_at.min(setting.now) }
    }
}

/// Returns the edit that an item of an earlier server's table is; `None` if it changes nothing.
///
/// The item is a device that never sees a reply: its base is what was taken over from it last.
pub fn plan_earlier(
    record: Option<&PieceRecord>,
    item: &AppPiece,
    receipt: ReceiptDraft,
    setting: Setting,
) -> Option<Edit> {
    let times = Times::of(item, setting);
    let Some(record) = record else {
        return Some(Edit { receipt: Some(receipt), ..creation(item, times) });
    };
    let of_item = || record.meta.receipts.iter().filter(|old| old.delivery == receipt.delivery);
    if of_item().any(|old| old.order == receipt.order && old.hash == receipt.hash) {
        return None;
    }
    let edit = match of_item().next_back() {
        Some(latest) if is_written_before(receipt.order, latest.order) => {
            cov_mark::hit!(older_export_changes_nothing);
            None
        }
        Some(latest) => {
            cov_mark::hit!(base_is_what_was_imported);
            against_base(record, item, AppBase::Receipt(latest), times, setting)
        }
        None => {
            // Written down even where nothing differs: it is the base of what comes later.
            let noted = || Edit { whole: Some(item.piece.clone()), ..Edit::default() };
            let edit = against_base(record, item, AppBase::Unknown, times, setting);
            Some(edit.unwrap_or_else(noted))
        }
    };
    edit.map(|edit| Edit { receipt: Some(receipt), ..edit })
}

/// Whether one state of an item is older than another. The first number is when the earlier server
/// wrote it, 0 where it does not say; only without it the phones' word counts.
fn is_written_before(a: (u64, i64), b: (u64, i64)) -> bool {
    if a.0 == 0 || b.0 == 0 { a.1 < b.1 } else { a < b }
}

fn draft(push: &AppPiece) -> ReceiptDraft {
    let is_legacy = !push.version.is_issued() && push.was_synced;
    // Without the flag `modifiedAt` is the server's own time, which a phone whose clock is behind
    // does not reach; and within one delivery the flag is only ever set.
    let claimed_ms = push.modified_at.filter(|_| push.flagged).map_or(i64::MIN, |at| at.0);
    ReceiptDraft {
        delivery: if is_legacy { LEGACY } else { push.version.delivery() },
        order: (push.version.steps(), claimed_ms),
        hash: push.digest.short(),
    }
}

/// A piece that the server does not have is new, whatever its number says.
fn creation(push: &AppPiece, times: Times) -> Edit {
    let mut whole = push.piece.clone();
    if push.untouched.contains(&"createdAt") {
        whole.created_at = times.edited_at;
    }
    Edit {
        whole: Some(whole),
        created: Some((times.edited_at, times.claimed_at)),
        receipt: Some(draft(push)),
        above: push.version.is_issued().then(|| push.version.version()),
        ..Edit::default()
    }
}

/// A push from a delivery that nothing was pushed from before.
fn first_push(
    record: &PieceRecord,
    push: &AppPiece,
    times: Times,
    setting: Setting,
) -> Option<Edit> {
    let named = push.version.version();
    if push.version.is_issued() && (record.version < named || record.meta.is_foreign(named)) {
        cov_mark::hit!(base_is_of_another_life);
        let edit = against_base(record, push, AppBase::Unknown, times, setting);
        let mut edit = edit.unwrap_or_else(|| Edit {
            whole: Some(push.piece.clone()),
            receipt: Some(draft(push)),
            ..Edit::default()
        });
        edit.reason = Some(Reason::OtherLife);
        // In a range that was skipped already, the record stands above it.
        edit.above = (record.version < named).then_some(named);
        return (edit.above.is_some() || !edit.changes.is_empty()).then_some(edit);
    }
    let base = if push.version.is_issued() {
        AppBase::Version(named)
    } else if push.was_synced {
        cov_mark::hit!(base_is_guessed_for_a_copy_from_before);
        AppBase::Version(likeliest_version(record, push, setting))
    } else {
        AppBase::Unknown
    };
    against_base(record, push, base, times, setting)
}

/// The edit that makes `push` out of `base`; `None` if nothing was changed.
fn against_base(
    record: &PieceRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    times: Times,
    setting: Setting,
) -> Option<Edit> {
    let mut changed = changed_fields(record, push, base, setting);
    let knows_of_delete = |version: Version| record.piece.is_none() && record.version <= version;
    if matches!(base, AppBase::Version(version) if knows_of_delete(version)) {
        // A copy that was acknowledged after the delete may be of no version: see `copy_of`.
        changed.retain(|(name, _)| !has_had(record, name, &push.piece.get(name)));
    }
    if changed.is_empty() {
        return None;
    }
    let form = stale_form(record, push, base, &changed, setting);
    let mut stale = Vec::new();
    let mut changes = Vec::new();
    for (name, against) in changed {
        let value = push.piece.get(&name);
        let old_text = || older_text(record, push, &name, held_version(push, base)?, setting);
        // Each old text is measured against a version that had it.
        let form =
            form.map(|form| old_text().map_or(form, |(first, last)| form.clamp(first, last)));
        let against = match form.filter(|_| is_in_form(&name)) {
            None => Some(against),
            Some(version) => moved(record, push, &name, AppBase::Version(version), setting),
        };
        match (against, form) {
            (None, Some(version)) => stale.push(Stale { name, value, version }),
            (None, None) => {}
            (Some(against), _) => changes.push(Change {
                name,
                value,
                edited_at: times.edited_at,
                claimed_at: times.claimed_at,
                against,
            }),
        }
    }
    if record.piece.is_none() && changes.is_empty() {
        // What an old form saved does not bring a piece back, and nobody would see the report.
        return None;
    }
    let base = match base {
        AppBase::Receipt(receipt) => Some(receipt.version),
        AppBase::Version(version) => Some(version),
        AppBase::Unknown => None,
    };
    Some(Edit {
        base,
        changes,
        whole: Some(push.piece.clone()),
        receipt: Some(draft(push)),
        stale,
        ..Edit::default()
    })
}

fn changed_fields(
    record: &PieceRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    setting: Setting,
) -> Vec<(String, Against)> {
    let known = PIECE_FIELDS.iter().map(|spec| spec.name);
    let unknown = push.piece.unknown.keys().chain(&push.cleared).map(String::as_str);
    let touched = known.chain(unknown).filter(|name| push.touches(name));
    touched
        .filter_map(|name| Some((name.to_owned(), moved(record, push, name, base, setting)?)))
        .collect()
}

/// Returns what the server did to a field since the base; `None` if the pusher left it alone.
fn moved(
    record: &PieceRecord,
    push: &AppPiece,
    name: &str,
    base: AppBase<'_>,
    setting: Setting,
) -> Option<Against> {
    let spec = field_spec(name);
    let value = push.piece.get(name);
    let version = match base {
        AppBase::Unknown => {
            return differs(&spec, &value, record.app_hash(name))
                .then(|| Against::Moved(Vec::new()));
        }
        AppBase::Receipt(receipt) => {
            if let Some(hash) = receipt.diverged.get(name) {
                return differs(&spec, &value, *hash).then(|| diverged(record, receipt, name));
            }
            receipt.version
        }
        AppBase::Version(version) => version,
    };
    match record.meta.at_version(name, version) {
        AtVersion::Current => {
            differs(&spec, &value, record.app_hash(name)).then_some(Against::Unmoved)
        }
        AtVersion::Past { hash, until, last_version } => differs(&spec, &value, hash).then(|| {
            if until < setting.oldest {
                return Against::Gone;
            }
            Against::Moved(vec![version_key(record, last_version)])
        }),
        AtVersion::Unknown => {
            differs(&spec, &value, record.app_hash(name)).then_some(Against::Gone)
        }
    }
}

fn differs(spec: &FieldSpec, pushed: &Value, base: u64) -> bool {
    !spec.app_unchanged(pushed, base)
}

/// Where the result of the earlier push was not what it had pushed. What it had pushed is in the
/// side of the push that its user had changed the field in; that may be one before it, whose reply
/// was lost too. If none did, it is what the device was given.
fn diverged(record: &PieceRecord, receipt: &Receipt, name: &str) -> Against {
    let hash = receipt.diverged.get(name);
    let (mut places, mut base) = (Vec::new(), None);
    for old in pushes_up_to(record, receipt) {
        match old.diverged.get(name) {
            found if found == hash => base = Some(old.base),
            // It was taken as it came.
            None => {
                base = Some(old.version);
                break;
            }
            // The push behind it changed the field, so the side of that one has it.
            Some(_) => {
                base = None;
                break;
            }
        }
        let side = old.side.map(|(version, side)| HistoryKey { key: record.key(), version, side });
        places.extend(side);
    }
    let at_base = base.map(|base| record.meta.at_version(name, base));
    if let Some(AtVersion::Past { last_version, .. }) = at_base {
        places.push(version_key(record, last_version));
    }
    Against::Moved(places)
}

/// The pushes from the delivery of `last` up to it, newest first, without those that came too late.
fn pushes_up_to<'a>(record: &'a PieceRecord, last: &'a Receipt) -> Vec<&'a Receipt> {
    let mut in_order: Vec<&Receipt> = Vec::new();
    for receipt in record.meta.receipts.iter().filter(|old| old.delivery == last.delivery) {
        if in_order.last().is_none_or(|newest| newest.order <= receipt.order) {
            in_order.push(receipt);
        }
        if receipt == last {
            break;
        }
    }
    in_order.reverse();
    in_order
}

fn version_key(record: &PieceRecord, version: Version) -> HistoryKey {
    HistoryKey { key: record.key(), version, side: 0 }
}

/// Whether the app's form saves the field, whoever meant to change it.
fn is_in_form(name: &str) -> bool {
    matches!(field_spec(name).class, FieldClass::Short | FieldClass::Long)
}

/// Finds the version on which a form was opened that was saved only after a sync had brought a
/// newer one: a long text is what it was before the base.
fn stale_form(
    record: &PieceRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    changed: &[(String, Against)],
    setting: Setting,
) -> Option<Version> {
    let base = held_version(push, base)?;
    // The form was opened on a version that had all of its old texts, if there is one.
    let old_texts =
        changed.iter().filter_map(|(name, _)| older_text(record, push, name, base, setting));
    let (first, last) = old_texts.reduce(|common, range| {
        let both = (common.0.max(range.0), common.1.min(range.1));
        if both.0 <= both.1 { both } else { common }
    })?;
    let versions = record_versions(record).into_iter().filter(|v| first < *v && *v <= last);
    // Ties go to the newest: a form is rarely open for long.
    let candidates = versions.chain([first]);
    // The last version that held the text is retained as long as the text is.
    let candidates = candidates.filter(|version| is_retained(record, *version, setting));
    candidates
        .chain([last])
        .min_by_key(|version| (distance(record, push, *version), u32::MAX - version))
}

/// The version that the phone held when the form was saved. It names the one that a sync brought
/// last, which may be after the form was opened.
fn held_version(push: &AppPiece, base: AppBase<'_>) -> Option<Version> {
    match base {
        AppBase::Version(version) => Some(version),
        AppBase::Receipt(_) if push.version.is_issued() => Some(push.version.version()),
        AppBase::Receipt(_) | AppBase::Unknown => None,
    }
}

/// The versions, first and last, that had the long text of `push` before `base` had another.
fn older_text(
    record: &PieceRecord,
    push: &AppPiece,
    name: &str,
    base: Version,
    setting: Setting,
) -> Option<(Version, Version)> {
    let spec = field_spec(name);
    let value = push.piece.get(name);
    let has_text = value.as_text().is_some_and(|text| !text.trim().is_empty());
    if spec.class != FieldClass::Long || !has_text {
        return None;
    }
    let past = record.meta.past.get(name)?;
    let hash = spec.app_hash(&value);
    let ends = past.iter().skip(1).map(|next| next.version);
    let ends = ends.chain([record.meta.touch(name).version]);
    let older = past
        .iter()
        .zip(ends)
        .filter(|(past, end)| past.hash == hash && *end <= base && setting.oldest <= past.until);
    older.last().map(|(past, end)| (past.version, end.saturating_sub(1)))
}

/// The version that differs from `push` in the fewest fields, ties to the oldest.
fn likeliest_version(record: &PieceRecord, push: &AppPiece, setting: Setting) -> Version {
    let versions = record_versions(record).into_iter();
    versions
        .filter(|version| is_retained(record, *version, setting))
        .min_by_key(|version| (distance(record, push, *version), *version))
        .unwrap_or(record.version)
}

/// Whether the whole content of a version is still within its retention.
fn is_retained(record: &PieceRecord, version: Version, setting: Setting) -> bool {
    PIECE_FIELDS.iter().all(|spec| match record.meta.at_version(spec.name, version) {
        AtVersion::Current => true,
        AtVersion::Past { until, .. } => setting.oldest <= until,
        AtVersion::Unknown => false,
    })
}

/// The versions at which any field changed.
fn record_versions(record: &PieceRecord) -> BTreeSet<Version> {
    let meta = &record.meta;
    let past = meta.past.values().flatten().map(|past| past.version);
    let touched = meta.touched.values().map(|touch| touch.version);
    past.chain(touched).chain([meta.created.version]).collect()
}

/// In how many fields `push` differs from a version.
fn distance(record: &PieceRecord, push: &AppPiece, version: Version) -> usize {
    let differs_at = |name: &&str| {
        let (spec, value) = (field_spec(name), push.piece.get(name));
        match record.meta.at_version(name, version) {
            AtVersion::Current => differs(&spec, &value, record.app_hash(name)),
            AtVersion::Past { hash, .. } => differs(&spec, &value, hash),
            AtVersion::Unknown => true,
        }
    };
    let names = PIECE_FIELDS.iter().map(|spec| spec.name);
    names.filter(|name| push.touches(name)).filter(differs_at).count()
}
