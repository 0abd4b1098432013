//! Counts what happened to everything that users typed, in the same way for every server.
//!
//! # How a loss is found
//!
//! Each typed value has marks of its own. If the marks of an edit have reached the server, the edit
//! is looked for at the end: in the record, in what the server keeps besides, and on phones. If it
//! is nowhere, and nobody who saw it removed it, it is lost.

use crate::content::{Content, LYRICS, NOTES, TITLE, is_long};
use crate::words::marks;
use haumana_sync::id::RecordId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

/// The fields that users type in and that are counted. The app itself replaces an unknown category,
/// and booleans carry no mark.
pub(super) const TYPED: [usize; 3] = [TITLE, LYRICS, NOTES];

/// The counts of one history, or of many.
///
/// The numbers are sums; divide by `edits` or by `histories`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Histories.
    pub histories: usize,
    /// Edits of texts that reached the server.
    pub edits: usize,
    /// Edits that are nowhere at the end: no record, no history and no phone has them, and nobody
    /// who saw them replaced them.
    pub lost: usize,
    /// Edits that only a phone still has, and that no sync brings to the server.
    pub stranded: usize,
    /// Lines that are in a record more often than all users together added them.
    pub doubled: usize,
    /// Short texts that nobody typed, and long texts with a word that nobody typed.
    pub garbled: usize,
    /// Histories with a lost edit.
    pub with_a_loss: usize,
    /// Histories at whose end some phone shows something other than the server has.
    pub apart: usize,
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.histories += other.histories;
        self.edits += other.edits;
        self.lost += other.lost;
        self.stranded += other.stranded;
        self.doubled += other.doubled;
        self.garbled += other.garbled;
        self.with_a_loss += other.with_a_loss;
        self.apart += other.apart;
    }
}

/// One text that a user saved: what the form showed, and what was saved.
///
/// Only texts that differ are noted.
#[derive(Clone, Debug)]
struct Typed {
    piece: RecordId,
    field: usize,
    before: String,
    after: String,
    has_arrived: bool,
}

/// Everything that users typed in one history.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary(Vec<Typed>);

/// The state of all at the end.
pub(super) struct End {
    /// The server's records.
    pub(super) server: BTreeMap<RecordId, Content>,
    /// What the server keeps besides, as text.
    pub(super) kept: BTreeMap<RecordId, String>,
    /// What each phone shows.
    pub(super) phones: Vec<BTreeMap<RecordId, Content>>,
}

impl Diary {
    /// A user saw `before` in a field and saved `after`.
    pub(super) fn write(&mut self, piece: RecordId, field: usize, before: &str, after: &str) {
        if before != after {
            let (before, after) = (before.to_owned(), after.to_owned());
            self.0.push(Typed { piece, field, before, after, has_arrived: false });
        }
    }

    /// A request with this content of a piece has reached the server.
    ///
    /// An edit has arrived once any of its marks has. Others may have been edited away before.
    pub(super) fn arrive(&mut self, piece: RecordId, content: &Content) {
        for typed in self.0.iter_mut().filter(|typed| typed.piece == piece) {
            let text = content.0[typed.field].text();
            typed.has_arrived |= typed.own().iter().any(|mark| text.contains(mark));
        }
    }

    /// Counts the outcomes.
    pub(super) fn score(&self, end: &End) -> Score {
        let mut score = Score { histories: 1, ..Score::default() };
        for typed in self.0.iter().filter(|typed| typed.has_arrived) {
            score.edits += 1;
            let holds = |content: Option<&Content>| {
                let text = content.map_or("", |content| content.0[typed.field].text());
                typed.own().iter().any(|mark| text.contains(mark))
            };
            let kept = end.kept.get(&typed.piece).map_or("", String::as_str);
            let is_kept = typed.own().iter().any(|mark| kept.contains(mark));
            if holds(end.server.get(&typed.piece)) || is_kept || self.is_replaced(typed) {
                continue;
            }
            if end.phones.iter().any(|phone| holds(phone.get(&typed.piece))) {
                score.stranded += 1;
            } else {
                score.lost += 1;
            }
        }
        for (piece, content) in &end.server {
            for field in TYPED {
                let (doubled, garbled) = self.flaws(*piece, field, content.0[field].text());
                score.doubled += doubled;
                score.garbled += garbled;
            }
        }
        let differs = |phone: &BTreeMap<RecordId, Content>| *phone != end.server;
        score.apart = usize::from(end.phones.iter().any(differs));
        score.with_a_loss = usize::from(score.lost != 0);
        score
    }

    /// Whether users who saw it removed all of it.
    ///
    /// Several users may have removed a part each.
    fn is_replaced(&self, typed: &Typed) -> bool {
        let of_field = self.0.iter().filter(|later| later.is_beside(typed.piece, typed.field));
        let taken_out = of_field.flat_map(|later| {
            marks(&later.before).into_iter().filter(|mark| !later.after.contains(mark))
        });
        let taken_out: BTreeSet<String> = taken_out.collect();
        typed.own().is_subset(&taken_out)
    }

    /// How many lines of a text are doubled, and whether it is garbled.
    ///
    /// A merge may put two users' words into one line, which nobody added as a whole.
    fn flaws(&self, piece: RecordId, field: usize, text: &str) -> (usize, usize) {
        let of_field = || self.0.iter().filter(|typed| typed.is_beside(piece, field));
        if text.is_empty() {
            return (0, 0);
        }
        if !is_long(field) {
            let is_typed = of_field().any(|typed| typed.after.trim() == text.trim());
            return (0, usize::from(!is_typed));
        }
        let mut added: BTreeMap<&str, usize> = BTreeMap::new();
        for typed in of_field() {
            let before = copies(&typed.before);
            for (line, n) in copies(&typed.after) {
                let more = n.saturating_sub(before.get(line).copied().unwrap_or(0));
                *added.entry(line).or_default() += more;
            }
        }
        // A line that a merge made of two users' words belongs to nobody, and is there once.
        let most = |line: &str| added.get(line).copied().unwrap_or(0).max(1);
        let is_doubled = |(line, n): &(&str, usize)| most(line) < *n;
        let doubled = copies(text).into_iter().filter(is_doubled).count();
        let typed: BTreeSet<&str> =
            of_field().flat_map(|typed| typed.after.split_whitespace()).collect();
        let is_garbled = text.split_whitespace().any(|word| !typed.contains(word));
        (doubled, usize::from(is_garbled))
    }
}

impl Typed {
    /// The marks that came with this edit.
    fn own(&self) -> BTreeSet<String> {
        marks(&self.after).into_iter().filter(|mark| !self.before.contains(mark)).collect()
    }

    fn is_beside(&self, piece: RecordId, field: usize) -> bool {
        self.piece == piece && self.field == field
    }
}

/// How often a text has each of its lines. Blanks at their ends do not count, nor do empty lines.
fn copies(text: &str) -> BTreeMap<&str, usize> {
    let mut copies = BTreeMap::new();
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    lines.for_each(|line| *copies.entry(line).or_default() += 1);
    copies
}
