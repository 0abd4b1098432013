//! The replica over HTTP, against a server on loopback.

use crate::support::{Server, fields, text, user};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use base64::Engine as _;
use haumana_replica::transport::{Encoding, HttpConfig, HttpTransport, TokenSource, Transport};
use haumana_replica::{ErrorKind, LONGEST_ASKED, Replica};
use haumana_sync::id::UserId;
use haumana_sync::wire::sync::SyncRequest;
use std::sync::Arc;

/// Has one token, whoever asks.
#[derive(Debug)]
struct OneToken(Option<String>);

#[async_trait::async_trait]
impl TokenSource for OneToken {
    async fn token(&self, _: &UserId) -> Option<String> {
        self.0.clone()
    }
}

/// Has a token for everybody.
#[derive(Debug)]
pub(crate) struct TokenSourceOf(pub fn(&str) -> String);

#[async_trait::async_trait]
impl TokenSource for TokenSourceOf {
    async fn token(&self, account: &UserId) -> Option<String> {
        Some(self.0(account.as_str()))
    }
}

pub(crate) fn token_of(name: &str) -> String {
    let claims = format!(r#"{{"sub":"{name}"}}"#);
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    format!("e30.{claims}.e30")
}

pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Serves `/sync` on loopback for the user `kai`.
pub(crate) async fn serve_engine(server: &Server) -> String {
    let engine = server.engine.clone();
    let sync = async move |headers: HeaderMap, body: Bytes| {
        let bearer = format!("Bearer {}", token_of("kai"));
        assert_eq!(bearer.as_str(), headers["authorization"].to_str().unwrap());
        let request = SyncRequest::from_json(&body).unwrap();
        engine.sync(&user("kai"), &request, 32 << 20).await.unwrap().into_json()
    };
    serve(
        Router::new().route("/sync", post(sync)).layer(axum::extract::DefaultBodyLimit::disable()),
    )
    .await
}

pub(crate) fn transport(base_url: String, token: Option<String>) -> HttpTransport {
    let mut config = HttpConfig::usual(base_url);
    config.encoding = Encoding::Identity;
    HttpTransport::new(config, Arc::new(OneToken(token))).unwrap()
}

#[tokio::test]
async fn a_token_that_is_not_sent_says_why() {
    let base_url = "http://127.0.0.1:1".to_owned();
    let kai = user("kai");
    for (token, why) in [
        (None, "there is no token of the account"),
        (Some("garbage".to_owned()), "the token is not a JWT with a subject"),
        (Some(token_of("lani")), "the token's subject is not the account"),
    ] {
        let sent = transport(base_url.clone(), token).sync(&kai, Vec::new()).await;
        let error = sent.unwrap_err();

        assert_eq!(ErrorKind::NeedsSignIn, error.kind());
        assert_eq!(why, std::error::Error::source(&error).unwrap().to_string());
    }
}

#[tokio::test]
async fn two_devices_agree_over_http() {
    let server = Server::new();
    let transport = transport(serve_engine(&server).await, Some(token_of("kai")));
    let (a, b) = (server.device().await, server.device().await);
    a.add_piece(fields([("title", text("Aloha ʻOe"))])).await.unwrap();

    a.sync(&transport).await.unwrap();
    b.sync(&transport).await.unwrap();

    let kind = haumana_sync::id::KindNumber::PIECE;
    assert_eq!(1, b.records(kind).await.unwrap().len());
    assert_eq!(a.records(kind).await.unwrap(), b.records(kind).await.unwrap());
}

async fn failure(
    device: &Replica,
    status: u16,
    retry_after: &'static str,
) -> (ErrorKind, Option<u64>) {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = async move || (status, [("retry-after", retry_after)], "{}").into_response();
    let base_url = serve(Router::new().route("/sync", post(answer))).await;
    let error = device.sync(&transport(base_url, Some(token_of("kai")))).await.unwrap_err();
    (error.kind(), error.retry_after_secs())
}

#[tokio::test]
async fn each_status_says_what_can_be_done() {
    let cases = [
        (401, ErrorKind::NeedsSignIn),
        (410, ErrorKind::Erased),
        (413, ErrorKind::TooLarge),
        (429, ErrorKind::Unavailable),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (400, ErrorKind::Protocol),
        (302, ErrorKind::Protocol),
        (200, ErrorKind::Protocol),
    ];

    for (status, kind) in cases {
        assert_eq!(kind, failure(&Server::new().device().await, status, "7").await.0, "{status}");
    }
    let device = Server::new().device().await;
    assert_eq!((ErrorKind::Unavailable, Some(7)), failure(&device, 503, "7").await);
    assert_eq!((ErrorKind::Unavailable, None), failure(&device, 503, "soon").await);
    // The server's own clock is what a date is held against, and that stands in this century.
    let (_, secs) = failure(&device, 503, "Fri, 31 Dec 2100 23:59:59 GMT").await;
    assert_eq!(Some(LONGEST_ASKED.as_secs()), secs, "nobody waits for years");
}

#[tokio::test]
async fn nothing_leaves_the_device_with_another_accounts_token_or_with_none() {
    let server = Server::new();
    let device = server.device().await;
    let nowhere = "http://127.0.0.1:1".to_owned();

    for token in [None, Some(token_of("lani")), Some("opaque".to_owned())] {
        let error = device.sync(&transport(nowhere.clone(), token)).await.unwrap_err();
        assert_eq!(ErrorKind::NeedsSignIn, error.kind());
    }
    let error = device.sync(&transport(nowhere, Some(token_of("kai")))).await.unwrap_err();
    assert_eq!(ErrorKind::Offline, error.kind());
}
