//! Finds the base of a phone's push: a version, or an earlier push of the same phone whose reply
//! was lost. A phone that was set up from another phone's backup sends the numbers of that other
//! phone. So the same number does not prove the same phone; see ADR 0018.
//!
//! # The evidence
//!
//! - **The same delivery, order and hash**: the request came again.
//! - **Order**: the steps and times of one phone grow together. Fewer steps with a later time come
//!   from two phones.
//! - **A number that has ended**: a request has shown the number of a later reply. So the phone
//!   that made the earlier push has received that reply, and the earlier number comes from another
//!   phone.
//! - **A switch without a step**: the app counts each switch.
//! - **A text that only one phone had**: two people do not type the same text by chance. A switch,
//!   a category or a language shows nothing.
//!
//! ADR 0018 has the order of these checks. A push that they do not decide is uncertain, and is
//! treated so.

use crate::given::{Given, Token};
use crate::keys::{FieldClass, PIECE_FIELDS, field_spec};
use crate::receipts::AppRecord;
use crate::receipts::Receipt;
use crate::wire::AppPiece;
use crate::wire::WireVersion;
use haumana_sync::record::Value;
use haumana_sync::store::Version;
use haumana_sync::transaction::AtVersion;
use haumana_sync::transaction::MergeContext;

/// Marks receipts of copies from before this server. They identify exact repeats and nothing else.
pub(crate) const LEGACY: u64 = u64::MAX;

/// The base of a push.
///
/// The push is compared with it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AppBase<'a> {
    /// An earlier push of the same device, whose reply the device never saw; or what the device
    /// holds of a deleted piece.
    Receipt(&'a Receipt),
    /// A version that the device received.
    Version(Version),
    /// A base that this life of the account does not know.
    Unknown,
}

/// What is known of deliveries when a request is planned. It is the same for all pieces of a
/// request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deliveries<'a> {
    /// The numbers that no request has shown yet.
    pub given: &'a Given,
    /// Whether the request has a number whose delivery has ended. Then it comes from a copy of the
    /// phone, or very late.
    pub is_copy: bool,
}

/// How a push relates to the earlier pushes of its delivery.
///
/// [`plan`](crate::plan::plan) treats each case in its own way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing<'a> {
    /// There are no earlier pushes.
    First,
    /// This push was seen before.
    Repeat,
    /// A later push was seen before.
    Older(&'a Receipt),
    /// It was made after this push, whose reply was lost. Or it was made by a copy whose backup had
    /// that edit before it was sent.
    After(&'a Receipt),
    /// Its phone is a copy of the phone that made them.
    Copy,
    /// It was made after this push, or by a copy.
    Uncertain(&'a Receipt),
}

/// Returns how `push` relates to the earlier pushes of its delivery.
///
/// Receipts past their retention are ignored.
pub(crate) fn standing<'a>(
    record: &'a AppRecord,
    push: &AppPiece,
    deliveries: Deliveries<'_>,
    context: MergeContext,
) -> Standing<'a> {
    let order = order(push);
    let delivery = delivery(push);
    let hash = push.digest.short();
    let of_delivery: Vec<&Receipt> = retained(record, delivery, context).collect();
    if of_delivery.iter().any(|old| old.order == order && old.hash == hash) {
        crate::mark::hit!(exact_repeat_changes_nothing);
        return Standing::Repeat;
    }
    let pushes = || of_delivery.iter().copied().filter(|old| !old.is_held && delivery != LEGACY);
    let Some(latest) = pushes().max_by_key(|old| old.order) else {
        return Standing::First;
    };
    let has_ended =
        deliveries.is_copy || pushes().any(|old| has_arrived(record, old, deliveries.given));
    if has_ended && contradict(order, latest.order) {
        crate::mark::hit!(times_and_steps_that_contradict_are_no_late_push);
        return Standing::Copy;
    }
    if order < latest.order {
        return Standing::Older(latest);
    }
    if has_ended {
        crate::mark::hit!(number_of_an_ended_delivery_comes_from_a_copy);
        return Standing::Copy;
    }
    if lacks_steps(record, push, latest) {
        crate::mark::hit!(switch_without_a_step_gives_a_copy_away);
        return Standing::Copy;
    }
    let named = named_base(record, push, context);
    let mut newest_first: Vec<&Receipt> = pushes().collect();
    newest_first.sort_by_key(|old| std::cmp::Reverse(old.order));
    let is_before =
        |old: &&&Receipt| shows(record, push, old, named) && !is_beside(record, push, old, named);
    if let Some(shown) = newest_first.iter().find(is_before) {
        crate::mark::hit!(base_is_the_push_whose_reply_was_lost);
        return Standing::After(shown);
    }
    Standing::Uncertain(latest)
}

/// Whether `push` has a number whose delivery has ended. A repeat of an earlier push does not
/// count, since its own reply may have arrived meanwhile.
///
/// One such piece shows that the whole request comes from a copy.
pub(crate) fn carries_ended(
    record: &AppRecord,
    push: &AppPiece,
    given: &Given,
    context: MergeContext,
) -> bool {
    let (delivery, hash) = (delivery(push), push.digest.short());
    let order = order(push);
    let is_repeat = |old: &Receipt| old.order == order && old.hash == hash;
    let mut others = retained(record, delivery, context).filter(|old| !is_repeat(old));
    delivery != LEGACY && others.any(|old| has_arrived(record, old, given))
}

/// The base that the number of `push` names, even if other phones have pushed from it.
///
/// What a phone holds of a deleted piece comes first: its number names a tombstone, and the receipt
/// says what the phone holds instead.
pub(crate) fn named_base<'a>(
    record: &'a AppRecord,
    push: &AppPiece,
    context: MergeContext,
) -> Option<AppBase<'a>> {
    let mut of_delivery = retained(record, delivery(push), context);
    if let Some(held) = of_delivery.clone().find(|old| old.is_held) {
        return Some(AppBase::Receipt(held));
    }
    let named = push.version.version();
    if push.version.is_issued() {
        let is_known = named <= record.version
            && !record.meta.is_foreign(named)
            && !context.is_of_life_before(named);
        return is_known.then_some(AppBase::Version(named));
    }
    // The version that the device made with its first push. A copy of the device has the same
    // number.
    let is_made_here = !push.was_synced;
    let first = of_delivery.next().filter(|first| is_made_here && first.diverged.is_empty())?;
    Some(AppBase::Version(first.version))
}

/// The hash that a field had at a base, if it is still known.
///
/// `None` does not mean "absent": the field at that base is unknown.
pub(crate) fn base_hash(record: &AppRecord, base: AppBase<'_>, name: &str) -> Option<u64> {
    let version = match base {
        AppBase::Unknown => return None,
        AppBase::Version(version) => version,
        AppBase::Receipt(receipt) => match receipt.diverged.get(name) {
            Some(hash) => return Some(*hash),
            None => receipt.version,
        },
    };
    match record.meta.at_version(name, version) {
        AtVersion::Current => Some(record.hash(name)),
        AtVersion::Past { hash, .. } => Some(hash),
        AtVersion::Unknown => None,
    }
}

/// The delivery that a push comes from.
///
/// All copies from before this server share one, which is no delivery.
pub(crate) fn delivery(push: &AppPiece) -> u64 {
    let is_legacy = !push.version.is_issued() && push.was_synced;
    if is_legacy { LEGACY } else { push.version.delivery() }
}

/// The order of pushes from one delivery.
///
/// Compared as a pair: steps first, then the phone's time.
pub(crate) fn order(push: &AppPiece) -> (u64, i64) {
    // Without the flag, `modifiedAt` is the server's own time, and a phone whose clock is behind
    // does not reach it. Within one delivery the flag is only ever set.
    let claimed_ms = push.modified_at.filter(|_| push.flagged).map_or(i64::MIN, |at| at.0);
    (push.version.steps(), claimed_ms)
}

/// How many switches of `push` differ from `receipt`.
pub(crate) fn n_switched(record: &AppRecord, push: &AppPiece, receipt: &Receipt) -> u64 {
    let flags = PIECE_FIELDS.iter().filter(|spec| spec.class == FieldClass::Flag);
    let is_switched = |name: &str| {
        let before = base_hash(record, AppBase::Receipt(receipt), name);
        let now = field_spec(name).app_hash(&push.piece.get(name));
        push.touches(name) && before.is_some_and(|before| before != now)
    };
    flags.filter(|spec| is_switched(spec.name)).count() as u64
}

fn retained(
    record: &AppRecord,
    delivery: u64,
    context: MergeContext,
) -> impl Iterator<Item = &Receipt> + Clone {
    let receipts = record.receipts.iter();
    receipts.filter(move |old| context.oldest <= old.at && old.delivery == delivery)
}

fn has_arrived(record: &AppRecord, receipt: &Receipt, given: &Given) -> bool {
    receipt.given.is_some_and(|n| {
        let number = WireVersion::issue(receipt.version, n);
        given.has_arrived(Token::of(record.id, number), receipt.at)
    })
}

/// Whether fewer steps came with a later time. The steps and times of one phone grow together.
///
/// A push without the flag has no time, and contradicts nothing.
fn contradict(order: (u64, i64), latest: (u64, i64)) -> bool {
    order.0 < latest.0 && latest.1 < order.1 && latest.1 != i64::MIN
}

/// Whether `push` contains a text that only the phone with `receipt` had, because that push had
/// changed it.
///
/// The text must differ from the named base. Otherwise both phones could have it from there.
fn shows(
    record: &AppRecord,
    push: &AppPiece,
    receipt: &Receipt,
    named: Option<AppBase<'_>>,
) -> bool {
    let known = PIECE_FIELDS.iter().map(|spec| spec.name);
    let names = known.chain(push.piece.unknown.keys().map(String::as_str));
    names.filter(|name| is_telling(name) && push.touches(name)).any(|name| {
        let value = push.piece.get(name);
        let hash = field_spec(name).app_hash(&value);
        let is_there = !value.is_null() && value.as_text().is_none_or(|text| !text.is_empty());
        let before = named.and_then(|named| base_hash(record, named, name));
        let pushed = base_hash(record, AppBase::Receipt(receipt), name);
        is_there && pushed == Some(hash) && before.is_some_and(|before| before != hash)
    })
}

/// Whether `push` was most likely not made after `receipt`, although they share a text. Its time is
/// earlier, although its phone has counted further, and it has a text in the state before
/// `receipt`. Then both phones began with one backup that had unsent edits.
fn is_beside(
    record: &AppRecord,
    push: &AppPiece,
    receipt: &Receipt,
    named: Option<AppBase<'_>>,
) -> bool {
    let is_back = |named| {
        let mut names = push.piece.names().filter(|name| push.touches(name) && is_telling(name));
        names.any(|name| is_returned(record, push, receipt, named, name))
    };
    order(push).1 < receipt.order.1 && named.is_some_and(is_back)
}

/// Whether two people would not set the field to the same value by chance.
pub(crate) fn is_telling(name: &str) -> bool {
    let is_choice = matches!(name, "category" | "language");
    !is_choice && field_spec(name).class != FieldClass::Flag
}

/// Whether the phone that made `latest` would have counted more steps. Each switch adds one.
fn lacks_steps(record: &AppRecord, push: &AppPiece, latest: &Receipt) -> bool {
    let steps = push.version.steps().saturating_sub(latest.order.0);
    steps < n_switched(record, push, latest)
}

/// Whether the field is as it was at the named base, although `receipt` had changed it. Then its
/// user has reverted it, or the push comes from a copy.
pub(crate) fn is_returned(
    record: &AppRecord,
    push: &AppPiece,
    receipt: &Receipt,
    named: AppBase<'_>,
    name: &str,
) -> bool {
    let hash = field_spec(name).app_hash(&push.piece.get(name));
    base_hash(record, named, name) == Some(hash) && is_changed_by(record, receipt, named, name)
}

/// Whether `receipt` had changed the field.
pub(crate) fn is_changed_by(
    record: &AppRecord,
    receipt: &Receipt,
    named: AppBase<'_>,
    name: &str,
) -> bool {
    let before = base_hash(record, named, name);
    let pushed = base_hash(record, AppBase::Receipt(receipt), name);
    before.zip(pushed).is_some_and(|(before, pushed)| before != pushed)
}

/// Whether the app's form saves the field, even if its user did not change it.
pub(crate) fn is_in_form(name: &str) -> bool {
    matches!(field_spec(name).class, FieldClass::Short | FieldClass::Long)
}

/// Whether two values of a field are the same to the app.
pub(crate) fn differs(name: &str, pushed: &Value, base: u64) -> bool {
    !field_spec(name).app_unchanged(pushed, base)
}
