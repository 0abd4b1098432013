//! Attacks on the key set on its way, over real HTTP.

use super::server::{Answer, Server, keys, set};
use crate::tokens::{KAI, UKA};
use haumana_auth::{Fetch, FetchError, Fetched, HttpFetch};
use std::time::{Duration, Instant};

/// Short, so that tests of slow servers are not slow.
const TIMEOUT: Duration = Duration::from_millis(300);
const PLENTY: Duration = Duration::from_secs(20);

async fn fetch_within(answer: Answer, timeout: Duration) -> Result<Fetched, FetchError> {
    let server = Server::start(answer).await;
    HttpFetch::https_or_loopback(&server.url, timeout).unwrap().fetch().await
}

async fn fails(answer: Answer, expected: FetchError) {
    let case = format!("{answer:?}");
    assert_eq!(Some(expected), fetch_within(answer, PLENTY).await.err(), "{case:.80}");
}

fn http(status: &'static str, headers: &str, body: &str) -> Answer {
    Answer::Http(status, headers.into(), body.into())
}

#[tokio::test]
async fn a_key_set_arrives_with_what_was_said_about_keeping_it() {
    let body = set(&[&KAI.jwk()]);
    let headers = "cache-control: public, max-age=22029, must-revalidate\r\nage: 29\r\n";

    let fetched = fetch_within(http("200 OK", headers, &body), PLENTY).await.unwrap();

    assert_eq!((body.as_bytes(), Some(22000)), (&fetched.body[..], fetched.fresh_for_secs));
    let fetched = fetch_within(keys(&[&UKA.jwk()]), PLENTY).await.unwrap();
    assert_eq!(None, fetched.fresh_for_secs);
}

#[tokio::test]
async fn an_answer_that_is_no_success_is_a_failure_whatever_it_holds() {
    let body = set(&[&KAI.jwk()]);

    for (status, number) in [
        ("404 Not Found", 404),
        ("500 Internal Server Error", 500),
        ("503 Service Unavailable", 503),
        ("204 No Content", 204),
        ("206 Partial Content", 206),
        ("304 Not Modified", 304),
    ] {
        let body = if matches!(number, 204 | 304) { "" } else { &body };
        fails(http(status, "", body), FetchError::Status(number)).await;
    }
}

#[tokio::test]
async fn redirects_are_not_followed_wherever_they_lead() {
    let elsewhere = Server::start(keys(&[&KAI.jwk()])).await;
    let addresses = [&*elsewhere.url, "http://example.org/certs", "https://example.org/", "/certs"];

    for address in addresses {
        for (status, number) in [
            ("301 Moved Permanently", 301),
            ("302 Found", 302),
            ("303 See Other", 303),
            ("307 Temporary Redirect", 307),
            ("308 Permanent Redirect", 308),
        ] {
            let headers = format!("location: {address}\r\n");
            fails(http(status, &headers, ""), FetchError::Status(number)).await;
        }
    }
    assert_eq!(0, elsewhere.n_asked());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_a_while() {
    let start = Instant::now();

    let fetched = fetch_within(Answer::Silence, TIMEOUT).await;

    assert_eq!(Some(FetchError::TimedOut), fetched.err());
    assert!(start.elapsed() < PLENTY);
}

#[tokio::test]
async fn a_slow_drip_is_left_after_the_same_while_although_something_always_comes() {
    let start = Instant::now();

    let fetched = fetch_within(Answer::Drip, TIMEOUT).await;

    assert_eq!(Some(FetchError::TimedOut), fetched.err());
    assert!(start.elapsed() < PLENTY);
}

#[tokio::test]
async fn ten_megabytes_are_not_read_whether_announced_or_not() {
    fails(http("200 OK", "", &" ".repeat(10_000_000)), FetchError::TooLarge).await;
    fails(Answer::Chunks(10_000_000), FetchError::TooLarge).await;
    fails(Answer::Chunks(66_000), FetchError::TooLarge).await;
    assert!(fetch_within(Answer::Chunks(65_000), PLENTY).await.is_ok(), "within the limit");
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_failure() {
    fails(Answer::HangUp, FetchError::Connection).await;
    let cut = format!("content-length: 9999\r\n\r\n{}", set(&[&KAI.jwk()]));
    fails(http("200 OK", &cut, ""), FetchError::Connection).await;
    let gone = HttpFetch::https_or_loopback("http://127.0.0.1:1/certs", PLENTY).unwrap();
    assert_eq!(Some(FetchError::Connection), gone.fetch().await.err());
}

#[tokio::test]
async fn what_speaks_no_tls_is_not_spoken_to_over_https() {
    let server = Server::start(keys(&[&KAI.jwk()])).await;
    let url = server.url.replace("http:", "https:");

    let fetched = HttpFetch::https(&url, TIMEOUT).unwrap().fetch().await;

    assert!(matches!(fetched, Err(FetchError::Connection | FetchError::TimedOut)), "{fetched:?}");
    assert_eq!(0, server.n_asked());
}
