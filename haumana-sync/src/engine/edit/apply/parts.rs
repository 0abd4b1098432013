//! Splits an edit that makes more values lose than one commit holds. Each part is complete in
//! itself.

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

/// As [`apply`], in as many parts as commits of this size need. If a request stops between two
/// parts, nothing is lost: each part has its changes, the values that lost by them, and the marks
/// by which a repeat is recognised.
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
        // It cannot be split as a delete, so it counts as uncertain.
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

/// Whether one commit can hold it, with one item to spare, and no item is too long.
fn fits(applied: &Applied, limits: BatchLimits) -> bool {
    let inbox = applied.lost.iter().filter(|lost| lost.asks).count();
    let items = 2 + applied.history.len() + inbox;
    let history: usize = applied.history.iter().map(|entry| entry.size_bytes()).sum();
    // An inbox entry has only names and numbers.
    let bytes = applied.envelope.size_bytes() + history + 2_000 * (inbox + 1);
    let sides = applied.history.iter().filter(|entry| 0 < entry.key.side);
    let is_small = sides.map(|side| side.size_bytes()).max() <= Some(limits::STORED_BYTES);
    items <= limits.items && bytes <= limits.bytes && is_small
}

/// Splits an edit of several changes; `None` if it has only one.
fn halves(edit: &Edit) -> Option<(Edit, Edit)> {
    let n_changes = edit.changes.len();
    if n_changes + edit.stale.len() < 2 {
        return None;
    }
    let at = n_changes.div_ceil(2);
    // Changes are split first. If there are fewer than two, the values of old forms are split.
    let n_stale = if n_changes < 2 { edit.stale.len() / 2 } else { 0 };
    let (mut first, mut rest) = (edit.clone(), edit.clone());
    rest.changes = first.changes.split_off(at);
    rest.stale = first.stale.split_off(n_stale);
    // What one hash covers is done only with the last part.
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

    /// Returns its parts in the order in which they are written, each with its own losing values.
    pub(crate) fn into_parts(mut self) -> Vec<Self> {
        let mut parts = std::mem::take(&mut self.parts);
        let n_before: usize = parts.iter().map(|part| part.lost.len()).sum();
        self.lost.drain(..n_before);
        parts.push(self);
        parts
    }
}
