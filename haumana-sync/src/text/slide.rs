//! One place for edits that could be in several.
//!
//! If a refrain is repeated, "added before it" and "added after it" are the same edit. Both sides'
//! edits are moved down as far as possible, so that the same edit is found in the same place.

use super::diff::Hunk;
use imara_diff::Token;
use std::ops::Range;

/// Moves each pure insertion or deletion down as far as possible. It joins hunks that then touch.
pub(super) fn slide_down(base: &[Token], side: &[Token], hunks: Vec<Hunk>) -> Vec<Hunk> {
    let mut done: Vec<Hunk> = Vec::with_capacity(hunks.len());
    for mut hunk in hunks.into_iter().rev() {
        loop {
            let floor = done.last().map_or(base.len(), |next| next.base.start);
            slide(base, side, &mut hunk, floor);
            let Some(next) = done.pop_if(|next| next.base.start == hunk.base.end) else {
                break;
            };
            hunk =
                Hunk { base: hunk.base.start..next.base.end, side: hunk.side.start..next.side.end };
        }
        done.push(hunk);
    }
    done.reverse();
    done
}

fn slide(base: &[Token], side: &[Token], hunk: &mut Hunk, floor: usize) {
    let (moving, range) = match (hunk.base.is_empty(), hunk.side.is_empty()) {
        (true, false) => (side, hunk.side.clone()),
        (false, true) => (base, hunk.base.clone()),
        _ => return,
    };
    let n_free = floor - hunk.base.end;
    let steps = (0..n_free).take_while(|step| {
        let first = moving.get(range.start + step);
        first.is_some() && first == moving.get(range.end + step)
    });
    let steps = steps.count();
    hunk.base = moved(&hunk.base, steps);
    hunk.side = moved(&hunk.side, steps);
}

fn moved(range: &Range<usize>, steps: usize) -> Range<usize> {
    range.start + steps..range.end + steps
}
