//! diff-match-patch: what a device changed is a patch, which is applied to the server's text.

use super::three_way::Merge;
use crate::play::Done;
use diff_match_patch_rs::{Compat, DiffMatchPatch, PatchInput};

/// Patches of `text` and `notes`. Of the other fields, and of a text whose base is not known, the
/// value that arrives replaces the one that is there.
pub(super) struct Patches;

impl Merge for Patches {
    fn merge(&self, field: usize, base: Option<&str>, mine: &str, theirs: &str) -> Done<String> {
        let Some(base) = base.filter(|_| matches!(field, 1 | 2)) else {
            return Ok(mine.to_owned());
        };
        let differ = DiffMatchPatch::new();
        let failed = |error| format!("{error:?}");
        let patches = differ.patch_make::<Compat>(PatchInput::Texts(base, mine)).map_err(failed)?;
        // A patch whose place is not found is not applied, and nothing tells of it.
        let (merged, _) = differ.patch_apply(&patches, theirs).map_err(failed)?;
        Ok(merged)
    }
}
