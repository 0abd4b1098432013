//! Replies as gzip.

use crate::world::{Answer, LYRICS, World, call, one_piece};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use flate2::read::GzDecoder;
use std::io::Read;

/// Pulls a piece that is long enough to be worth compressing.
async fn pull(accept: Option<&str>) -> Answer {
    let world = World::new();
    let body = one_piece().replace(LYRICS, &format!("{}<", LYRICS.repeat(100)));
    world.send(call("/pieces").body(body.into()).unwrap()).await.succeeded();
    let mut request = call("/pieces");
    if let Some(accept) = accept {
        request = request.header("accept-encoding", accept);
    }
    world.send(request.body("{}".into()).unwrap()).await
}

fn unpacked(answer: &Answer) -> String {
    let mut text = String::new();
    GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_reply_is_compressed_for_who_asks_for_it() {
    let plain = pull(None).await;

    let packed = pull(Some("gzip, deflate, br")).await;

    packed.succeeded();
    assert_eq!(Some("gzip"), packed.header("content-encoding"));
    assert_eq!(Some("accept-encoding"), packed.header("vary"));
    assert_eq!(String::from_utf8_lossy(&plain.body), unpacked(&packed));
    assert!(packed.body.len() * 4 < plain.body.len());
    let length = packed.header("content-length").unwrap();
    assert_eq!(packed.body.len().to_string(), length);
}

#[tokio::test]
async fn a_reply_is_left_as_it_is_for_who_does_not_ask() {
    for accept in [None, Some("br"), Some("gzip;q=0"), Some("identity")] {
        let answer = pull(accept).await;
        assert_eq!(None, answer.header("content-encoding"), "{accept:?}");
        assert_eq!(Some("accept-encoding"), answer.header("vary"), "a cache must know");
        assert!(String::from_utf8_lossy(&answer.body).contains(LYRICS));
    }
}

#[tokio::test]
async fn a_small_reply_is_never_compressed() {
    let request = call("/pieces").header("accept-encoding", "gzip");

    let answer = World::new().send(request.body("{}".into()).unwrap()).await;

    answer.succeeded();
    assert_eq!(None, answer.header("content-encoding"));
}

#[tokio::test]
async fn routes_of_the_host_are_compressed_once_and_say_how_long_they_are() {
    let plain = "aloha ".repeat(1000);
    let (body, encoded) = (plain.clone(), plain.clone());
    let length = [("content-length", plain.len().to_string())];
    let beside = Router::new()
        .route("/plain", get(async || (length, body)))
        .route("/encoded", get(async || ([("content-encoding", "gzip")], encoded)));
    let world = World::beside(beside);
    let ask = |path: &str| {
        Request::get(path).header("accept-encoding", "gzip").body(Body::empty()).unwrap()
    };

    let packed = world.send(ask("/plain")).await;
    let left_alone = world.send(ask("/encoded")).await;

    assert_eq!(plain, unpacked(&packed));
    assert_eq!(packed.body.len().to_string(), packed.header("content-length").unwrap());
    assert_eq!(plain.as_bytes(), &left_alone.body[..]);
}
