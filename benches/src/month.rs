//! A month of the people who use the app, on DynamoDB: what it costs, and what it cost before.

use crate::cost::{Cost, dollars};
use std::fmt;

/// How many people are active.
pub const USERS: f64 = 100.0;
/// How many pieces each has.
pub const PIECES: usize = 1_000;
/// How many days the month has.
pub const DAYS: f64 = 30.0;
/// What each does in a day: the app is opened three times and syncs five times more, one sync
/// carries ten edits, the next one of that device shows that its reply arrived, and the other device
/// of the same person pulls them.
pub const USAGE: [(&str, f64); 5] = [
    ("first sync of a started app, digest agrees", 3.0),
    ("no-op sync", 4.0),
    ("10 changed pieces pushed among all, as the app does", 1.0),
    ("first sync after a push, nothing changed", 1.0),
    ("10 changed pieces pulled", 1.0),
];

/// DYNAMODB: a Query ends at 1 MB, and reads 4 kB for half a unit where it need not be consistent.
const PAGE_BYTES: f64 = 1_048_576.0;
const READ_BYTES: f64 = 4096.0;

/// One line of the arithmetic.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What was done.
    pub name: String,
    /// How often one person does it in a day.
    pub a_day: f64,
    /// Read units of doing it once.
    pub read_units: f64,
    /// Write units of doing it once.
    pub write_units: f64,
}

impl Line {
    /// Dollars of it in the month of everybody.
    pub fn month(&self) -> f64 {
        USERS * DAYS * self.a_day * dollars(self.read_units, self.write_units)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, a_day, read_units, write_units } = self;
        write!(f, "| {name} | {a_day} | {read_units} | {write_units} | {:.3} |", self.month())
    }
}

/// What the month costs, of the costs of a repertoire of [`PIECES`].
///
/// # Panics
///
/// If one of the operations was not measured: without it the month would look cheaper than it is.
pub fn ours(costs: &[Cost]) -> Vec<Line> {
    let line = |(name, a_day): (&str, f64)| {
        let cost = costs.iter().find(|cost| cost.name == name);
        let Some(Cost { consumed, .. }) = cost else { panic!("{name} was not measured") };
        let (read_units, write_units) = (consumed.read_units, consumed.write_units);
        Line { name: name.to_owned(), a_day, read_units, write_units }
    };
    USAGE.into_iter().map(line).collect()
}

/// What the TypeScript functions cost for the same, where an item has `item_bytes`.
///
/// They query the user's partition twice in every sync, eventually consistent, and stop at the
/// first page of 1 MB; a pushed piece is put whole, without a transaction, index or history.
pub fn theirs(item_bytes: usize) -> Vec<Line> {
    let syncs = USAGE.iter().map(|(_, a_day)| a_day).sum();
    let bytes = (PIECES as f64 * item_bytes as f64).min(PAGE_BYTES);
    let query = (bytes / READ_BYTES).ceil() * 0.5;
    let put = item_bytes.div_ceil(1024) as f64;
    let line = |name: &str, a_day, read_units, write_units| Line {
        name: name.to_owned(),
        a_day,
        read_units,
        write_units,
    };
    vec![
        line("every sync: the partition twice", syncs, 2.0 * query, 0.0),
        line("10 changed pieces put", 1.0, 0.0, 10.0 * put),
    ]
}

/// Dollars of all lines.
pub fn total(lines: &[Line]) -> f64 {
    lines.iter().map(Line::month).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_store_dynamo::Consumed;

    #[test]
    fn the_month_is_the_sum_of_what_everybody_does_each_day() {
        let cost = |(name, _)| {
            let consumed = Consumed { read_units: 8.0, write_units: 1.6, ..Consumed::default() };
            Cost { name, consumed }
        };

        let lines = ours(&USAGE.map(cost));

        // 3,000 days of ten operations, each of 8 / 1,000,000 · 0.125 + 1.6 / 1,000,000 · 0.625.
        assert!((total(&lines) - 30_000.0 * 2e-6).abs() < 1e-12, "{}", total(&lines));
    }

    #[test]
    fn the_functions_before_read_at_most_a_megabyte_in_each_query() {
        let (small, large) = (theirs(400), theirs(1_100));

        // 400,000 bytes are 97.7 times 4 kB, and 1 MB is 256 times.
        assert_eq!([98.0, 256.0], [small[0].read_units, large[0].read_units]);
        assert_eq!([10.0, 20.0], [small[1].write_units, large[1].write_units]);
    }
}
