//! `GET /users/{me}/export` in pages and compressed, and `POST /users/{me}/import`.

use crate::tokens::SUBJECT;
use crate::world::{
    Sky, World, anonymous, ask, bare, call, config_with, one_piece, one_session, other_token, push,
    tell,
};
use axum::body::Body;
use axum::http::Request;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use haumana_api::Exports;
use haumana_sync::limits::VERSION;
use haumana_sync::store::{ErrorKind, Fault};
use serde_json::{Value, json};
use std::io::{Read, Write};

const LISTS: [&str; 5] = ["pieces", "practiceSessions", "history", "conflicts", "tombstones"];

fn id(n: usize) -> String {
    format!("5EED0000-0000-4000-8000-{n:012}")
}

/// A world with 30 pieces of 5 kB, history, conflicts, a session and a tombstone.
async fn full(world: &World) {
    world.post("/pieces", &serde_json::from_str(&one_piece()).unwrap()).await;
    world.post("/sessions", &serde_json::from_str(&one_session()).unwrap()).await;
    for (device, second) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        let at = format!("2025-06-15T12:00:0{second}Z");
        let set = json!({ "editedAt": at, "set": { "author": device, "mood": 1.0 } });
        world.post("/sync", &push(device, Some(1), set)).await;
    }
    for n in 0..30 {
        let mut body = push("a", None, json!({ "set": { "lyrics": "e hula ".repeat(700) } }));
        body["push"][0]["id"] = id(n).into();
        world.post("/sync", &body).await;
    }
    let mut body = push("a", Some(1), json!({ "delete": true }));
    body["push"][0]["id"] = id(7).into();
    world.post("/sync", &body).await;
}

fn bounded(reply_limit_bytes: usize) -> World {
    World::with_config(config_with(|config| {
        config.reply_limit_bytes = reply_limit_bytes;
        config.exports = Exports::Bounded;
    }))
}

/// Every page, as it came.
async fn pages(world: &World) -> Vec<String> {
    let (mut pages, mut page) = (Vec::new(), "first".to_owned());
    loop {
        let answer = world.send(ask("GET", &format!("/users/me/export?page={page}"))).await;
        answer.succeeded();
        assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
        pages.push(String::from_utf8(answer.body.to_vec()).unwrap());
        match answer.json()["next"].as_str() {
            Some(next) => page = next.to_owned(),
            None => return pages,
        }
    }
}

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    call(path).body(body.into()).unwrap()
}

/// What an export says, apart from when and in which order.
fn said(mut export: Value) -> Value {
    export["exportDate"].take();
    for list in LISTS {
        export[list].as_array_mut().unwrap().sort_by_cached_key(Value::to_string);
    }
    export
}

#[tokio::test]
async fn the_pages_of_an_export_together_are_the_export() {
    for limit in [1, 8000, 20_000, 1_000_000] {
        let world = bounded(limit);
        full(&world).await;
        let streamed = World::new();
        full(&streamed).await;

        let pages = pages(&world).await;

        let mut joined: Value = serde_json::from_str(&pages[0]).unwrap();
        joined.as_object_mut().unwrap().remove("next");
        for page in &pages[1..] {
            let mut page: Value = serde_json::from_str(page).unwrap();
            for list in LISTS {
                let entries = page[list].as_array_mut().unwrap();
                joined[list].as_array_mut().unwrap().append(entries);
            }
        }
        assert_eq!(streamed.get("/users/me/export").await, joined, "{limit}");
        let largest = pages.iter().map(String::len).max().unwrap();
        assert!(limit < 8000 || largest <= limit, "{largest} of {limit}");
        assert_eq!(limit == 1_000_000, pages.len() == 1);
    }
}

#[tokio::test]
async fn a_host_that_bounds_replies_refuses_an_export_rather_than_cut_it() {
    let world = bounded(20_000);
    world.get("/users/me/export").await;
    full(&world).await;

    world.send(ask("GET", "/users/me/export")).await.failed(413, "payload_too_large");
}

#[tokio::test]
async fn what_is_no_page_is_refused() {
    let world = bounded(20_000);
    full(&world).await;
    let first = world.get("/users/me/export?page=first").await;
    let next = first["next"].as_str().unwrap();

    for page in ["x", "", "FIRST", &next[1..], &format!("{next}A"), &"A".repeat(5000)] {
        let path = format!("/users/me/export?page={page}");
        world.send(ask("GET", &path)).await.failed(400, "invalid_request");
    }
    let path = format!("/users/me/export?page={next}");
    world.send(bare("GET", &path, &other_token())).await.failed(400, "invalid_request");
    world.send(ask("GET", "/users/me/export?pages=first")).await.failed(400, "invalid_request");
    world.send(ask("DELETE", "/users/me")).await;
    world.send(ask("GET", &path)).await.failed(410, "gone");
}

#[tokio::test]
async fn an_export_is_compressed_while_it_is_sent() {
    let world = World::new();
    full(&world).await;
    let plain = world.send(ask("GET", "/users/me/export")).await;
    let mut request = ask("GET", "/users/me/export");
    request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());

    let packed = world.send(request).await;

    packed.succeeded();
    assert_eq!(Some("gzip"), packed.header("content-encoding"));
    assert_eq!(Some("accept-encoding"), packed.header("vary"));
    assert_eq!((None, None), (plain.header("content-encoding"), packed.header("content-length")));
    assert_eq!(Some("accept-encoding"), plain.header("vary"), "a cache must know");
    let mut text = Vec::new();
    GzDecoder::new(&packed.body[..]).read_to_end(&mut text).unwrap();
    assert!(plain.body == text, "the same bytes");
    assert!(4 * packed.body.len() < plain.body.len(), "{}", packed.body.len());
}

#[tokio::test]
async fn an_export_comes_back_in_one_and_in_pages_and_gzip_is_taken() {
    let old = bounded(20_000);
    full(&old).await;
    let pages = pages(&old).await;
    assert!(3 < pages.len());
    let streamed = World::new();
    full(&streamed).await;
    let whole = streamed.send(ask("GET", "/users/me/export")).await;
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&whole.body).unwrap();

    let in_pages = World::new();
    for (at, page) in pages.iter().enumerate() {
        let reply = in_pages.send(post("/users/me/import", page.clone())).await;
        reply.succeeded();
        assert_eq!(at + 1 == pages.len(), reply.json()["done"] == true);
    }
    let in_one = World::with_config(config_with(|config| config.request_limit_bytes = 1_000_000));
    let request = call(&format!("/users/{SUBJECT}/import")).header("content-encoding", "gzip");
    let body = packed.finish().unwrap();
    in_one.send(request.body(body.into()).unwrap()).await.succeeded();

    for new in [in_pages, in_one] {
        assert_eq!(said(whole.json()), said(new.get("/users/me/export").await));
    }
}

#[tokio::test]
async fn nothing_else_is_taken_while_an_import_is_not_finished() {
    let old = bounded(20_000);
    full(&old).await;
    let pages = pages(&old).await;
    let world = World::new();
    world.send(post("/users/me/import", pages[0].clone())).await.succeeded();

    let pieces: Value = serde_json::from_str(&one_piece()).unwrap();
    for request in [
        tell("/pieces", &pieces),
        tell("/sessions", &json!({})),
        tell("/sync", &json!({ "deviceId": "a" })),
        ask("GET", "/users/me/export"),
    ] {
        let answer = world.send(request).await;
        answer.failed(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
    }

    world.send(ask("DELETE", "/users/me")).await;
    world.post("/sync", &json!({ "deviceId": "a" })).await;
    let theirs = world.send(bare("GET", "/users/me/export", &other_token())).await;
    theirs.succeeded();
}

#[tokio::test]
async fn an_account_in_use_is_not_imported_into() {
    let old = World::new();
    full(&old).await;
    let export = String::from_utf8(old.send(ask("GET", "/users/me/export")).await.body.to_vec());
    let export = export.unwrap();
    let world = World::with_config(config_with(|config| config.request_limit_bytes = 1_000_000));
    world.post("/pieces", &serde_json::from_str(&one_piece()).unwrap()).await;
    let before = world.get("/users/me/export").await;

    let refused = world.send(post("/users/me/import", export.clone())).await;

    refused.failed(409, "not_empty");
    assert_eq!(before, world.get("/users/me/export").await);
    world.send(ask("DELETE", "/users/me")).await;
    world.send(post("/users/me/import", export)).await.succeeded();
}

#[tokio::test]
async fn an_account_with_nothing_but_deleted_records_is_told_how_to_empty_it() {
    let world = World::with_config(config_with(|config| config.request_limit_bytes = 1_000_000));
    full(&world).await;
    let export = world.get("/users/me/export").await.to_string();
    world.send(ask("DELETE", "/users/me")).await;
    world.post("/sync", &push("a", None, json!({ "set": { "title": "x" } }))).await;
    world.post("/sync", &push("a", Some(1), json!({ "delete": true }))).await;

    let refused = world.send(post("/users/me/import", export.clone())).await;

    refused.failed(409, "not_empty");
    let said = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(said.contains("deleted records count"), "{said}");
    assert!(said.contains("DELETE /users/me first"), "{said}");
    world.send(ask("DELETE", "/users/me")).await;
    world.send(post("/users/me/import", export)).await.succeeded();
}

#[tokio::test]
async fn what_is_no_export_is_refused_and_nothing_is_written() {
    let world = World::new();
    let good = json!({ "exportVersion": "1.0", "pieces": [], "practiceSessions": [] });
    let with = |key: &str, value: Value| {
        let mut export = good.clone();
        export[key] = value;
        export.to_string()
    };
    let piece = serde_json::from_str::<Value>(&one_piece()).unwrap()["pieces"][0].clone();
    let with_piece = |key: &str, value: Value| {
        let mut piece = piece.clone();
        piece[key] = value;
        with("pieces", json!([piece]))
    };
    let deep = with("pieces", json!(["DEEP"]));
    let deep = deep.replace("\"DEEP\"", &("[".repeat(10_000) + &"]".repeat(10_000)));
    world.store.take();

    let invalid_json = ["", "{", &with_piece("title", json!("x"))[..100], "\u{feff}{}"];
    for body in invalid_json {
        let answer = world.send(post("/users/me/import", body.to_owned())).await;
        answer.failed(400, "invalid_json");
    }
    for body in [
        "[]".to_owned(),
        "{}".to_owned(),
        with("exportVersion", json!("9.0")),
        with("pieces", json!({})),
        with("pieces", json!([7])),
        deep,
        with_piece("title", json!(7)),
        with_piece("version", json!(VERSION + 1)),
        with_piece("version", json!(1.5)),
        with_piece("userId", json!("somebody-else")),
        with_piece("pieceId", json!("x")),
        with_piece("_haumana", json!({ "sides": 4_000_000_000_u32 })),
        with("pieces", json!([piece, piece])),
    ] {
        let answer = world.send(post("/users/me/import", body)).await;
        answer.failed(400, "invalid_request");
    }
    world.store_was_not_called();
}

#[tokio::test]
async fn an_import_that_breaks_off_is_finished_by_the_same_again() {
    let old = World::new();
    full(&old).await;
    let export = old.send(ask("GET", "/users/me/export")).await;
    let world = World::with_config(config_with(|config| config.request_limit_bytes = 1_000_000));
    world.sky(Sky::Fails(Fault::Before(ErrorKind::Throttled)));
    let request = || post("/users/me/import", export.body.clone());
    world.send(request()).await.failed(503, "unavailable");
    world.sky(Sky::Clear);

    world.send(request()).await.succeeded();
    world.send(request()).await.succeeded();

    assert_eq!(said(export.json()), said(world.get("/users/me/export").await));
}

#[tokio::test]
async fn only_the_user_imports_into_the_account() {
    let world = World::new();
    let nothing = json!({ "exportVersion": "1.0", "pieces": [], "practiceSessions": [] });

    world.send(tell("/users/somebody-else/import", &nothing)).await.failed(403, "forbidden");
    let request = anonymous("/users/me/import").body(Body::from(nothing.to_string())).unwrap();
    world.send(request).await.failed(401, "unauthorized");
    world.store_was_not_called();
}
