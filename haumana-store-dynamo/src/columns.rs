//! A JSON object as attributes: the members that the console shows, and the rest as one text.
//!
//! The store does not interpret content. It gets a list of names, and splits an object only if
//! joining the parts gives the same bytes. Members become cells up to the first that cannot be one.
//!
//! # Example
//!
//! With columns `title` and `isFavorite`, the content
//! `{"title":"Hula","isFavorite":true,"tags":[]}` is
//!
//! | attribute | value |
//! |---|---|
//! | `title` | the text `Hula` |
//! | `isFavorite` | the switch `true` |
//! | `extra` | the text `{"tags":[]}` |
//!
//! The bytes depend on the order of members. So cells are taken from the beginning, in the order of
//! the columns, and the rest follows as one text. Content that the engine would format differently
//! is kept as one text.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The attribute with the members that have no column, as one JSON object.
pub(crate) const EXTRA: &str = "extra";

/// A member that is an attribute of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Flag(bool),
}

/// An object that was split.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The members with a column, in the order of the columns.
    pub cells: Vec<(String, Cell)>,
    /// The members without a column, as one object; `None` if there are none.
    pub extra: Option<String>,
}

/// Splits `content`; `None` if the parts would not give the same bytes again.
///
/// The check at the end makes every mistake before it harmless: an object that would come back
/// changed is not split.
pub(crate) fn split(content: &str, columns: &[String]) -> Option<Parts> {
    let Members(members) = serde_json::from_str(content).ok()?;
    let mut cells = Vec::new();
    let mut columns = columns.iter();
    let mut members = members.into_iter().peekable();
    while let Some((name, cell)) = members.peek().and_then(|(name, value)| {
        // This also moves on in the list, because cells come in the order of the columns.
        let name = columns.find(|column| *column == name)?;
        Some((name.clone(), cell(value)?))
    }) {
        cells.push((name, cell));
        members.next();
    }
    let text = |(name, value): (Cow<'_, str>, &RawValue)| {
        serde_json::to_string(&name).ok().map(|name| format!("{name}:{}", value.get()))
    };
    let rest = members.map(text).collect::<Option<Vec<_>>>()?;
    let extra = (!rest.is_empty()).then(|| format!("{{{}}}", rest.join(",")));
    let joined = join(&cells, extra.as_deref())?;
    // INVARIANT: the parts give back exactly the given bytes.
    (joined == content).then_some(Parts { cells, extra })
}

/// Joins the parts.
///
/// `None` if `extra` is not a JSON object, after somebody has edited it by hand.
pub(crate) fn join(cells: &[(String, Cell)], extra: Option<&str>) -> Option<String> {
    let mut members = Vec::new();
    for (name, cell) in cells {
        let value = match cell {
            Cell::Text(text) => serde_json::to_string(text).ok()?,
            Cell::Flag(flag) => flag.to_string(),
        };
        members.push(format!("{}:{value}", serde_json::to_string(name).ok()?));
    }
    if let Some(extra) = extra {
        members.push(extra.strip_prefix('{')?.strip_suffix('}')?.to_owned());
    }
    Some(format!("{{{}}}", members.join(",")))
}

/// Numbers are not cells, because DynamoDB would change `1.0` to `1`. Neither are lists and
/// objects.
fn cell(value: &RawValue) -> Option<Cell> {
    match value.get() {
        "true" => Some(Cell::Flag(true)),
        "false" => Some(Cell::Flag(false)),
        text => serde_json::from_str(text).ok().map(Cell::Text),
    }
}

/// The members of an object in their order, each value as its text.
///
/// `serde_json::Value` would lose the order, duplicate names and the digits of numbers.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<String> {
        ["title", "lyrics", "isFavorite"].map(str::to_owned).to_vec()
    }

    #[track_caller]
    fn check(content: &str, n_cells: usize, extra: Option<&str>) {
        let parts = split(content, &columns()).unwrap();

        assert_eq!((n_cells, extra), (parts.cells.len(), parts.extra.as_deref()));
        assert_eq!(Some(content.to_owned()), join(&parts.cells, parts.extra.as_deref()));
    }

    #[test]
    fn members_with_a_column_become_cells_and_the_rest_is_one_text() {
        check("{}", 0, None);
        check(r#"{"title":"Hula"}"#, 1, None);
        check(r#"{"title":"a\nb","isFavorite":true}"#, 2, None);
        check(r#"{"title":"","x":1.0,"y":{"a":[]}}"#, 1, Some(r#"{"x":1.0,"y":{"a":[]}}"#));
        check(r#"{"kūlana":1E+400}"#, 0, Some(r#"{"kūlana":1E+400}"#));
    }

    #[test]
    fn members_from_the_first_that_cannot_be_a_cell_on_are_the_rest() {
        check(r#"{"title":null}"#, 0, Some(r#"{"title":null}"#));
        check(
            r#"{"title":"a","lyrics":1,"isFavorite":true}"#,
            1,
            Some(r#"{"lyrics":1,"isFavorite":true}"#),
        );
        check(r#"{"lyrics":"a","title":"out of order"}"#, 1, Some(r#"{"title":"out of order"}"#));
        check(r#"{"title":"a","title":"twice"}"#, 1, Some(r#"{"title":"twice"}"#));
        check(r#"{"x":[1],"title":"behind"}"#, 0, Some(r#"{"x":[1],"title":"behind"}"#));
    }

    #[test]
    fn what_would_not_come_back_to_the_byte_is_not_taken_apart() {
        let others =
            [r#"{"title": "spaced"}"#, r#"{"title":"\u0041"}"#, r#"{"title":"a\/b"}"#, "[1]", ""];

        for content in others {
            assert_eq!(None, split(content, &columns()), "{content}");
        }
    }
}
