//! Which calls there are, and where.

use crate::tokens::policy;
use crate::world::{Now, World, anonymous, call, config, one_piece};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use haumana_api::Auth;
use haumana_sync::id::UserId;
use std::sync::Arc;
use tower::ServiceExt;

fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn health_needs_no_token() {
    let world = World::new();

    let answer = world.send(request("GET", "/health")).await;

    answer.succeeded();
    assert_eq!("ok", answer.json()["status"]);
}

#[tokio::test]
async fn what_is_no_call_is_not_found_and_costs_nothing() {
    let world = World::new();

    for path in [
        "/",
        "/piece",
        "/pieces/",
        "/Pieces",
        "//pieces",
        "/pieces/x",
        "/dev/tokens",
        "/dev/jwks.json",
        "/%70ieces%00",
        "/users",
        "/users/me/x",
        "/conflicts/",
    ] {
        let answer = world.send(call(path).body(Body::from("{}")).unwrap()).await;
        answer.failed(404, "not_found");
    }
    world.send(request("OPTIONS", "*")).await.failed(404, "not_found");
    world.store_was_not_called();
}

#[tokio::test]
async fn another_method_is_refused_with_the_methods_there_are() {
    let world = World::new();

    for (method, path, allowed) in [
        ("GET", "/pieces", "POST"),
        ("PUT", "/pieces", "POST"),
        ("DELETE", "/sessions", "POST"),
        ("OPTIONS", "/sessions", "POST"),
        ("BREW", "/sessions", "POST"),
        ("POST", "/health", "GET,HEAD"),
    ] {
        let answer = world.send(request(method, path)).await;
        answer.failed(405, "method_not_allowed");
        assert_eq!(Some(allowed), answer.header("allow"), "{method} {path}");
    }
    world.store_was_not_called();
}

#[tokio::test]
async fn the_head_of_health_can_be_asked_for() {
    let answer = World::new().send(request("HEAD", "/health")).await;

    assert_eq!((200, 0), (answer.status.as_u16(), answer.body.len()));
}

#[tokio::test]
async fn the_router_can_be_mounted_under_a_path() {
    let world = World::new();
    let host: Router = Router::new().nest("/sync-api", world.router.clone());
    let status = async |path: &str| {
        let request = call(path).body(Body::from(one_piece())).unwrap();
        host.clone().oneshot(request).await.unwrap().status().as_u16()
    };

    assert_eq!(200, status("/sync-api/pieces").await);
    assert_eq!(404, status("/sync-api/other").await);
    assert_eq!(404, status("/pieces").await);
    let below = host.clone().oneshot(call("/sync-api/other").body(Body::empty()).unwrap()).await;
    let below = below.unwrap();
    assert_eq!("application/json", below.headers()["content-type"], "our form, not the host's");
}

#[tokio::test]
async fn routes_of_the_host_get_what_every_call_gets() {
    let beside = Router::new().route("/hello", axum::routing::get(async || "aloha"));
    let world = World::beside(beside);

    let found = world.send(request("GET", "/hello")).await;

    assert_eq!((200, &b"aloha"[..]), (found.status.as_u16(), &found.body[..]));
    assert!(found.header("x-request-id").is_some());
    world.send(request("POST", "/hello")).await.failed(405, "method_not_allowed");
}

#[tokio::test]
async fn a_host_that_knows_its_users_says_who_is_asking() {
    let world = World::with(Auth::Trusted, config());
    let mut request = anonymous("/pieces").body(one_piece().into()).unwrap();
    request.extensions_mut().insert(UserId::verified_by_caller("kimo").unwrap());

    let answer = world.send(request).await;

    answer.succeeded();
    assert_eq!("kimo", answer.json()["updatedPieces"][0]["userId"]);
}

#[tokio::test]
async fn a_host_that_says_nothing_gets_nothing() {
    let world = World::with(Auth::Trusted, config());

    // A token does not help: this host has its own ways.
    let answer = world.send(call("/pieces").body(one_piece().into()).unwrap()).await;

    answer.failed(401, "unauthorized");
    world.store_was_not_called();
}

#[tokio::test]
async fn with_tokens_the_host_cannot_say_who_is_asking() {
    let world = World::new();
    let mut request = anonymous("/pieces").body(one_piece().into()).unwrap();
    request.extensions_mut().insert(UserId::verified_by_caller("kimo").unwrap());

    world.send(request).await.failed(401, "unauthorized");

    world.store_was_not_called();
}

#[test]
fn what_the_router_is_made_of_prints_nothing_secret() {
    let verifier =
        haumana_auth::StaticVerifier::new(crate::tokens::keys().clone(), policy(), Arc::new(Now));

    let printed = format!("{:?}", Auth::Bearer(Arc::new(verifier)));

    assert!(printed.contains("Key(..)"), "{printed}");
}
