//! Attacks on the way a token is sent. None of them may reach the engine.

use crate::tokens::{Claims, KAI};
use crate::world::{Answer, Chunks, World, anonymous, good_token, one_piece};
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use haumana_api::Auth;
use haumana_auth::verify::Principal;
use haumana_auth::{AuthError, Verifier};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Sends a push with these `Authorization` headers, which must be refused.
async fn refused(values: &[HeaderValue]) {
    let world = World::new();
    for path in ["/pieces", "/sessions"] {
        let mut request = anonymous(path).body(one_piece().into()).unwrap();
        for value in values {
            request.headers_mut().append("authorization", value.clone());
        }
        check(&world.send(request).await, values);
    }
    world.store_was_not_called();
}

#[track_caller]
fn check(answer: &Answer, values: &[HeaderValue]) {
    assert_eq!(401, answer.status.as_u16(), "{values:?}");
    answer.failed(401, "unauthorized");
    assert_eq!(Some("Bearer"), answer.header("www-authenticate"));
    assert_eq!("a valid token is needed", answer.json()["error"], "no reason is given");
}

async fn text_refused(text: &str) {
    refused(&[HeaderValue::from_str(text).unwrap()]).await;
}

#[tokio::test]
async fn a_request_without_a_token_is_refused() {
    refused(&[]).await;
    text_refused("").await;
    text_refused("Bearer").await;
    text_refused("Bearer ").await;
}

#[tokio::test]
async fn another_spelling_of_bearer_is_refused() {
    let token = good_token();
    // In any case it is the same scheme: see `the_name_of_the_scheme_counts_in_any_case`.
    for scheme in ["Bearr", "Bearers", "earer", "Be arer", "B\u{e9}arer", "\u{212a}earer"] {
        text_refused(&format!("{scheme} {token}")).await;
    }
}

#[tokio::test]
async fn another_scheme_is_refused() {
    let token = good_token();
    for scheme in ["Basic", "Token", "JWT", "DPoP", "Digest", "Bearer:", "Bearer,", "MAC"] {
        text_refused(&format!("{scheme} {token}")).await;
    }
    text_refused(&token).await;
    text_refused("Basic a3VtdTpodWxh").await;
}

#[tokio::test]
async fn two_headers_are_refused_whichever_is_good() {
    let good = HeaderValue::from_str(&format!("Bearer {}", good_token())).unwrap();
    let bad = HeaderValue::from_static("Bearer x");

    refused(&[good.clone(), good.clone()]).await;
    refused(&[good.clone(), bad.clone()]).await;
    refused(&[bad, good]).await;
}

#[tokio::test]
async fn blanks_in_other_places_are_refused() {
    let token = good_token();
    for text in [
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token} "),
        format!(" Bearer {token}"),
        format!("Bearer {token} x"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},"),
    ] {
        text_refused(&text).await;
    }
}

#[tokio::test]
async fn a_header_that_is_no_text_is_refused() {
    let token = good_token();
    for text in [
        [b"Bearer ", token.as_bytes(), b"\xff"].concat(),
        format!("Bearer\u{a0}{token}").into_bytes(),
        format!("Bearer \u{200b}{token}").into_bytes(),
        format!("\u{ff22}earer {token}").into_bytes(),
    ] {
        refused(&[HeaderValue::from_bytes(&text).unwrap()]).await;
    }
}

#[tokio::test]
async fn very_many_headers_neither_hide_a_token_nor_make_one() {
    let world = World::new();
    let many = |name: &str, value: &str| {
        let mut request = anonymous("/pieces");
        for n in 0..5000 {
            request = request.header(name.replace('#', &n.to_string()), value);
        }
        request
    };
    let bearer = format!("Bearer {}", good_token());

    let same = many("authorization", &bearer).body(one_piece().into()).unwrap();
    check(&world.send(same).await, &[]);
    let others = many("authorization-#", &bearer).body(one_piece().into()).unwrap();
    check(&world.send(others).await, &[]);
    world.store_was_not_called();
    let one = many("x-#", "x").header("authorization", &bearer);
    world.send(one.body(one_piece().into()).unwrap()).await.succeeded();
}

#[tokio::test]
async fn a_token_in_any_other_place_is_refused() {
    let (world, token) = (World::new(), good_token());
    let uri = format!("/pieces?access_token={token}&id_token={token}&token={token}");
    let elsewhere = |name: &str, value: &str| {
        anonymous("/pieces").header(name, value).body(one_piece().into()).unwrap()
    };

    for request in [
        anonymous(&uri).body(one_piece().into()).unwrap(),
        elsewhere("cookie", &format!("token={token}; access_token={token}")),
        elsewhere("x-authorization", &format!("Bearer {token}")),
        elsewhere("proxy-authorization", &format!("Bearer {token}")),
        anonymous("/pieces").body(Body::from(format!("access_token={token}"))).unwrap(),
    ] {
        check(&world.send(request).await, &[]);
    }
    world.store_was_not_called();
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused() {
    let expired = Claims::good().with("exp", "1").with("iat", "0");
    text_refused(&format!("Bearer {}", KAI.with_claims(&expired))).await;
    text_refused(&format!("Bearer {}x", good_token())).await;
    text_refused(&format!("Bearer {}", "x".repeat(1_000_000))).await;
}

#[tokio::test]
async fn no_byte_of_the_body_is_read_before_the_token_is_found_good() {
    let world = World::new();
    let (body, n_taken) = Chunks::body(one_piece().as_bytes(), 10);

    world.send(anonymous("/pieces").body(body).unwrap()).await.failed(401, "unauthorized");

    assert_eq!(0, n_taken.load(Ordering::Relaxed));
}

#[tokio::test]
async fn the_token_comes_before_every_other_complaint() {
    let world = World::new();
    let request = Request::post("/pieces").header("content-encoding", "br");

    let answer = world.send(request.body(Body::from("not json")).unwrap()).await;

    answer.failed(401, "unauthorized");
}

#[derive(Debug)]
struct NoKeys;

#[async_trait::async_trait]
impl Verifier for NoKeys {
    async fn verify(&self, _token: &str) -> Result<Principal, AuthError> {
        Err(AuthError::Unavailable)
    }
}

#[tokio::test]
async fn without_keys_nobody_is_refused_and_nobody_is_served() {
    let world = World::with(Auth::Bearer(Arc::new(NoKeys)), crate::world::config());

    let answer = world.send(crate::world::call("/pieces").body("{}".into()).unwrap()).await;

    answer.failed(503, "unavailable");
    assert_eq!(Some("5"), answer.header("retry-after"));
    world.store_was_not_called();
}
