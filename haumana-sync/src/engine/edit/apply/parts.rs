//! An edit that makes more lose than one commit holds is taken in parts, each whole in itself.

use super::apply;
use crate::engine::Refusal;
use crate::engine::edit::meta::Claim;
use crate::engine::edit::record::Record;
use crate::engine::edit::{Applied, Bases, Edit, MergeContext};
use crate::id::RecordId;
use crate::limits;
use crate::schema::Kind;
use crate::store::{BatchLimits, Envelope};
use std::collections::HashSet;
use std::sync::Arc;

/// As [`apply`], in as many parts as commits of this size need. A request that breaks off between
/// two parts has lost nothing: each part has what it changed, what lost by it, and what it is known
/// by when it comes again.
pub(crate) fn apply_within(
    (kind, id): (&Arc<Kind>, RecordId),
    old: Option<(&Envelope, &Record)>,
    edit: &Edit,
    bases: &Bases,
    (context, limits): (MergeContext, BatchLimits),
) -> Result<Applied, Refusal> {
    let whole = apply((kind, id), old, edit, bases, context)?;
    if fits(&whole, limits) {
        return Ok(whole);
    }
    if edit.delete && edit.own.is_empty() {
        return Ok(whole);
    }
    if edit.delete {
        // It cannot be a delete in parts, so it is not taken as certain.
        crate::mark::hit!(delete_with_too_many_losers_asks);
        let edit = Edit { base: None, own: Vec::new(), ..edit.clone() };
        return apply((kind, id), old, &edit, bases, context);
    }
    let Some((first, rest)) = halves(edit) else { return Ok(whole) };
    crate::mark::hit!(edit_is_taken_in_parts);
    let first = apply_within((kind, id), old, &first, bases, (context, limits))?;
    let there = Some((&first.envelope, &first.record));
    let rest = apply_within((kind, id), there, &rest, bases, (context, limits))?;
    Ok(rest.behind(first))
}

/// Whether one commit can hold it, with one item to spare, and each item is no longer than one may be.
fn fits(applied: &Applied, limits: BatchLimits) -> bool {
    let inbox = applied.lost.iter().filter(|lost| lost.asks).count();
    let items = 2 + applied.history.len() + inbox;
    let history: usize = applied.history.iter().map(|entry| entry.size_bytes()).sum();
    // An entry of the inbox has names and numbers only.
    let bytes = applied.envelope.size_bytes() + history + 2_000 * (inbox + 1);
    let sides = applied.history.iter().filter(|entry| 0 < entry.key.side);
    let is_small = sides.map(|side| side.size_bytes()).max() <= Some(limits::STORED_BYTES);
    items <= limits.items && bytes <= limits.bytes && is_small
}

/// Takes an edit of several changes apart; `None` if it has only one.
fn halves(edit: &Edit) -> Option<(Edit, Edit)> {
    let n_changes = edit.changes.len();
    if n_changes + edit.stale.len() < 2 {
        return None;
    }
    let at = n_changes.div_ceil(2);
    // Changes come first; where there is one or none, the old forms are what is cut.
    let n_stale = if n_changes < 2 { edit.stale.len() / 2 } else { 0 };
    let (mut first, mut rest) = (edit.clone(), edit.clone());
    rest.changes = first.changes.split_off(at);
    rest.stale = first.stale.split_off(n_stale);
    // What one hash stands for is done with the last part.
    let is_each = edit.seen.len() == n_changes;
    rest.seen = first.seen.split_off(if is_each { at } else { 0 });
    let names = first.changes.iter().map(|change| Claim::of(edit.device.as_deref(), &change.name));
    let names: HashSet<u64> = names.collect();
    first.claims.retain(|claim| names.contains(&claim.of));
    rest.claims.retain(|claim| !names.contains(&claim.of));
    rest.above = None;
    Some((first, rest))
}

impl Applied {
    /// Puts an earlier part before it.
    fn behind(mut self, first: Applied) -> Self {
        let mut lost = first.lost.clone();
        lost.append(&mut self.lost);
        self.writes |= first.writes;
        let mut parts = first.into_parts();
        parts.append(&mut self.parts);
        Self { parts, lost, ..self }
    }

    /// Takes it apart: what is written, in order, each with its own losers.
    pub(crate) fn into_parts(mut self) -> Vec<Self> {
        let mut parts = std::mem::take(&mut self.parts);
        let n_before: usize = parts.iter().map(|part| part.lost.len()).sum();
        self.lost.drain(..n_before);
        parts.push(self);
        parts
    }
}
