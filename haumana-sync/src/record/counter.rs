//! Counters: what each device has added, and what the sum is.
//!
//! If two devices at once read a field, add to it and write it back, one addition is lost. A
//! counter loses none, because each device has totals of its own.

use super::Value;
use crate::schema::{Entries, TOTAL, entries, json};

/// The value of a counter.
///
/// For each device it has two totals: what the device has added, and what it has removed, since it
/// first counted. Totals only grow, so joining two states takes the greater of each total.
///
/// Joining is commutative, associative and idempotent. So a state that comes late, twice or out of
/// order does no harm. Two installations must not use the same device name. The engine recognises
/// most copies, and then adds up what both have counted.
///
/// # Examples
///
/// ```
/// use haumana_sync::record::Counter;
///
/// let mut here = Counter::default();
/// here.add("phone", 3);
/// let mut there = Counter::default();
/// there.add("laptop", -1);
///
/// here.join(&there);
///
/// assert_eq!(2, here.sum());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter(Entries);

impl Counter {
    /// Reads a field's value. A value that is no counter reads as an empty counter.
    pub fn of(value: &Value) -> Self {
        Self(entries(value))
    }

    /// Returns what all devices have added, less what they have removed.
    ///
    /// A sum beyond the range of 64 bits is returned as the end of that range.
    pub fn sum(&self) -> i64 {
        // It fits after the clamp.
        let sum = self.exact_sum().clamp(i64::MIN.into(), i64::MAX.into());
        i64::try_from(sum).unwrap_or_default()
    }

    /// As [`Counter::sum`], without the limit of 64 bits.
    pub(crate) fn exact_sum(&self) -> i128 {
        let one = |(added, removed): &(u64, u64)| i128::from(*added) - i128::from(*removed);
        self.0.values().map(one).sum()
    }

    /// Counts `by` more on `device`, or fewer if it is negative.
    ///
    /// Only a device itself adds to its own totals. Totals stop at 2^63 - 1.
    pub fn add(&mut self, device: &str, by: i64) {
        self.add_exactly(device, by.into());
    }

    /// As [`Counter::add`], for additions beyond 64 bits.
    pub(crate) fn add_exactly(&mut self, device: &str, by: i128) {
        let (added, removed) = self.0.entry(device.to_owned()).or_default();
        let total = if by < 0 { removed } else { added };
        let by = u64::try_from(by.unsigned_abs()).unwrap_or(u64::MAX);
        // An earlier server may have accepted a greater total.
        *total = total.saturating_add(by).min(TOTAL.max(*total));
    }

    /// Joins the state of `other` into this one.
    ///
    /// For each device the greater total is the later one.
    pub fn join(&mut self, other: &Self) {
        for (device, (added, removed)) in &other.0 {
            let entry = self.0.entry(device.clone()).or_default();
            *entry = (entry.0.max(*added), entry.1.max(*removed));
        }
    }

    /// Returns the counter with only those devices for which `devices` returns `true`.
    #[must_use]
    pub fn only(&self, devices: impl Fn(&str) -> bool) -> Self {
        let own = self.0.iter().filter(|(device, _)| devices(device));
        Self(own.map(|(device, totals)| (device.clone(), *totals)).collect())
    }

    /// Returns the devices that have counted.
    ///
    /// A value has at most [`COUNTER_DEVICES`](crate::limits::COUNTER_DEVICES) devices. A field
    /// refuses a value with more as too large.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the field's value.
    pub fn to_value(&self) -> Value {
        json(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_only_grow_and_the_sum_is_what_is_left() {
        let mut counter = Counter::default();
        counter.add("a", 5);
        counter.add("a", -7);
        counter.add("b", 1);

        assert_eq!(-1, counter.sum());
        assert_eq!(counter, Counter::of(&counter.to_value()));
    }

    #[test]
    fn the_same_state_twice_counts_once() {
        let mut counter = Counter::default();
        counter.add("a", 5);
        let earlier = counter.clone();
        counter.add("a", 1);

        counter.join(&earlier);
        counter.join(&counter.clone());

        assert_eq!(6, counter.sum());
    }

    #[test]
    fn sums_beyond_64_bits_are_the_greatest_that_fit() {
        let mut counter = Counter::default();
        counter.add("a", i64::MAX);
        counter.add("a", i64::MAX);
        counter.add("b", i64::MAX);

        assert_eq!(i64::MAX, counter.sum());
        assert_eq!(2 * i128::from(i64::MAX), counter.exact_sum());
    }
}
