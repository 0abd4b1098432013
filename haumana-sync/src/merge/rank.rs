//! The order of values under the policies that keep the greatest, the least or the first.

use crate::schema::{Field, FieldType, Group, Kind, Merge, Unit};
use crate::time::UnixMillis;
use crate::value::Value;
use std::cmp::Ordering;

/// Orders two values of a field or a group, each with the time of its edit. The greater one stays.
///
/// Equal values are equal under every policy except [`Merge::First`], which compares the times
/// first.
pub(super) fn preference(
    unit: Unit<'_>,
    a: (&Value, UnixMillis),
    b: (&Value, UnixMillis),
) -> Ordering {
    match unit.policy() {
        Merge::Greatest => is_there(a.0, b.0).then_with(|| compare(unit, a.0, b.0, false)),
        Merge::Least => is_there(a.0, b.0).then_with(|| compare(unit, a.0, b.0, true)),
        Merge::First => (b.1, b.0.canonical()).cmp(&(a.1, a.0.canonical())),
        Merge::Later | Merge::Fixed => (a.1, a.0.canonical()).cmp(&(b.1, b.0.canonical())),
    }
}

/// A value is greater than no value.
fn is_there(a: &Value, b: &Value) -> Ordering {
    (!a.is_null()).cmp(&!b.is_null())
}

/// Orders two values, none of which is absent. `is_least` reverses the order.
fn compare(unit: Unit<'_>, a: &Value, b: &Value, is_least: bool) -> Ordering {
    let (first, second) = if is_least { (b, a) } else { (a, b) };
    match unit {
        Unit::Field(field) => by_meaning(field.field_type(), first, second),
        Unit::Group(group, kind) => by_fields((group, kind), a, b, is_least)
            .then_with(|| first.canonical().cmp(&second.canonical())),
    }
}

/// Orders two values of a group: first by whether the leading field has a value, then field by
/// field. A field with a value is greater than one without, also if `is_least`.
fn by_fields((group, kind): (&Group, &Kind), a: &Value, b: &Value, is_least: bool) -> Ordering {
    let (Value::Group(a), Value::Group(b)) = (a, b) else { return Ordering::Equal };
    let leading = is_there(a.get(group.name()), b.get(group.name()));
    group.fields().fold(leading, |order, name| {
        let (a, b) = (a.get(name), b.get(name));
        let field: &Field = kind.named(name);
        order.then_with(|| is_there(a, b)).then_with(|| compare(Unit::Field(field), a, b, is_least))
    })
}

/// Orders two values by their meaning; values with the same meaning by their bytes.
fn by_meaning(field_type: &FieldType, a: &Value, b: &Value) -> Ordering {
    let by_meaning = match (field_type, a, b) {
        (FieldType::Enum { words, .. }, Value::Text(a), Value::Text(b)) => {
            let rank = |word: &String| words.iter().position(|known| known == word);
            rank(a).cmp(&rank(b))
        }
        (FieldType::Time, Value::Text(a), Value::Text(b)) => {
            UnixMillis::parse(a).cmp(&UnixMillis::parse(b))
        }
        (FieldType::Integer | FieldType::Number, Value::Json(a), Value::Json(b)) => {
            compare_numbers(a.as_str(), b.as_str())
        }
        _ => Ordering::Equal,
    };
    by_meaning.then_with(|| a.canonical().cmp(&b.canonical()))
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    // Every JSON number parses as `f64`. It may become infinite, but never NaN.
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    match (a.parse::<i64>(), b.parse::<i64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(a), Err(_)) => compare_exactly(a, number(b)),
        (Err(_), Ok(b)) => compare_exactly(b, number(a)).reverse(),
        (Err(_), Err(_)) => number(a).total_cmp(&number(b)),
    }
}

/// Several whole numbers share one `f64`. Compared as `f64` alone, values would rank in a circle.
fn compare_exactly(whole: i64, real: f64) -> Ordering {
    let as_reals = (whole as f64).total_cmp(&real);
    // 2^63 is a real number, and no `i64`.
    let is_beyond = || if real < -(i64::MIN as f64) { Ordering::Equal } else { Ordering::Less };
    as_reals.then_with(is_beyond).then_with(|| whole.cmp(&(real as i64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rank_in_no_circle() {
        let ascending = [
            "-9007199254740993",
            "-9007199254740992.5",
            "-0.0",
            "0",
            "9007199254740992.0",
            "9007199254740993",
            "9999999999999999",
            "1e16",
            "10000000000000001",
            "1e999",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(i.cmp(&j), compare_numbers(a, b), "{a} {b}");
            }
        }
    }
}
