//! Calls from web pages on other origins.

use crate::world::{World, anonymous, call, config_with};
use axum::body::Body;
use axum::http::{Request, request};
use haumana_api::Origin;

const PAGE: &str = "https://haumana.example";

fn world() -> World {
    let cors_origins =
        vec![Origin::parse(PAGE).unwrap(), Origin::parse("http://localhost:3000").unwrap()];
    World::with_config(config_with(|config| config.cors_origins = cors_origins))
}

fn preflight(origin: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method("OPTIONS").uri(path).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "authorization").body(Body::empty()).unwrap()
}

fn from(request: request::Builder, origin: &str) -> Request<Body> {
    request.header("origin", origin).body("{}".into()).unwrap()
}

#[tokio::test]
async fn a_page_on_the_list_may_ask_what_it_may_ask_without_a_token() {
    let world = world();

    let answer = world.send(preflight(PAGE, "/pieces")).await;

    assert_eq!(204, answer.status.as_u16());
    assert_eq!(Some(PAGE), answer.header("access-control-allow-origin"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(Some("origin"), answer.header("vary"));
    world.store_was_not_called();
}

#[tokio::test]
async fn a_page_on_the_list_may_read_the_reply() {
    let answer = world().send(from(call("/pieces"), PAGE)).await;

    answer.succeeded();
    assert_eq!(Some(PAGE), answer.header("access-control-allow-origin"));
    assert_eq!(Some("x-request-id, retry-after"), answer.header("access-control-expose-headers"));
}

#[tokio::test]
async fn a_page_on_the_list_may_read_errors_as_well() {
    let world = world();
    for (request, status) in [
        (from(anonymous("/pieces"), PAGE), 401),
        (from(call("/nowhere"), PAGE), 404),
        (from(Request::get("/pieces"), PAGE), 405),
        (from(call("/pieces").header("content-encoding", "br"), PAGE), 415),
    ] {
        let answer = world.send(request).await;
        assert_eq!(status, answer.status.as_u16());
        assert_eq!(Some(PAGE), answer.header("access-control-allow-origin"), "{status}");
    }
}

#[tokio::test]
async fn a_page_that_is_not_on_the_list_gets_no_permission() {
    let world = world();
    for origin in [
        "https://evil.example",
        "https://haumana.example.evil.example",
        "http://haumana.example",
        "https://haumana.example:8443",
        "HTTPS://HAUMANA.EXAMPLE",
        "http://localhost",
        "null",
        "*",
        "",
    ] {
        let asked = world.send(preflight(origin, "/pieces")).await;
        asked.failed(405, "method_not_allowed");
        assert_eq!(None, asked.header("access-control-allow-origin"), "{origin}");
        let called = world.send(from(call("/pieces"), origin)).await;
        assert_eq!(None, called.header("access-control-allow-origin"), "{origin}");
        assert_eq!(Some("origin"), called.header("vary"), "a cache must know");
    }
}

#[tokio::test]
async fn without_a_list_no_page_gets_permission() {
    let world = World::new();

    let asked = world.send(preflight(PAGE, "/pieces")).await;
    let called = world.send(from(call("/pieces"), PAGE)).await;

    asked.failed(405, "method_not_allowed");
    called.succeeded();
    for answer in [asked, called] {
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
        assert_eq!(None, answer.header("vary"));
    }
}
