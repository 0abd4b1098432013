//! What a request may hold, at each limit and just past it, before anything of it is parsed.

use crate::tokens::SUBJECT;
use crate::world::{Answer, call};
use crate::world::{PIECE, World, config_with, push, tell};
use haumana_app::wire::{PiecesRequest, SessionsRequest};
use haumana_sync::id::UserId;
use haumana_sync::limits;
use haumana_sync::wire::BadRequest;
use haumana_sync::wire::import::ImportRequest;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// `count` times `entry`, with commas between them.
fn list(entry: &str, count: usize) -> String {
    let mut list = String::with_capacity((entry.len() + 1) * count);
    for at in 0..count {
        let comma = if at == 0 { "" } else { "," };
        write!(list, "{comma}{entry}").unwrap();
    }
    list
}

fn roomy() -> World {
    World::with_config(config_with(|config| config.request_limit_bytes = 64_000_000))
}

async fn sent(world: &World, path: &str, body: String) -> Answer {
    world.send(call(path).body(body.into()).unwrap()).await
}

#[tokio::test]
async fn entries_that_can_be_no_records_cost_a_bounded_reply() {
    let world = roomy();

    for (path, list_name, refusals) in
        [("/pieces", "pieces", "rejectedPieces"), ("/sessions", "sessions", "rejectedSessions")]
    {
        for entry in ["0", "{}", "[]", r#"{"pieceId":"x"}"#] {
            let entries = list(entry, limits::REQUEST_RECORDS);
            let answer = sent(&world, path, format!(r#"{{"{list_name}":[{entries}]}}"#)).await;

            answer.succeeded();
            let named = answer.json()[refusals].as_array().unwrap().len();
            assert_eq!(limits::REFUSALS, named, "{path} {entry}");
            assert!(answer.body.len() < 200 * limits::REFUSALS, "{path} {entry}");
        }
    }
}

#[tokio::test]
async fn good_records_among_many_bad_ones_go_through() {
    let world = roomy();
    let good = json!({
        "pieceId": PIECE, "title": "Aloha ʻOe", "version": 1, "locallyModified": true,
        "createdAt": "2025-06-15T12:00:00Z", "modifiedAt": "2025-06-15T12:00:00Z",
    });

    let bad = list("0", 2 * limits::REFUSALS);
    let answer = sent(&world, "/pieces", format!(r#"{{"pieces":[{bad},{good},{bad}]}}"#)).await;

    assert_eq!(json!([PIECE]), answer.json()["uploadedPieces"]);
}

#[test]
fn a_whole_repertoire_of_another_account_is_refused_piece_by_piece() {
    let id = |at: usize| format!("5EED0000-0000-4000-8000-{at:012X}");
    let piece = |at| format!(r#"{{"pieceId":"{}","userId":"another","version":1}}"#, id(at));
    let pieces: Vec<String> = (0..10_000).map(piece).collect();
    let body = format!(r#"{{"pieces":[{}]}}"#, pieces.join(","));

    let request = PiecesRequest::from_json(body.as_bytes()).unwrap();

    let user = UserId::verified_by_caller(SUBJECT).unwrap();
    let refused = request.read_pieces(&user).into_iter().filter(Result::is_err).count();
    assert_eq!(10_000, refused, "the engine must know which pieces the phone holds");
}

#[test]
fn entries_are_counted_before_they_are_collected() {
    let most = limits::REQUEST_RECORDS;
    let pieces = |count| format!(r#"{{"pieces":[{}]}}"#, list("0", count));
    let sessions = |count| format!(r#"{{"sessions":[{}]}}"#, list("{}", count));

    let (body, past) = (pieces(most), pieces(most + 1));
    let kept = PiecesRequest::from_json(body.as_bytes()).unwrap().pieces.len();
    assert_eq!(limits::REFUSALS, kept, "no more than what is named");
    let refused = PiecesRequest::from_json(past.as_bytes()).map(|_| ());
    assert_eq!(Err(BadRequest::TooLarge), refused);

    let (body, past) = (sessions(most), sessions(most + 1));
    let kept = SessionsRequest::from_json(body.as_bytes()).unwrap().sessions.len();
    assert_eq!(limits::REFUSALS, kept);
    let refused = SessionsRequest::from_json(past.as_bytes()).map(|_| ());
    assert_eq!(Err(BadRequest::TooLarge), refused);
}

#[test]
fn pushes_and_entries_of_an_import_are_counted_too() {
    let sync = |count| format!(r#"{{"deviceId":"a","push":[{}]}}"#, list("0", count));
    let import = |count| {
        let records = list("0", count);
        format!(r#"{{"exportVersion":"1.0","pieces":[{records}],"practiceSessions":[0]}}"#)
    };
    let is_taken = |body: &str| ImportRequest::from_json(body.as_bytes()).map(|_| ());

    assert!(SyncRequest::from_json(sync(limits::PUSHES).as_bytes()).is_ok());
    let past = sync(limits::PUSHES + 1);
    let refused = SyncRequest::from_json(past.as_bytes()).unwrap_err();
    assert!(matches!(refused, BadRequest::Expected(_)), "{refused}");
    assert_eq!(Ok(()), is_taken(&import(limits::IMPORT_ENTRIES - 2)));
    // All lists count together, each with one entry that no comma shows.
    assert_eq!(Err(BadRequest::TooLarge), is_taken(&import(limits::IMPORT_ENTRIES + 1)));
}

#[tokio::test]
async fn what_no_client_sends_is_too_large_as_a_whole() {
    let world = roomy();
    let deep =
        |depth: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    let word = |bytes: usize| format!(r#"{{"operation":"{}"}}"#, "x".repeat(bytes));

    sent(&world, "/pieces", deep(limits::REQUEST_DEPTH)).await.succeeded();
    let past = sent(&world, "/pieces", deep(limits::REQUEST_DEPTH + 1)).await;
    past.failed(413, "payload_too_large");
    // The closing quote counts.
    let at = sent(&world, "/pieces", word(limits::WORD_BYTES - 1)).await;
    at.failed(400, "invalid_operation");
    let past = sent(&world, "/pieces", word(limits::WORD_BYTES)).await;
    past.failed(413, "payload_too_large");
}

/// A push of a piece with so many keys in `set`, and the three of its own beside it.
fn with_keys(count: usize) -> Value {
    let set: serde_json::Map<_, _> = (0..count).map(|at| (format!("k{at}"), at.into())).collect();
    push("a", None, json!({ "set": set }))
}

#[tokio::test]
async fn keys_of_a_record_are_counted_before_they_are_read() {
    let world = roomy();
    // `kind`, `id`, `base` and `set`.
    let most = limits::RECORD_KEYS - 4;

    let taken = world.post("/sync", &with_keys(most)).await;
    let refused = world.post("/sync", &with_keys(most + 1)).await;

    assert_eq!("applied", taken["results"][0]["outcome"]);
    assert_eq!("too_large", refused["results"][0]["error"]["code"]);
    assert_eq!(PIECE, refused["results"][0]["id"]);
}

#[tokio::test]
async fn bytes_of_a_record_are_counted_before_they_are_read() {
    let world = roomy();
    let padded = |bytes: usize| {
        let start = format!(r#"{{"pieceId":"{PIECE}","locallyModified":true,"version":1"#);
        let end = r#","title":"a"}"#;
        format!(r#"{{"pieces":[{start}{}{end}]}}"#, " ".repeat(bytes - start.len() - end.len()))
    };

    let taken = sent(&world, "/pieces", padded(limits::RECORD_RAW_BYTES)).await.json();
    let refused = sent(&world, "/pieces", padded(limits::RECORD_RAW_BYTES + 1)).await.json();

    assert_eq!(json!([PIECE]), taken["uploadedPieces"]);
    let why = &refused["rejectedPieces"][0];
    assert_eq!((&json!("too_large"), &json!(PIECE)), (&why["code"], &why["pieceId"]));
}

#[tokio::test]
async fn a_call_about_one_record_takes_no_more_than_one() {
    let world = roomy();
    let padded = |bytes: usize| format!(r#"{{"version":1{}}}"#, " ".repeat(bytes - 13));

    for path in [format!("/pieces/{PIECE}/restore"), format!("/conflicts/{PIECE}")] {
        let past = sent(&world, &path, padded(limits::RECORD_RAW_BYTES + 1)).await;
        past.failed(413, "payload_too_large");
        let at = sent(&world, &path, padded(limits::RECORD_RAW_BYTES)).await;
        assert_ne!(413, at.status.as_u16(), "{path}");
    }
    let asked = tell(&format!("/pieces/{PIECE}/restore"), &json!({ "version": 1 }));
    world.send(asked).await.failed(404, "not_found");
}
