//! Part 2 on the wire, at the engine: what new clients send and read.

use crate::support::{Server, body, kai, new_piece};
use haumana_sync::engine::ErrorKind;
use haumana_sync::wire::BadRequest;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};

const ID: &str = "5EED0000-0000-4000-8000-000000000001";

async fn post(server: &Server, request: &Value) -> Value {
    let text = request.to_string();
    let request = SyncRequest::from_json(text.as_bytes()).unwrap();
    let reply = server.engine.sync(&kai(), &request, server.reply_limit_bytes).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

fn request(cursor: &Value, push: &[Value]) -> Value {
    json!({"deviceId": "a", "cursor": cursor, "push": push})
}

fn create(id: &str, fields: &Value) -> Value {
    json!({"kind": "piece", "id": id, "base": null, "editedAt": "2026-11-22T10:00:00Z", "set": fields})
}

#[tokio::test]
async fn a_record_that_was_pushed_and_stands_as_it_was_sent_does_not_come_back() {
    let server = Server::new();
    let push = [create(ID, &json!({"title": "Aloha ʻOe"}))];

    let reply = post(&server, &request(&Value::Null, &push)).await;

    assert_eq!("applied", reply["results"][0]["outcome"]);
    assert_eq!((json!([]), json!(false)), (reply["changes"].clone(), reply["more"].clone()));
    let other = post(&server, &request(&Value::Null, &[])).await;
    let change = &other["changes"][0];
    assert_eq!((ID, 1), (change["id"].as_str().unwrap(), change["version"].as_u64().unwrap()));
    assert_eq!("Aloha ʻOe", change["value"]["title"]);
    assert_eq!(reply["digest"], other["digest"]);
}

#[tokio::test]
async fn what_another_device_set_alike_comes_with_what_else_it_set() {
    let server = Server::new();
    let made = post(&server, &request(&Value::Null, &[create(ID, &json!({"title": "0"}))])).await;
    let edit = |at: &str, set: Value| json!({"kind": "piece", "id": ID, "base": 1, "editedAt": at, "set": set});
    let theirs = edit("2026-11-22T11:00:00Z", json!({"isFavorite": true, "notes": "n"}));
    let theirs = json!({"deviceId": "b", "cursor": null, "push": [theirs]});
    post(&server, &theirs).await;

    let ours = edit("2026-11-22T12:00:00Z", json!({"isFavorite": true}));
    let reply = post(&server, &request(&made["cursor"], &[ours])).await;

    assert_eq!(json!(2), reply["results"][0]["version"]);
    assert_eq!("n", reply["changes"][0]["value"]["notes"], "{reply}");
}

#[tokio::test]
async fn a_repeat_of_the_whole_request_makes_nothing_new() {
    let server = Server::new();
    post(&server, &request(&Value::Null, &[create(ID, &json!({"title": "0"}))])).await;
    let edit = json!({"kind": "piece", "id": ID, "base": 1, "editedAt": "2026-11-22T11:00:00Z",
        "set": {"title": "1"}});
    let first = post(&server, &request(&Value::Null, std::slice::from_ref(&edit))).await;

    let again = post(&server, &request(&Value::Null, &[edit])).await;

    assert_eq!(
        ("applied", "unchanged"),
        (
            first["results"][0]["outcome"].as_str().unwrap(),
            again["results"][0]["outcome"].as_str().unwrap(),
        )
    );
    assert_eq!(
        (json!(2), first["cursor"].clone()),
        (again["results"][0]["version"].clone(), again["cursor"].clone())
    );
}

#[tokio::test]
async fn unknown_keys_come_back_to_the_byte_and_null_clears_them() {
    let server = Server::new();
    let text = format!(
        r#"{{"deviceId":"a","push":[{{"kind":"piece","id":"{ID}","base":null,"set":{{"title":"t","bpm":72.0,"mele":{{"b":1e5,"a":[]}}}}}}]}}"#
    );
    let pushed = SyncRequest::from_json(text.as_bytes()).unwrap();
    server.engine.sync(&kai(), &pushed, 1 << 20).await.unwrap();

    let pull = SyncRequest::from_json(br#"{"deviceId":"b"}"#).unwrap();
    let reply = server.engine.sync(&kai(), &pull, 1 << 20).await.unwrap().into_json();

    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.contains(r#""bpm":72.0,"mele":{"b":1e5,"a":[]}"#), "{reply}");
    let clear = json!({"kind": "piece", "id": ID, "base": 1, "set": {"bpm": null}});
    post(&server, &request(&Value::Null, &[clear])).await;
    let now = post(&server, &request(&Value::Null, &[])).await;
    assert!(now["changes"][0]["value"].get("bpm").is_none());
}

#[tokio::test]
async fn bad_pushes_are_rejected_in_their_places_and_echo_what_was_sent() {
    let server = Server::new();
    let push = [
        json!({"kind": "piece", "id": "nope", "base": null, "set": {}}),
        json!({"kind": "song", "id": ID, "base": null, "set": {}}),
        json!(7),
        create(ID, &json!({"title": "good"})),
        json!({"kind": "piece", "id": ID, "base": 1, "set": {"isFavorite": "yes"}}),
        json!({"kind": "piece", "id": ID, "base": 1}),
        json!({"kind": "piece", "id": ID, "base": 0, "delete": true}),
        json!({"kind": "piece", "id": ID, "base": 1, "editedAt": "noon", "delete": true}),
    ];

    let reply = post(&server, &request(&Value::Null, &push)).await;

    let codes: Vec<&str> = reply["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["error"]["code"].as_str().unwrap_or("-"))
        .collect();
    let field = "invalid_field";
    assert_eq!(vec!["invalid_id", field, field, "-", field, field, field, field], codes);
    assert_eq!("nope", reply["results"][0]["id"]);
}

#[tokio::test]
async fn pages_are_bounded_in_bytes_and_every_page_makes_progress() {
    let mut server = Server::new();
    let lyrics = "x".repeat(1000);
    let push: Vec<Value> = (0..20)
        .map(|n| create(&format!("5EED0000-0000-4000-8000-{n:012}"), &json!({"lyrics": lyrics})))
        .collect();
    post(&server, &request(&Value::Null, &push)).await;
    server.reply_limit_bytes = 4000;

    let (mut cursor, mut seen, mut pages) = (Value::Null, 0, 0);
    loop {
        let page = post(&server, &request(&cursor, &[])).await;
        cursor = page["cursor"].clone();
        seen += page["changes"].as_array().unwrap().len();
        pages += 1;
        assert!(page.to_string().len() < 4000);
        if page["more"] == json!(false) {
            break;
        }
    }

    assert_eq!(20, seen);
    assert!(7 < pages);
}

#[tokio::test]
async fn what_a_phone_made_lose_stands_in_the_same_inbox() {
    let server = Server::new();
    let mut phone = vec![new_piece(1, "0", "")];
    let reply = server.post_pieces(&kai(), &body(&phone, None)).await;
    phone[0]["version"] = reply["updatedPieces"][0]["version"].clone();
    let edit = json!({"kind": "piece", "id": ID, "base": 1, "editedAt": "2026-11-22T23:00:00Z",
        "set": {"title": "new client"}});
    post(&server, &request(&Value::Null, &[edit])).await;

    phone[0]["title"] = json!("phone");
    phone[0]["modifiedAt"] = json!("2026-11-22T23:30:00Z");
    server.post_pieces(&kai(), &body(&phone, None)).await;

    let (open, _) = server.engine.conflicts(&kai(), None, 9).await.unwrap();
    assert_eq!(1, open.len());
    assert_eq!(Some("new client"), open[0].lost.as_ref().and_then(|lost| lost.as_text()));
}

#[tokio::test]
async fn a_device_from_before_the_erasure_is_told_before_anything_is_taken() {
    let server = Server::new();
    let before = post(&server, &request(&Value::Null, &[create(ID, &json!({"title": "0"}))])).await;
    server.engine.erase(&kai()).await.unwrap();
    let fresh = "5EED0000-0000-4000-8000-000000000002";
    post(&server, &request(&Value::Null, &[create(fresh, &json!({"title": "1"}))])).await;

    let stale = request(&before["cursor"], &[create(ID, &json!({"title": "0"}))]).to_string();
    let stale = SyncRequest::from_json(stale.as_bytes()).unwrap();
    let told = server.engine.sync(&kai(), &stale, 1 << 20).await.unwrap_err();

    assert_eq!(ErrorKind::Gone, told.kind());
    let held = post(&server, &request(&Value::Null, &[])).await;
    assert_eq!(1, held["changes"].as_array().unwrap().len());
}

#[test]
fn a_request_without_the_shape_of_one_is_refused_as_a_whole() {
    let many = json!({"deviceId": "a", "push": vec![json!({}); 1001]}).to_string();
    let refused = [
        ("[]", BadRequest::Shape),
        ("{", BadRequest::Json),
        ("{}", BadRequest::Shape),
        (r#"{"deviceId": ""}"#, BadRequest::Shape),
        (r#"{"deviceId": "a", "limit": 0}"#, BadRequest::Shape),
        (r#"{"deviceId": "a", "limit": 1001}"#, BadRequest::Shape),
        (r#"{"deviceId": "a", "cursor": 7}"#, BadRequest::Shape),
        (&many, BadRequest::Shape),
    ];

    for (text, why) in refused {
        assert_eq!(Some(why), SyncRequest::from_json(text.as_bytes()).err(), "{text:.40}");
    }
}
