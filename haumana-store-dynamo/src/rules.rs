//! AWS's published rules of request costs, as arithmetic.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
//!
//! The benchmarks and the limits of a batch use it. [`Consumed`](crate::Consumed) has the service's
//! own figures; a test compares the two.
//!
//! | what | unit | rounding |
//! |---|---|---|
//! | read, strongly consistent | 4 kB | each item by key; the sum of a page in a query |
//! | read, eventually consistent | the same, for half | the same |
//! | write | 1 kB | each item, the larger of before and after |
//! | write in a transaction | 1 kB, twice | the same |

use crate::items::Item;
use crate::schema::{PROJECTED, TableSchema};
use aws_sdk_dynamodb::types::AttributeValue;

/// Returns the bytes of an item, names included.
///
/// It is also what DynamoDB's limit of 400 kB counts.
pub fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

/// Returns the bytes of an item's entry in the index of `table`; `None` if it has none.
pub fn entry_bytes(table: TableSchema, item: &Item) -> Option<usize> {
    let place = table.place.filter(|place| item.contains_key(*place))?;
    let is_held = |name: &str| {
        name == place || PROJECTED.contains(&name) || table.key_attributes().any(|key| key == name)
    };
    let held = item.iter().filter(|(name, _)| is_held(name));
    Some(held.map(|(name, value)| name.len() + value_bytes(value)).sum())
}

/// Returns the units of reading `bytes` strongly consistently: one for each 4 kB begun, at least
/// one.
pub fn read_units(bytes: usize) -> usize {
    bytes.div_ceil(4096).max(1)
}

/// Returns the units of writing an item: one for each kB begun of the larger of its two states,
/// twice in a transaction. A missing item has 0 bytes.
pub fn transacted_write_units(old_bytes: usize, new_bytes: usize) -> usize {
    2 * write_units(old_bytes.max(new_bytes))
}

/// Returns the units of writing or deleting an item of `bytes`.
pub fn write_units(bytes: usize) -> usize {
    bytes.div_ceil(1024).max(1)
}

/// Returns the units that an index adds to the writing of an item. An entry whose sort key changes
/// is deleted and put.
///
/// ASSUMPTION: they are not doubled in a transaction, as the emulator's authors measured at AWS.
///
/// A new entry, or one that goes away, costs one write. One that moves costs two.
pub fn index_units(old_bytes: Option<usize>, new_bytes: Option<usize>) -> usize {
    old_bytes.map_or(0, write_units) + new_bytes.map_or(0, write_units)
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::N(number) => number_bytes(number),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::L(values) => {
            3 + values.iter().map(|value| 1 + value_bytes(value)).sum::<usize>()
        }
        AttributeValue::M(members) => 3 + item_bytes(members) + members.len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number_bytes(number)).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        _ => 0,
    }
}

/// One byte for each two significant digits, and one more; one for a minus sign.
fn number_bytes(number: &str) -> usize {
    let digits = number.trim_start_matches('-');
    let significant = digits.trim_end_matches('0').trim_start_matches('0').len();
    significant.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_rounded_up() {
        assert_eq!([1, 1, 1, 2], [0, 1, 4096, 4097].map(read_units));
        assert_eq!([1, 1, 1, 2], [0, 1, 1024, 1025].map(write_units));
        assert_eq!(4, transacted_write_units(1025, 10));
        assert_eq!(2, index_units(Some(150), Some(160)));
    }

    #[test]
    fn numbers_count_by_significant_digits() {
        let cases = [("0", 1), ("7", 2), ("100", 2), ("1234", 3), ("-5", 3), ("1750000000", 3)];

        for (number, bytes) in cases {
            assert_eq!(bytes, number_bytes(number), "{number}");
        }
    }
}
