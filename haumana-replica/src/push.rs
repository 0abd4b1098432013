//! The pushes for a record with pending edits.

use crate::content::{is_mark_of_making, write_value};
use crate::groups::{has_groups, required};
use crate::record::{Local, Touch};
use crate::sent::{SentFields, SentOp, SentPush};
use haumana_sync::limits;
use haumana_sync::schema::Kind;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Returns the pushes that settle what is pending: one for each version on which its user edited.
///
/// If a newer change of the same field follows, a change that was sent and not answered comes
/// first, unchanged.
pub(crate) fn pushes(local: &Local, kind: &Arc<Kind>) -> Vec<SentPush> {
    let key = local.key;
    let pending = &local.pending;
    if !pending.is_due() {
        return Vec::new();
    }
    let offers = pending.open_offers().map(|offer| {
        let op = SentOp::Offer(offer.clone(), local.offered_fields(kind, offer));
        SentPush { key, kind: kind.clone(), base: None, op, is_offered: true }
    });
    let offers: Vec<SentPush> = offers.collect();
    if let (Some(removal), true) = (&pending.removal, pending.touches.is_empty()) {
        // A delete is sent after everything else of its device.
        if !offers.is_empty() {
            return offers;
        }
        let (base, is_offered) = (removal.base, removal.is_offered);
        let op = SentOp::Delete(removal.at);
        return vec![SentPush { key, kind: kind.clone(), base, op, is_offered }];
    }
    // Changes that were sent keep their order. New changes come after all of them.
    let n_again = pending.touches.values().map(|touch| touch.earlier.len()).max().unwrap_or(0);
    let (mut again, mut new) = (vec![Groups::new(); n_again.max(1)], Groups::new());
    let open = || pending.touches.iter().filter(|(_, touch)| touch.acked.is_none());
    let earlier = || open().flat_map(|(_, touch)| &touch.earlier);
    // No server accepts so much, so it was not accepted, and its user has made it smaller since.
    let bytes: usize = earlier().map(|earlier| earlier.value.as_str().len()).sum();
    let has_newer = 0 < bytes && bytes <= limits::RECORD_BYTES;
    for (name, touch) in open() {
        for (groups, earlier) in again.iter_mut().zip(&touch.earlier).filter(|_| has_newer) {
            let sent = (earlier.value.clone(), earlier.at);
            groups.entry(earlier.base).or_default().insert(name.clone(), sent);
        }
        let is_again = has_newer && touch.earlier.is_empty() && touch.is_sent();
        let groups = again.first_mut().filter(|_| is_again).unwrap_or(&mut new);
        let sent = (touch.value.clone(), touch.at);
        groups.entry(base_of(local, kind, name, touch)).or_default().insert(name.clone(), sent);
    }
    let push = |(base, mut fields): (Option<Version>, SentFields)| {
        if base.is_none() {
            fill(local, kind, &mut fields);
        }
        SentPush { key, kind: kind.clone(), base, op: SentOp::Set(fields), is_offered: false }
    };
    offers.into_iter().chain(again.into_iter().flatten().chain(new).map(push)).collect()
}

/// Fields by the version on which they were edited.
type Groups = BTreeMap<Option<Version>, SentFields>;

/// The version that its user saw. The fields of a group are decided together, so all of them have
/// the oldest of their versions.
fn base_of(local: &Local, kind: &Kind, name: &str, touch: &Touch) -> Option<Version> {
    if !has_groups(kind) {
        return touch.base;
    }
    let own = kind.unit_of(name);
    let open = local.pending.touches.iter().filter(|(_, touch)| touch.acked.is_none());
    let of_group = open.filter(|(name, _)| kind.unit_of(name) == own);
    of_group.map(|(_, touch)| touch.base).min().flatten()
}

/// Adds what the server needs in addition to the touched fields.
///
/// What its user did not touch is no edit. It is as old as the record that its user saw, so it does
/// not replace what the server has instead. The fields of a group have one time.
fn fill(local: &Local, kind: &Arc<Kind>, fields: &mut SentFields) {
    let at = fields.values().map(|(_, at)| *at).min().unwrap_or(UnixMillis(0));
    let offer = local.pending.open_offers().rev().find(|offer| offer.value.is_some());
    let held = local.agreed.as_ref().filter(|agreed| agreed.value.is_some());
    let (content, held_at) = match offer {
        // Its user saw what is offered, and not what the server has since its past is another one.
        Some(offer) => {
            let seen = Local { agreed: None, ..local.clone() };
            (seen.content_before_removal(kind), offer.at)
        }
        None => (local.content_before_removal(kind), held.map_or(at, |agreed| agreed.modified_at)),
    };
    let Some(content) = content else { return };
    let required = required(kind);
    let mut marks = kind.fields().iter().filter(|field| is_mark_of_making(field)).peekable();
    let makes = marks.peek().is_some() && marks.all(|mark| fields.contains_key(mark.name()));
    // The push that makes a record has all of it, so the server need not send it back.
    let is_whole = has_groups(kind) || local.agreed.is_none() && makes;
    let names = if is_whole { content.all_names().collect() } else { required.clone() };
    let touches = &local.pending.touches;
    let is_due = |name: &&str| required.contains(name) || !touches.contains_key(*name);
    let edited: BTreeSet<String> =
        fields.keys().map(|name| kind.unit_of(name).to_owned()).collect();
    for name in names.into_iter().filter(is_due) {
        let value = content.get(name);
        if let (false, Some(json)) = (value.is_null(), write_value(&value)) {
            let at = if edited.contains(kind.unit_of(name)) { at } else { held_at.min(at) };
            fields.entry(name.to_owned()).or_insert((json, at));
        }
    }
}
