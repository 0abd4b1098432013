//! Pushes from a phone that may be a copy of another one, and edits that the other phone has pushed
//! already.
//!
//! A backup of a phone may hold unsent edits. The phone sends them later, and the copy sends them,
//! too. From the copy they are nobody's edits. If they counted as edits, they would undo what the
//! original has done since.

use crate::base::{AppBase, base_hash, delivery, differs, is_telling};
use crate::keys::field_spec;
use crate::receipts::AppRecord;
use crate::receipts::Planned;
use crate::wire::AppPiece;
use haumana_sync::transaction::{Against, Change, MergeContext};

/// Removes from an edit of a possible copy what an earlier push of the delivery had. A backup may
/// have held that unsent, so it is no edit of the copy's user. Values that two people may set by
/// chance lose instead.
///
/// | what was pushed before | what happens to it |
/// |---|---|
/// | a text, or the value that the record has | it is left out |
/// | a switch, a choice, or no text | it loses, and is in the inbox |
///
/// `None` if nothing is left.
pub(crate) fn without_what_was_taken(
    record: &AppRecord,
    push: &AppPiece,
    mut edit: Planned,
    context: MergeContext,
) -> Option<Planned> {
    let was_taken = |change: &Change| {
        let of_delivery = record.receipts.iter().filter(|old| {
            context.oldest <= old.at && !old.is_held && old.delivery == delivery(push)
        });
        // A value that lost is in the inbox. If it is sent again, its user may mean it.
        let mut takers = of_delivery.filter(|old| !old.diverged.contains_key(&change.name));
        let hash = field_spec(&change.name).app_hash(&change.value);
        takers.any(|old| base_hash(record, AppBase::Receipt(old), &change.name) == Some(hash))
    };
    let had_changes = !edit.changes.is_empty();
    let says_nothing = |change: &Change| is_sure_text(change) || is_current(record, change);
    edit.changes.retain(|change| !(was_taken(change) && says_nothing(change)));
    for change in edit.changes.iter_mut().filter(|change| was_taken(change)) {
        crate::mark::hit!(what_the_original_had_pushed_replaces_nothing);
        change.against = Against::Outdated;
    }
    let is_nothing_left = edit.changes.is_empty() && edit.stale.is_empty() && had_changes;
    (!is_nothing_left || edit.above.is_some()).then_some(edit)
}

/// Whether the record has the value.
fn is_current(record: &AppRecord, change: &Change) -> bool {
    !differs(&change.name, &change.value, record.hash(&change.name))
}

/// Whether nobody else would write the value by chance.
fn is_sure_text(change: &Change) -> bool {
    let has_text = change.value.as_text().is_some_and(|text| !text.is_empty());
    is_telling(&change.name) && has_text
}
