//! What a client sees when something of ours fails.

use crate::world::{Sky, World, call, one_piece};
use axum::body::Body;
use axum::http::Request;
use haumana_sync::store::{ErrorKind, Fault};

#[tokio::test]
async fn a_store_that_does_not_answer_is_unavailable_for_a_while() {
    let world = World::new();
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled] {
        world.sky(Sky::Fails(Fault::Before(kind)));

        for path in ["/pieces", "/sessions"] {
            let answer = world.send(call(path).body(one_piece().into()).unwrap()).await;
            answer.failed(503, "unavailable");
            assert_eq!(Some("5"), answer.header("retry-after"));
        }
        let health = world.send(Request::get("/health").body(Body::empty()).unwrap()).await;
        health.failed(503, "unavailable");
    }

    world.sky(Sky::Clear);
    world.send(call("/pieces").body(one_piece().into()).unwrap()).await.succeeded();
}

#[tokio::test]
async fn broken_data_is_internal_and_tells_nothing() {
    let world = World::new();
    world.sky(Sky::Fails(Fault::Before(ErrorKind::Corrupt)));

    let answer = world.send(call("/pieces").body(one_piece().into()).unwrap()).await;

    answer.failed(500, "internal");
    assert_eq!("the server made a mistake", answer.json()["error"]);
    assert_eq!(None, answer.header("retry-after"));
}

#[tokio::test]
async fn a_panic_is_one_requests_failure_and_nobody_elses() {
    let world = World::new();
    world.sky(Sky::Panics);

    let answer = world.send(call("/pieces").body(one_piece().into()).unwrap()).await;
    answer.failed(500, "internal");
    assert!(answer.header("x-request-id").is_some());

    world.sky(Sky::Clear);
    world.send(call("/pieces").body(one_piece().into()).unwrap()).await.succeeded();
}
