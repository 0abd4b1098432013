//! Nothing disappears without a trace: if a value loses against one whose maker had not seen it, it
//! is in the inbox.
//!
//! This is the second half of G1. The judge says which side may win. Here it is checked that the
//! other side is not gone. A value counts as overwritten if the winner had not seen it. If the
//! winner had seen it, it was replaced on purpose, and needs no trace.
//!
//! Short values must be in the inbox unchanged. For a long text, each mark that is missing in the
//! result must be there, because a merge may keep a part of the text.

use super::content::{Content, FIELDS, LYRICS, Val, aspect_name, is_long, is_unchanged};
use super::judge::{Checked, Violation, is_back_at_base, is_news};
use super::ledger::{Stored, Track};
use super::leeway::{Leeway, delivery};
use super::phone::LocalPiece;
use super::watch::Lost;
use super::words::marks;
use super::world::Typed;
use haumana_sync::id::RecordId;
use std::collections::BTreeSet;

/// What is known of one field after a push was answered.
///
/// It is made for one field of one push. Phones, new clients and people share it.
pub(super) struct Meeting<'a> {
    pub id: RecordId,
    pub aspect: usize,
    pub typed: &'a Typed,
    pub lost: &'a [Lost],
    /// The value of the version that the number names.
    pub held: Option<Val>,
    /// The number that the push named.
    pub number: u64,
}

/// If a push met something new, checks that both sides are in the record or in the inbox.
///
/// It is called before the judge adds the push, so `track` is what the server had.
///
/// # Errors
///
/// If one is in neither.
pub fn check_traces(
    track: &Track,
    sent: &LocalPiece,
    after: &Stored,
    typed: &Typed,
    leeway: Leeway,
    by_line: bool,
) -> Checked {
    let (Some(before), Some((content, _))) = (&track.last, track.read(after)) else {
        return Ok(());
    };
    let held = track.held(sent);
    // If lines are followed, the text is not followed as a whole: nobody knows who saw which text.
    for aspect in (0..FIELDS.len()).filter(|at| !by_line || *at != LYRICS) {
        let held_value = held.map(|held| held.content.aspect(aspect));
        let meeting = Meeting {
            id: sent.id,
            aspect,
            typed,
            lost: &after.lost,
            held: held_value,
            number: sent.version,
        };
        let (theirs, ours) = (sent.seen.0[aspect], track.seen.0[aspect]);
        let (pushed, was) = (sent.content.aspect(aspect), before.aspect(aspect));
        let is = content.aspect(aspect);
        // A value that was changed back is one that its maker saw, or had typed before.
        let since = theirs & !held.map_or(0, |held| held.seen.0[aspect]);
        let is_known = held.is_some_and(|held| held.content.aspect(aspect) == was)
            || meeting.values_of(since).any(|value| *value == was);
        let is_overwritten = track.content.is_some() && ours & !theirs != 0 && !is_known;
        if is_overwritten && !is_alike(aspect, &is, &was) {
            meeting.check(&was, &is, theirs, "the server's value")?;
        }
        let is_edit = is_news(track, sent, aspect)
            && !is_back_at_base(track, sent, aspect, leeway)
            && !(leeway.may_repeat && is_repeated(track, sent, aspect));
        if is_edit && !is_alike(aspect, &is, &pushed) && !leeway.older {
            meeting.check(&pushed, &is, ours, "an edit")?;
        }
    }
    match by_line {
        true => check_lines(track, sent, before, &content, after),
        false => Ok(()),
    }
}

/// Whether an earlier push of the delivery had the same value. Then it is in the history.
fn is_repeated(track: &Track, sent: &LocalPiece, aspect: usize) -> bool {
    let mut pushes = track.pushes.iter().filter(|known| known.delivery == delivery(sent.version));
    pushes.any(|known| {
        known.left_trace
            && is_alike(aspect, &known.content.aspect(aspect), &sent.content.aspect(aspect))
    })
}

/// Whether one value counts as the other, in either order.
///
/// Values that the app counts as equal need not be kept twice.
pub(super) fn is_alike(aspect: usize, a: &Val, b: &Val) -> bool {
    is_unchanged(aspect, a, b) || is_unchanged(aspect, b, a)
}

impl Meeting<'_> {
    /// Checks that `loser` is in the inbox, unless it is in `is` or among the edits `seen`.
    pub(crate) fn check(&self, loser: &Val, is: &Val, seen: u128, whose: &str) -> Checked {
        let mut entries = self.lost.iter().filter(|lost| {
            lost.key.id == self.id && lost.field.as_deref() == Some(FIELDS[self.aspect].0)
        });
        let found = if is_long(self.aspect) && !loser.text().is_empty() {
            let owed = self.owed(loser, is, seen);
            let kept: BTreeSet<String> = entries
                .filter_map(|lost| lost.value.as_ref()?.as_text().map(marks))
                .flatten()
                .collect();
            owed.is_subset(&kept)
        } else {
            let is_it = |val: Val| is_unchanged(self.aspect, loser, &val);
            entries.any(|lost| lost.shown(self.aspect).is_some_and(is_it))
        };
        match found {
            true => Ok(()),
            false => {
                let text = format!(
                    "{}: {whose} is gone without a trace in the inbox, number {:x}\n  lost  {loser:?}\n  after {is:?}",
                    aspect_name(self.aspect),
                    self.number,
                );
                Err(Violation::of(self.id, text))
            }
        }
    }

    /// The values that were typed in the edits `seen`.
    pub(crate) fn values_of(&self, seen: u128) -> impl Iterator<Item = &Val> {
        let typed = self.typed.get(&(self.id, self.aspect)).map(Vec::as_slice).unwrap_or_default();
        let is_seen = move |(bit, _): &(usize, &Val)| seen >> bit & 1 == 1;
        typed.iter().enumerate().filter(is_seen).map(|(_, value)| value)
    }

    /// The marks of `loser` that are neither in `is` nor in the base, and that were removed by
    /// somebody who had not seen them.
    ///
    /// If somebody who had seen a mark removed it, it is not owed.
    fn owed(&self, loser: &Val, is: &Val, seen: u128) -> BTreeSet<String> {
        let is = marks(is.text());
        let known = self.values_of(seen).chain(&self.held);
        let known: BTreeSet<String> = known.flat_map(|value| marks(value.text())).collect();
        let is_owed = |mark: &String| !is.contains(mark) && !known.contains(mark);
        marks(loser.text()).into_iter().filter(is_owed).collect()
    }
}

/// Owned lines: a line that one side had and nobody else had seen.
///
/// Here a whole line counts, because each belongs to one user.
fn check_lines(
    track: &Track,
    sent: &LocalPiece,
    before: &Content,
    is: &Content,
    after: &Stored,
) -> Checked {
    let of_field = |lost: &&Lost| lost.field.as_deref() == Some(FIELDS[LYRICS].0);
    let entries = after.lost.iter().filter(of_field);
    let texts: Vec<&str> = entries.filter_map(|lost| lost.value.as_ref()?.as_text()).collect();
    let is_kept = |line: &Val| {
        let line = line.text();
        is.0[LYRICS].text().contains(line) || texts.iter().any(|text| text.contains(line))
    };
    let held = track.held(sent);
    for aspect in FIELDS.len()..super::content::ASPECTS {
        let (theirs, ours) = (sent.seen.0[aspect], track.seen.0[aspect]);
        let was = before.aspect(aspect);
        let pushed = sent.content.aspect(aspect);
        let is_known = held.is_some_and(|held| held.content.aspect(aspect) == was);
        let is_overwritten = track.content.is_some() && ours & !theirs != 0 && !is_known;
        let is_lost = (is_overwritten && !is_kept(&was))
            || (is_news(track, sent, aspect) && !is_kept(&pushed));
        if is_lost {
            let text = format!(
                "{}: a line is gone without a trace in the inbox, number {:x}\n  before {was:?}\n  pushed {pushed:?}\n  after  {:?}",
                aspect_name(aspect),
                sent.version,
                is.aspect(aspect)
            );
            return Err(Violation::of(sent.id, text));
        }
    }
    Ok(())
}
