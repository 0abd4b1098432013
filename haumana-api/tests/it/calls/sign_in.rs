//! `POST /auth/sync`, and what becomes of the directory entry.

use crate::tokens::{Claims, EMAIL, KAI, NOW_SECS, SUBJECT, UKA};
use crate::world::{
    Answer, FaultyDirectory, Now, PIECE, Sky, TITLE, World, anonymous, ask, bare, config,
    config_with, good_token, one_piece, other_token, tell,
};
use axum::body::Body;
use axum::http::Request;
use haumana_api::directory::{
    Accounts, DirectoryErrorKind, MemoryDirectory, Profile, UserDirectory,
};
use haumana_api::{Api, Auth, SystemRandom};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::{ErrorKind, Fault, Generation, MemoryStore};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

mod memory {
    use std::sync::Arc;

    haumana_api::directory_tests!(Arc::new(super::MemoryDirectory::new()));
}

const USERNAME: &str = "google_110248495921238986420";

fn post(body: &Value) -> Request<Body> {
    anonymous("/auth/sync").body(body.to_string().into()).unwrap()
}

async fn sign_in(world: &World, claims: &Claims) -> Answer {
    world.send(post(&json!({ "googleIdToken": KAI.with_claims(claims) }))).await
}

fn entry(world: &World) -> Option<Profile> {
    world.directory.inner.entry(USERNAME)
}

#[tokio::test]
async fn signing_in_makes_an_entry_and_says_whose() {
    let world = World::new();
    let body = json!({ "googleIdToken": good_token(), "identityId": "us-west-2:x" });

    let answer = world.send(post(&body)).await;

    answer.succeeded();
    let expected = json!({
        "success": true,
        "user": {
            "id": SUBJECT, "email": EMAIL, "name": "Kumu Hula",
            "picture": "https://example.org/p.png", "username": USERNAME,
        },
        "identityId": "us-west-2:x",
    });
    assert_eq!(expected, answer.json());
    let entry = entry(&world).unwrap();
    assert_eq!((EMAIL, Some("Kumu Hula")), (&*entry.email, entry.name.as_deref()));
    world.store_was_not_called();
}

#[tokio::test]
async fn signing_in_again_updates_the_entry() {
    let world = World::new();
    sign_in(&world, &Claims::good()).await.succeeded();

    sign_in(&world, &Claims::good().with("name", "\"Kumu Kai\"")).await.succeeded();

    assert_eq!(Some("Kumu Kai"), entry(&world).unwrap().name.as_deref());
    assert_eq!([USERNAME], world.directory.inner.usernames()[..]);
}

#[tokio::test]
async fn what_a_token_does_not_say_is_not_in_the_reply() {
    let claims = Claims::good().without("name").without("picture");

    let answer = sign_in(&World::new(), &claims).await;

    answer.succeeded();
    let user = answer.json()["user"].clone();
    assert_eq!(
        ["email", "id", "username"],
        user.as_object().unwrap().keys().collect::<Vec<_>>()[..]
    );
    assert_eq!(None, answer.json().get("identityId"));
}

#[tokio::test]
async fn without_a_token_the_request_is_bad() {
    let world = World::new();
    for body in [
        json!({}),
        json!({ "googleIdToken": null }),
        json!({ "googleIdToken": "" }),
        json!({ "googleIdToken": 1 }),
        json!({ "googleIdToken": [good_token()] }),
        json!({ "idToken": good_token() }),
        json!({ "googleIdToken": good_token(), "identityId": 1 }),
        json!({ "googleIdToken": good_token(), "identityId": "x".repeat(257) }),
        json!([]),
        json!("x"),
    ] {
        world.send(post(&body)).await.failed(400, "invalid_request");
    }
    let twice = r#"{"googleIdToken":"x","googleIdToken":"y"}"#;
    for (body, code) in [("", "invalid_json"), ("{", "invalid_json"), (twice, "invalid_request")] {
        let request = anonymous("/auth/sync").body(body.into()).unwrap();
        world.send(request).await.failed(400, code);
    }
    let bearer = Request::post("/auth/sync")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", good_token()));
    let in_the_header = bearer.body(Body::from("{}")).unwrap();
    world.send(in_the_header).await.failed(400, "invalid_request");
    assert!(world.directory.inner.usernames().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused() {
    let world = World::new();
    let expired = Claims::good().with("exp", &(NOW_SECS - 301).to_string());
    for token in [
        "x".to_owned(),
        "x".repeat(9000),
        format!("{}x", good_token()),
        format!("Bearer {}", good_token()),
        KAI.with_claims(&expired.with("iat", "1749990000")),
        KAI.with_claims(&Claims::good().with("aud", "\"other\"")),
        UKA.with_header(KAI.header()),
    ] {
        let answer = world.send(post(&json!({ "googleIdToken": token }))).await;
        answer.failed(401, "unauthorized");
        assert_eq!("a valid token is needed", answer.json()["error"], "no reason is given");
    }
    assert!(world.directory.inner.usernames().is_empty());
}

#[tokio::test]
async fn an_address_that_nobody_vouches_for_is_refused_here_and_only_here() {
    let world = World::new();
    let unverified = Claims::good().with("email_verified", "false");

    for claims in [
        unverified.clone(),
        Claims::good().without("email_verified"),
        Claims::good().without("email"),
        Claims::good().with("email", "\"\""),
    ] {
        sign_in(&world, &claims).await.failed(401, "unauthorized");
    }

    assert!(world.directory.inner.usernames().is_empty());
    let pieces = bare("GET", "/users/me/export", &KAI.with_claims(&unverified));
    world.send(pieces).await.succeeded();
}

#[tokio::test]
async fn a_body_that_no_token_needs_is_not_read() {
    let world = World::with_config(config_with(|config| config.request_limit_bytes = 64_000_000));
    let long = |n: usize| json!({ "googleIdToken": "x".repeat(n) });

    world.send(post(&long(8_000_000))).await.failed(413, "payload_too_large");
    world.send(post(&long(16 * 1024 - 19))).await.failed(413, "payload_too_large");
    world.send(post(&long(16 * 1024 - 20))).await.failed(401, "unauthorized");
}

#[tokio::test]
async fn a_directory_that_does_not_answer_is_unavailable_and_one_that_refuses_a_mistake() {
    let world = World::new();

    for (kind, status, code) in [
        (DirectoryErrorKind::Unavailable, 503, "unavailable"),
        (DirectoryErrorKind::Refused, 500, "internal"),
    ] {
        world.directory.fails(Some(kind));
        sign_in(&world, &Claims::good()).await.failed(status, code);
    }

    world.directory.fails(None);
    sign_in(&world, &Claims::good()).await.succeeded();
}

#[tokio::test]
async fn erasing_removes_the_entry_of_the_user_and_no_other() {
    let world = World::new();
    sign_in(&world, &Claims::good()).await.succeeded();
    let other = Claims::good().with("sub", "\"somebody-else\"");
    sign_in(&world, &other).await.succeeded();

    assert_eq!(204, world.send(ask("DELETE", "/users/me")).await.status.as_u16());

    assert_eq!(["google_somebody-else"], world.directory.inner.usernames()[..]);
    assert_eq!(204, world.send(bare("DELETE", "/users/me", &other_token())).await.status.as_u16());
    assert!(world.directory.inner.usernames().is_empty());
}

/// A user with a piece and an entry.
async fn somebody() -> World {
    let world = World::new();
    sign_in(&world, &Claims::good()).await.succeeded();
    world.send(tell("/pieces", &serde_json::from_str(&one_piece()).unwrap())).await.succeeded();
    world
}

async fn n_pieces(world: &World) -> usize {
    world.get("/users/me/export").await["pieces"].as_array().unwrap().len()
}

#[tokio::test]
async fn erasing_that_broke_off_before_the_entry_is_finished_by_the_same_request() {
    let world = somebody().await;
    world.directory.fails(Some(DirectoryErrorKind::Unavailable));

    world.send(ask("DELETE", "/users/me")).await.failed(503, "unavailable");
    assert_eq!((0, true), (n_pieces(&world).await, entry(&world).is_some()));

    world.directory.fails(None);
    assert_eq!(204, world.send(ask("DELETE", "/users/me")).await.status.as_u16());
    assert!(entry(&world).is_none(), "nothing is left");
}

#[tokio::test]
async fn erasing_that_broke_off_in_the_store_is_finished_by_the_same_request() {
    let world = somebody().await;
    for fault in [Fault::Before(ErrorKind::Unavailable), Fault::After] {
        world.sky(Sky::Fails(fault));
        assert_eq!(503, world.send(ask("DELETE", "/users/me")).await.status.as_u16());
        assert!(entry(&world).is_some(), "the entry goes last");
    }

    // Somebody signs in while the rest is erased.
    world.sky(Sky::Clear);
    sign_in(&world, &Claims::good()).await.succeeded();
    assert_eq!(204, world.send(ask("DELETE", "/users/me")).await.status.as_u16());

    assert_eq!((0, false), (n_pieces(&world).await, entry(&world).is_some()));
}

#[tokio::test]
async fn who_was_erased_may_sign_in_again_and_starts_with_nothing() {
    let world = somebody().await;
    assert_eq!(204, world.send(ask("DELETE", "/users/me")).await.status.as_u16());

    sign_in(&world, &Claims::good().without("name")).await.succeeded();

    assert_eq!(None, entry(&world).unwrap().name, "nothing of before is back");
    assert_eq!(0, n_pieces(&world).await);
    let text = world.send(ask("GET", "/users/me/export")).await.body;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(!text.contains(TITLE) && !text.contains(PIECE), "{text}");
}

/// A host with these accounts.
fn host(accounts: Option<Accounts>) -> axum::Router {
    let random = Arc::new(SystemRandom);
    let engine = EngineConfig::new(Generation(0));
    let store = Arc::new(MemoryStore::new());
    let engine = Arc::new(Engine::new(store, Arc::new(Now), random.clone(), engine));
    let config = config();
    let mut api = Api::new(engine, Auth::Trusted, random, config);
    api.accounts = accounts;
    haumana_api::router(api)
}

#[tokio::test]
async fn a_host_without_directory_or_keys_has_no_such_call() {
    let directory: Arc<dyn UserDirectory> = Arc::new(FaultyDirectory::default());
    let body = json!({ "googleIdToken": good_token() });

    for accounts in [None, Some(Accounts::new(directory))] {
        let answer = host(accounts).oneshot(post(&body)).await.unwrap();
        assert_eq!(404, answer.status().as_u16());
    }
}
