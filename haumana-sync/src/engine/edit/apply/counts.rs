//! Counters on which two installations with one name have counted, because the folder of a device
//! was copied.
//!
//! Each device's totals only grow. So of two totals the greater one is later, and a merge takes it.
//! If two installations count under one name, the greater total is not later: it lacks what the
//! other installation has counted.

use crate::engine::edit::Doubt;
use crate::merge::Winner;
use crate::record::Value;
use crate::schema::{entries, json};

/// The totals of a device's name: added, and removed.
type Totals = (u64, u64);

/// A counter: as a device pushed it, and as the record has it.
pub(super) struct Counts<'a> {
    /// The name of the device.
    pub device: &'a str,
    /// The value on which it had counted; `None` if not known any more.
    pub base: Option<&'a Value>,
    /// Whether that value is the device's previous push. Its count is in the record, or was kept
    /// aside.
    pub is_on: bool,
    pub server: &'a Value,
    pub pushed: &'a Value,
}

/// What happens to the count of another installation.
#[derive(Debug)]
pub(super) enum Other {
    /// There is no such count.
    None,
    /// There certainly is one. It is added to what was pushed: this is the sum.
    AddedUp(Value),
    /// There may be one. The side whose count is not in the merged value has lost.
    Aside(Winner),
}

impl Counts<'_> {
    /// Looks for the count of another installation.
    pub(super) fn other(&self, doubt: Doubt) -> Other {
        if doubt == Doubt::Own {
            return Other::None;
        }
        let is_certain = self.is_on || doubt == Doubt::Apart;
        let sum = if is_certain { self.added_up() } else { None };
        match (sum, self.uncounted(doubt)) {
            (Some(sum), _) if sum == *self.pushed => Other::None,
            (Some(sum), _) => Other::AddedUp(sum),
            (None, Some(loser)) => Other::Aside(loser),
            (None, None) => Other::None,
        }
    }

    fn own(&self, value: &Value) -> Totals {
        entries(value).get(self.device).copied().unwrap_or_default()
    }

    /// Returns the pushed value plus what another installation with the name has counted since the
    /// base; `None` if the base is not known.
    fn added_up(&self) -> Option<Value> {
        let (was, here, there) =
            (self.own(self.base?), self.own(self.server), self.own(self.pushed));
        let sum = |was: u64, here: u64, there: u64| {
            let both = here.saturating_add(there.saturating_sub(was));
            both.max(here).max(there)
        };
        let mut counter = entries(self.pushed);
        let totals = (sum(was.0, here.0, there.0), sum(was.1, here.1, there.1));
        counter.insert(self.device.to_owned(), totals);
        Some(json(&counter))
    }

    /// The side whose count is not in the greater totals and may be another installation's.
    fn uncounted(&self, doubt: Doubt) -> Option<Winner> {
        let was = self.base.map(|base| self.own(base));
        let one = |was: Option<u64>, here: u64, there: u64| match was {
            Some(was) if was == here || was == there => None,
            // The pushed count is lower than the record's: the device was restored to an earlier
            // state, or there are two installations.
            _ if there < here => Some(Winner::Pushed),
            // If nothing is known of earlier counts, this one continues them.
            None if doubt == Doubt::None => None,
            _ if here < there => Some(Winner::Server),
            // Two installations have counted the same number.
            _ => Some(Winner::Pushed),
        };
        let (here, there) = (self.own(self.server), self.own(self.pushed));
        one(was.map(|was| was.0), here.0, there.0).or(one(was.map(|was| was.1), here.1, there.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Counter;

    fn counter(own: i64, others: i64) -> Value {
        let mut counter = Counter::default();
        counter.add("kindle", own);
        counter.add("laptop", others);
        counter.to_value()
    }

    fn counts<'a>(base: Option<&'a Value>, server: &'a Value, pushed: &'a Value) -> Counts<'a> {
        Counts { device: "kindle", base, is_on: false, server, pushed }
    }

    fn check(doubt: Doubt, base: Option<i64>, server: i64, pushed: i64, loser: Option<Winner>) {
        let base = base.map(|base| counter(base, 1));
        let (server, pushed) = (counter(server, 3), counter(pushed, 1));

        let uncounted = counts(base.as_ref(), &server, &pushed).uncounted(doubt);

        assert_eq!(loser, uncounted, "{doubt:?} {base:?} {server:?} {pushed:?}");
    }

    #[test]
    fn what_is_not_in_the_greater_total_lost() {
        for doubt in [Doubt::None, Doubt::Replaced] {
            check(doubt, Some(2), 2, 6, None);
            check(doubt, Some(2), 6, 2, None);
            check(doubt, Some(2), 6, 8, Some(Winner::Server));
            check(doubt, Some(2), 8, 6, Some(Winner::Pushed));
            check(doubt, Some(2), 6, 6, Some(Winner::Pushed));
            check(doubt, None, 8, 6, Some(Winner::Pushed));
        }
    }

    #[test]
    fn on_an_unknown_base_it_matters_whether_the_name_has_counted() {
        check(Doubt::None, None, 6, 8, None);
        check(Doubt::None, None, 6, 6, None);
        check(Doubt::Replaced, None, 6, 8, Some(Winner::Server));
        check(Doubt::Replaced, None, 6, 6, Some(Winner::Pushed));
    }

    #[test]
    fn of_two_installations_one_adds_and_one_takes_away() {
        let mut less = Counter::of(&counter(2, 3));
        less.add("kindle", -3);

        let (base, less, more) = (counter(2, 1), less.to_value(), counter(6, 1));

        assert_eq!(None, counts(Some(&base), &less, &more).uncounted(Doubt::Replaced));
    }

    #[test]
    fn both_counts_are_added_to_what_both_had() {
        let (base, server, pushed) = (counter(2, 1), counter(6, 3), counter(8, 1));
        let counts = counts(Some(&base), &server, &pushed);

        let added_up = Counter::of(&counts.added_up().unwrap());

        assert_eq!(12, added_up.only(|device| device == "kindle").sum());
        assert_eq!(None, Counts { base: None, ..counts }.added_up());
    }
}
