//! The versions of a piece, and how much a push differs from each of them.
//!
//! If no number names a base, the base is guessed by likeness. Only hashes of the app's fields are
//! compared. A guess is marked as one, so what it replaces goes to the inbox.

use crate::base::differs;
use crate::keys::PIECE_FIELDS;
use crate::receipts::AppRecord;
use crate::wire::AppPiece;
use haumana_sync::id::Version;
use haumana_sync::transaction::{AtVersion, MergeContext};
use std::collections::BTreeSet;

/// The version that differs from `push` in the fewest fields; of several, the oldest.
///
/// If no version is retained, it is the current one.
pub(crate) fn likeliest_version(
    record: &AppRecord,
    push: &AppPiece,
    context: MergeContext,
) -> Version {
    let versions = record_versions(record).into_iter();
    versions
        .filter(|version| is_retained(record, *version, context))
        .min_by_key(|version| (distance(record, push, *version, |_| true), *version))
        .unwrap_or(record.version)
}

/// Whether the whole content of a version is still within its retention.
///
/// If one field of a version is gone, the version cannot be compared as a whole.
pub(crate) fn is_retained(record: &AppRecord, version: Version, context: MergeContext) -> bool {
    PIECE_FIELDS.iter().all(|spec| match record.meta.at_version(spec.name, version) {
        AtVersion::Current => true,
        AtVersion::Past { until, .. } => context.oldest <= until,
        AtVersion::Unknown => false,
    })
}

/// The versions at which any field changed.
///
/// They are the numbers of the hashes beside the record, so nothing is read.
pub(crate) fn record_versions(record: &AppRecord) -> BTreeSet<Version> {
    let meta = &record.meta;
    let past = meta.past.values().flatten().map(|past| past.version);
    let touched = meta.touched.values().map(|touch| touch.version);
    let known = past.chain(touched).chain([meta.created.version]);
    // Of changes that were written together, the last one has the number that devices know.
    let is_current = |version: &Version| {
        let mut names = PIECE_FIELDS.iter().map(|spec| spec.name);
        names.all(|name| meta.at_version(name, *version) == AtVersion::Current)
    };
    known.map(|version| if is_current(&version) { record.version } else { version }).collect()
}

/// In how many of the counted fields `push` differs from a version.
///
/// A field that is unknown at that version counts as different.
pub(crate) fn distance(
    record: &AppRecord,
    push: &AppPiece,
    version: Version,
    counts: impl Fn(&str) -> bool,
) -> usize {
    let differs_at = |name: &&str| {
        let value = push.piece.get(name);
        match record.meta.at_version(name, version) {
            AtVersion::Current => differs(name, &value, record.hash(name)),
            AtVersion::Past { hash, .. } => differs(name, &value, hash),
            AtVersion::Unknown => true,
        }
    };
    let names = PIECE_FIELDS.iter().map(|spec| spec.name);
    names.filter(|name| push.touches(name) && counts(name)).filter(differs_at).count()
}
