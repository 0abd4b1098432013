//! Pieces that a phone still holds although the server has none of them: of an erased account, or
//! copies of deleted pieces that are of no version.
//!
//! The app never deletes because of a reply, so a phone may send a deleted piece for years. The
//! answer must be stable. It acknowledges the push, so that the flag goes. It gives a number under
//! which the phone's next edit is compared with what the phone really holds.

use crate::base::{AppBase, LEGACY, base_hash, delivery, differs};
use crate::keys::field_spec;
use crate::receipts::{AppRecord, Receipt, remember};
use crate::request::Pushed;
use crate::versions::{distance, likeliest_version};
use crate::wire::AppPiece;
use crate::wire::WireVersion;
use haumana_sync::digest::Digest;
use haumana_sync::id::Key;
use haumana_sync::store::{Envelope, Revision, Stamp, Version};
use haumana_sync::transaction::FORMAT;
use haumana_sync::transaction::MergeContext;

/// Whether a piece that the server does not have is from before the account was erased.
pub(crate) fn is_of_erased_life(push: &Pushed<'_>, was_synced: bool, floor: Version) -> bool {
    let named = push.version.version();
    0 < floor && if push.version.is_issued() { named <= floor } else { was_synced }
}

/// The answer to such a piece: a deleted piece.
///
/// It is never stored. Its content does not matter, since the answer to a deleted piece repeats the
/// phone's own.
pub(crate) fn ghost(push: &Pushed<'_>, context: MergeContext) -> Envelope {
    let version = if push.version.is_issued() { push.version.version() } else { context.floor };
    Envelope {
        key: Key::piece(push.id),
        version,
        revision: Revision(0),
        stamp: Stamp(0),
        modified_at: context.now,
        deleted: true,
        hash: Digest::default(),
        format: FORMAT,
        content: "{}".to_owned(),
        meta: "{}".to_owned(),
    }
}

/// What identifies an acknowledged copy of a deleted piece.
///
/// For an exact version, nothing needs to be stored.
#[derive(Clone, Debug)]
pub(crate) enum Copy {
    /// It is this version.
    Of(Version),
    /// It is of no version. The receipt says what it contains.
    Held(Box<Receipt>),
}

/// Finds what the phone holds of a deleted piece, so that its next edit is compared with that.
/// Under the tombstone's own number it would be compared with the last content.
///
/// Three sources are tried: first, a push whose reply was lost; then the version that the number
/// names, if the content is exactly that; otherwise the content is described by its differences.
pub(crate) fn copy_of(record: &AppRecord, push: &AppPiece, context: MergeContext) -> Copy {
    let delivery = delivery(push);
    let of_delivery = record
        .receipts
        .iter()
        .filter(|old| context.oldest <= old.at && old.delivery == delivery && delivery != LEGACY);
    let named = push.version.version();
    // A phone whose clock was set back holds a newer push than the latest by its times.
    let latest = of_delivery.max_by_key(|old| old.order).filter(|old| is_push(record, push, old));
    match latest {
        Some(latest) if latest.diverged.is_empty() => Copy::Of(latest.version),
        Some(latest) => Copy::Held(Box::new(latest.clone())),
        None if push.version.is_issued() => {
            let is_known = named <= record.version && !record.meta.is_foreign(named);
            // A value from an old form is not the version that its number names.
            let is_exact = is_known && distance(record, push, named, |_| true) == 0;
            if is_exact { Copy::Of(named) } else { held(record, push) }
        }
        None => {
            let likeliest = likeliest_version(record, push, context);
            let is_exact = distance(record, push, likeliest, |_| true) == 0;
            if is_exact { Copy::Of(likeliest) } else { held(record, push) }
        }
    }
}

/// Whether the phone holds exactly what the receipt describes.
fn is_push(record: &AppRecord, push: &AppPiece, receipt: &Receipt) -> bool {
    let is_same = |name: &str| {
        let hash = base_hash(record, AppBase::Receipt(receipt), name);
        hash == Some(field_spec(name).app_hash(&push.piece.get(name)))
    };
    push.piece.names().filter(|name| push.touches(name)).all(is_same)
}

/// A receipt for content that is compared with the piece's last content.
///
/// It has only hashes of the fields that differ.
fn held(record: &AppRecord, push: &AppPiece) -> Copy {
    let diverged = push.piece.names().filter(|name| push.touches(name)).filter_map(|name| {
        let value = push.piece.get(name);
        let hash = field_spec(name).app_hash(&value);
        differs(name, &value, record.hash(name)).then(|| (name.to_owned(), hash))
    });
    Copy::Held(Box::new(Receipt {
        delivery: 0,
        order: (0, i64::MIN),
        hash: push.digest.short(),
        version: record.version,
        base: 0,
        diverged: diverged.collect(),
        side: None,
        at: record.modified_at,
        given: None,
        is_held: true,
    }))
}

/// Remembers what the phone holds under the number that it gets. Returns that number. If the copy
/// was remembered before, it keeps its number.
///
/// The second value says whether it is new and must be written.
pub(crate) fn remember_held(
    record: &mut AppRecord,
    push: &AppPiece,
    copy: &Receipt,
    n: u64,
    context: MergeContext,
) -> (WireVersion, bool) {
    let hash = push.digest.short();
    let is_same = |old: &&Receipt| {
        old.is_held && old.hash == hash && old.version == copy.version && old.side == copy.side
    };
    if let Some(known) = record.receipts.iter().find(is_same) {
        return (WireVersion(known.delivery << 12), false);
    }
    let number = WireVersion::issue(record.version, n);
    crate::mark::hit!(copy_of_a_deleted_piece_is_remembered_under_its_number);
    let receipt = Receipt {
        delivery: number.delivery(),
        order: (0, i64::MIN),
        hash,
        at: context.now,
        given: None,
        is_held: true,
        ..copy.clone()
    };
    remember(&mut record.receipts, receipt, context.oldest);
    (number, true)
}
