//! The number of a record's next version. It is never one of another life of the account.

use crate::engine::Refusal;
use crate::engine::edit::MergeContext;
use crate::engine::edit::meta::Meta;
use crate::limits;
use crate::store::{Generation, Version};

/// Returns the version after `old`; 0 means that the record is being made.
///
/// It skips versions that another life may have used: above a number that a client names and this
/// life has not reached (`above`); at a record's first change in a new generation; and, for a new
/// record, below the numbers of an erased life or of those before an import.
pub(crate) fn next_version(
    old: Version,
    meta: &Meta,
    above: Option<Version>,
    context: MergeContext,
) -> Result<Version, Refusal> {
    let is_made = old == 0;
    // It is not known whether an earlier life had made the record, too.
    let written_in = if is_made { Generation(0) } else { meta.generation };
    let is_of_old_life = written_in < context.generation;
    let above = above.filter(|above| old < *above);
    let floor = above.unwrap_or(old);
    let floor = if is_made { floor.max(context.floor) } else { floor };
    let may_be_remade = is_made && context.is_imported;
    let leap = if above.is_some() || is_of_old_life || may_be_remade { context.leap } else { 0 };
    // An import has marked the versions above as used by the server of the export.
    let floor = meta.foreign_end(floor + 1).unwrap_or(floor);
    let next = floor + 1 + leap;
    if limits::VERSION < next { Err(Refusal::QuotaExceeded) } else { Ok(next) }
}

/// Remembers the versions between `old` and `next`. They belong to another life.
pub(crate) fn mark_skipped(meta: &mut Meta, old: Version, next: Version) {
    let skipped = (old + 1, next - 1);
    if skipped.0 <= skipped.1 && !meta.foreign.contains(&skipped) {
        meta.foreign.push(skipped);
    }
}
