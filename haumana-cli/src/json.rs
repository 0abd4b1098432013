//! JSON for scripts.

use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// JSON for scripts. Text that came as JSON is passed on unchanged: a number keeps all its digits.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Plain(serde_json::Value),
    AsItCame(JsonText),
    List(Vec<Json>),
    Map(BTreeMap<String, Json>),
}

impl Json {
    pub(crate) const NULL: Self = Self::Plain(serde_json::Value::Null);

    pub(crate) fn map<const N: usize>(entries: [(&str, Json); N]) -> Self {
        Self::Map(entries.map(|(name, json)| (name.to_owned(), json)).into())
    }

    pub(crate) fn list<T: Into<Json>>(entries: impl Iterator<Item = T>) -> Self {
        Self::List(entries.map(Into::into).collect())
    }
}

impl<T: Into<serde_json::Value>> From<T> for Json {
    fn from(plain: T) -> Self {
        Self::Plain(plain.into())
    }
}

/// The value of a field.
pub(crate) fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::NULL,
        Value::Flag(flag) => (*flag).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Json(json) => Json::AsItCame(json.clone()),
        Value::Group(group) => {
            let fields = group.fields();
            Json::Map(fields.map(|(name, value)| (name.to_owned(), value_json(value))).collect())
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(json) => json.serialize(serializer),
            Self::AsItCame(json) => json.serialize(serializer),
            Self::List(entries) => entries.serialize(serializer),
            Self::Map(entries) => entries.serialize(serializer),
        }
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Text, numbers and maps of them always serialise.
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_came_keep_their_digits() {
        let came = JsonText::parse("[12345678901234567890.10, 1.0]").unwrap();

        let json = Json::map([
            ("b", value_json(&Value::Json(came))),
            ("a", Json::list([1, 2].into_iter())),
            ("c", None::<String>.into()),
        ]);

        assert_eq!(r#"{"a":[1,2],"b":[12345678901234567890.10, 1.0],"c":null}"#, json.to_string());
    }
}
