//! Too much at once, of one account and of all.

use crate::world::{
    World, anonymous, ask, bare, call, config_with, good_token, one_piece, other_token, push, tell,
};
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::Request;
use haumana_api::{ApiConfig, Load};
use http_body::Frame;
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::ServiceExt;

/// A body of which nothing more comes after the first bytes.
struct Stalled(Option<Bytes>);

impl HttpBody for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

fn stalled(n_bytes: usize) -> Request<Body> {
    call("/pieces").body(Body::new(Stalled(Some(vec![b' '; n_bytes].into())))).unwrap()
}

fn with_load(change: impl FnOnce(&mut Load)) -> ApiConfig {
    let mut load = Load::of_cores(2);
    change(&mut load);
    config_with(|config| config.load = Some(load))
}

/// Begins a request; it goes on until the handle is dropped or aborted.
async fn begin(world: &World, request: Request<Body>) -> tokio::task::JoinHandle<()> {
    let router = world.router.clone();
    let begun = tokio::spawn(async move { drop(router.oneshot(request).await) });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    begun
}

fn empty_sync(token: &str) -> Request<Body> {
    let request = Request::post("/sync").header("content-type", "application/json");
    let body = json!({ "deviceId": "a", "cursor": null, "push": [] }).to_string();
    request.header("authorization", format!("Bearer {token}")).body(body.into()).unwrap()
}

#[tokio::test]
async fn further_requests_of_one_account_are_told_to_come_again_and_others_are_served() {
    let world = World::with_config(with_load(|load| load.of_account = 2));
    let begun = [begin(&world, stalled(1)).await, begin(&world, stalled(1)).await];

    let refused = world.send(tell("/sync", &push("a", None, json!({ "set": {} })))).await;
    let other = world.send(empty_sync(&other_token())).await;
    let read = world.send(ask("GET", "/conflicts")).await;

    refused.failed(429, "too_many_requests");
    assert!(refused.header("retry-after").is_some());
    other.succeeded();
    read.succeeded();
    // Clients that hang up leave nothing behind.
    begun.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::task::yield_now().await;
    world.send(call("/pieces").body(one_piece().into()).unwrap()).await.succeeded();
}

#[tokio::test]
async fn who_signs_in_takes_a_place_among_the_requests_of_the_account() {
    let world = World::with_config(with_load(|load| load.of_account = 1));
    let body = json!({ "googleIdToken": good_token() }).to_string();
    let sign_in = || anonymous("/auth/sync").body(body.clone().into()).unwrap();
    let begun = begin(&world, stalled(1)).await;

    world.send(sign_in()).await.failed(429, "too_many_requests");

    begun.abort();
    tokio::task::yield_now().await;
    world.send(sign_in()).await.succeeded();
}

#[tokio::test]
async fn a_slow_upload_keeps_no_other_device_of_its_account_waiting() {
    let world = World::with_config(with_load(|_| ()));
    let begun = begin(&world, stalled(50_000)).await;

    world.send(call("/pieces").body(one_piece().into()).unwrap()).await.succeeded();

    assert!(!begun.is_finished());
}

#[tokio::test]
async fn bytes_of_bodies_in_memory_are_bounded_for_an_account() {
    let bounded = |load: &mut Load| load.body_bytes_of_account = 80_000;
    let world = World::with_config(with_load(bounded));
    let begun = begin(&world, stalled(60_000)).await;

    let refused = world.send(stalled(60_000)).await;

    refused.failed(429, "too_many_requests");
    begun.abort();
    tokio::task::yield_now().await;
    let whole = call("/pieces").body(Body::from([&[b' '; 60_000][..], b"{}"].concat())).unwrap();
    world.send(whole).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn bytes_of_bodies_in_memory_are_bounded_for_all() {
    let bounded = |load: &mut Load| load.body_bytes = 80_000;
    let world = World::with_config(with_load(bounded));
    let _begun = begin(&world, stalled(60_000)).await;

    let body = Body::from([&[b' '; 60_000][..], b"{}"].concat());
    let request = call("/pieces").header("authorization", "").body(body).unwrap();
    let (mut head, body) = request.into_parts();
    head.headers.insert("authorization", format!("Bearer {}", other_token()).parse().unwrap());
    let refused = world.send(Request::from_parts(head, body)).await;

    refused.failed(503, "unavailable");
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn an_export_that_nobody_reads_keeps_its_place_and_no_more() {
    let world = World::with_config(with_load(|load| load.reads_of_account = 2));
    world.post("/sync", &push("a", None, json!({ "set": { "title": "a" } }))).await;

    let unread = world.router.clone().oneshot(ask("GET", "/users/me/export")).await.unwrap();
    let second = world.send(ask("GET", "/conflicts")).await;
    let third = world.send(bare("GET", "/conflicts", &other_token())).await;

    second.succeeded();
    third.succeeded();
    let refused = world.send(ask("GET", "/users/me/export")).await;
    refused.failed(429, "too_many_requests");
    drop(unread);
    world.send(ask("GET", "/users/me/export")).await.succeeded();
}

/// With an account that has a record of 45 kB.
async fn with_a_large_record(change: impl FnOnce(&mut Load)) -> World {
    let world = World::with_config(with_load(change));
    let lyrics = "la ".repeat(15_000);
    world.post("/sync", &push("a", None, json!({ "set": { "lyrics": lyrics } }))).await;
    world
}

#[tokio::test]
async fn bytes_of_replies_that_are_not_sent_are_bounded_for_an_account() {
    let world = with_a_large_record(|load| load.unsent_bytes_of_account = 60_000).await;
    let take = async || {
        let reply = world.router.clone().oneshot(empty_sync(&good_token())).await.unwrap();
        assert_eq!(200, reply.status());
        // As a server does: it has all frames at once, and sends them when the client takes them.
        to_bytes(reply.into_body(), usize::MAX).await.unwrap()
    };

    let (first, second) = (take().await, take().await);

    for request in
        [empty_sync(&good_token()), ask("GET", "/conflicts"), ask("GET", "/users/me/export")]
    {
        let refused = world.send(request).await;
        refused.failed(429, "too_many_requests");
        assert!(refused.header("retry-after").is_some());
    }
    world.send(empty_sync(&other_token())).await.succeeded();
    drop(first);
    world.send(empty_sync(&good_token())).await.succeeded();
    drop(second);
}

#[tokio::test]
async fn where_all_have_too_much_unsent_those_who_have_none_are_served() {
    let world = with_a_large_record(|load| load.unsent_bytes = 30_000).await;

    let unread = world.router.clone().oneshot(empty_sync(&good_token())).await.unwrap();
    let refused = world.send(empty_sync(&good_token())).await;
    let other = world.send(empty_sync(&other_token())).await;

    refused.failed(503, "unavailable");
    other.succeeded();
    drop(unread);
    world.send(empty_sync(&good_token())).await.succeeded();
}

#[tokio::test]
async fn of_a_compressed_reply_the_bytes_count_that_are_sent() {
    let world = with_a_large_record(|load| load.unsent_bytes_of_account = 20_000).await;
    let packed = |token: &str| {
        let mut request = empty_sync(token);
        request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        request
    };

    let unread = world.router.clone().oneshot(packed(&good_token())).await.unwrap();
    let plain = world.router.clone().oneshot(empty_sync(&good_token())).await.unwrap();
    let refused = world.send(packed(&good_token())).await;

    assert_eq!([200, 200], [unread.status(), plain.status()]);
    refused.failed(429, "too_many_requests");
    drop(plain);
    world.send(packed(&good_token())).await.succeeded();
}

#[tokio::test]
async fn a_large_body_is_worked_on_beside_and_answered_as_any_other() {
    let world = World::with_config(with_load(|_| ()));
    let large = format!("{}{}", " ".repeat(Load::HEAVY_BODY_BYTES), one_piece());

    let answer = world.send(call("/pieces").body(large.into()).unwrap()).await;

    answer.succeeded();
    assert_eq!(1, answer.json()["uploadedPieces"].as_array().unwrap().len());
}

#[tokio::test(start_paused = true)]
async fn work_on_one_request_is_bounded_in_time() {
    let world = World::with_config(with_load(|load| load.work_timeout = Duration::ZERO));
    let large = format!("{}{}", " ".repeat(Load::HEAVY_BODY_BYTES), one_piece());

    let answer = world.send(call("/pieces").body(large.into()).unwrap()).await;

    answer.failed(503, "unavailable");
}

#[tokio::test]
async fn replies_are_kept_by_no_cache() {
    let world = World::new();

    for request in
        [empty_sync(&other_token()), ask("GET", "/nowhere"), ask("GET", "/users/me/export")]
    {
        let answer = world.send(request).await;
        assert_eq!(Some("no-store"), answer.header("cache-control"));
    }
}
