//! Values of fields as people write and read them.

use crate::answer::{one_line, words};
use crate::local_time::{self, minute_of};
use haumana_sync::id::RecordId;
use haumana_sync::json::JsonText;
use haumana_sync::record::{Counter, Value};
use haumana_sync::schema::{Element, Field, FieldType, Kind, Unit};
use serde_json::value::RawValue;

/// Reads a value. Empty text clears a field that may have no value. The error says what the text is
/// not, as in `is not a time`.
pub(crate) fn parse(field: &Field, text: &str) -> Result<Value, String> {
    let refused = || match field.field_type() {
        FieldType::Json => format!("{text:?} is not JSON"),
        // A schema may come from a server, so its words may come from anybody.
        _ => format!("{text:?} {}", one_line(&field.expectation())),
    };
    let is_text = matches!(field.field_type(), FieldType::Text { .. } | FieldType::Lines { .. });
    if text.is_empty() && !field.is_required() {
        return Ok(Value::Null);
    }
    if is_text {
        return Ok(Value::Text(text.to_owned()));
    }
    let text = text.trim();
    let value = match field.field_type() {
        FieldType::Flag => match text {
            "true" | "yes" => Some(Value::Flag(true)),
            "false" | "no" => Some(Value::Flag(false)),
            _ => None,
        },
        FieldType::Time => local_time::read(text).map(|at| Value::Text(at.to_string())),
        FieldType::Id => RecordId::parse(text).map(|id| Value::Text(id.to_string())),
        FieldType::Enum { .. } => Some(Value::Text(text.to_owned())),
        _ => JsonText::parse(text).map(Value::Json),
    };
    let value = value.ok_or_else(refused)?;
    if field.check(&value).is_err() {
        return Err(refused());
    }
    Ok(field.normal(value))
}

/// Reads a value for a conflict. For a group it is an object of the group's fields.
pub(crate) fn parse_unit(kind: &Kind, name: &str, text: &str) -> Result<Value, String> {
    match kind.unit(name) {
        Unit::Group(..) => {
            let raw = serde_json::from_str::<&RawValue>(text).ok();
            let value = raw.and_then(|raw| kind.read_unit(name, raw));
            value.ok_or_else(|| "takes a JSON object of its fields".to_owned())
        }
        Unit::Field(field) if field.is_declared() => parse(field, text),
        Unit::Field(_) if text.trim().is_empty() => Ok(Value::Null),
        Unit::Field(_) => {
            let json = JsonText::parse(text.trim()).map(Value::Json);
            json.ok_or_else(|| "takes JSON".to_owned())
        }
    }
}

/// A whole number as a value.
pub(crate) fn whole(number: i64) -> Option<Value> {
    JsonText::parse(&number.to_string()).map(Value::Json)
}

/// The elements of a list or a set.
pub(crate) fn elements(value: &Value) -> Vec<String> {
    match value {
        Value::Json(json) => serde_json::from_str(json.as_str()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// A list or a set of elements.
pub(crate) fn of_elements(elements: &[String]) -> Value {
    let json = serde_json::to_string(elements).ok();
    json.and_then(|json| JsonText::parse(&json)).map_or(Value::Null, Value::Json)
}

/// The type of the elements of a list or a set.
pub(crate) fn element(field: &Field) -> Option<Element> {
    match field.field_type() {
        FieldType::List { of, .. } | FieldType::Set { of, .. } => Some(*of),
        _ => None,
    }
}

/// A value of a field for people.
pub(crate) fn shown(kind: &Kind, name: &str, value: &Value) -> String {
    let field = kind.named(name);
    match (field.field_type(), value) {
        _ if value.is_null() || !field.is_declared() => words(value),
        (FieldType::Counter, Value::Json(_)) => Counter::of(value).sum().to_string(),
        (FieldType::List { .. } | FieldType::Set { .. }, Value::Json(_)) => {
            let elements = elements(value);
            if elements.is_empty() { words(&Value::Null) } else { elements.join(", ") }
        }
        (FieldType::Time, Value::Text(_)) => minute_of(value).unwrap_or_else(|| words(value)),
        _ => words(value),
    }
}

/// One word for the values of a field, for help.
pub(crate) fn placeholder(field: &Field) -> String {
    match field.field_type() {
        FieldType::Flag => "true|false".to_owned(),
        FieldType::Enum { words, open: false } => one_line(&words.join("|")),
        FieldType::List { of, .. } | FieldType::Set { of, .. } => match of {
            Element::Id => "ID".to_owned(),
            _ => "TEXT".to_owned(),
        },
        FieldType::Enum { .. } | FieldType::Lines { .. } => "TEXT".to_owned(),
        FieldType::Counter => "+N|-N|N".to_owned(),
        other => other.name().to_uppercase(),
    }
}

/// A description of a field, for help.
pub(crate) fn about(field: &Field) -> String {
    let what = match field.field_type() {
        FieldType::Text { max_chars } => format!("Text of at most {max_chars} characters"),
        FieldType::Lines { max_bytes } => {
            format!("Text of at most {max_bytes} bytes, merged line by line")
        }
        FieldType::Flag => "True or false".to_owned(),
        FieldType::Integer => "A whole number".to_owned(),
        FieldType::Number => "A number".to_owned(),
        FieldType::Time => "A time".to_owned(),
        FieldType::Id => "A record's id".to_owned(),
        FieldType::Enum { words, open } => {
            let others = if *open { ", or another word" } else { "" };
            format!("One of {}{others}", one_line(&words.join(", ")))
        }
        FieldType::Json => "JSON".to_owned(),
        FieldType::List { max, .. } => format!("A list of at most {max}; give each by itself"),
        FieldType::Set { max, .. } => format!("A set of at most {max}; give each by itself"),
        FieldType::Counter => {
            "A counter: +N counts more, -N fewer, and N is what it is to reach".to_owned()
        }
        other => other.name().to_owned(),
    };
    let need = if field.is_mandatory() { "; a new record needs it" } else { "" };
    format!("{what}{need}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(field_type: FieldType, text: &str, expected: Result<&str, &str>) {
        let parsed = parse(&Field::new(1, "f", field_type), text);
        let parsed = parsed.map(|value| serde_json::to_string(&value).unwrap());
        let parsed = parsed.as_deref().map_err(String::as_str);
        assert_eq!(expected, parsed, "{text}");
    }

    #[test]
    fn each_type_takes_its_values_and_says_what_others_are_not() {
        check(FieldType::text(9), "12", Ok(r#""12""#));
        check(FieldType::Flag, "yes", Ok("true"));
        check(FieldType::Flag, "maybe", Err(r#""maybe" is not true or false"#));
        check(FieldType::Integer, "-7", Ok("-7"));
        check(FieldType::Integer, "1.5", Err(r#""1.5" is not a whole number"#));
        check(FieldType::Number, "1.50", Ok("1.50"));
        check(FieldType::Number, "\"1\"", Err(r#""\"1\"" is not a number"#));
        check(FieldType::Time, "2026-11-23T18:00:00-10:00", Ok(r#""2026-11-24T04:00:00.000Z""#));
        check(FieldType::Time, "noon", Err(r#""noon" is not a time"#));
        check(FieldType::one_of(["easy", "hard"]), "hard", Ok(r#""hard""#));
        let words = FieldType::one_of(["easy", "hard"]);
        check(words, "harder", Err(r#""harder" is not one of easy, hard"#));
        check(FieldType::Json, r#"{"a": 1.0}"#, Ok(r#"{"a": 1.0}"#));
        check(FieldType::Json, "{", Err(r#""{" is not JSON"#));
        check(FieldType::list_of_texts(9), r#"["b","a"]"#, Ok(r#"["b","a"]"#));
        check(FieldType::set_of_texts(9), r#"["b","a","b"]"#, Ok(r#"["a","b"]"#));
    }

    #[test]
    fn words_of_a_schema_do_not_drive_the_terminal() {
        let field = Field::new(1, "f", FieldType::one_of(["easy\u{1b}[2J", "hard"]));

        let refused = parse(&field, "soft").unwrap_err();

        for text in [refused, placeholder(&field), about(&field)] {
            assert!(text.contains(r"easy\u{1b}[2J"), "{text}");
        }
    }

    #[test]
    fn empty_text_clears_what_can_be_clear() {
        check(FieldType::Time, "", Ok("null"));
        check(FieldType::text(9), "", Ok("null"));
        let needed = Field::new(1, "f", FieldType::text(9)).required("x");

        assert_eq!(Ok(Value::Text(String::new())), parse(&needed, ""));
        assert!(parse(&Field::new(1, "f", FieldType::Time).mandatory(), "").is_err());
    }
}
