//! Indexes of fields in SQLite.

use super::schema::kind_number;
use super::{IndexEntries, IndexRange, IndexValue};
use rusqlite::types::Value;
use rusqlite::{Transaction, params};
use std::ops::Bound;

/// Replaces the index entries of records.
pub(super) fn write_index(
    write: &Transaction<'_>,
    account: i64,
    indexed: &[IndexEntries],
) -> rusqlite::Result<()> {
    if indexed.is_empty() {
        return Ok(());
    }
    let mut remove =
        write.prepare_cached("DELETE FROM indexed WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let mut put = write.prepare_cached("INSERT INTO indexed VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for IndexEntries { key, fields } in indexed {
        let (kind, id) = (kind_number(key.kind), key.id.bits().to_be_bytes());
        remove.execute(params![account, kind, id])?;
        for (field, value) in fields {
            put.execute(params![account, kind, id, field, index_value(value)])?;
        }
    }
    Ok(())
}

/// SQLITE: NULL is less than every number, and every number is less than every text:
/// <https://www.sqlite.org/datatype3.html#sort_order>. Text is compared byte by byte.
fn index_value(value: &IndexValue) -> Value {
    match value {
        IndexValue::Absent => Value::Null,
        IndexValue::Integer(number) => (*number).into(),
        IndexValue::Real(number) => (*number).into(),
        IndexValue::Text(text) => text.clone().into(),
    }
}

/// The query for a range, and its bounds.
pub(super) fn find_sql(range: &IndexRange) -> (String, Vec<Value>) {
    let mut sql = "SELECT id FROM indexed INDEXED BY indexed_by_value \
                   WHERE account = ?1 AND kind = ?2 AND field = ?3"
        .to_owned();
    let mut bounds = Vec::new();
    let mut and = |test: &str, value: Option<&IndexValue>| {
        bounds.extend(value.map(index_value));
        sql.push_str(&format!(" AND value {test}"));
        if value.is_some() {
            sql.push_str(&format!(" ?{}", 3 + bounds.len()));
        }
    };
    match (&range.from, &range.to) {
        (Bound::Included(IndexValue::Absent), Bound::Included(IndexValue::Absent)) => {
            and("IS NULL", None);
        }
        (from, to) => {
            match from {
                Bound::Included(IndexValue::Absent) | Bound::Excluded(IndexValue::Absent) => {
                    and("IS NOT NULL", None);
                }
                Bound::Unbounded => and("IS NOT NULL", None),
                Bound::Included(value) => and(">=", Some(value)),
                Bound::Excluded(value) => and(">", Some(value)),
            }
            match to {
                Bound::Unbounded => {}
                Bound::Included(value) => and("<=", Some(value)),
                Bound::Excluded(value) => and("<", Some(value)),
            }
        }
    }
    sql.push_str(" ORDER BY value, id");
    (sql, bounds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::schema::KINDS;
    use super::*;
    use rusqlite::{Connection, params_from_iter};

    #[track_caller]
    fn check(range: &IndexRange, expected: &str) {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch(KINDS).unwrap();
        let (sql, bounds) = find_sql(range);
        let place = [1, 2, 3].map(Value::from).into_iter().chain(bounds);

        let mut explain = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explain.query_map(params_from_iter(place), |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();

        assert_eq!(
            vec![format!("SEARCH indexed USING COVERING INDEX indexed_by_value ({expected})")],
            steps
        );
    }

    #[test]
    fn every_range_is_one_search_of_the_index_without_a_sort() {
        let place = "account=? AND kind=? AND field=?";
        let number = |number| IndexValue::Integer(number);
        let range = |from, to| IndexRange { from, to };

        check(
            &range(Bound::Included(number(1)), Bound::Excluded(number(5))),
            &format!("{place} AND value>? AND value<?"),
        );
        check(
            &range(Bound::Excluded(IndexValue::Absent), Bound::Included(number(5))),
            &format!("{place} AND value>? AND value<?"),
        );
        check(
            &range(Bound::Excluded(IndexValue::Text("a".into())), Bound::Unbounded),
            &format!("{place} AND value>?"),
        );
        let absent = || Bound::Included(IndexValue::Absent);
        check(&range(absent(), absent()), &format!("{place} AND value=?"));
    }
}
