//! Whether a value is what a schema says, for the part of JSON Schema that our document uses.

use serde_json::{Value, json};

/// Returns what is wrong with `value`; an unknown keyword of a schema is wrong too.
pub(crate) fn problems(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Value::Object(keywords) = schema else {
        let is_fine = *schema == json!(true);
        return if is_fine { vec![] } else { vec![format!("{at}: must not be there")] };
    };
    let check = |(keyword, expected): (&String, &Value)| {
        let wrong = |is_fine: bool| match is_fine {
            true => vec![],
            false => vec![format!("{at}: {keyword} {expected} but {value}")],
        };
        let fitting = |schemas: &Value| {
            let schemas = schemas.as_array().unwrap().iter();
            schemas.filter(|schema| problems(document, schema, value, at).is_empty()).count()
        };
        match keyword.as_str() {
            "description" | "example" | "examples" | "default" | "format" => vec![],
            // It says which of `oneOf` fits, and those are checked.
            "discriminator" => vec![],
            "$ref" => {
                let pointer = expected.as_str().unwrap().trim_start_matches('#');
                let target = document.pointer(pointer).unwrap();
                problems(document, target, value, at)
            }
            "type" => wrong(match expected {
                Value::Array(types) => types.iter().any(|name| is_type(value, name)),
                name => is_type(value, name),
            }),
            "enum" => wrong(expected.as_array().unwrap().contains(value)),
            "const" => wrong(expected == value),
            "pattern" => wrong(value.as_str().is_some_and(|text| matches(text, expected))),
            "minimum" => wrong(value.is_null() || expected.as_f64() <= value.as_f64()),
            "maximum" => wrong(value.as_f64() <= expected.as_f64()),
            "minLength" => wrong(value.as_str().is_none_or(|text| expected.as_u64() <= len(text))),
            "maxLength" => wrong(value.as_str().is_none_or(|text| len(text) <= expected.as_u64())),
            "maxItems" => wrong(n_items(value) <= expected.as_u64().unwrap()),
            "minItems" => wrong(expected.as_u64().unwrap() <= n_items(value)),
            "uniqueItems" => wrong(!expected.as_bool().unwrap() || is_distinct(value)),
            "maxProperties" => {
                let n_members = value.as_object().map_or(0, |members| members.len() as u64);
                wrong(n_members <= expected.as_u64().unwrap())
            }
            "propertyNames" => {
                let names = value.as_object().into_iter().flatten().map(|(name, _)| json!(name));
                names.flat_map(|name| problems(document, expected, &name, at)).collect()
            }
            "allOf" => wrong(fitting(expected) == expected.as_array().unwrap().len()),
            "anyOf" => wrong(0 < fitting(expected)),
            "oneOf" => wrong(fitting(expected) == 1),
            "required" => {
                let names = expected.as_array().unwrap().iter();
                wrong(names.into_iter().all(|name| value.get(name.as_str().unwrap()).is_some()))
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items
                    .flat_map(|(n, item)| problems(document, expected, item, &format!("{at}/{n}")))
                    .collect()
            }
            "properties" => {
                let properties = expected.as_object().unwrap().iter();
                let there =
                    properties.filter_map(|(name, schema)| Some((name, schema, value.get(name)?)));
                there
                    .flat_map(|(name, schema, value)| {
                        problems(document, schema, value, &format!("{at}/{name}"))
                    })
                    .collect()
            }
            "additionalProperties" => {
                let named = |name: &str| schema["properties"].get(name).is_some();
                let others =
                    value.as_object().into_iter().flatten().filter(|(name, _)| !named(name));
                others
                    .flat_map(|(name, value)| {
                        problems(document, expected, value, &format!("{at}/{name}"))
                    })
                    .collect()
            }
            other => vec![format!("{at}: nobody checks {other}")],
        }
    };
    keywords.iter().flat_map(check).collect()
}

fn is_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        other => panic!("{other} is no type of ours"),
    }
}

/// The two patterns that there are: of a digest, and of text without control characters.
fn matches(text: &str, pattern: &Value) -> bool {
    match pattern.as_str().unwrap() {
        "^[0-9a-f]{32}$" => {
            text.len() == 32 && text.chars().all(|c| "0123456789abcdef".contains(c))
        }
        r"^[^\u0000-\u001f\u007f-\u009f]+$" => !text.chars().any(char::is_control),
        other => panic!("{other} is no pattern of ours"),
    }
}

fn len(text: &str) -> Option<u64> {
    Some(text.chars().count() as u64)
}

fn is_distinct(value: &Value) -> bool {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    (1..items.len()).all(|at| !items[..at].contains(&items[at]))
}

fn n_items(value: &Value) -> u64 {
    value.as_array().map_or(0, |items| items.len() as u64)
}
