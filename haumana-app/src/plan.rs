//! Plans a piece from the phones' app: which base it has, and what its user changed.
//!
//! Everything is decided from what is kept beside the current version. Only a text that both sides
//! changed needs the base's content, which is read when the edit is applied.
//!
//! # From a push to an edit
//!
//! 1. How does it relate to earlier pushes of its delivery? See
//!    [`Standing`](crate::base::Standing).
//! 2. That gives the base: a version, an earlier push, or none.
//! 3. Each field in the push is compared with its hash at the base. If they are equal, its user
//!    left it alone. If not, it is a change.
//! 4. If a form was open too long, each field is compared with the version on which the form was
//!    opened, instead.
//! 5. Each change says what the server did to the field since the base ([`Against`]). Later that
//!    decides whether both sides changed it.
//!
//! Hashes of earlier values are kept beside the record, so most pushes need no other read.
//!
//! # Uncertain pushes
//!
//! The push may come from the phone or from a copy. Then both cases are compared, and a value that
//! loses by the chosen one goes to the inbox ([`Doubt`]). No value is ever lost by a guess.

use crate::base::{
    AppBase, Deliveries, Standing, base_hash, delivery, differs, is_changed_by, is_in_form,
    is_returned, is_telling, n_switched, named_base, order, standing,
};
use crate::copy::without_what_was_taken;
use crate::keys::PIECE_FIELDS;
use crate::receipts::AppRecord;
use crate::receipts::Receipt;
use crate::receipts::{Planned, ReceiptDraft};
use crate::stale::stale_form;
use crate::versions::likeliest_version;
use crate::wire::AppPiece;
use haumana_sync::engine::OtherLife;
use haumana_sync::merge::Reason;
use haumana_sync::record::{Content, Value};
use haumana_sync::store::{HistoryKey, Version};
use haumana_sync::time::UnixMillis;
use haumana_sync::transaction::AtVersion;
use haumana_sync::transaction::{Against, Change, Doubt, Edit, MergeContext, Stale};
use std::sync::Arc;

/// Returns the edit that `push` is; `None` if it changes nothing.
///
/// A record that does not exist makes every push a creation, whatever its number says.
pub(crate) fn plan(
    record: Option<&AppRecord>,
    push: &AppPiece,
    deliveries: Deliveries<'_>,
    context: MergeContext,
) -> Option<Planned> {
    let times = Times::of(push, context);
    let Some(record) = record else {
        return Some(creation(push, times));
    };
    match standing(record, push, deliveries, context) {
        Standing::Repeat => None,
        Standing::Older(latest) => {
            crate::mark::hit!(older_push_changes_nothing);
            let (hash, since) = (push.digest.short(), named_version(push));
            let mut retained = record.receipts.iter().filter(|old| context.oldest <= old.at);
            // A push from before the version that the phone holds was another edit.
            let is_seen = retained.any(|old| old.hash == hash && since < old.version);
            if is_seen { None } else { outdated(record, push, latest, times, context) }
        }
        Standing::After(receipt) => after(record, push, receipt, times, context),
        Standing::Uncertain(receipt) => uncertain(record, push, receipt, times, context),
        Standing::First => first_push(record, push, times, context),
        Standing::Copy => copied(record, push, times, context),
    }
}

/// The edit of a phone that has not seen the reply to `receipt`, or of a copy of that phone. It
/// cannot be known which. The values of both are in the record or in the inbox.
///
/// It counts as a copy if a text is as at its base while something else was edited or practised.
/// Otherwise it counts as the same phone.
fn uncertain(
    record: &AppRecord,
    push: &AppPiece,
    receipt: &Receipt,
    times: Times,
    context: MergeContext,
) -> Option<Planned> {
    // A copy may have begun with an unsent piece. No version has that state.
    let named = named_base(record, push, context).filter(|_| push.version.is_issued());
    let Some(named) = named else {
        return after(record, push, receipt, times, context);
    };
    let names = push.piece.names().filter(|name| push.touches(name));
    let (returned, others): (Vec<&str>, Vec<&str>) =
        names.partition(|name| is_returned(record, push, receipt, named, name));
    let is_text_returned = returned.iter().any(|name| is_telling(name));
    let is_edited = others.iter().any(|name| {
        base_hash(record, named, name).is_none_or(|hash| differs(name, &push.piece.get(name), hash))
    });
    let steps = push.version.steps().saturating_sub(receipt.order.0);
    let is_practised = n_switched(record, push, receipt) < steps;
    if is_text_returned && is_practised && !is_edited && is_from_before(push, receipt) {
        // It is a repeat, or late. The values that its phone was given are nobody's edit.
        crate::mark::hit!(copy_that_only_practised_before_says_nothing);
        return None;
    }
    if is_text_returned && (is_edited || is_practised) {
        // Nobody reverts all of it by hand and continues to edit. So it is most likely a copy.
        crate::mark::hit!(uncertain_push_leaves_what_it_may_not_have_known);
        return beside(record, push, named, &returned, times, context);
    }
    crate::mark::hit!(uncertain_push_replaces_what_it_may_have_known);
    after(record, push, receipt, times, context)
}

/// Whether `push` was made before `receipt` arrived, by the clocks. The phone that made the push of
/// that receipt would have made this one later.
fn is_from_before(push: &AppPiece, receipt: &Receipt) -> bool {
    let is_earlier = |at: UnixMillis| at.0 <= receipt.order.1 || at <= receipt.at;
    push.flagged && push.modified_at.is_some_and(is_earlier)
}

/// The edit of a phone that has not seen the reply to `receipt`. It may still be a copy's edit, so
/// the values that it replaces of that push are in the inbox.
///
/// The base is the earlier push, not the version that the push became, because its user has seen
/// only the push.
fn after(
    record: &AppRecord,
    push: &AppPiece,
    receipt: &Receipt,
    times: Times,
    context: MergeContext,
) -> Option<Planned> {
    let mut edit = against_base(record, push, AppBase::Receipt(receipt), times, context)?;
    // A copy may have begun with an unsent piece. No version has that state.
    let named = named_base(record, push, context).filter(|_| push.version.is_issued());
    for change in &mut edit.changes {
        let is_changed = |named| is_changed_by(record, receipt, named, &change.name);
        if named.is_none_or(is_changed) {
            change.doubt = Doubt::Replaced;
        }
    }
    Some(edit)
}

/// The edit of a copy. The values that it returns to the base lose.
///
/// They change nothing. They are noted, so that they can be found.
fn beside(
    record: &AppRecord,
    push: &AppPiece,
    named: AppBase<'_>,
    returned: &[&str],
    times: Times,
    context: MergeContext,
) -> Option<Planned> {
    let noted = || noted(push, Some(draft(push)));
    let edit = against_base(record, push, named, times, context);
    let edit = edit.and_then(|edit| without_what_was_taken(record, push, edit, context));
    let mut edit = edit.unwrap_or_else(noted);
    for change in &mut edit.changes {
        change.doubt = Doubt::Returned;
    }
    edit.changes.extend(returned.iter().map(|name| Change {
        parts: None,
        on: None,
        name: (*name).to_owned(),
        value: push.piece.get(name),
        edited_at: times.edited_at,
        claimed_at: times.claimed_at,
        against: Against::Outdated,
        doubt: Doubt::Returned,
    }));
    Some(edit)
}

/// The edit of a copy whose original has gone on.
fn copied(
    record: &AppRecord,
    push: &AppPiece,
    times: Times,
    context: MergeContext,
) -> Option<Planned> {
    let edit = first_push(record, push, times, context)?;
    without_what_was_taken(record, push, edit, context)
}

/// A push that comes after a newer one of its device changes nothing. Its values that nobody has
/// seen are still kept aside, since a phone whose clock was set back looks the same.
///
/// Values that the record has had since the named version are left out, because somebody has seen
/// them.
fn outdated(
    record: &AppRecord,
    push: &AppPiece,
    latest: &Receipt,
    times: Times,
    context: MergeContext,
) -> Option<Planned> {
    let base = match push.version.is_issued() {
        true => AppBase::Version(push.version.version()),
        false => AppBase::Receipt(latest),
    };
    let since = named_version(push);
    let mut edit = against_base(record, push, base, times, context)?;
    edit.changes.retain(|change| !has_had(record, &change.name, &change.value, since));
    for change in &mut edit.changes {
        change.against = Against::Outdated;
    }
    (!edit.changes.is_empty()).then_some(edit)
}

/// The version that the number of a push names; 0 if the server has issued none.
fn named_version(push: &AppPiece) -> Version {
    if push.version.is_issued() { push.version.version() } else { 0 }
}

/// Whether the field has this value, or had it after version `since`, as far as that is known.
fn has_had(record: &AppRecord, name: &str, value: &Value, since: Version) -> bool {
    let past = record.meta.past.get(name).map(Vec::as_slice).unwrap_or_default();
    let past = past.iter().filter(|past| !past.is_gone && since < past.version);
    let mut hashes = past.map(|past| past.hash).chain([record.hash(name)]);
    hashes.any(|hash| !differs(name, value, hash))
}

/// The claimed time is the phone's. The edit's time is never later than the server's clock.
#[derive(Clone, Copy)]
struct Times {
    claimed_at: UnixMillis,
    edited_at: UnixMillis,
}

impl Times {
    fn of(push: &AppPiece, context: MergeContext) -> Self {
        let claimed_at = push.modified_at.unwrap_or(context.now);
        Self { claimed_at, edited_at: claimed_at.min(context.now) }
    }
}

/// Returns the edit for an item of an earlier server's table; `None` if it changes nothing.
///
/// The item counts as a device that never sees a reply: its base is what was last imported from it.
///
/// If the earlier server says when it wrote a state of an item, states are ordered by that.
pub(crate) fn plan_earlier(
    record: Option<&AppRecord>,
    item: &AppPiece,
    receipt: ReceiptDraft,
    context: MergeContext,
) -> Option<Planned> {
    let times = Times::of(item, context);
    let Some(record) = record else {
        return Some(Planned { receipt: Some(receipt), ..creation(item, times) });
    };
    let of_item = || record.receipts.iter().filter(|old| old.delivery == receipt.delivery);
    if of_item().any(|old| old.order == receipt.order && old.hash == receipt.hash) {
        return None;
    }
    let edit = match of_item().next_back() {
        Some(latest) if is_written_before(receipt.order, latest.order) => {
            crate::mark::hit!(older_export_changes_nothing);
            None
        }
        Some(latest) => {
            crate::mark::hit!(base_is_what_was_imported);
            against_base(record, item, AppBase::Receipt(latest), times, context)
        }
        None => {
            // It is stored even if nothing differs, because it is the base of later states.
            let noted = || noted(item, None);
            let edit = against_base(record, item, AppBase::Unknown, times, context);
            Some(edit.unwrap_or_else(noted))
        }
    };
    edit.map(|planned| Planned { receipt: Some(receipt), ..planned })
}

/// Whether one state of an item is older than another. The first number is when the earlier server
/// wrote it, or 0 if unknown. Only if it is unknown, the phone's time counts.
fn is_written_before(a: (u64, i64), b: (u64, i64)) -> bool {
    if a.0 == 0 || b.0 == 0 { a.1 < b.1 } else { a < b }
}

fn draft(push: &AppPiece) -> ReceiptDraft {
    ReceiptDraft {
        delivery: delivery(push),
        order: order(push),
        hash: push.digest.short(),
        answer: None,
    }
}

/// A piece that the server does not have is new, whatever its number says.
fn creation(push: &AppPiece, times: Times) -> Planned {
    let mut whole = push.piece.clone();
    if push.untouched.contains(&"createdAt") {
        whole.created_at = times.edited_at;
    }
    let edit = Edit {
        whole: Some(Content::from(&whole)),
        created: Some((times.edited_at, times.claimed_at)),
        above: push.version.is_issued().then(|| push.version.version()),
        ..Edit::default()
    };
    Planned { edit, receipt: Some(draft(push)) }
}

/// An edit that changes nothing and is remembered.
fn noted(push: &AppPiece, receipt: Option<ReceiptDraft>) -> Planned {
    let edit = Edit { whole: Some(Content::from(&push.piece)), ..Edit::default() };
    Planned { edit, receipt }
}

/// The first push from a delivery.
///
/// If its number is above the record's, or in a skipped range, it is of another life of the
/// account. Its version names other content here, so there is no base. Edit times decide, and the
/// result gets a version above it.
fn first_push(
    record: &AppRecord,
    push: &AppPiece,
    times: Times,
    context: MergeContext,
) -> Option<Planned> {
    let named = push.version.version();
    let is_foreign =
        record.version < named || record.meta.is_foreign(named) || context.is_of_life_before(named);
    if push.version.is_issued() && is_foreign {
        crate::mark::hit!(base_is_of_another_life);
        let edit = against_base(record, push, AppBase::Unknown, times, context);
        let mut edit = edit.unwrap_or_else(|| noted(push, Some(draft(push))));
        edit.reason = Some(Reason::OtherLife);
        if context.other_life == OtherLife::Discarded {
            crate::mark::hit!(content_of_another_life_is_put_aside);
            edit.changes.iter_mut().for_each(|change| change.against = Against::Outdated);
        }
        // If the range was skipped already, the record is above it.
        edit.above = (record.version < named).then_some(named);
        // Also if it changes nothing. The number names nothing here, so only a receipt tells a late
        // repeat from an edit.
        return Some(edit);
    }
    let base = if !push.version.is_issued() && push.was_synced {
        crate::mark::hit!(base_is_guessed_for_a_copy_from_before);
        AppBase::Version(likeliest_version(record, push, context))
    } else {
        named_base(record, push, context).unwrap_or(AppBase::Unknown)
    };
    let edit = against_base(record, push, base, times, context);
    let is_remembered = matches!(base, AppBase::Unknown);
    let mut edit = edit.or_else(|| is_remembered.then(|| noted(push, Some(draft(push)))))?;
    if !push.version.is_issued() && matches!(base, AppBase::Version(_)) {
        // A copy may have begun with an unsent piece. No version has that state.
        edit.changes.iter_mut().for_each(|change| change.doubt = Doubt::Replaced);
    }
    Some(edit)
}

/// The edit that turns `base` into `push`; `None` if nothing is left to change. A caller that must
/// remember the push anyway notes it.
fn against_base(
    record: &AppRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    times: Times,
    context: MergeContext,
) -> Option<Planned> {
    let mut changed = changed_fields(record, push, base, context);
    let knows_of_delete = |version: Version| record.content.is_none() && record.version <= version;
    if matches!(base, AppBase::Version(version) if knows_of_delete(version)) {
        // A copy that was acknowledged after the delete may be of no version: see `copy_of`.
        changed.retain(|(name, _)| !has_had(record, name, &push.piece.get(name), 0));
    }
    if changed.is_empty() {
        return None;
    }
    let form = stale_form(record, push, base, &changed, context);
    let mut stale = Vec::new();
    let mut changes = Vec::new();
    for (name, against) in changed {
        let value = push.piece.get(&name);
        // Each old text is compared with a version that had it.
        let form = form.filter(|_| is_in_form(&name));
        let form = form.map(|form| form.of_field(record, push, &name, base, context));
        let against = match form {
            None => Some(against),
            Some(form) => moved(record, push, &name, form.base(), context),
        };
        match (against, form) {
            (None, Some(form)) => {
                let version = form.version();
                stale.push(Stale { name, value, version });
            }
            (None, None) => {}
            (Some(against), _) => changes.push(Change {
                parts: None,
                on: None,
                name,
                value,
                edited_at: times.edited_at,
                claimed_at: times.claimed_at,
                against,
                doubt: Doubt::None,
            }),
        }
    }
    if record.content.is_none() && changes.is_empty() {
        // Values of an old form do not bring a piece back, and nobody would see the report.
        return None;
    }
    let base = match base {
        AppBase::Receipt(receipt) => Some(receipt.version),
        AppBase::Version(version) => Some(version),
        AppBase::Unknown => None,
    };
    let whole = Some(whole(record, push));
    let edit = Edit { base, changes, whole, stale, ..Edit::default() };
    Some(Planned { edit, receipt: Some(draft(push)) })
}

/// The pushed piece, as a record of the server's schema. It may have fields that no phone knows. If
/// a deleted piece comes back, it has them again.
fn whole(record: &AppRecord, push: &AppPiece) -> Content {
    let whole = Content::from(&push.piece);
    match Arc::ptr_eq(whole.kind(), &record.kind) {
        true => whole,
        false => Content::parse(&record.kind, &whole.to_json()).unwrap_or(whole),
    }
}

/// Unknown keys are compared like fields. A key that was sent as null is cleared.
fn changed_fields(
    record: &AppRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    context: MergeContext,
) -> Vec<(String, Against)> {
    let known = PIECE_FIELDS.iter().map(|spec| spec.name);
    let unknown = push.piece.unknown.keys().chain(&push.cleared).map(String::as_str);
    let touched = known.chain(unknown).filter(|name| push.touches(name));
    touched
        .filter_map(|name| Some((name.to_owned(), moved(record, push, name, base, context)?)))
        .collect()
}

/// Returns what the server did to a field since the base; `None` if the pusher left it alone.
///
/// | the field at the base | the answer if the push differs |
/// |---|---|
/// | is its current value | unmoved: only the pusher changed it |
/// | had a value that is kept in the history | moved, with the place of that value |
/// | had a value that is past its retention, or unknown | gone |
/// | was pushed and merged to another value | moved, with the places where the push may be found |
fn moved(
    record: &AppRecord,
    push: &AppPiece,
    name: &str,
    base: AppBase<'_>,
    context: MergeContext,
) -> Option<Against> {
    let value = push.piece.get(name);
    let version = match base {
        AppBase::Unknown => {
            return differs(name, &value, record.hash(name)).then(|| Against::Moved(Vec::new()));
        }
        AppBase::Receipt(receipt) => {
            if let Some(hash) = receipt.diverged.get(name) {
                return differs(name, &value, *hash).then(|| diverged(record, receipt, name));
            }
            receipt.version
        }
        AppBase::Version(version) => version,
    };
    match record.meta.at_version(name, version) {
        AtVersion::Current => differs(name, &value, record.hash(name)).then_some(Against::Unmoved),
        AtVersion::Past { hash, until, last_version } => differs(name, &value, hash).then(|| {
            if until < context.oldest {
                return Against::Gone;
            }
            Against::Moved(vec![version_key(record, last_version)])
        }),
        AtVersion::Unknown => differs(name, &value, record.hash(name)).then_some(Against::Gone),
    }
}

/// Where to find the pushed value of a field, if the result of the earlier push differed. It is in
/// the side of the push in which its user had changed the field. That may be an earlier push, whose
/// reply was lost, too. If there is no such push, it is the value that the device received.
fn diverged(record: &AppRecord, receipt: &Receipt, name: &str) -> Against {
    let hash = receipt.diverged.get(name);
    let (mut places, mut base) = (Vec::new(), None);
    for old in pushes_up_to(record, receipt) {
        match old.diverged.get(name) {
            found if found == hash => base = Some(old.base),
            // This push was accepted unchanged.
            None => {
                base = Some(old.version);
                break;
            }
            // The push after it changed the field, so the side of that push has the value.
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

/// The pushes of the delivery of `last` up to `last`, newest first. Late ones are left out.
fn pushes_up_to<'a>(record: &'a AppRecord, last: &'a Receipt) -> Vec<&'a Receipt> {
    let mut in_order: Vec<&Receipt> = Vec::new();
    for receipt in record.receipts.iter().filter(|old| old.delivery == last.delivery) {
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

fn version_key(record: &AppRecord, version: Version) -> HistoryKey {
    HistoryKey { key: record.key(), version, side: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phones_time_counts_only_if_it_is_unknown_when_a_state_was_written() {
        for (is_before, a, b) in [
            (true, (1, 9), (2, 3)),
            (false, (2, 3), (1, 9)),
            (true, (0, 3), (2, 9)),
            (false, (0, 9), (2, 3)),
            (true, (2, 3), (0, 9)),
            (false, (0, 3), (0, 3)),
        ] {
            assert_eq!(is_before, is_written_before(a, b), "{a:?} {b:?}");
        }
    }
}
