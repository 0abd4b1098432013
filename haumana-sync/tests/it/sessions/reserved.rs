//! Keys that are no content, and limits: on every path, so that no reply locks a phone out and every
//! export can be imported.

use super::*;
use haumana_app::Phones as _;
use haumana_app::wire::{PiecesRequest, SessionsRequest};
use haumana_sim::reply::{decode, decode_sessions};
use haumana_sync::id::KindNumber;
use haumana_sync::json::JsonText;
use haumana_sync::store::Generation;
use std::sync::Arc;

const RESERVED: [&str; 8] = [
    "sessionId",
    "userId",
    "version",
    "modifiedAt",
    "lastSyncedAt",
    "syncedAt",
    "locallyModified",
    "_haumana",
];

fn sync_body(kind: &str, id: &str, set: &str) -> String {
    format!(
        r#"{{"deviceId":"a","push":[{{"kind":"{kind}","id":"{id}","base":null,"set":{set}}}]}}"#
    )
}

/// Decodes what the phones' app is answered now, by its rules.
async fn decode_all(server: &Server) {
    let sessions = SessionsRequest::from_json(b"{}").unwrap();
    let reply = server.engine.sync_sessions(&kai(), &sessions, 32 << 20).await.unwrap();
    decode_sessions(&reply.into_json()).unwrap();
    let pieces = PiecesRequest::from_json(br#"{"pieces":[]}"#).unwrap();
    let reply = server.engine.sync_pieces(&kai(), &pieces, 32 << 20).await.unwrap();
    decode(&reply.into_json()).unwrap();
}

#[tokio::test]
async fn a_reserved_key_of_a_session_is_refused_and_named() {
    let server = Server::new();
    for name in RESERVED {
        let set = format!(r#"{{"pieceId":"{PIECE}","startedAt":"{}","{name}":{{}}}}"#, at(0));

        let reply = sync(&server, &sync_body("session", &key().id.to_string(), &set)).await;

        let error = &reply["results"][0]["error"];
        assert_eq!("invalid_field", error["code"]);
        assert!(error["message"].as_str().unwrap().contains(name), "{error}");
    }
    assert_eq!(0, revision(&server).await);
}

#[tokio::test]
async fn a_reserved_key_of_a_piece_is_refused() {
    let server = Server::new();
    for name in RESERVED.into_iter().chain(["pieceId"]) {
        let set = format!(r#"{{"title":"t","{name}":"x"}}"#);

        let reply = sync(&server, &sync_body("piece", PIECE, &set)).await;

        assert_eq!("invalid_field", reply["results"][0]["error"]["code"], "{name}");
    }
}

#[tokio::test]
async fn a_missing_field_of_a_new_session_is_named() {
    let server = Server::new();
    let id = key().id.to_string();
    let wrong = [
        (format!(r#"{{"startedAt":"{}"}}"#, at(0)), "pieceId"),
        (format!(r#"{{"pieceId":"{PIECE}"}}"#), "startedAt"),
        (format!(r#"{{"pieceId":"{PIECE}","startedAt":"noon"}}"#), "startedAt"),
        (format!(r#"{{"pieceId":"{PIECE}","startedAt":null}}"#), "startedAt"),
        (
            format!(r#"{{"pieceId":"{PIECE}","startedAt":"{}","endedAtSource":"x"}}"#, at(0)),
            "endedAtSource",
        ),
    ];
    for (set, field) in wrong {
        let reply = sync(&server, &sync_body("session", &id, &set)).await;

        let error = &reply["results"][0]["error"];
        assert_eq!("invalid_field", error["code"], "{set}");
        assert!(error["message"].as_str().unwrap().contains(field), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_key_of_a_session_has_the_limits_that_it_has_everywhere() {
    let server = Server::new();
    let id = key().id.to_string();
    let with = |key: &str, value: &str| {
        format!(r#"{{"pieceId":"{PIECE}","startedAt":"{}","{key}":{value}}}"#, at(0))
    };
    let deep = "[".repeat(65) + &"]".repeat(65);
    let refused = [
        (with("k", &format!("\"{}\"", "x".repeat(2_000_000))), "too_large"),
        (with("k", &format!("\"{}\"", "x".repeat(300_000))), "too_large"),
        (with(&"k".repeat(257), "1"), "too_large"),
        (with("k", &deep), "invalid_field"),
    ];
    for (set, code) in refused {
        let reply = sync(&server, &sync_body("session", &id, &set)).await;

        assert_eq!(code, reply["results"][0]["error"]["code"]);
    }
    let set = with(&"k".repeat(256), &format!("\"{}\"", "x".repeat(299_000)));
    let reply = sync(&server, &sync_body("session", &id, &set)).await;
    assert_eq!("applied", reply["results"][0]["outcome"], "{reply}");
    imported(&Server::on(Arc::default(), Generation(0)), &exported(&server).await).await;
}

#[tokio::test]
async fn two_large_keys_of_one_session_do_not_make_it_too_large() {
    let server = Server::new();
    push(&server, "a", start()).await;
    let large = Value::Json(JsonText::parse(&format!("\"{}\"", "x".repeat(200_000))).unwrap());
    push(&server, "a", set(Some(1), 2, &[("a", large.clone())])).await;

    let second = push(&server, "b", set(Some(2), 3, &[("b", large)])).await;

    let refused = PushOutcome::Rejected(haumana_sync::wire::Refusal::TooLarge);
    assert_eq!((refused, Some(2)), said(&second));
}

#[tokio::test]
async fn what_is_kept_of_a_deleted_session_has_the_limits_of_a_session() {
    let server = Server::new();
    push(&server, "a", push_of(None, 1, PushOp::Delete)).await;
    let large = Value::Json(JsonText::parse(&format!("\"{}\"", "x".repeat(200_000))).unwrap());
    let both = [&frame(0)[..], &[("a", large.clone()), ("b", large)]].concat();

    let refused = push(&server, "b", set(None, 2, &both)).await;

    let too_large = PushOutcome::Rejected(haumana_sync::wire::Refusal::TooLarge);
    assert_eq!((too_large, 0), (refused.outcome, sides(&server).await.len()));
}

#[tokio::test]
async fn what_version_0_1_stored_under_reserved_keys_doubles_no_key() {
    let server = Server::new();
    push(&server, "a", start()).await;
    sync(&server, &sync_body("piece", PIECE, r#"{"title":"t","mood":1.0}"#)).await;
    let junk = r#""sessionId":1,"userId":2,"_haumana":{},"version":"x","modifiedAt":3}"#;
    let mut session = envelope(&server).await;
    session.content = session.content.replace('}', &format!(",{junk}"));
    copies::overwrite(&server, session).await;
    let id = haumana_sync::id::RecordId::parse(PIECE).unwrap();
    let key = haumana_sync::id::Key { kind: KindNumber::PIECE, id };
    let mut piece = server.memory.read(&kai(), &[key]).await.unwrap().remove(0).unwrap();
    let junk = r#""pieceId":1,"userId":2,"_haumana":{},"version":"x","locallyModified":3}"#;
    piece.content = piece.content.replace("}", &format!(",{junk}"));
    copies::overwrite(&server, piece).await;

    decode_all(&server).await;
    let export = exported(&server).await;

    let copy = Server::new();
    imported(&copy, &export).await;
    decode_all(&copy).await;
    assert!(exported(&copy).await.contains(r#""mood":1.0"#));
    // Edited here, such a record is clean.
    push(&server, "a", set(Some(1), 2, &end(10, "manual"))).await;
    assert_eq!(None, fields(&server).await.get("userId"));
}

#[tokio::test]
async fn reserved_keys_of_a_phones_records_are_no_content() {
    let server = Server::new();
    let session = of_phone(|session| {
        for name in ["version", "modifiedAt", "lastSyncedAt", "syncedAt", "locallyModified"] {
            session[name] = json!("x");
        }
        session["_haumana"] = json!({});
    });
    post(&server, &session).await;
    let mut piece = crate::support::new_piece(1, "t", "l");
    piece["sessionId"] = json!(7);
    piece["syncedAt"] = json!("x");
    let reply = server.post_pieces(&kai(), &crate::support::body(&[piece], None)).await;

    assert_eq!(json!([PIECE]), reply["uploadedPieces"]);
    decode_all(&server).await;
    let expected = json!({"pieceId": PIECE, "startedAt": at(0), "createdAt": at(0)});
    assert_eq!(expected, fields(&server).await);
    assert!(!exported(&server).await.contains(r#""sessionId":7"#));
}
