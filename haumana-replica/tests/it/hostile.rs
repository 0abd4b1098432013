//! Servers that would use up a device: its memory, its disk, its time, or its user's token.

use crate::http::{TokenSourceOf, token_of};
use crate::scripted::{Scripted, reply};
use crate::support::{Server, fields, text};
use haumana_replica::transport::{HttpConfig, HttpTransport};
use haumana_replica::{Backoff, Error, ErrorKind, LONGEST_ASKED, Replica};
use haumana_sync::id::Key;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// What a server says for ever: a head and a beginning, then one part after the other.
#[derive(Clone)]
struct Endless {
    head: String,
    part: Vec<u8>,
    pause: Duration,
}

impl Endless {
    fn of(beginning: &str, part: impl Into<Vec<u8>>) -> Self {
        let head = format!("{JSON}connection: close\r\n\r\n{beginning}");
        Self { head, part: part.into(), pause: Duration::ZERO }
    }
}

/// Serves it on loopback; counts what it could send, and how many connections there were.
async fn serve(said: Endless) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(say(stream, said.clone(), count.clone()));
        }
    });
    (format!("http://{address}"), sent)
}

async fn say(mut stream: TcpStream, said: Endless, sent: Arc<AtomicU64>) {
    let mut request = [0; 65_536];
    let _n_bytes = stream.read(&mut request).await;
    if stream.write_all(said.head.as_bytes()).await.is_err() {
        return;
    }
    while stream.write_all(&said.part).await.is_ok() {
        sent.fetch_add(said.part.len() as u64, Ordering::Relaxed);
        tokio::time::sleep(said.pause).await;
    }
}

/// Takes replies of 100 kB and exports of 200 kB, and is patient for half a second.
fn transport(url: String) -> HttpTransport {
    let mut config = HttpConfig::usual(url);
    (config.reply_bytes, config.export_bytes) = (100_000, 200_000);
    config.patience = Duration::from_millis(500);
    HttpTransport::new(config, Arc::new(TokenSourceOf(token_of))).unwrap()
}

async fn device() -> Replica {
    let device = Server::new().device().await;
    device.add_piece(fields([("title", text("Aloha ʻOe"))])).await.unwrap();
    device
}

/// A sync fails in time, and the edit is still there.
async fn check_sync(said: Endless, expected: ErrorKind) -> u64 {
    let ((url, sent), device) = (serve(said).await, device().await);

    let sync = tokio::time::timeout(Duration::from_secs(20), device.sync(&transport(url))).await;

    assert_eq!(expected, sync.unwrap().unwrap_err().kind());
    assert_eq!(1, device.status().pending, "the edit waits for a better server");
    sent.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_reply_without_end_is_read_up_to_the_limit() {
    let blanks = check_sync(Endless::of("", vec![b' '; 10_000]), ErrorKind::Protocol).await;
    let text = check_sync(Endless::of("{\"cursor\":\"", vec![b'x'; 10_000]), ErrorKind::Protocol);

    // Sockets hold some megabytes on the way.
    assert!(blanks.max(text.await) < 20_000_000);
}

#[tokio::test]
async fn a_reply_that_inflates_is_read_up_to_the_limit() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; 200_000_000]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 300_000, "it is small on the way");
    let mut said = Endless::of("", packed);
    said.head = format!("{JSON}content-encoding: gzip\r\nconnection: close\r\n\r\n");

    check_sync(said, ErrorKind::Protocol).await;
}

#[tokio::test]
async fn a_reply_or_a_head_that_trickles_is_given_up() {
    let mut body = Endless::of("{", *b" ");
    body.pause = Duration::from_millis(20);
    check_sync(body, ErrorKind::Offline).await;

    let mut head = Endless { head: JSON.to_owned(), ..Endless::of("", *b"x: y\r\n") };
    head.pause = Duration::from_millis(20);
    check_sync(head, ErrorKind::Offline).await;
}

#[tokio::test]
async fn a_refusal_without_end_is_read_up_to_the_limit_and_means_what_its_status_says() {
    let mut said = Endless::of("", vec![b' '; 10_000]);
    said.head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n".to_owned();

    check_sync(said, ErrorKind::Unavailable).await;
}

#[tokio::test]
async fn an_export_without_end_is_written_up_to_the_limit() {
    let (url, _) = serve(Endless::of("{\"pieces\":[", vec![b'1'; 10_000])).await;
    let (device, transport, mut file) = (device().await, transport(url), Vec::new());

    let export = device.export(&transport, &mut file);

    let export = tokio::time::timeout(Duration::from_secs(20), export).await;
    assert_eq!(ErrorKind::Protocol, export.unwrap().unwrap_err().kind());
    assert!(file.len() <= 200_000, "{} bytes", file.len());
}

/// Answers each request with what `reply` makes of its number.
async fn serve_replies(reply: fn(usize) -> String) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let answer = async move || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        ([("content-type", "application/json")], reply(number))
    };
    let router = axum::Router::new().fallback(answer);
    (crate::http::serve(router).await, asked)
}

#[tokio::test]
async fn pages_without_anything_in_them_come_to_an_end() {
    let more = |number: usize| {
        format!(
            r#"{{"changes":[],"conflicts":[],"cursor":"c{number}","digest":null,"more":true,
            "reset":false,"results":[],"serverTime":"2026-11-23T00:00:00.000Z"}}"#
        )
    };
    let (url, asked) = serve_replies(more).await;
    let device = Server::new().device().await;

    let error = device.sync(&transport(url)).await.unwrap_err();

    assert_eq!(ErrorKind::Protocol, error.kind());
    let rounds = asked.load(Ordering::Relaxed);
    assert!((200..1_000).contains(&rounds), "as many as a user has pages, and no more: {rounds}");
}

#[tokio::test]
async fn pages_of_an_export_without_anything_in_them_come_to_an_end() {
    let page = |number: usize| match number {
        0 => String::new(),
        _ => format!(
            r#"{{"exportDate":"d","exportVersion":"1.0","user":{{"id":"kai"}},"pieces":[],
            "practiceSessions":[],"history":[],"conflicts":[],"tombstones":[],"next":"n{number}"}}"#
        ),
    };
    let answer = move |number| async move {
        let status = if number == 0 { 413 } else { 200 };
        let body = if number == 0 {
            r#"{"error":"too large","code":"payload_too_large"}"#.to_owned()
        } else {
            page(number)
        };
        (axum::http::StatusCode::from_u16(status).unwrap(), body)
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let router = axum::Router::new()
        .fallback(async move || answer(asked.fetch_add(1, Ordering::Relaxed)).await);
    let (url, mut file) = (crate::http::serve(router).await, Vec::new());

    let error = device().await.export(&transport(url), &mut file).await.unwrap_err();

    assert_eq!(ErrorKind::Protocol, error.kind());
}

#[test]
fn nobody_waits_for_years_because_a_server_says_so() {
    let backoff = Backoff::usual();

    let wait = backoff.wait(1, Some(Duration::from_secs(99_999_999)), u64::MAX);

    assert!(LONGEST_ASKED <= wait && wait <= LONGEST_ASKED + backoff.first, "{wait:?}");
    assert!(Duration::from_secs(120) <= backoff.wait(1, Some(Duration::from_secs(120)), 0));
    let error = |secs| Error::new("sync", ErrorKind::Unavailable).retry_after(Some(secs));
    assert_eq!(Some(LONGEST_ASKED.as_secs()), error(99_999_999).retry_after_secs());
    assert_eq!(Some(120), error(120).retry_after_secs());
}

#[test]
fn a_token_goes_over_plain_http_to_this_machine_alone_unless_somebody_says_so() {
    let make = |config| HttpTransport::new(config, Arc::new(TokenSourceOf(token_of)));

    for here in ["http://127.0.0.1:8787", "http://[::1]:8787", "http://localhost:1/api"] {
        assert!(make(HttpConfig::usual(here)).is_ok(), "{here}");
    }
    for there in [
        "http://sync.example",
        "http://192.168.0.7:8787",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://0.0.0.0",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
    ] {
        let refused = make(HttpConfig::usual(there)).map(drop).unwrap_err();
        assert_eq!(ErrorKind::Invalid, refused.kind(), "{there}");
    }
    let mut said = HttpConfig::usual("http://192.168.0.7:8787");
    said.plain_http = true;
    assert!(make(said).is_ok());
    assert!(make(HttpConfig::usual("https://sync.example")).is_ok());
}

#[test]
fn an_address_that_no_request_could_use_is_refused_with_the_reason() {
    let refused = |address: &str| {
        let made =
            HttpTransport::new(HttpConfig::usual(address), Arc::new(TokenSourceOf(token_of)));
        let error = made.map(drop).unwrap_err();
        assert_eq!(ErrorKind::Invalid, error.kind(), "{address}");
        std::error::Error::source(&error).map(ToString::to_string).unwrap()
    };

    for address in ["", "localhost:28911", "127.0.0.1:28911", "/api", "http:/x", "ftp://127.0.0.1"]
    {
        assert_eq!("an address begins with https:// or http://", refused(address), "{address}");
    }
    for address in ["http://kai:pw@localhost", "https://kai@sync.example", "https://:pw@a.example"]
    {
        assert!(refused(address).contains("no user name"), "{address}");
    }
    for address in ["http://localhost?x=1", "https://a.example/api#a", "https://a.example/?"] {
        assert!(refused(address).contains("no query and no fragment"), "{address}");
    }
    assert!(!refused("https://").is_empty(), "the cause is the parser's");
    let spelt = HttpConfig::usual("HTTPS://sync.example/api/");
    assert!(HttpTransport::new(spelt, Arc::new(TokenSourceOf(token_of))).is_ok());
}

#[tokio::test]
async fn answers_that_settle_nothing_come_to_an_end() {
    let answer = json!([{"outcome": "merged", "version": 5, "conflicts": []}]);
    let say = reply().with("cursor", Value::Null).with("results", answer);
    let server = Scripted::new(std::iter::repeat_n(say, 2000));

    let error = device().await.sync(&server).await.unwrap_err();

    assert_eq!(ErrorKind::Protocol, error.kind());
    assert!(server.sent().len() < 1000, "{} requests", server.sent().len());
}

#[tokio::test]
async fn a_delete_whose_base_is_said_to_be_gone_comes_to_an_end() {
    let server = Server::new();
    let device = server.device().await;
    let set = fields([("title", text("Aloha ʻOe"))]);
    let piece = Key::piece(device.add_piece(set).await.unwrap());
    device.sync(&server.transport()).await.unwrap();
    device.delete(piece).await.unwrap();
    let say = |mut answer: Value| {
        (answer["kind"], answer["id"]) = (json!("piece"), json!(piece.id.to_string()));
        answer["conflicts"] = json!([]);
        reply().with("results", json!([answer]))
    };
    let error = json!({"code": "base_gone", "message": "later"});
    let gone = say(json!({"outcome": "rejected", "version": 1, "error": error}));
    let unchanged = say(json!({"outcome": "unchanged", "version": null}));
    let hostile = Scripted::new([gone, unchanged].into_iter().cycle().take(2000));

    device.sync(&hostile).await.unwrap();

    assert_eq!((1, 1), (hostile.sent().len(), device.status().refused));
}
