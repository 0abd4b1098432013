//! The service as its members see it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod replica;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use embedding::{KEY_HEADER, Member, Members, service};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";

fn open(folder: &Path) -> Router {
    let options = SqliteOptions {
        path: folder.join("embedding.db"),
        readers: 1,
        busy_timeout: Duration::from_secs(5),
        max_bytes: None,
    };
    let mut members = Members::default();
    members.add("key-of-kai", Member { number: 1, name: "Kai".into() });
    members.add("key-of-uka", Member { number: 2, name: "Uka".into() });
    let store = SqliteStore::open(&options).unwrap();
    let generation = store.life().generation;
    service(members, Arc::new(store), generation)
}

async fn send(service: &Router, request: Request<Body>) -> (u16, String) {
    let response = service.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (head.status.as_u16(), String::from_utf8(body.into()).unwrap())
}

async fn me(service: &Router, key: &str) -> (u16, String) {
    let request = Request::get("/me").header(KEY_HEADER, key).body(Body::empty()).unwrap();
    send(service, request).await
}

async fn sync(service: &Router, key: &str, body: &Value) -> (u16, Value) {
    let request = Request::post("/sync-api/pieces").header(KEY_HEADER, key);
    let request = request.header("content-type", "application/json");
    let (status, text) = send(service, request.body(body.to_string().into()).unwrap()).await;
    (status, serde_json::from_str(&text).unwrap())
}

fn one_piece() -> Value {
    json!({ "pieces": [{
        "pieceId": ID, "title": "Aloha ʻOe", "lyrics": "", "category": "mele", "version": 1,
        "includeInPractice": true, "isFavorite": false, "locallyModified": true,
        "createdAt": "2025-06-18T12:00:00Z", "modifiedAt": "2025-06-18T12:00:00Z",
    }] })
}

#[tokio::test]
async fn members_are_the_same_people_in_the_service_and_in_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(folder.path());

    let (status, pushed) = sync(&service, "key-of-kai", &one_piece()).await;

    assert_eq!((200, "member-1"), (status, pushed["updatedPieces"][0]["userId"].as_str().unwrap()));
    assert_eq!((200, "Aloha Kai!\n".to_owned()), me(&service, "key-of-kai").await);
}

#[tokio::test]
async fn members_see_their_own_pieces_only() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(folder.path());
    sync(&service, "key-of-kai", &one_piece()).await;

    let (_, own) = sync(&service, "key-of-kai", &json!({})).await;
    let (_, others) = sync(&service, "key-of-uka", &json!({})).await;

    assert_eq!("Aloha ʻOe", own["serverPieces"][0]["title"]);
    assert_eq!(json!([]), others["serverPieces"]);
}

#[tokio::test]
async fn whoever_is_no_member_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(folder.path());

    let (status, answer) = sync(&service, "guessed", &one_piece()).await;

    assert_eq!((401, &json!("unauthorized")), (status, &answer["code"]));
    assert_eq!(401, me(&service, "guessed").await.0);
    let (_, own) = sync(&service, "key-of-kai", &json!({})).await;
    assert_eq!(json!([]), own["serverPieces"]);
}

#[tokio::test]
async fn each_side_answers_for_its_own_paths() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(folder.path());
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();

    let (status, body) = send(&service, get("/sync-api/nowhere")).await;
    assert_eq!(404, status);
    assert_eq!("not_found", serde_json::from_str::<Value>(&body).unwrap()["code"]);
    assert_eq!((404, String::new()), send(&service, get("/nowhere")).await);
    assert_eq!(200, send(&service, get("/sync-api/health")).await.0);
}

#[tokio::test]
async fn what_was_synced_outlives_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(folder.path());
    sync(&service, "key-of-kai", &one_piece()).await;
    drop(service);

    let service = open(folder.path());

    let (_, own) = sync(&service, "key-of-kai", &json!({})).await;
    assert_eq!(1, own["serverPieces"].as_array().unwrap().len());
}

#[tokio::test]
async fn calls_that_the_service_leaves_out_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(folder.path());
    sync(&service, "key-of-kai", &one_piece()).await;
    let as_kai = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header(KEY_HEADER, "key-of-kai");
        request.header("content-type", "application/json").body(Body::from("{}")).unwrap()
    };

    let erased = send(&service, as_kai("DELETE", "/sync-api/users/me")).await.0;
    let imported = send(&service, as_kai("POST", "/sync-api/users/me/import")).await.0;
    let exported = send(&service, as_kai("GET", "/sync-api/users/me/export")).await.0;

    assert_eq!((404, 404, 200), (erased, imported, exported));
    let (_, own) = sync(&service, "key-of-kai", &json!({})).await;
    assert_eq!(1, own["serverPieces"].as_array().unwrap().len(), "nothing was erased");
}

#[tokio::test]
async fn the_document_says_what_this_service_serves_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let service = open(folder.path());

    let asked = Request::get("/sync-api/openapi.json").body(Body::empty()).unwrap();
    let (status, document) = send(&service, asked).await;

    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((200, json!([{ "url": "/sync-api" }])), (status, document["servers"].clone()));
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(
        &json!({ "apiKey": { "type": "apiKey", "in": "header", "name": KEY_HEADER } }),
        schemes
    );
    assert_eq!(json!([{ "apiKey": [] }]), document["paths"]["/sync"]["post"]["security"]);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/users/{me}/export"));
    for left_out in ["/users/{me}", "/users/{me}/import", "/auth/sync"] {
        assert!(!paths.contains_key(left_out), "{left_out}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(!schemas.contains_key("ImportRequest"), "only what is referred to");
}

/// What this crate is compiled with, besides what its tests need.
#[test]
fn a_service_with_a_sign_in_of_its_own_compiles_no_crypto_library() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let arguments = ["tree", "--offline", "--locked", "-e", "normal", "--prefix", "none"];
    let cargo = std::process::Command::new(env!("CARGO"));

    let tree = { cargo }.args(arguments).args(["--manifest-path", manifest]).output().unwrap();

    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("haumana-api"), "cargo has answered: {tree}");
    for unwanted in ["aws-lc", "jsonwebtoken", "rustls", "reqwest"] {
        assert!(!tree.contains(unwanted), "{unwanted} is compiled: {tree}");
    }
}
