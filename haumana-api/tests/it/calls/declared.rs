//! What is told about the records of a schema: the OpenAPI document and `GET /limits`, for the
//! repertoire with one field more, and for a schema that has every type.

use super::document::{content, fits, operations};
use super::schema::problems;
use crate::world::{World, ask, tell};
use haumana_api::{Call, Host, Served};
use haumana_sync::repertoire;
use haumana_sync::schema::{
    Deletes, Element, Field, FieldType, Group, Kind, Merge, Schema, UnknownKeys,
};
use serde_json::{Value, json};

const ID: &str = "5EED0000-0000-4000-8000-00000000000C";
const AT: &str = "2025-06-15T12:00:00.000Z";

fn document(schema: &Schema) -> Value {
    haumana_api::openapi(schema, &Served::all(), &Host::with_id_tokens())
}

fn component<'d>(document: &'d Value, name: &str) -> &'d Value {
    let found = document["components"]["schemas"].get(name);
    found.unwrap_or_else(|| panic!("there must be a component {name}"))
}

/// The repertoire, with one text more on its pieces.
fn with_a_dance_master() -> Schema {
    let added = Field::new(99, "danceMaster", FieldType::text(77));
    let kinds = repertoire::schema().kinds().iter().map(|kind| (**kind).clone()).collect();
    let kinds: Vec<Kind> = kinds;
    Schema::new(kinds.into_iter().map(|kind| match kind.name() {
        "piece" => kind.field(added.clone()),
        _ => kind,
    }))
    .unwrap()
}

/// The recipes of the examples.
fn recipes() -> Schema {
    let file = include_str!("../../../../examples/recipes/recipes.toml");
    Schema::from_file("recipes.toml", file).unwrap()
}

/// Every type and every policy, in kinds whose names are easy to mix up.
fn of_every_type() -> Schema {
    let open = FieldType::Enum { words: vec!["low".into(), "high".into()], open: true };
    let every = Kind::new(3, "Push")
        .field(Field::new(1, "text", FieldType::text(5)).required("a").trimmed())
        .field(Field::new(2, "lines", FieldType::lines(40)))
        .field(Field::new(3, "flag", FieldType::Flag).merge(Merge::First))
        .field(Field::new(4, "integer", FieldType::Integer).merge(Merge::Least))
        .field(Field::new(5, "number", FieldType::Number).merge(Merge::Greatest))
        .field(Field::new(6, "time", FieldType::Time).merge(Merge::Fixed).required_edit_time())
        .field(Field::new(7, "link", FieldType::Id).mandatory())
        .field(Field::new(8, "word", FieldType::one_of(["easy", "hard"])))
        .field(Field::new(9, "open", open))
        .field(Field::new(10, "json", FieldType::Json))
        .field(Field::new(11, "list", FieldType::list_of_texts(3)))
        .field(Field::new(12, "ids", FieldType::list_of_ids(4)))
        .field(Field::new(13, "set", FieldType::set_of_texts(6)))
        .field(Field::new(14, "idSet", FieldType::set_of_ids(7)))
        .field(Field::new(15, "counter", FieldType::Counter))
        .field(Field::new(16, "begun", FieldType::Time))
        .field(Field::new(17, "ended", FieldType::Time))
        .field(Field::new(18, "other", FieldType::text(5)).required_as("text"))
        .group(Group::new("ended", ["begun", "ended"]).merge(Merge::Greatest));
    let bare = Kind::new(80, "push").deletes(Deletes::Stick).unknown_keys(UnknownKeys::Smallest);
    let all = Kind::new(4, "Push_Set").field(Field::new(1, "json", FieldType::Json).mandatory());
    Schema::new([every, bare, all]).unwrap()
}

/// A value for every field.
fn everything() -> Value {
    json!({
        "text": "Aloha", "lines": "a\nb", "flag": true, "integer": -7, "number": 1.5, "time": AT,
        "link": ID, "word": "hard", "open": "middle", "json": { "a": [1] }, "list": ["b", "a", "b"],
        "ids": [ID], "set": ["a", "b"], "idSet": [ID], "counter": { "phone": [3, 1] },
        "begun": AT, "ended": AT, "other": "b",
    })
}

fn pushed(kind: &str, set: &Value) -> Value {
    let push = json!({ "kind": kind, "id": ID, "base": null, "editedAt": AT, "set": set });
    json!({ "deviceId": "phone", "cursor": null, "push": [push] })
}

/// Whether the server takes a push, by what becomes of it.
async fn is_taken(schema: &Schema, kind: &str, set: &Value) -> bool {
    let reply = World::of(schema.clone()).post("/sync", &pushed(kind, set)).await;
    reply["results"][0]["outcome"] == "applied"
}

#[tokio::test]
async fn a_text_field_that_a_schema_adds_is_in_the_document_and_the_limits() {
    let world = World::of(with_a_dance_master());

    let (document, limits) = (world.get("/openapi.json").await, world.get("/limits").await);

    let record = &component(&document, "Record_piece")["properties"]["danceMaster"];
    let set = &component(&document, "Set_piece")["properties"]["danceMaster"];
    assert_eq!((&json!("string"), &json!(77)), (&record["type"], &record["maxLength"]));
    assert_eq!((&json!(["string", "null"]), &json!(77)), (&set["type"], &set["maxLength"]));
    assert!(set["description"].as_str().unwrap().contains("the later one wins"), "{set}");
    let unit = component(&document, "Unit_piece")["examples"].as_array().unwrap();
    assert!(unit.contains(&json!("danceMaster")), "histories and conflicts may name it");
    assert_eq!(json!({ "chars": 77 }), limits["kinds"]["piece"]["danceMaster"]);
    assert_eq!(json!({ "chars": 4096 }), limits["kinds"]["piece"]["title"]);
}

#[test]
fn what_the_phones_calls_say_is_the_same_whatever_the_schema_adds() {
    let (before, after) = (document(&repertoire::schema()), document(&with_a_dance_master()));

    for name in ["Piece", "PieceValue", "PushedPiece", "PiecesReply", "Session", "SessionValue"] {
        assert_eq!(component(&before, name), component(&after, name), "{name}");
    }
    for path in ["/pieces", "/sessions"] {
        assert_eq!(before["paths"][path], after["paths"][path], "{path}");
    }
}

#[tokio::test]
async fn a_record_of_every_type_is_what_the_document_says() {
    let schema = of_every_type();
    let (world, document) = (World::of(schema.clone()), document(&schema));
    let body = pushed("Push", &everything());

    let reply = world.post("/sync", &body).await;
    let history = world.get(&format!("/records/Push/{ID}/history")).await;
    let limits = world.get("/limits").await;

    assert_eq!("applied", reply["results"][0]["outcome"], "{reply}");
    fits(&document, component(&document, "SyncRequest"), &body, "the request");
    fits(&document, component(&document, "SyncReply"), &reply, "the reply");
    let pulled = world.post("/sync", &json!({ "deviceId": "laptop", "cursor": null })).await;
    let value = &pulled["changes"][0]["value"];
    fits(&document, component(&document, "Record_Push"), value, "the record");
    assert_eq!(&everything(), value, "every field is there");
    fits(&document, component(&document, "RecordHistoryReply"), &history, "the history");
    fits(&document, component(&document, "Limits"), &limits, "the limits");
    let text = json!({ "elements": 3, "elementChars": Element::TEXT_CHARS });
    let expected = json!({
        "text": { "chars": 5 }, "lines": { "bytes": 40 }, "open": { "chars": 64 },
        "json": { "bytes": 300_000 }, "list": text, "ids": { "elements": 4 },
        "set": { "elements": 6, "elementChars": 1024 }, "idSet": { "elements": 7 },
        "counter": { "devices": 1000, "deviceChars": 64 }, "other": { "chars": 5 },
    });
    assert_eq!(expected, limits["kinds"]["Push"]);
    assert_eq!(json!({}), limits["kinds"]["push"]);
}

#[tokio::test]
async fn a_push_fits_the_document_exactly_where_the_server_takes_it() {
    let schema = of_every_type();
    let document = document(&schema);
    let set = component(&document, "Set_Push");
    let good = [
        json!({ "text": "ʻōʻō!" }),
        json!({ "lines": null, "flag": null, "word": null, "json": null, "counter": null }),
        json!({ "integer": i64::MIN, "number": -1e3, "open": "any", "json": 7 }),
        json!({ "list": [], "set": ["a", "a"], "counter": {} }),
        json!({ "nobody": { "knows": [1.0] } }),
    ];
    let bad = [
        json!({ "text": "too long" }),
        json!({ "text": null }),
        json!({ "lines": "a".repeat(41) }),
        json!({ "flag": "true" }),
        json!({ "integer": "7" }),
        json!({ "number": "7" }),
        json!({ "time": null }),
        json!({ "link": null }),
        json!({ "word": "middle" }),
        json!({ "open": "a".repeat(65) }),
        json!({ "list": ["1", "2", "3", "4"] }),
        json!({ "list": ["a".repeat(1025)] }),
        json!({ "ids": [7] }),
        json!({ "set": {} }),
        json!({ "counter": { "phone": [1] } }),
        json!({ "counter": { "phone": [1, 2, 3] } }),
        json!({ "counter": { "phone": [-1, 0] } }),
        json!({ "counter": { "a".repeat(65): [1, 0] } }),
    ];

    for (sets, expected) in [(&good[..], true), (&bad[..], false)] {
        for one in sets {
            let mut whole = json!({ "link": ID });
            whole.as_object_mut().unwrap().extend(one.as_object().unwrap().clone());

            let problems = problems(&document, set, &whole, "");

            assert_eq!(expected, problems.is_empty(), "the document: {one}: {problems:?}");
            assert_eq!(expected, is_taken(&schema, "Push", &whole).await, "the server: {one}");
        }
    }
    let of_any = component(&document, "Set_Push_Set");
    for (value, expected) in [(json!([]), true), (json!("a"), true), (Value::Null, false)] {
        let set = json!({ "json": value });
        assert_eq!(expected, problems(&document, of_any, &set, "").is_empty(), "{set}");
        assert_eq!(expected, is_taken(&schema, "Push_Set", &set).await, "{set}");
    }
}

#[tokio::test]
async fn conflicts_and_histories_of_any_kind_are_what_the_document_says() {
    let schema = of_every_type();
    let (world, document) = (World::of(schema.clone()), document(&schema));
    world.post("/sync", &pushed("Push", &everything())).await;
    for (device, second) in [("a", "1"), ("b", "2")] {
        let at = format!("2025-06-15T12:00:0{second}Z");
        let set = json!({ "text": device, "ended": at, "integer": second.parse::<u8>().unwrap(),
            "json": [device] });
        let push = json!({ "kind": "Push", "id": ID, "base": 1, "editedAt": at, "set": set });
        let body = json!({ "deviceId": device, "cursor": null, "push": [push] });

        let reply = world.post("/sync", &body).await;

        fits(&document, component(&document, "SyncReply"), &reply, device);
    }
    let conflicts = world.get("/conflicts").await;
    let history = world.get(&format!("/records/Push/{ID}/history")).await;
    let export = world.get("/users/me/export").await;

    assert!(!conflicts["conflicts"].as_array().unwrap().is_empty(), "{conflicts}");
    assert!(history.to_string().contains("\"field\":\"ended\""), "a group is named: {history}");
    fits(&document, component(&document, "ConflictsReply"), &conflicts, "the inbox");
    fits(&document, component(&document, "RecordHistoryReply"), &history, "the history");
    fits(&document, component(&document, "Export"), &export, "the export");
}

#[tokio::test]
async fn the_examples_are_of_the_kinds_that_the_server_has_and_it_takes_them() {
    for schema in [with_a_dance_master(), recipes(), of_every_type()] {
        let (world, document) = (World::of(schema.clone()), document(&schema));
        for (path, method, doc) in operations(&document) {
            let what = format!("{method} {path}");
            let examples = content(&doc["requestBody"]).map(|body| {
                let examples = body["examples"].as_object().unwrap().values();
                examples.for_each(|one| fits(&document, &body["schema"], &one["value"], &what));
            });
            let reply = content(&doc["responses"]["200"]);
            if let Some(body) = reply {
                fits(&document, &body["schema"], &body["example"], &what);
            }
            assert_eq!(method == "POST", examples.is_some(), "{what}");
        }
        let examples = &document["paths"]["/sync"]["post"]["requestBody"]["content"];
        let examples = examples["application/json"]["examples"].as_object().unwrap();
        for (name, example) in examples {
            let answer = world.send(tell("/sync", &example["value"])).await.json();
            for result in answer["results"].as_array().unwrap() {
                assert_ne!("rejected", result["outcome"], "{name}: {answer}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let served = [Served::all(), Served::only([Call::Conflicts]), Served::only([Call::Limits])];
    for schema in [repertoire::schema(), recipes(), of_every_type()] {
        for served in &served {
            let document = haumana_api::openapi(&schema, served, &Host::with_id_tokens());

            let text = document.to_string();

            for (name, _) in document["components"]["schemas"].as_object().into_iter().flatten() {
                let pointer = format!("\"#/components/schemas/{name}\"");
                assert!(text.contains(&pointer), "{name} must be used");
            }
            for target in text.split("\"$ref\":\"#").skip(1) {
                let pointer = target.split('"').next().unwrap();
                assert!(document.pointer(pointer).is_some(), "{pointer} must be there");
            }
        }
    }
}

#[tokio::test]
async fn a_record_from_before_its_fields_were_declared_fits_the_replies() {
    let schema = of_every_type();
    let document = document(&schema);
    let change = json!({
        "kind": "Push", "id": ID, "version": 1, "modifiedAt": AT,
        "value": { "text": 7, "word": "once allowed", "list": ["1", "2", "3", "4"] },
    });

    fits(&document, component(&document, "Change"), &change, "a change");

    let mut other = change;
    other["kind"] = json!("nothing");
    let problems = problems(&document, component(&document, "Change"), &other, "");
    assert!(!problems.is_empty(), "a kind that the server does not have");
    let answer =
        World::of(schema).send(ask("GET", &format!("/records/nothing/{ID}/history"))).await;
    answer.failed(404, "not_found");
}
