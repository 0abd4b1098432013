//! The number of a record's next version, never one of another life of the server.

use crate::engine::Refusal;
use crate::engine::edit::MergeContext;
use crate::engine::edit::meta::Meta;
use crate::limits;
use crate::store::{Generation, Version};

/// Returns the version after `old`; 0 stands for a record that is made.
///
/// It skips versions where another life may have given them out: above a number that a client
/// names and this life has not reached (`above`), at a record's first change in a new generation,
/// and, where a record is made, below the numbers of an erased life or of those before an import.
pub(crate) fn next_version(
    old: Version,
    meta: &Meta,
    above: Option<Version>,
    context: MergeContext,
) -> Result<Version, Refusal> {
    let is_made = old == 0;
    // Of a record that is made nobody knows whether the life before had made it, too.
    let written_in = if is_made { Generation(0) } else { meta.generation };
    let is_of_old_life = written_in < context.generation;
    let above = above.filter(|above| old < *above);
    let floor = above.unwrap_or(old);
    let floor = if is_made { floor.max(context.floor) } else { floor };
    let may_be_remade = is_made && context.is_imported;
    let leap = if above.is_some() || is_of_old_life || may_be_remade { context.leap } else { 0 };
    // Versions above that an import has marked as given out by the server that it is from.
    let floor = meta.foreign_end(floor + 1).unwrap_or(floor);
    let next = floor + 1 + leap;
    if limits::VERSION < next { Err(Refusal::QuotaExceeded) } else { Ok(next) }
}

/// Remembers which versions lie between `old` and `next`: they belong to another life.
pub(crate) fn mark_skipped(meta: &mut Meta, old: Version, next: Version) {
    let skipped = (old + 1, next - 1);
    if skipped.0 <= skipped.1 && !meta.foreign.contains(&skipped) {
        meta.foreign.push(skipped);
    }
}
