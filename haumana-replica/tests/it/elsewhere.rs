//! Something else answers in the server's place: the sign-in page of a network, a redirect, a proxy,
//! a firewall.

use crate::http::{serve, token_of, transport};
use crate::support::{Server, fields, text};
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use haumana_replica::transport::{Call, Transport};
use haumana_replica::{AnswerForm, Error, ErrorKind, Replica};
use haumana_sync::engine::{Resolution, RewindMode};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::time::UnixMillis;

/// Headers and a body, as somebody else would send them.
type Said = (&'static [(&'static str, &'static str)], &'static str);

const PAGE: Said = (&[("content-type", "text/html")], "\n<html><body>Welcome!</body></html>");
const REDIRECT: Said = (&[("location", "https://portal.example/login?for=you")], "");
const GATEWAY: Said = (&[("content-type", "application/json")], r#"{"message":"Forbidden"}"#);

/// Answers every request alike.
async fn elsewhere(status: u16, (headers, body): Said) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = async move || {
        let mut response = (status, body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    };
    serve(Router::new().fallback(answer)).await
}

async fn sync_meets(device: &Replica, status: u16, said: Said) -> Error {
    let url = elsewhere(status, said).await;
    device.sync(&transport(url, Some(token_of("kai")))).await.unwrap_err()
}

#[tokio::test]
async fn a_sync_says_what_has_answered_in_the_servers_place_and_keeps_the_edits() {
    let cases = [
        (200, PAGE, ErrorKind::Protocol, "a web page (200 OK)"),
        (302, REDIRECT, ErrorKind::Protocol, "a redirect to https://portal.example (302 Found)"),
        (404, PAGE, ErrorKind::Protocol, "a web page (404 Not Found)"),
        (403, PAGE, ErrorKind::Protocol, "a web page (403 Forbidden)"),
        (403, GATEWAY, ErrorKind::Protocol, "JSON of another kind (403 Forbidden)"),
        (401, PAGE, ErrorKind::Protocol, "a web page (401 Unauthorized)"),
        (410, PAGE, ErrorKind::Protocol, "a web page (410 Gone)"),
        (413, PAGE, ErrorKind::TooLarge, "a web page (413 Payload Too Large)"),
        (502, PAGE, ErrorKind::Unavailable, "a web page (502 Bad Gateway)"),
        (511, PAGE, ErrorKind::Protocol, "a web page (511 Network Authentication Required)"),
        (200, (&[], "ok"), ErrorKind::Protocol, "something of another kind (200 OK)"),
        (200, (&[], ""), ErrorKind::Protocol, "something of another kind (200 OK)"),
    ];

    for (status, said, kind, answered) in cases {
        let device = Server::new().device().await;
        device.add_piece(fields([("title", text("t"))])).await.unwrap();
        let error = sync_meets(&device, status, said).await;
        let heard = error.answered().map(ToString::to_string);
        assert_eq!((kind, Some(answered)), (error.kind(), heard.as_deref()), "{status}");
        assert_eq!((None, 1), (error.code(), device.status().pending), "{status}");
    }
}

#[tokio::test]
async fn a_page_without_a_length_and_a_redirect_to_nowhere_are_known_too() {
    let device = Server::new().device().await;

    let relative = sync_meets(&device, 307, (&[("location", "/login")], "")).await;
    let nowhere = sync_meets(&device, 301, (&[], "")).await;

    let form = |error: &Error| error.answered().unwrap().form.clone();
    assert!(matches!(form(&relative), AnswerForm::Redirect(Some(to)) if to.contains("127.0.0.1")));
    assert_eq!(AnswerForm::Redirect(None), form(&nowhere));
}

#[tokio::test]
async fn a_proxy_that_takes_no_record_of_this_size_makes_nobody_give_it_up() {
    let server = Server::new();
    let device = server.device().await;
    for n in 0..3 {
        device.add_piece(fields([("title", text(&n.to_string()))])).await.unwrap();
    }

    let error = sync_meets(&device, 413, PAGE).await;

    assert_eq!(ErrorKind::TooLarge, error.kind());
    assert_eq!((3, 0), (device.status().pending, device.status().refused));
    device.sync(&server.transport()).await.unwrap();
    assert_eq!(0, device.status().pending, "the next network takes them");
}

#[tokio::test]
async fn no_other_call_takes_somebody_elses_answer_for_the_servers() {
    let (id, base, request_id) = (RecordId::from_bits(7), None, "r".to_owned());
    let named = || request_id.clone();
    let calls = [
        Call::Conflicts { after: None, limit: 1 },
        Call::Resolve { id, resolution: Resolution::Keep, base, request_id: named() },
        Call::History { kind: "piece".to_owned(), id, before: None, limit: 1 },
        Call::Restore { kind: "piece".to_owned(), id, version: 1, base, request_id: named() },
        Call::Erase { request_id: named() },
        Call::Import { export: b"{}".to_vec() },
        Call::Rewind { to: UnixMillis(0), mode: RewindMode::Write, request_id: named() },
    ];
    let kai = UserId::verified_by_caller("kai").unwrap();

    for status in [200, 302, 400, 401, 403, 404, 409, 410] {
        let transport = transport(elsewhere(status, PAGE).await, Some(token_of("kai")));
        for call in &calls {
            let error = transport.call(&kai, call).await.unwrap_err();
            let heard = (error.kind(), error.answered().map(|answered| answered.status));
            assert_eq!((ErrorKind::Protocol, Some(status)), heard, "{call:?}");
        }
        let mut file = Vec::new();
        let error = transport.export(&kai, &mut file).await.unwrap_err();
        assert_eq!((ErrorKind::Protocol, true), (error.kind(), error.answered().is_some()));
        assert_eq!(0, file.len(), "nothing of it is in the file");
    }
}

#[tokio::test]
async fn what_the_server_itself_says_is_not_taken_for_somebody_elses() {
    let host = crate::host::Host::start().await;
    let device = host.device().await;
    device.add_piece(fields([("title", text("t"))])).await.unwrap();

    host.sync(&device).await;
    device.sign_in(UserId::verified_by_caller("lani").unwrap()).await.unwrap();
    device.erase(&host.transport()).await.unwrap();
    device.sign_in(UserId::verified_by_caller("kai").unwrap()).await.unwrap();
    let missing =
        device.history(&host.transport(), Key::piece(RecordId::from_bits(7)), None, 1).await;

    let missing = missing.unwrap_err();
    assert_eq!((ErrorKind::NotFound, Some("not_found")), (missing.kind(), missing.code()));
    assert_eq!((true, true), (missing.answered().is_none(), missing.explanation().is_some()));
    assert_eq!(1, device.records(KindNumber::PIECE).await.unwrap().len());
}
