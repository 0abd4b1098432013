//! The laws of every merge policy, exhaustively on domains so small that ties are everywhere.

use crate::merge::moved;
use haumana_sync::id::KindNumber;
use haumana_sync::merge::{Base, FieldMerge, Reason, Side, Winner, merge_field};
use haumana_sync::record::Content;
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Group, Kind, Merge, Schema, Unit};
use haumana_sync::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn json(text: &str) -> Value {
    Value::Json(haumana_sync::json::JsonText::parse(text).unwrap())
}

/// A field of each type that is decided as a whole, with a handful of its values.
fn scalars() -> Vec<(FieldType, Vec<Value>)> {
    let words = FieldType::one_of(["estimated", "automatic", "manual"]);
    let times =
        ["2026-11-24T00:00:00.000Z", "2026-11-24T00:00:00.001Z", "1969-01-01T00:00:00.000Z"];
    vec![
        (FieldType::text(9), vec![text(""), text("a"), text("b")]),
        (FieldType::Flag, vec![Value::Flag(false), Value::Flag(true)]),
        (FieldType::Integer, vec![json("-1"), json("0"), json("10"), json("9")]),
        (FieldType::Number, vec![json("1.0"), json("1e0"), json("-0.5"), json("1e999")]),
        (FieldType::Time, times.map(text).to_vec()),
        (words, ["automatic", "estimated", "manual"].map(text).to_vec()),
        (FieldType::Json, vec![json("{}"), json("[1]"), json("\"a\"")]),
    ]
}

fn at<'u>(
    unit: impl Into<Unit<'u>>,
    base: Base<'_>,
    server: (&Value, i64),
    pushed: (&Value, i64),
) -> FieldMerge {
    let side = |(value, at)| Side { value, edited_at: UnixMillis(at) };
    merge_field(unit, base, side(server), side(pushed))
}

/// Groups of a time and a word, either of which may lead or be compared first, with every value that
/// is there at all.
fn groups() -> Vec<(Schema, Vec<Value>)> {
    let words = || FieldType::one_of(["estimated", "automatic", "manual"]);
    let times = ["2026-11-24T00:00:00.000Z", "2026-11-24T00:00:00.001Z"];
    let mut all = Vec::new();
    for (policy, _) in Merge::ALL.into_iter().filter(|(policy, _)| *policy != Merge::Fixed) {
        for (leading, fields) in
            [("end", ["source", "end"]), ("end", ["end", "source"]), ("source", ["end", "source"])]
        {
            let kind = Kind::new(3, "practice")
                .field(Field::new(1, "end", FieldType::Time))
                .field(Field::new(2, "source", words()))
                .group(Group::new(leading, fields).merge(policy));
            let schema = Schema::new([kind]).unwrap();
            let kind = schema.kind(KindNumber::new(3)).unwrap();
            let mut values = Vec::new();
            for end in [None, Some(times[0]), Some(times[1])] {
                for source in [None, Some("estimated"), Some("manual")] {
                    let mut content = Content::new(kind, UnixMillis(0));
                    content.set("end", end.map_or(Value::Null, text));
                    content.set("source", source.map_or(Value::Null, text));
                    values.push(content.unit(leading));
                }
            }
            all.push((schema, values));
        }
    }
    all
}

/// Every field of a scalar type and every group, under every policy, with its values.
fn every_unit(mut check: impl FnMut(Unit<'_>, &[Value])) {
    for (field_type, mut values) in scalars() {
        values.push(Value::Null);
        for (policy, _) in Merge::ALL.into_iter().filter(|(policy, _)| *policy != Merge::Fixed) {
            let field = Field::new(1, "field", field_type.clone()).merge(policy);
            check(Unit::from(&field), &values);
        }
    }
    for (schema, values) in groups() {
        let kind = &schema.kinds()[0];
        check(kind.unit(kind.groups()[0].name()), &values);
    }
}

/// Calls `check` with every pair of values and times of every unit.
fn every_pair(mut check: impl FnMut(Unit<'_>, (&Value, i64), (&Value, i64))) {
    every_unit(|unit, values| {
        for a in values {
            for b in values {
                for (a_at, b_at) in [(1, 1), (1, 2), (2, 1)] {
                    check(unit, (a, a_at), (b, b_at));
                }
            }
        }
    });
}

#[test]
fn every_policy_is_symmetric() {
    every_pair(|field, a, b| {
        let (one, other) = (at(field, moved(None), a, b), at(field, moved(None), b, a));

        assert_eq!((&one.value, one.edited_at), (&other.value, other.edited_at), "{field:?}");
    });
}

#[test]
fn every_policy_keeps_one_of_the_two_and_names_the_other_as_lost() {
    every_pair(|field, a, b| {
        let merged = at(field, moved(None), a, b);

        let expected = match &merged.value {
            _ if a.0 == b.0 => None,
            value if value == a.0 => Some(Winner::Pushed),
            value if value == b.0 => Some(Winner::Server),
            value => panic!("{value:?} is of neither side"),
        };
        assert_eq!(expected, merged.lost.map(|(loser, _)| loser), "{field:?} {a:?} {b:?}");
    });
}

#[test]
fn every_policy_takes_an_edit_of_the_current_version() {
    every_pair(|field, a, b| {
        let merged = at(field, Base::Unmoved, a, b);

        assert_eq!((b.0, None), (&merged.value, merged.lost), "{field:?}");
    });
}

/// Symmetry is not for them: whoever made the record was first.
#[test]
fn fixed_values_stay_whatever_comes_and_the_other_one_is_kept() {
    cov_mark::check!(fixed_value_stays);
    let field = Field::new(1, "field", FieldType::text(9)).merge(Merge::Fixed);
    let (first, other) = (text("a"), text("b"));
    for base in [Base::Unmoved, Base::Gone, Base::Outdated, moved(None)] {
        let merged = at(&field, base, (&first, 2), (&other, 1));

        assert_eq!((&first, Some((Winner::Pushed, Reason::Policy))), (&merged.value, merged.lost));
    }
}

#[test]
fn a_repeated_merge_changes_nothing() {
    every_pair(|field, a, b| {
        let first = at(field, moved(None), a, b);
        let again = at(field, moved(None), (&first.value, first.edited_at.0), b);

        assert_eq!(first.value, again.value, "{field:?} {a:?} {b:?}");
    });
}

#[test]
fn the_order_of_arrival_makes_no_difference_to_any_policy() {
    const TIMES: [[i64; 3]; 5] = [[1, 1, 1], [1, 2, 3], [1, 3, 2], [3, 1, 2], [1, 1, 2]];
    every_unit(|unit, values| {
        let join = |a: &(Value, i64), b: &(Value, i64)| {
            let merged = at(unit, moved(None), (&a.0, a.1), (&b.0, b.1));
            (merged.value, merged.edited_at.0)
        };
        for (a, b, c) in values
            .iter()
            .flat_map(|a| values.iter().flat_map(move |b| values.iter().map(move |c| (a, b, c))))
        {
            for [a_at, b_at, c_at] in TIMES {
                let (a, b, c) = (&(a.clone(), a_at), &(b.clone(), b_at), &(c.clone(), c_at));

                let in_order = join(&join(a, b), c);

                assert_eq!(in_order, join(&join(b, c), a), "{unit:?} {a:?} {b:?} {c:?}");
                assert_eq!(in_order, join(&join(c, a), b), "{unit:?} {a:?} {b:?} {c:?}");
            }
        }
    });
}

#[test]
fn what_was_first_keeps_its_time_beside_it() {
    let field = Field::new(1, "field", FieldType::text(9)).merge(Merge::First);
    let (a, b) = (text("a"), text("b"));

    for (server, pushed) in [((&a, 2), (&b, 5)), ((&b, 5), (&a, 2)), ((&a, 5), (&a, 2))] {
        let merged = at(&field, moved(None), server, pushed);

        assert_eq!((&a, UnixMillis(2)), (&merged.value, merged.edited_at));
    }
}

#[test]
fn a_group_goes_by_its_leading_field_first_then_in_order() {
    let kind = haumana_sync::repertoire::session_kind();
    let end = |at: Option<&str>, source: Option<&str>| {
        let mut content = Content::new(kind, UnixMillis(0));
        content.set("endedAt", at.map_or(Value::Null, text));
        content.set("endedAtSource", source.map_or(Value::Null, text));
        content.unit("endedAt")
    };
    let (early, late) = (Some("2026-11-24T00:00:00.000Z"), Some("2026-11-24T00:00:01.000Z"));
    let greatest_first = [
        end(late, Some("manual")),
        end(early, Some("manual")),
        end(late, Some("estimated")),
        end(early, None),
        end(None, Some("manual")),
        end(None, None),
    ];

    for pair in greatest_first.windows(2) {
        let merged = at(kind.unit("endedAt"), moved(None), (&pair[1], 2), (&pair[0], 1));

        assert_eq!(pair[0], merged.value);
    }
}

#[track_caller]
fn check_kept(field_type: FieldType, policy: Merge, values: (Value, Value), kept: &Value) {
    let field = Field::new(1, "field", field_type).merge(policy);

    let merged = at(&field, moved(None), (&values.0, 1), (&values.1, 2));

    assert_eq!(kept, &merged.value);
    assert_eq!(Some(Reason::Policy), merged.lost.map(|(_, reason)| reason));
}

#[test]
fn greatest_and_least_go_by_what_values_mean() {
    let words = || FieldType::one_of(["estimated", "automatic", "manual"]);
    let ten = || (json("9"), json("10"));
    let end = || (text("manual"), text("automatic"));

    check_kept(FieldType::Integer, Merge::Greatest, ten(), &json("10"));
    check_kept(FieldType::Integer, Merge::Least, ten(), &json("9"));
    check_kept(FieldType::Number, Merge::Least, (json("-1.5"), json("1")), &json("-1.5"));
    check_kept(words(), Merge::Greatest, end(), &text("manual"));
    check_kept(words(), Merge::Least, (Value::Null, text("manual")), &text("manual"));
    check_kept(FieldType::text(9), Merge::First, (text("a"), text("b")), &text("a"));
}

#[test]
fn counters_are_joined_whatever_their_base() {
    cov_mark::check!(counters_are_joined);
    let field = Field::new(1, "performed", FieldType::Counter);
    let (ours, theirs) = (json(r#"{"a":[3,0],"b":[1,1]}"#), json(r#"{"a":[2,0],"b":[1,2]}"#));

    for base in [Base::Unmoved, Base::Gone, moved(None), moved(Some(&ours))] {
        let merged = at(&field, base, (&ours, 1), (&theirs, 2));

        assert_eq!((json(r#"{"a":[3,0],"b":[1,2]}"#), None), (merged.value, merged.lost));
    }
}

/// Every list of up to `length` of the three elements.
fn lists(length: usize, distinct: bool) -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&str>> = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..length {
        let longer = |list: &Vec<&'static str>| {
            let list = list.clone();
            ["a", "b c", "ʻā"].map(|one| [list.as_slice(), &[one]].concat())
        };
        last = last.iter().flat_map(longer).collect();
        last.retain(|list| !distinct || list.iter().collect::<BTreeSet<_>>().len() == list.len());
        all.extend(last.clone());
    }
    all
}

fn elements(list: &[&str]) -> Value {
    json(&serde_json::to_string(list).unwrap())
}

fn read(value: &Value) -> Vec<String> {
    let Value::Json(json) = value else { return Vec::new() };
    serde_json::from_str(json.as_str()).unwrap()
}

fn count(list: &[String], element: &str) -> usize {
    list.iter().filter(|one| *one == element).count()
}

#[test]
fn lists_are_symmetric_and_never_cut_drop_or_double_an_element() {
    cov_mark::check!(lists_are_merged);
    let field = Field::new(1, "pieces", FieldType::list_of_texts(99));
    let all = lists(3, false);
    for base in &all {
        for a in &all {
            for b in all.iter().step_by(3) {
                let base_value = elements(base);
                let (a_value, b_value) = (elements(a), elements(b));
                let merge = |server, pushed| at(&field, moved(Some(&base_value)), server, pushed);
                let merged = merge((&a_value, 1), (&b_value, 2));
                let swapped = merge((&b_value, 2), (&a_value, 1));

                assert_eq!(merged.value, swapped.value, "{base:?} {a:?} {b:?}");
                let list = read(&merged.value);
                for element in ["a", "b c", "ʻā"] {
                    let n = |list: &Vec<&str>| list.iter().filter(|one| **one == element).count();
                    if n(base) == n(a) && n(base) == n(b) {
                        assert_eq!(n(base), count(&list, element), "{base:?} {a:?} {b:?} {list:?}");
                    }
                }
                let is_known = |one: &String| ["a", "b c", "ʻā"].contains(&one.as_str());
                assert!(list.iter().all(is_known), "an element is cut: {list:?}");
            }
        }
    }
}

#[test]
fn insertions_of_both_sides_of_a_list_are_kept_in_their_order() {
    let field = Field::new(1, "pieces", FieldType::list_of_texts(99));
    let base = elements(&["a", "b"]);

    let merged = at(
        &field,
        moved(Some(&base)),
        (&elements(&["x", "a", "b"]), 1),
        (&elements(&["a", "b", "two words"]), 2),
    );

    assert_eq!((elements(&["x", "a", "b", "two words"]), None), (merged.value, merged.lost));
}

#[test]
fn sets_keep_what_either_added_and_drop_what_either_removed() {
    cov_mark::check!(sets_are_merged);
    let field = Field::new(1, "tags", FieldType::set_of_texts(99));
    let all = lists(3, true);
    for base in &all {
        for a in &all {
            for b in &all {
                let base_value = elements(base);
                let base = moved(Some(&base_value));

                let merged = at(&field, base, (&elements(a), 1), (&elements(b), 2));

                for element in ["a", "b c", "ʻā"] {
                    let has = |list: &Vec<&str>| list.contains(&element);
                    let read_base = read(&base_value);
                    let was = read_base.iter().any(|one| one == element);
                    let expected = match was {
                        true => has(a) && has(b),
                        false => has(a) || has(b),
                    };
                    assert_eq!(expected, count(&read(&merged.value), element) == 1, "{a:?} {b:?}");
                }
            }
        }
    }
}

#[test]
fn a_removal_on_an_older_base_loses_to_an_element_that_was_added_again() {
    let field = Field::new(1, "tags", FieldType::set_of_texts(99));
    let hash = haumana_sync::digest::Digest::of([b"a".as_slice()]).short();
    let (added_since, base) = (BTreeMap::from([(hash, 3)]), elements(&["a"]));
    let base = Base::Moved { value: Some(&base), added_since: &added_since };

    let merged = at(&field, base, (&elements(&["a"]), 1), (&elements(&[]), 2));

    assert_eq!(elements(&["a"]), merged.value);
    assert_eq!(Some((Winner::Pushed, Reason::LaterEdit)), merged.lost);
}

#[test]
fn sets_without_a_base_are_united() {
    let field = Field::new(1, "tags", FieldType::set_of_texts(99));

    let merged = at(&field, moved(None), (&elements(&["a"]), 1), (&elements(&["b c"]), 2));

    assert_eq!((elements(&["a", "b c"]), None), (merged.value, merged.lost));
}
