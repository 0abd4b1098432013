//! What a request's body may be.

use crate::world::{Chunks, World, call, config, good_token, one_piece};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, request};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A call without a content type.
fn untyped() -> request::Builder {
    Request::post("/pieces").header("authorization", format!("Bearer {}", good_token()))
}

fn packed() -> request::Builder {
    call("/pieces").header("content-encoding", "gzip")
}

/// Sends a request that must be refused before the store hears of it.
async fn refused(request: Request<Body>, status: u16, code: &str) {
    let world = World::new();
    world.send(request).await.failed(status, code);
    world.store_was_not_called();
}

/// A body of blanks and an empty object, of exactly this size.
fn sized(size: usize) -> Vec<u8> {
    let mut body = vec![b' '; size - 2];
    body.extend_from_slice(b"{}");
    body
}

#[tokio::test]
async fn a_body_that_is_not_json_is_told_apart_from_one_of_the_wrong_shape() {
    for (body, code) in [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("{}x", "invalid_json"),
        ("\u{feff}{}", "invalid_json"),
        ("[]", "invalid_request"),
        ("null", "invalid_request"),
        (r#"{"pieces":{}}"#, "invalid_request"),
        (r#"{"operation":"destroy"}"#, "invalid_operation"),
    ] {
        refused(call("/pieces").body(body.into()).unwrap(), 400, code).await;
    }
    refused(call("/pieces").body(Body::from(&b"\xff"[..])).unwrap(), 400, "invalid_json").await;
    refused(call("/sessions").body("[]".into()).unwrap(), 400, "invalid_request").await;
}

#[tokio::test]
async fn a_body_that_does_not_say_that_it_is_json_is_refused() {
    let code = "unsupported_media_type";
    refused(untyped().body(one_piece().into()).unwrap(), 415, code).await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=x"] {
        let request = untyped().header("content-type", kind);
        refused(request.body(one_piece().into()).unwrap(), 415, code).await;
    }
}

#[tokio::test]
async fn a_character_set_of_utf8_may_be_named() {
    let request = untyped().header("content-type", "application/json; charset=UTF-8");

    World::new().send(request.body(one_piece().into()).unwrap()).await.succeeded();
}

#[tokio::test]
async fn a_body_may_be_compressed_with_gzip() {
    let world = World::new();
    for encoding in ["gzip", "GZIP"] {
        let request = call("/pieces").header("content-encoding", encoding);
        let packed = gzip(one_piece().as_bytes());
        let answer = world.send(request.body(packed.into()).unwrap()).await;
        assert_eq!(1, answer.json()["uploadedPieces"].as_array().unwrap().len());
    }
    let request = call("/pieces").header("content-encoding", "identity");
    World::new().send(request.body(one_piece().into()).unwrap()).await.succeeded();
}

#[tokio::test]
async fn a_compressed_body_may_arrive_byte_by_byte_and_in_several_members() {
    let text = one_piece();
    let (first, second) = text.as_bytes().split_at(100);
    let (body, _) = Chunks::body(&[gzip(first), gzip(second)].concat(), 1);

    let answer = World::new().send(packed().body(body).unwrap()).await;

    assert_eq!(1, answer.json()["uploadedPieces"].as_array().unwrap().len());
}

#[tokio::test]
async fn another_encoding_is_refused() {
    for encoding in ["br", "deflate", "zstd", "x-gzip", "gzip, gzip", "gzip, br", "", "*"] {
        let request = call("/pieces").header("content-encoding", encoding);
        let body = Body::from(gzip(b"{}"));
        refused(request.body(body).unwrap(), 415, "unsupported_media_type").await;
    }
    let twice = packed().header("content-encoding", "gzip");
    refused(twice.body(gzip(b"{}").into()).unwrap(), 415, "unsupported_media_type").await;
}

#[tokio::test]
async fn what_only_claims_to_be_gzip_is_refused() {
    let good = gzip(one_piece().as_bytes());
    let mut broken = good.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let mut wrong_sum = good.clone();
    let end = wrong_sum.len();
    wrong_sum[end - 6] ^= 1;
    for (case, body) in [
        ("plain", one_piece().into_bytes()),
        ("empty", vec![]),
        ("cut in the middle", good[..good.len() / 2].to_vec()),
        ("cut in the check sum", good[..good.len() - 3].to_vec()),
        ("broken", broken),
        ("wrong check sum", wrong_sum),
        ("garbage behind", [&good[..], b"garbage"].concat()),
    ] {
        let world = World::new();
        let answer = world.send(packed().body(body.into()).unwrap()).await;
        assert_eq!(400, answer.status.as_u16(), "{case}");
        answer.failed(400, "invalid_request");
        world.store_was_not_called();
    }
}

#[tokio::test]
async fn a_body_at_the_limit_is_taken_and_one_past_it_is_not() {
    let limit = config().request_limit_bytes;
    let world = World::new();

    world.send(call("/pieces").body(sized(limit).into()).unwrap()).await.succeeded();
    let past = world.send(call("/pieces").body(sized(limit + 1).into()).unwrap()).await;

    past.failed(413, "payload_too_large");
}

#[tokio::test]
async fn a_body_of_unknown_size_is_cut_at_the_limit() {
    let limit = config().request_limit_bytes;
    let (at_limit, _) = Chunks::body(&sized(limit), 1000);
    let (endless, n_taken) = Chunks::body(&sized(limit * 10), 1000);

    World::new().send(call("/pieces").body(at_limit).unwrap()).await.succeeded();
    refused(call("/pieces").body(endless).unwrap(), 413, "payload_too_large").await;

    assert_eq!(limit / 1000 + 1, n_taken.load(Ordering::Relaxed), "no more is read");
}

#[tokio::test]
async fn a_decompressed_body_counts_against_the_same_limit() {
    let limit = config().request_limit_bytes;
    let world = World::new();

    world.send(packed().body(gzip(&sized(limit)).into()).unwrap()).await.succeeded();
    let past = world.send(packed().body(gzip(&sized(limit + 1)).into()).unwrap()).await;

    past.failed(413, "payload_too_large");
}

#[tokio::test]
async fn a_bomb_is_cut_while_it_streams() {
    // 5 MB in about 5 kB; the limit is passed within the first few of many small chunks.
    let bomb = gzip(&vec![b' '; 5_000_000]);
    assert!(bomb.len() < 10_000);
    let (body, n_taken) = Chunks::body(&bomb, 100);

    refused(packed().body(body).unwrap(), 413, "payload_too_large").await;

    assert!(n_taken.load(Ordering::Relaxed) < 10, "no more is read");
}

#[tokio::test]
async fn a_compressed_body_counts_by_its_own_size_as_well() {
    // Members without content decompress to nothing, however many there are.
    let limit = config().request_limit_bytes;
    let empty = gzip(b"");
    let (endless, _) = Chunks::body(&empty.repeat(limit / empty.len() + 1), 1000);

    refused(packed().body(endless).unwrap(), 413, "payload_too_large").await;
}

/// A body that says how large it is and must never be asked for a byte.
struct Declared(u64);

impl HttpBody for Declared {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("read although it says that it is too large")
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_never_read() {
    let past = config().request_limit_bytes as u64 + 1;
    for size in [past, u64::MAX] {
        let request = call("/pieces").body(Body::new(Declared(size))).unwrap();
        refused(request, 413, "payload_too_large").await;
        let request = packed().body(Body::new(Declared(size))).unwrap();
        refused(request, 413, "payload_too_large").await;
    }
}

/// A body that never arrives, or breaks off.
struct Stuck {
    breaks: bool,
}

impl HttpBody for Stuck {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.breaks {
            true => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            false => Poll::Pending,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let request = call("/pieces").body(Body::new(Stuck { breaks: false })).unwrap();

    let start = tokio::time::Instant::now();
    refused(request, 503, "unavailable").await;

    assert_eq!(config().body_timeout.as_secs(), start.elapsed().as_secs());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let request = call("/pieces").body(Body::new(Stuck { breaks: true })).unwrap();

    refused(request, 400, "invalid_request").await;
}
