//! The outcome of each item: as counts, and as a line for each item that an operator must look at.
//!
//! There are two outputs. The standard error gets counts, which anybody may see. The file gets a
//! line for each item that was not left alone. An operator needs it to repair refused items. It has
//! keys, which contain user ids, but never a title, a lyric or a note. Delete it when you are done.

use crate::attribute::{Item, quoted};
use crate::error::{Error, ErrorKind, Result};
use crate::item::{Refused, Table};
use crate::source::Found;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

/// The outcome for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its record is new.
    Created,
    /// Its record has the item's present values now.
    Updated,
    /// It was merged with changes of others. This many values lost, and are kept.
    Merged(usize),
    /// Nothing had to be done: the item is unchanged since its import, or older.
    Left,
    /// It cannot be imported.
    Refused(Refused),
}

/// The names are stable: scripts may select by them.
impl Outcome {
    /// Returns its name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Merged(_) => "merged",
            Outcome::Left => "left",
            Outcome::Refused(_) => "refused",
        }
    }
}

/// Names an item as its table does. It contains the user's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    table: Table,
    place: String,
    keys: Vec<(&'static str, String)>,
}

impl Place {
    /// The place of a found item.
    ///
    /// A key attribute that is missing, or cannot be read, is left out.
    pub fn of(found: &Found) -> Self {
        let none = Item::new();
        let item = found.item.as_ref().unwrap_or(&none);
        let key = |name: &'static str| Some((name, item.get(name)?.to_json()?));
        let keys = found.table.key_names().into_iter().filter_map(key).collect();
        Self { table: found.table, place: found.place.clone(), keys }
    }
}

/// The number of items of each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items read.
    pub read: u64,
    /// Records made.
    pub created: u64,
    /// Records that have their items' present values now.
    pub updated: u64,
    /// Records merged with changes of others.
    pub merged: u64,
    /// Values that lost in those merges, and are kept.
    pub conflicts: u64,
    /// Items with nothing new.
    pub left: u64,
    /// Items that cannot be imported.
    pub refused: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, created, updated, merged, conflicts, left, refused } = self;
        write!(f, "{read} read: {created} created, {updated} updated, {merged} merged ")?;
        write!(f, "({conflicts} values lost and kept), {left} left alone, {refused} refused")
    }
}

/// Counts outcomes, and writes those that are not [`Outcome::Left`] as lines of JSON.
///
/// The lines name items by their keys, which contain user ids. They contain nothing else of an
/// item.
pub struct Report {
    /// The counts so far.
    pub counts: Counts,
    /// `None`: only counts.
    lines: Option<Box<dyn Write + Send>>,
    /// Refused items by table and code, in the order in which they are printed.
    codes: BTreeMap<(Table, &'static str), u64>,
}

impl Report {
    /// Starts a report; `lines` is where its lines go.
    pub fn new(lines: Option<Box<dyn Write + Send>>) -> Self {
        Self { counts: Counts::default(), lines, codes: BTreeMap::new() }
    }

    /// Returns how many items of each table were refused, by code.
    pub fn codes(&self) -> impl Iterator<Item = (Table, &'static str, u64)> {
        self.codes.iter().map(|((table, code), count)| (*table, *code, *count))
    }

    /// Adds one outcome. The counts are right even if the line could not be written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Report`] if the line cannot be written.
    pub fn add(&mut self, place: &Place, outcome: &Outcome) -> Result<()> {
        let counts = &mut self.counts;
        match outcome {
            Outcome::Created => counts.created += 1,
            Outcome::Updated => counts.updated += 1,
            Outcome::Merged(conflicts) => {
                counts.merged += 1;
                counts.conflicts += *conflicts as u64;
            }
            Outcome::Left => counts.left += 1,
            Outcome::Refused(refused) => {
                counts.refused += 1;
                *self.codes.entry((place.table, refused.code)).or_default() += 1;
            }
        }
        match &mut self.lines {
            Some(lines) if *outcome != Outcome::Left => {
                let written = writeln!(lines, "{}", line(place, outcome));
                written.map_err(|error| unwritten().because(error))
            }
            _ => Ok(()),
        }
    }

    /// Makes sure that every line has arrived.
    ///
    /// # Errors
    ///
    /// Those of [`Report::add`].
    pub fn flush(&mut self) -> Result<()> {
        let flushed = self.lines.as_mut().map_or(Ok(()), |lines| lines.flush());
        flushed.map_err(|error| unwritten().because(error))
    }
}

fn unwritten() -> Error {
    Error::new(ErrorKind::Report, "the report cannot be written")
}

/// Written by hand, so that the members are always in the same order: `table`, `place`, `key`,
/// `outcome`, and the members of that outcome.
fn line(place: &Place, outcome: &Outcome) -> String {
    let keys: Vec<String> =
        place.keys.iter().map(|(name, json)| format!(r#""{name}":{json}"#)).collect();
    let mut line = format!(
        r#"{{"table":"{}","place":{},"key":{{{}}},"outcome":"{}""#,
        place.table.as_str(),
        quoted(&place.place),
        keys.join(","),
        outcome.as_str()
    );
    match outcome {
        Outcome::Merged(conflicts) => line.push_str(&format!(r#","conflicts":{conflicts}"#)),
        Outcome::Refused(refused) => {
            let message = quoted(&refused.message);
            line.push_str(&format!(r#","code":"{}","message":{message}"#, refused.code));
        }
        _ => {}
    }
    line.push('}');
    line
}
