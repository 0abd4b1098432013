//! The OpenAPI document, `GET /limits` and the router of schemas that are made at random.

use super::document::{content, fits, operations};
use crate::world::World;
use haumana_api::{Host, Served};
use haumana_sim::dice::Dice;
use haumana_sim::schemas::{random_schema, values};
use haumana_sync::schema::{FieldType, Kind, Schema};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How many schemas are made; `HAUMANA_SCHEMAS` sets another number.
const SCHEMAS: u64 = 200;
const AT: &str = "2025-06-15T12:00:00.000Z";

fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("HAUMANA_SCHEMAS").ok().and_then(|text| text.parse().ok());
    0..asked.unwrap_or(SCHEMAS)
}

fn document(schema: &Schema) -> Value {
    haumana_api::openapi(schema, &Served::all(), &Host::with_id_tokens())
}

/// Whether values of the type have no limit in numbers.
fn is_unlimited(field_type: &FieldType) -> bool {
    use FieldType::{Enum, Flag, Id, Integer, Number, Time};
    matches!(field_type, Flag | Integer | Number | Time | Id | Enum { open: false, .. })
}

/// Every `$ref` below a value.
fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| references(element, found));
        }
        _ => {}
    }
}

/// A value for each field, but for some that a new record need not have.
fn record(dice: &mut Dice, kind: &Kind) -> Map<String, Value> {
    let mut record = Map::new();
    for field in kind.fields() {
        if !field.is_mandatory() && dice.chance(20) {
            continue;
        }
        let value = match field.field_type() {
            FieldType::Counter => json!({ "phone": [dice.below(5), dice.below(5)] }),
            field_type => {
                let one = values::next(dice, field_type, &Value::Null);
                values::next(dice, field_type, &one)
            }
        };
        record.insert(field.name().to_owned(), value);
    }
    record
}

fn id(n: usize) -> String {
    format!("5EED0000-0000-4000-8000-{n:012X}")
}

/// What the document says of the request and of the reply of a call.
fn bodies<'d>(document: &'d Value, method: &str, path: &str) -> [Option<&'d Value>; 2] {
    let call = &document["paths"][path][method];
    let reply = content(&call["responses"]["200"]).map(|body| &body["schema"]);
    [content(&call["requestBody"]).map(|body| &body["schema"]), reply]
}

#[test]
fn the_document_of_any_schema_keeps_the_rules_of_openapi() {
    for seed in seeds() {
        let schema = random_schema(&mut Dice::new(seed));
        let document = document(&schema);

        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in found {
            let target = reference.strip_prefix('#').and_then(|at| document.pointer(at));
            assert!(target.is_some(), "seed {seed}: {reference} must be in the document");
        }
        let operations = operations(&document);
        let ids: BTreeSet<&str> =
            operations.iter().filter_map(|(_, _, doc)| doc["operationId"].as_str()).collect();
        assert_eq!(operations.len(), ids.len(), "seed {seed}: each operation has an id of its own");
        for (path, method, doc) in &operations {
            let declared: BTreeSet<&str> = doc["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            let named: BTreeSet<&str> =
                path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            assert_eq!(named, declared, "seed {seed}: {method} {path}");
        }
    }
}

#[test]
fn every_example_in_the_document_of_any_schema_is_what_its_schema_says() {
    for seed in seeds() {
        let document = document(&random_schema(&mut Dice::new(seed)));

        for (path, method, doc) in operations(&document) {
            let what = format!("seed {seed}: {method} {path}");
            if let Some(body) = content(&doc["requestBody"]) {
                for example in body["examples"].as_object().into_iter().flatten() {
                    fits(&document, &body["schema"], &example.1["value"], &what);
                }
            }
            for (status, reply) in doc["responses"].as_object().unwrap() {
                let pointer = reply["$ref"].as_str().map(|name| name.trim_start_matches('#'));
                let reply = pointer.map_or(reply, |name| document.pointer(name).unwrap());
                if let Some(body) = content(reply) {
                    let what = format!("{what} {status}");
                    fits(&document, &body["schema"], &body["example"], &what);
                }
            }
        }
    }
}

#[tokio::test]
async fn every_kind_and_field_of_any_schema_is_in_the_document_and_the_limits() {
    for seed in seeds() {
        let schema = random_schema(&mut Dice::new(seed));
        let (document, world) = (document(&schema), World::of(schema.clone()));

        let limits = world.get("/limits").await;

        let components = &document["components"]["schemas"];
        fits(&document, &components["Limits"], &limits, &format!("seed {seed}: the limits"));
        for kind in schema.kinds() {
            let what = format!("seed {seed}: {}", kind.name());
            let names = components["Kind"]["enum"].as_array().unwrap();
            assert!(names.contains(&json!(kind.name())), "{what}");
            for field in kind.fields() {
                let what = format!("{what}.{}", field.name());
                for component in ["Record", "Set"] {
                    let name = format!("{component}_{}", kind.name());
                    let found = components[&name]["properties"].get(field.name());
                    assert!(found.is_some(), "{what} must be in {name}");
                }
                let limit = limits["kinds"][kind.name()].get(field.name());
                assert!(is_unlimited(field.field_type()) || limit.is_some(), "{what}: {limits}");
            }
        }
    }
}

#[tokio::test]
async fn records_of_any_schema_are_answered_as_the_document_says() {
    for seed in seeds() {
        let mut dice = Dice::new(seed);
        let schema = random_schema(&mut dice);
        let (document, world) = (document(&schema), World::of(schema.clone()));
        let kinds = schema.kinds().iter().enumerate();
        let pushes: Vec<Value> = kinds
            .map(|(n, kind)| {
                let set = record(&mut dice, kind);
                json!({ "kind": kind.name(), "id": id(n), "base": null, "editedAt": AT, "set": set })
            })
            .collect();
        let sync = json!({ "deviceId": "phone", "cursor": null, "push": pushes });

        let reply = world.post("/sync", &sync).await;

        let fit = |method: &str, path: &str, sent: Option<&Value>, reply: &Value| {
            let what = format!("seed {seed}: {method} {path}");
            let [request, answer] = bodies(&document, method, path);
            if let (Some(schema), Some(sent)) = (request, sent) {
                fits(&document, schema, sent, &format!("{what}, the request"));
            }
            let schema = answer.unwrap_or_else(|| panic!("{what} has a documented reply"));
            fits(&document, schema, reply, &what);
        };
        fit("post", "/sync", Some(&sync), &reply);
        for result in reply["results"].as_array().unwrap() {
            assert_eq!("applied", result["outcome"], "seed {seed}: {result}");
        }
        let pull = json!({ "deviceId": "laptop", "cursor": null });
        let pulled = world.post("/sync", &pull).await;
        fit("post", "/sync", Some(&pull), &pulled);
        assert_eq!(schema.kinds().len(), pulled["changes"].as_array().unwrap().len());
        for (n, kind) in schema.kinds().iter().enumerate() {
            let history = world.get(&format!("/records/{}/{}/history", kind.name(), id(n))).await;
            fit("get", "/records/{kind}/{id}/history", None, &history);
        }
        for path in ["/conflicts", "/schema"] {
            fit("get", path, None, &world.get(path).await);
        }
        fit("get", "/users/{me}/export", None, &world.get("/users/me/export").await);
    }
}
