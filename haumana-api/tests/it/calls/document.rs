//! The OpenAPI document against the router.

use super::schema::problems;
use crate::world::{PIECE, World, ask, good_token, push, tell};
use axum::body::Body;
use axum::http::Request;
use haumana_api::{Host, Served};
use serde_json::{Value, json};

/// The document of a host that serves every call.
fn document() -> Value {
    let schema = haumana_sync::repertoire::schema();
    haumana_api::openapi(&schema, &Served::all(), &Host::with_id_tokens())
}

/// Every operation: path, method, and what is documented.
pub(super) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(|(method, doc)| (path.clone(), method.to_uppercase(), doc.clone()))
    });
    methods.collect()
}

/// The schema of a body, if there is one.
pub(super) fn content(body: &Value) -> Option<&Value> {
    body.pointer("/content/application~1json")
}

#[track_caller]
pub(super) fn fits(document: &Value, schema: &Value, value: &Value, what: &str) {
    let problems = problems(document, schema, value, "");
    assert!(problems.is_empty(), "{what}: {problems:#?}");
}

/// A world with a piece that has a history, and a conflict; returns the conflict's id.
async fn furnished() -> (World, String) {
    let world = World::new();
    world.post("/sync", &push("a", None, json!({ "set": { "title": "0" } }))).await;
    for (device, second) in [("a", 1), ("b", 2)] {
        let at = format!("2025-06-15T12:00:0{second}Z");
        let set = json!({ "editedAt": at, "set": { "title": device } });
        world.post("/sync", &push(device, Some(1), set)).await;
    }
    let open = world.get("/conflicts").await;
    let id = open["conflicts"][0]["conflictId"].as_str().unwrap().to_owned();
    (world, id)
}

fn filled(path: &str, conflict: &str) -> String {
    let id = if path.starts_with("/conflicts") { conflict } else { PIECE };
    path.replace("{id}", id).replace("{me}", "me").replace("{kind}", "piece")
}

/// An example with a token that is good today, where it has one.
fn signed(example: &Value) -> Value {
    let mut signed = example.clone();
    if let Some(token) = signed.get_mut("googleIdToken") {
        *token = good_token().into();
    }
    signed
}

#[test]
fn the_copy_that_is_checked_in_is_the_documents() {
    let copy = include_str!("../../../../openapi.json");

    let copy: Value = serde_json::from_str(copy).unwrap();

    let how = "cargo run -p haumana-api --example openapi > openapi.json";
    assert!(copy == document(), "write it again: {how}");
}

#[tokio::test]
async fn the_document_is_served() {
    let answer =
        World::new().send(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;

    answer.succeeded();
    assert!(answer.json() == document());
    assert_eq!("3.1.0", answer.json()["openapi"]);
}

#[tokio::test]
async fn every_documented_call_is_routed_and_answers_as_documented() {
    let document = document();
    let operations = operations(&document);
    assert!(12 <= operations.len());

    for (path, method, doc) in operations {
        let what = format!("{method} {path}");
        let (world, conflict) = furnished().await;
        let filled = filled(&path, &conflict);
        let examples = content(&doc["requestBody"]).map(|body| body["examples"].clone());
        let requests = match &examples {
            None => vec![ask(&method, &filled)],
            Some(examples) => {
                let examples = examples.as_object().unwrap().values();
                examples.map(|example| tell(&filled, &signed(&example["value"]))).collect()
            }
        };
        for request in requests {
            // The ways to close a conflict exclude one another; its id is the same in each world.
            let fresh = furnished().await.0;
            let world = if path.starts_with("/conflicts/") { &fresh } else { &world };
            let answer = world.send(request).await;
            let status = answer.status.as_u16().to_string();
            assert!(answer.status.is_success(), "{what}: {answer:?}");
            let reply = doc["responses"].get(&status).unwrap_or_else(|| panic!("{what} {status}"));
            match content(reply) {
                Some(body) => fits(&document, &body["schema"], &answer.json(), &what),
                None => assert!(answer.body.is_empty(), "{what}"),
            }
        }
        let without = Request::builder().method(&*method).uri(&filled).body(Body::empty()).unwrap();
        let is_public = doc["security"] == json!([]);
        let refused = world.send(without).await.status.as_u16() == 401;
        assert_eq!(!is_public, refused, "{what}: as its security says");
        // Who signs in brings the token in the body.
        let takes_token = !is_public || path == "/auth/sync";
        assert_eq!(takes_token, doc["responses"].get("401").is_some(), "{what}");
    }
}

#[test]
fn every_example_is_what_its_schema_says() {
    let document = document();
    for (path, method, doc) in operations(&document) {
        let what = format!("{method} {path}");
        if let Some(body) = content(&doc["requestBody"]) {
            for example in body["examples"].as_object().unwrap().values() {
                fits(&document, &body["schema"], &example["value"], &what);
            }
        }
        for (status, reply) in doc["responses"].as_object().unwrap() {
            let pointer = reply["$ref"].as_str().map(|name| name.trim_start_matches('#'));
            let reply = pointer.map_or(reply, |name| document.pointer(name).unwrap());
            if let Some(body) = content(reply) {
                fits(&document, &body["schema"], &body["example"], &format!("{what} {status}"));
            }
        }
    }
}

#[tokio::test]
async fn errors_have_the_documented_form() {
    let document = document();
    let (world, _) = furnished().await;
    let error = &document["components"]["schemas"]["Error"];

    for request in [
        ask("GET", "/nowhere"),
        ask("GET", "/pieces"),
        ask("GET", "/users/x/export"),
        ask("GET", "/conflicts?limit=x"),
        tell("/sync", &json!([])),
    ] {
        fits(&document, error, &world.send(request).await.json(), "an error");
    }
}

#[test]
fn what_the_local_server_alone_has_is_not_documented() {
    let document = document();

    assert!(document["paths"].as_object().unwrap().keys().all(|path| !path.starts_with("/dev")));
}
