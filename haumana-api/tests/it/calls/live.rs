//! `GET /live`: who is told what, for how long, and how many may listen.

use crate::tokens::{Claims, KAI, NOW_SECS};
use crate::world::{
    PIECE, Sky, World, ask, bare, config, config_with, good_token, one_piece, one_session,
    other_token, push, tell,
};
use axum::Router;
use axum::body::{Body, BodyDataStream, HttpBody};
use axum::http::{HeaderMap, Request};
use futures_util::StreamExt;
use haumana_api::{Api, ApiConfig, Auth, LiveLimits, Load, Served, SystemClock, SystemRandom};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::{ErrorKind, Fault, Generation, MemoryStore};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

fn limits() -> LiveLimits {
    let mut limits = LiveLimits::usual();
    (limits.of_account, limits.in_all) = (2, 3);
    limits
}

fn listening(token: &str, path: &str) -> axum::http::request::Builder {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    request.header("accept", "text/event-stream")
}

/// A stream that is read by hand.
struct Stream {
    headers: HeaderMap,
    body: BodyDataStream,
}

impl Stream {
    async fn of(world: &World, request: Request<Body>) -> Self {
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(200, response.status().as_u16());
        let (head, body) = response.into_parts();
        assert_eq!(None, body.size_hint().exact(), "it has no end that is known");
        Self { headers: head.headers, body: body.into_data_stream() }
    }

    async fn begin(world: &World) -> Self {
        Self::of(world, listening(&good_token(), "/live").body(Body::empty()).unwrap()).await
    }

    /// What comes next; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        let part = self.body.next().await?;
        Some(String::from_utf8(part.unwrap().to_vec()).unwrap())
    }

    /// What has come already, without waiting.
    fn heard(&mut self) -> Option<String> {
        let next = futures_util::FutureExt::now_or_never(self.body.next())?;
        Some(String::from_utf8(next?.unwrap().to_vec()).unwrap())
    }
}

fn event(revision: u64) -> String {
    format!("id: {revision}\ndata: {{\"revision\":{revision}}}\n\n")
}

fn edit(number: usize) -> Value {
    let mut body = push("a", None, json!({ "set": { "title": "Aloha ʻOe" } }));
    body["push"][0]["id"] = format!("5EED0000-0000-4000-8000-{number:012}").into();
    body
}

#[tokio::test]
async fn a_stream_begins_with_the_present_revision_and_tells_each_new_one() {
    let world = World::new();
    world.post("/sync", &edit(1)).await;

    let mut stream = Stream::begin(&world).await;
    let first = stream.next().await.unwrap();
    world.post("/sync", &edit(2)).await;
    let second = stream.next().await.unwrap();

    assert_eq!(format!("retry: 2000\n{}", event(1)), first);
    assert_eq!(event(2), second);
    assert_eq!("text/event-stream", stream.headers["content-type"]);
    assert_eq!("no-store", stream.headers["cache-control"]);
    assert_eq!("no", stream.headers["x-accel-buffering"]);
    assert_eq!(None, stream.heard(), "nothing else is said");
}

#[tokio::test]
async fn every_call_that_commits_is_told_of_and_those_that_only_read_are_not() {
    let world = World::new();
    let mut stream = Stream::begin(&world).await;
    stream.next().await.unwrap();
    let second = json!({ "editedAt": "2025-06-15T12:00:02Z", "set": { "title": "b" } });
    let clash = json!({ "editedAt": "2025-06-15T12:00:01Z", "set": { "title": "c" } });
    world.post("/pieces", &serde_json::from_str(&one_piece()).unwrap()).await;
    assert!(stream.heard().is_some(), "POST /pieces");
    world.post("/sessions", &serde_json::from_str(&one_session()).unwrap()).await;
    assert!(stream.heard().is_some(), "POST /sessions");
    for (device, set) in [("b", second), ("c", clash)] {
        world.post("/sync", &push(device, Some(1), set)).await;
        assert!(stream.heard().is_some(), "POST /sync");
    }
    let open = world.get("/conflicts").await;
    let path = format!("/conflicts/{}", open["conflicts"][0]["conflictId"].as_str().unwrap());
    world.post(&path, &json!({ "resolution": "restore" })).await;
    assert!(stream.heard().is_some(), "POST /conflicts/{{id}}");
    let restore = json!({ "version": 1 });
    world.post(&format!("/pieces/{PIECE}/restore"), &restore).await;
    assert!(stream.heard().is_some(), "POST /pieces/{{id}}/restore");
    world.post(&format!("/records/piece/{PIECE}/restore"), &json!({ "version": 2 })).await;
    assert!(stream.heard().is_some(), "POST /records/{{kind}}/{{id}}/restore");
    let export = world.get("/users/me/export").await;

    let nothing = json!({ "deviceId": "d", "cursor": null, "push": [] });
    world.post("/sync", &nothing).await;
    world.get(&format!("/pieces/{PIECE}/history")).await;
    assert_eq!(None, stream.heard(), "who only reads tells nobody");

    assert!(world.send(ask("DELETE", "/users/me")).await.status.is_success());
    assert!(stream.heard().is_some(), "DELETE /users/{{me}}");
    while stream.heard().is_some() {}
    world.post("/users/me/import", &export).await;
    assert!(stream.heard().is_some(), "POST /users/{{me}}/import");
}

#[tokio::test]
async fn another_account_hears_nothing_and_a_failed_commit_is_not_told_of() {
    let world = World::new();
    let other = listening(&other_token(), "/live").body(Body::empty()).unwrap();
    let (mut own, mut other) = (Stream::begin(&world).await, Stream::of(&world, other).await);
    own.next().await.unwrap();
    other.next().await.unwrap();

    world.sky(Sky::Fails(Fault::Before(ErrorKind::Unavailable)));
    assert_eq!(503, world.send(tell("/sync", &edit(1))).await.status.as_u16());
    world.sky(Sky::Clear);
    assert_eq!(None, own.heard(), "nothing was committed");
    world.post("/sync", &edit(1)).await;

    assert_eq!(Some(event(1)), own.heard());
    assert_eq!(None, other.heard());
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_at_once_only_if_it_has_missed_something() {
    let world = World::new();
    world.post("/sync", &edit(1)).await;
    let resumed = |id: &str| {
        let request = listening(&good_token(), "/live").header("last-event-id", id);
        request.body(Body::empty()).unwrap()
    };
    let by_query = listening(&good_token(), "/live?after=1").body(Body::empty()).unwrap();

    for request in [resumed("1"), by_query] {
        let mut stream = Stream::of(&world, request).await;
        let first = stream.next().await.unwrap();
        assert!(!first.contains("data") && first.contains("retry: 2000\n"), "{first}");
        assert_eq!(None, stream.heard());
    }
    for unknown in ["0", "2", "-1", "x", "99999999999999999999"] {
        let first = Stream::of(&world, resumed(unknown)).await.next().await.unwrap();
        assert!(first.ends_with(&event(1)), "{unknown}: {first}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_news_says_now_and_then_that_it_is_there() {
    let world = World::new();
    let mut stream = Stream::begin(&world).await;
    stream.next().await.unwrap();

    let start = tokio::time::Instant::now();
    let beats = [stream.next().await.unwrap(), stream.next().await.unwrap()];

    assert!(beats.iter().all(|beat| beat.starts_with(':') && beat.ends_with("\n\n")), "{beats:?}");
    assert_eq!(2 * LiveLimits::usual().heartbeat, start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_does_and_at_the_latest_after_its_lifetime() {
    let world = World::new();
    let expiring = Claims::good().with("exp", &(NOW_SECS + 60).to_string());
    let token = KAI.with_claims(&expiring);
    let ends_after = async |token: &str| {
        let request = listening(token, "/live").body(Body::empty()).unwrap();
        let (mut stream, start) = (Stream::of(&world, request).await, tokio::time::Instant::now());
        while stream.next().await.is_some() {}
        start.elapsed().as_secs()
    };

    let (short, long) = (ends_after(&token).await, ends_after(&good_token()).await);

    // Five minutes of leeway, as everywhere.
    assert_eq!(60 + 300, short);
    assert_eq!(3600, long, "the token would be good for longer");
    assert_eq!(0, world.live.n_connected());
}

#[tokio::test]
async fn a_token_is_needed() {
    let world = World::new();

    for accept in ["text/event-stream", "*/*"] {
        let request = Request::get("/live").header("accept", accept).body(Body::empty()).unwrap();
        world.send(request).await.failed(401, "unauthorized");
    }
    world.store_was_not_called();
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_for_a_commit_and_answers_with_the_present_revision() {
    let world = World::new();
    world.post("/sync", &edit(1)).await;
    let poll = async |query: &str| world.get(&format!("/live{query}")).await;

    assert_eq!(json!({ "revision": 1 }), poll("").await, "who knows nothing does not wait");
    assert_eq!(json!({ "revision": 1 }), poll("?after=0").await);
    assert_eq!(json!({ "revision": 1 }), poll("?after=18446744073709551615").await);
    let start = tokio::time::Instant::now();
    assert_eq!(json!({ "revision": 1 }), poll("?after=1").await);
    assert_eq!(LiveLimits::usual().poll, start.elapsed(), "nothing came");
    let commit = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        world.post("/sync", &edit(2)).await;
    };
    let start = tokio::time::Instant::now();
    let (told, ()) = tokio::join!(world.get("/live?after=1"), commit);
    assert_eq!((json!({ "revision": 2 }), 7), (told, start.elapsed().as_secs()));
    assert_eq!(0, world.live.n_connected());
}

#[tokio::test]
async fn a_query_that_is_none_is_refused() {
    let world = World::new();

    for query in ["after=x", "after=-1", "after=1.5", "after=", "after=18446744073709551616", "a=1"]
    {
        for accept in ["text/event-stream", "application/json"] {
            let request = Request::get(format!("/live?{query}")).header("accept", accept);
            let request = request.header("authorization", format!("Bearer {}", good_token()));
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            answer.failed(400, "invalid_request");
        }
    }
    assert_eq!(0, world.live.n_connected());
}

#[tokio::test]
async fn so_many_devices_of_an_account_and_of_all_are_connected_and_no_more() {
    let world = World::following(config(), limits());
    let of_other = || bare("GET", "/live", &other_token());
    let listen = |token: &str| listening(token, "/live").body(Body::empty()).unwrap();

    let (first, _second) = (Stream::begin(&world).await, Stream::begin(&world).await);
    let refused = world.send(listen(&good_token())).await;
    refused.failed(429, "too_many_requests");
    assert_eq!(Some("5"), refused.header("retry-after"));
    let _third = Stream::of(&world, listen(&other_token())).await;
    let refused = world.send(of_other()).await;
    refused.failed(503, "unavailable");
    assert_eq!(Some("5"), refused.header("retry-after"));
    world.post("/sync", &edit(1)).await;

    drop(first);
    assert_eq!(2, world.live.n_connected());
    let mut again = Stream::begin(&world).await;
    assert!(again.next().await.unwrap().ends_with(&event(1)));
}

#[tokio::test]
async fn listening_takes_no_place_among_the_requests_at_work() {
    let mut load = Load::of_cores(2);
    (load.light, load.of_account, load.reads_of_account) = (1, 1, 1);
    let config = config_with(|config| config.load = Some(load));
    let world = World::following(config, LiveLimits::usual());

    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(Stream::begin(&world).await);
    }

    world.post("/sync", &edit(1)).await;
    world.get("/conflicts").await;
    for stream in &mut streams {
        stream.next().await.unwrap();
        assert_eq!(Some(event(1)), stream.heard());
    }
}

#[tokio::test]
async fn of_what_a_slow_reader_has_missed_it_hears_the_latest_alone() {
    let world = World::new();
    let mut stream = Stream::begin(&world).await;
    stream.next().await.unwrap();

    for number in 1..=100 {
        world.post("/sync", &edit(number)).await;
    }

    assert_eq!(Some(event(100)), stream.heard());
    assert_eq!(None, stream.heard(), "nothing is kept for who does not read");
}

#[tokio::test]
async fn a_host_that_stops_ends_every_stream_and_takes_no_more() {
    let world = World::new();
    world.post("/sync", &edit(1)).await;
    let mut stream = Stream::begin(&world).await;
    stream.next().await.unwrap();
    let poll = world.get("/live?after=1");

    let close = async {
        tokio::task::yield_now().await;
        world.live.close();
    };
    let (polled, ()) = tokio::join!(poll, close);

    assert_eq!(json!({ "revision": 1 }), polled);
    assert_eq!(None, stream.next().await);
    drop(stream);
    assert_eq!(0, world.live.n_connected());
    world.send(ask("GET", "/live")).await.failed(503, "unavailable");
}

#[tokio::test]
async fn a_stream_is_never_compressed() {
    let world = World::new();
    let request = listening(&good_token(), "/live").header("accept-encoding", "gzip");

    let mut stream = Stream::of(&world, request.body(Body::empty()).unwrap()).await;

    assert!(stream.next().await.unwrap().starts_with("retry: 2000\n"));
    assert!(!stream.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn what_takes_anything_gets_an_answer_that_ends() {
    let world = World::new();
    let with = |accept: &str| {
        let request = Request::get("/live").header("accept", accept);
        let request = request.header("authorization", format!("Bearer {}", good_token()));
        request.body(Body::empty()).unwrap()
    };

    for accept in ["*/*", "application/json", "text/*", "text/html, */*;q=0.1"] {
        world.send(with(accept)).await.succeeded();
    }
    Stream::of(&world, with("application/json, Text/Event-Stream;q=0.5")).await;
}

#[tokio::test]
async fn the_limits_say_how_a_device_can_follow_and_that_it_cannot_where_it_cannot() {
    let live = World::new().get("/limits").await["live"].clone();
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = EngineConfig::new(Generation(0));
    let engine = Engine::new(Arc::new(MemoryStore::new()), clock, random.clone(), config);
    let api = Api::new(Arc::new(engine), Auth::Trusted, random, ApiConfig::of_a_server());
    let without: Router = haumana_api::router(api.serving(Served::all()));

    let answer = without.clone().oneshot(ask("GET", "/limits")).await.unwrap();
    let limits = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let refused = without.oneshot(ask("GET", "/live")).await.unwrap();

    let due = json!({
        "ofAccount": 16, "inAll": 20_000, "heartbeatMs": 25_000, "pollMs": 25_000,
        "lifetimeMs": 3_600_000, "retryMs": 2_000,
    });
    assert_eq!(due, live);
    let limits: Value = serde_json::from_slice(&limits).unwrap();
    assert_eq!(Some(&Value::Null), limits.get("live"));
    assert_eq!(404, refused.status().as_u16());
}
