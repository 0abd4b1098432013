//! Part 2 on the wire, at the engine: what new clients send and read.

use crate::support::{DAY, SeededRandom, Server, SetClock, body, kai, new_piece, ready};
use haumana_sync::engine::{Changed, Engine, EngineConfig, ErrorKind, Random};
use haumana_sync::limits;
use haumana_sync::store::{Fault, Faults, FaultyStore, Generation, Store};
use haumana_sync::wire::BadRequest;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

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

/// Everything that a stored piece has, in the form in which it is stored.
fn whole(title: &str) -> Value {
    json!({"title": title, "category": "oli", "lyrics": "", "includeInPractice": true,
        "isFavorite": false, "createdAt": "2026-11-22T10:00:00.000Z"})
}

#[tokio::test]
async fn a_record_that_was_pushed_and_stands_as_it_was_sent_does_not_come_back() {
    let server = Server::new();
    let push = [create(ID, &whole("Aloha ʻOe"))];

    let reply = post(&server, &request(&Value::Null, &push)).await;

    assert_eq!("applied", reply["results"][0]["outcome"]);
    assert_eq!((json!([]), json!(false)), (reply["changes"].clone(), reply["more"].clone()));
    let other = post(&server, &request(&Value::Null, &[])).await;
    let change = &other["changes"][0];
    assert_eq!((ID, 1), (change["id"].as_str().unwrap(), change["version"].as_u64().unwrap()));
    assert_eq!("Aloha ʻOe", change["value"]["title"]);
    assert_eq!(reply["digest"], other["digest"]);
    let edit = json!({"kind": "piece", "id": ID, "base": 1, "editedAt": "2026-11-22T11:00:00Z",
        "set": {"title": "1", "notes": null, "bpm": 1.50}});
    let edited = post(&server, &request(&reply["cursor"], &[edit])).await;
    assert_eq!(
        ("applied", 0),
        (
            edited["results"][0]["outcome"].as_str().unwrap(),
            edited["changes"].as_array().unwrap().len()
        )
    );
    let gone = json!({"kind": "piece", "id": ID, "base": 2, "delete": true});
    let gone = post(&server, &request(&edited["cursor"], &[gone])).await;
    assert_eq!(json!([]), gone["changes"]);
}

#[tokio::test]
async fn a_record_comes_back_unless_it_is_to_the_byte_what_its_device_makes_of_it() {
    let mut part = whole("t");
    part.as_object_mut().unwrap().remove("createdAt");
    let mut other_form = whole("t");
    other_form["createdAt"] = json!("2026-11-22T10:00:00Z");
    let edit = |base: u32, at: &str, set: Value| {
        json!({"kind": "piece", "id": ID, "base": base,
        "editedAt": at, "set": set})
    };
    let (early, late) = ("2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z");
    // What is pushed on an empty account, each list in a request of its own.
    let cases = [
        vec![vec![create(ID, &part)]],
        vec![vec![create(ID, &other_form)]],
        vec![
            vec![create(ID, &whole("t"))],
            vec![edit(1, early, json!({"createdAt": "2026-01-01T00:00:00.000Z", "title": "1"}))],
        ],
        // One record twice: the second loses, or both are applied.
        vec![
            vec![create(ID, &whole("t"))],
            vec![edit(1, late, json!({"title": "1"})), edit(1, early, json!({"title": "2"}))],
        ],
        vec![
            vec![create(ID, &whole("t"))],
            vec![edit(1, early, json!({"title": "1"})), edit(1, late, json!({"notes": "2"}))],
        ],
        // A part of a piece that the device deleted brings back what it does not have any more.
        vec![
            vec![create(ID, &whole("t"))],
            vec![json!({"kind": "piece", "id": ID, "base": 1, "editedAt": early, "delete": true})],
            vec![edit(2, late, json!({"title": "back"}))],
        ],
        vec![vec![
            json!({"kind": "session", "id": ID, "base": null, "set": {"pieceId": ID, "startedAt": early}}),
        ]],
    ];
    for requests in cases {
        let server = Server::new();
        let (mut cursor, mut reply) = (Value::Null, Value::Null);
        for pushes in &requests {
            reply = post(&server, &request(&cursor, pushes)).await;
            cursor = reply["cursor"].clone();
        }
        assert_eq!(1, reply["changes"].as_array().unwrap().len(), "{requests:?} {reply}");
    }
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
async fn a_record_comes_although_its_device_knows_the_number_of_a_version_that_it_has_not_received()
{
    let server = Server::new();
    let made = post(&server, &request(&Value::Null, &[create(ID, &whole("0"))])).await;
    let theirs = json!({"kind": "piece", "id": ID, "base": 1, "editedAt": "2026-11-22T11:00:00Z",
        "set": {"title": "theirs"}});
    let theirs = post(&server, &json!({"deviceId": "b", "cursor": null, "push": [theirs]})).await;
    let known = &theirs["results"][0]["version"];
    let mine = json!({"kind": "piece", "id": ID, "base": known, "editedAt": "2026-11-22T12:00:00Z",
        "set": {"lyrics": "mine"}});

    let reply = post(&server, &request(&made["cursor"], &[mine])).await;

    let value = &reply["changes"][0]["value"];
    assert_eq!((json!("theirs"), json!("mine")), (value["title"].clone(), value["lyrics"].clone()));
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

    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
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
fn a_request_without_the_shape_of_one_is_refused_as_a_whole_and_told_its_shape() {
    let many = json!({"deviceId": "a", "push": vec![json!({}); limits::PUSHES + 1]}).to_string();
    let (limit, device) = (limits::PAGE_RECORDS, limits::DEVICE_ID_CHARS);
    let shape = format!(
        "the body does not have the shape that this call takes: deviceId is a text of 1 to {device} \
         characters, cursor a text or null, limit a number from 1 to {limit}, and push a list of at \
         most {} pushes",
        limits::PUSHES
    );
    let refused = [
        "[]",
        "{}",
        r#"{"deviceId": ""}"#,
        r#"{"deviceId": "a", "limit": 0}"#,
        r#"{"deviceId": "a", "limit": 1001}"#,
        r#"{"deviceId": "a", "cursor": 7}"#,
        &many,
    ];

    for text in refused {
        let bad = SyncRequest::from_json(text.as_bytes()).unwrap_err();
        assert_eq!(("invalid_request", &shape), (bad.code(), &bad.to_string()), "{text:.40}");
    }
    assert_eq!(Some(BadRequest::Json), SyncRequest::from_json(b"{").err());
}

/// What a device that had everything may push: creations, edits on old bases, deletes, the same
/// record twice. Few records and versions, so that they meet.
fn random_pushes(random: &SeededRandom, round: u64) -> Vec<Value> {
    let dice = |sides: u64| random.next_u64() % sides;
    let push = |_| {
        let id = format!("5EED0000-0000-4000-8000-{:012}", dice(5));
        let base = [Value::Null, json!(1), json!(2), json!(3)][dice(4) as usize].clone();
        let at = format!("2026-11-22T10:{round:02}:{:02}Z", dice(3));
        match dice(8) {
            0 => json!({"kind": "piece", "id": id, "base": base, "editedAt": at, "delete": true}),
            1 => json!({"kind": "session", "id": id, "base": null, "editedAt": at,
                "set": {"pieceId": ID, "startedAt": at}}),
            _ => json!({"kind": "piece", "id": id, "base": base, "editedAt": at,
                "set": {"title": dice(4).to_string()}}),
        }
    };
    (0..=dice(4)).map(push).collect()
}

#[tokio::test]
async fn what_is_known_of_the_stream_behind_a_push_is_what_a_reader_finds() {
    let (mut n_cut, mut n_changes) = (0, 0);
    for seed in 0..60 {
        let server = Server::new();
        let random = SeededRandom::starting_at(seed);
        let mut cursor = None;
        for round in 0..12 {
            let limit = 1 + random.next_u64() % 4;
            let mut sent = request(&json!(cursor), &random_pushes(&random, round));
            sent["limit"] = json!(limit);
            let sent = sent.to_string();
            let sent = SyncRequest::from_json(sent.as_bytes()).unwrap();
            server.store.take();

            let known = server.engine.sync(&kai(), &sent, 1 << 20).await.unwrap().pulled;

            let case = format!("seed {seed}, round {round}");
            let calls = server.store.take();
            assert_eq!((1, 0), (calls.head, calls.changes), "{case}: nothing is read again");
            let read = server.engine.pull(&kai(), cursor.as_deref(), limit as usize, 1 << 20).await;
            let read = read.unwrap();
            assert_eq!((&read.cursor, read.more), (&known.cursor, known.more), "{case}");
            assert_eq!((read.digest, read.reset), (known.digest, known.reset), "{case}");
            let is_known = |change: &&Changed| known.changes.contains(change);
            let found: Vec<&Changed> = read.changes.iter().filter(is_known).collect();
            assert!(known.changes.iter().eq(found), "{case}: in the order of the stream");
            assert!(!known.more || known.changes == read.changes, "{case}: a cut page is whole");
            n_cut += u32::from(known.more);
            n_changes += known.changes.len();
            let all = server.engine.pull(&kai(), None, 1000, 1 << 20).await.unwrap();
            cursor = all.cursor;
        }
    }
    assert!(100 < n_cut && 400 < n_changes, "{n_cut} cut pages, {n_changes} records");
}

#[tokio::test]
async fn a_push_of_ten_reads_the_head_and_the_records_and_commits_once() {
    let server = Server::new();
    let id = |n: usize| format!("5EED0000-0000-4000-8000-{n:012}");
    let made: Vec<Value> = (0..30).map(|n| create(&id(n), &json!({"title": "0"}))).collect();
    let reply = post(&server, &request(&Value::Null, &made)).await;
    let calls = server.store.take();
    assert_eq!((1, 1, 1, 0), (calls.head, calls.read, calls.commit, calls.changes));

    let edit = |n| {
        json!({"kind": "piece", "id": id(n), "base": 1,
        "editedAt": "2026-11-22T11:00:00Z", "set": {"title": "1"}})
    };
    let edits: Vec<Value> = (0..10).map(edit).collect();
    let reply = post(&server, &request(&reply["cursor"], &edits)).await;

    let calls = server.store.take();
    assert_eq!((1, 1, 10, 1), (calls.head, calls.read, calls.records_read, calls.commit));
    assert_eq!((0, 0, 0), (calls.index, calls.changes, calls.history));
    assert_eq!((json!([]), json!(false)), (reply["changes"].clone(), reply["more"].clone()));
    let idle = post(&server, &request(&reply["cursor"], &[])).await;
    assert_eq!((json!([]), &reply["digest"]), (idle["changes"].clone(), &idle["digest"]));
    assert_eq!(1, server.store.take().head, "a sync without changes reads one head");
}

/// Lets another device push on the same store just before the first commit.
#[derive(Debug)]
struct Meanwhile {
    other: Engine,
    push: Mutex<Option<Value>>,
}

impl Faults for Meanwhile {
    fn next(&self, op: &'static str) -> Option<Fault> {
        let push = if op == "commit" { self.push.lock().unwrap().take() } else { None };
        if let Some(push) = push.map(|push| push.to_string()) {
            let sent = SyncRequest::from_json(push.as_bytes()).unwrap();
            let user = kai();
            assert!(ready(self.other.sync(&user, &sent, 1 << 20)).is_ok());
        }
        None
    }
}

#[tokio::test]
async fn what_another_device_commits_in_the_middle_of_a_push_comes_with_the_reply() {
    let server = Server::new();
    let made = post(&server, &request(&Value::Null, &[create(ID, &json!({"title": "0"}))])).await;
    let other = "5EED0000-0000-4000-8000-000000000002";
    let theirs = create(other, &json!({"title": "theirs"}));
    let push = json!({"deviceId": "b", "cursor": null, "push": [theirs]});
    let meanwhile =
        Meanwhile { other: engine(server.memory.clone(), 1), push: Mutex::new(Some(push)) };
    let raced = engine(Arc::new(FaultyStore::new(server.memory.clone(), meanwhile)), 2);
    let edit = json!({"kind": "piece", "id": ID, "base": 1, "editedAt": "2026-11-22T11:00:00Z",
        "set": {"title": "1"}});
    let sent = request(&made["cursor"], &[edit]).to_string();

    let sent = SyncRequest::from_json(sent.as_bytes()).unwrap();
    let reply = raced.sync(&kai(), &sent, 1 << 20).await.unwrap();

    let ids: Vec<String> =
        reply.pulled.changes.iter().map(|change| change.key.id.to_string()).collect();
    assert_eq!(vec![other], ids, "the device's own edit stands as it sent it");
    let all = server.engine.pull(&kai(), None, 10, 1 << 20).await.unwrap();
    assert_eq!((all.cursor, all.digest), (reply.pulled.cursor, reply.pulled.digest));
}

/// Another server on the same store, with random bits of its own.
fn engine(store: Arc<dyn Store>, seed: u64) -> Engine {
    let config = EngineConfig::new(Generation(0));
    let clock = Arc::new(SetClock::at(haumana_sync::time::UnixMillis(DAY)));
    Engine::new(store, clock, Arc::new(SeededRandom::starting_at(seed)), config)
}
