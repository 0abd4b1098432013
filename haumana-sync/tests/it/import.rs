//! Exports that come back.

use crate::support::{Server, body, kai, new_piece};
use haumana_sync::engine::{
    Engine, EngineConfig, ErrorKind, ImportFlaw, Imported, PartState, Resolution,
};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::limits;
use haumana_sync::store::{Fault, Faults, FaultyStore, Generation, HeadState, MemoryStore, Store};
use haumana_sync::wire::import::ImportRequest;
use haumana_sync::wire::sync::SyncRequest;
use haumana_sync::wire::{BadRequest, Refusal};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LISTS: [&str; 5] = ["pieces", "practiceSessions", "history", "conflicts", "tombstones"];

fn lani() -> UserId {
    UserId::verified_by_caller("lani").unwrap()
}

pub(crate) async fn exported(engine: &Engine, user: &UserId) -> String {
    let mut export = engine.export(user).await.unwrap();
    let mut text = String::new();
    while let Some(more) = engine.export_more(&mut export).await.unwrap() {
        text.push_str(&more);
    }
    text
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Document(BadRequest),
    Entry(ImportFlaw),
    Engine(ErrorKind),
}

pub(crate) async fn import(
    engine: &Engine,
    user: &UserId,
    text: &str,
) -> Result<Imported, Refused> {
    let request = ImportRequest::from_json(text.as_bytes()).map_err(Refused::Document)?;
    let import = engine.check_import(user, request).map_err(Refused::Entry)?;
    engine.import(&import).await.map_err(|error| Refused::Engine(error.kind()))
}

/// What an export says, without when it was made, whose it is, and in which order.
fn said(export: &str) -> Value {
    let mut export: Value = serde_json::from_str(export).unwrap();
    export["exportDate"].take();
    export["user"].take();
    for list in LISTS {
        let entries = export[list].as_array_mut().unwrap();
        entries.iter_mut().for_each(|entry| drop(entry.get_mut("userId").map(Value::take)));
        entries.sort_by_cached_key(Value::to_string);
    }
    export
}

async fn sync(server: &Server, user: &UserId, body: &Value) -> Value {
    let body = body.to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = server.engine.sync(user, &request, 1 << 20).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

fn push(device: &str, n: u32, base: Option<u32>, more: Value) -> Value {
    let id = format!("5EED0000-0000-4000-8000-{n:012}");
    let mut push = json!({ "kind": "piece", "id": id, "base": base });
    push.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "deviceId": device, "cursor": null, "push": [push] })
}

fn set(title: &str, secs: i64) -> Value {
    let at = format!("2026-11-22T00:00:{secs:02}Z");
    json!({ "editedAt": at, "set": { "title": title } })
}

/// A server whose account has one of everything, by both protocols.
async fn full() -> Server {
    let server = Server::new();
    let user = kai();
    let mut piece = new_piece(1, "Oli \"Aloha\"", "a\r\n\tb");
    piece["mood"] = json!({ "deep": [1, null, "ʻ"], "key": "E" });
    server.post_pieces(&user, &body(&[piece, new_piece(2, "Mele", "b")], None)).await;
    let session = json!({
        "sessionId": "5EED0000-0000-4000-8000-0000000000B0",
        "pieceId": "5EED0000-0000-4000-8000-000000000001", "startedAt": "2026-11-22T00:00:00Z",
    });
    server.post_sessions(&user, &json!({ "sessions": [session] })).await;
    let number = json!({ "editedAt": "2026-11-22T00:00:01Z", "set": { "tempo": 1 } });
    let number = push("a", 1, Some(1), number).to_string().replace(":1}", ":1.50E2}");
    let request = SyncRequest::from_json(number.as_bytes()).unwrap();
    server.engine.sync(&user, &request, 1 << 20).await.unwrap();
    for (device, secs) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        server.pass_secs(10);
        sync(&server, &user, &push(device, 1, Some(1), set(device, secs))).await;
    }
    let (open, _) = server.engine.conflict_page(&user, None, 10, usize::MAX).await.unwrap();
    server.engine.resolve(&user, open[0].id, &Resolution::Keep).await.unwrap();
    let value = haumana_sync::record::Value::Text("set".to_owned());
    server.engine.resolve(&user, open[1].id, &Resolution::Set(value)).await.unwrap();
    sync(&server, &user, &push("a", 3, None, set("deleted", 5))).await;
    sync(&server, &user, &push("a", 3, Some(1), json!({ "delete": true }))).await;
    server.pass_secs(100);
    server
}

/// An empty server, later.
fn empty() -> Server {
    let server = Server::new();
    server.pass_secs(1000);
    server
}

#[tokio::test]
async fn an_export_comes_back_whole_under_the_same_and_under_another_user() {
    let text = exported(&full().await.engine, &kai()).await;
    for list in LISTS {
        assert_ne!(0, said(&text)[list].as_array().unwrap().len(), "{list} must be tried");
    }

    for user in [kai(), lani()] {
        let server = empty();
        let imported = import(&server.engine, &user, &text).await.unwrap();

        assert_eq!(PartState::Done, imported.state);
        let again = exported(&server.engine, &user).await;
        assert_eq!(said(&text), said(&again));
        assert!(again.contains(r#""tempo":1.50E2"#), "numbers keep their bytes");
        assert!(again.contains(&format!(r#""userId":"{}""#, user.as_str())));
        let digest = sync(&server, &user, &json!({ "deviceId": "x", "cursor": null })).await;
        let full = full().await;
        let old = sync(&full, &kai(), &json!({ "deviceId": "x", "cursor": null })).await;
        assert_eq!(old["digest"], digest["digest"]);
    }
}

#[tokio::test]
async fn what_lost_can_be_restored_after_an_import() {
    let text = exported(&full().await.engine, &kai()).await;
    let server = empty();
    import(&server.engine, &kai(), &text).await.unwrap();

    let (open, _) = server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    server.engine.resolve(&kai(), open[0].id, &Resolution::Restore).await.unwrap();

    let lost = open[0].lost.clone().unwrap();
    let now = said(&exported(&server.engine, &kai()).await);
    let titles: Vec<_> = now["pieces"].as_array().unwrap().iter().map(|p| &p["title"]).collect();
    assert!(titles.contains(&&json!(lost.as_text().unwrap())), "{titles:?}");
}

#[tokio::test]
async fn how_a_conflict_was_closed_is_known_after_an_import() {
    let text = exported(&full().await.engine, &kai()).await;
    let server = empty();
    import(&server.engine, &kai(), &text).await.unwrap();
    let export = said(&text);
    let mut conflicts = export["conflicts"].as_array().unwrap().iter();
    let closed = conflicts.find(|conflict| conflict["resolution"] == "set").unwrap();
    let id = RecordId::parse(closed["conflictId"].as_str().unwrap()).unwrap();
    let to = |text: &str| Resolution::Set(haumana_sync::record::Value::Text(text.to_owned()));

    let same = server.engine.resolve(&kai(), id, &to("set")).await;
    let other = server.engine.resolve(&kai(), id, &to("another")).await;

    assert!(same.is_ok(), "{same:?}");
    assert_eq!(ErrorKind::ConflictClosed, other.unwrap_err().kind());
}

#[tokio::test]
async fn history_goes_when_it_would_have_gone_on_the_old_server() {
    let old = full().await;
    old.pass_secs(60 * 86_400);
    let text = exported(&old.engine, &kai()).await;
    let new = Server::new();
    new.pass_secs(60 * 86_400);
    import(&new.engine, &kai(), &text).await.unwrap();
    let id = RecordId::parse("5EED0000-0000-4000-8000-000000000001").unwrap();
    let page =
        async || new.engine.history_of(&kai(), Key::piece(id), None, 50, 1 << 20).await.unwrap();
    assert!(1 < page().await.versions.len());

    new.pass_secs(40 * 86_400);

    assert_eq!(1, page().await.versions.len());
}

#[tokio::test]
async fn the_same_import_again_changes_nothing_also_after_edits() {
    let text = exported(&full().await.engine, &kai()).await;
    let server = empty();
    import(&server.engine, &kai(), &text).await.unwrap();
    sync(&server, &kai(), &push("a", 2, Some(1), set("edited since", 9))).await;
    sync(&server, &kai(), &push("a", 4, None, set("new since", 9))).await;
    let before = server.engine.store().head(&kai()).await.unwrap();

    let again = import(&server.engine, &kai(), &text).await.unwrap();

    assert_eq!((PartState::Done, 2), (again.state, again.pieces));
    assert_eq!(before, server.engine.store().head(&kai()).await.unwrap());
}

#[tokio::test]
async fn an_account_that_holds_anything_else_is_refused_and_left_alone() {
    let text = exported(&full().await.engine, &kai()).await;
    let refused = Err(Refused::Engine(ErrorKind::NotEmpty));

    let other = empty();
    sync(&other, &kai(), &push("a", 9, None, set("x", 1))).await;
    let same_id = empty();
    sync(&same_id, &kai(), &push("a", 1, None, set("x", 1))).await;
    let deleted = empty();
    sync(&deleted, &kai(), &push("a", 9, None, set("x", 1))).await;
    sync(&deleted, &kai(), &push("a", 9, Some(1), json!({ "delete": true }))).await;
    for server in [other, same_id, deleted, full().await] {
        let before = server.engine.store().head(&kai()).await.unwrap();
        assert_eq!(refused, import(&server.engine, &kai(), &text).await);
        assert_eq!(before, server.engine.store().head(&kai()).await.unwrap());
    }
}

#[tokio::test]
async fn an_erased_account_is_empty_and_its_devices_are_no_ghosts_after() {
    let server = full().await;
    let text = exported(&server.engine, &kai()).await;
    let cursor = sync(&server, &kai(), &json!({ "deviceId": "x", "cursor": null })).await;
    let cursor = cursor["cursor"].clone();
    server.engine.erase(&kai()).await.unwrap();

    import(&server.engine, &kai(), &text).await.unwrap();

    let mut edit = push("x", 2, Some(1), set("offline", 9));
    edit["cursor"] = cursor;
    let reply = sync(&server, &kai(), &edit).await;
    // Versions count with the life of the cursor alone.
    assert_eq!((&json!(true), "merged"), (&reply["reset"], outcome(&reply)));
    assert_eq!("other_life", reply["conflicts"][0]["reason"]);
    assert_eq!(said(&text)["history"], {
        let fresh = empty();
        import(&fresh.engine, &kai(), &text).await.unwrap();
        said(&exported(&fresh.engine, &kai()).await)["history"].clone()
    });
}

fn outcome(reply: &Value) -> &str {
    reply["results"][0]["outcome"].as_str().unwrap()
}

/// The old server went on after the export; the new one numbers its own versions apart.
#[tokio::test]
async fn a_version_of_the_old_server_is_not_taken_for_one_of_the_new() {
    let old = full().await;
    let text = exported(&old.engine, &kai()).await;
    let later = sync(&old, &kai(), &push("a", 2, Some(1), set("of the old", 9))).await;
    assert_eq!(2, later["results"][0]["version"]);
    let new = empty();
    import(&new.engine, &kai(), &text).await.unwrap();
    let ours = sync(&new, &kai(), &push("b", 2, Some(1), set("of the new", 9))).await;
    let version = u32::try_from(ours["results"][0]["version"].as_u64().unwrap()).unwrap();

    let edit = push("a", 2, Some(2), set("on the old", 8));
    let reply = sync(&new, &kai(), &edit).await;

    assert_eq!("merged", outcome(&reply), "its base is not the version of that number here");
    assert_eq!("other_life", reply["conflicts"][0]["reason"]);
    assert!(limits::VERSION_LEAP < version, "{version}");
    let next = sync(&new, &kai(), &push("c", 2, Some(version), set("next", 10))).await;
    assert_eq!("applied", outcome(&next), "a version of the new server is a base");
}

/// Fails one call.
#[derive(Debug)]
struct Once {
    left: AtomicUsize,
    fault: Fault,
}

impl Faults for Once {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(1))
        });
        (left == Ok(1)).then_some(self.fault)
    }
}

/// An engine whose store fails its call number `at`, over `memory`.
fn failing(memory: &Arc<MemoryStore>, at: usize, fault: Fault) -> Engine {
    let faulty = FaultyStore::new(memory.clone(), Once { left: AtomicUsize::new(at), fault });
    let server = empty();
    let config = EngineConfig::new(Generation(0));
    Engine::new(
        Arc::new(faulty),
        server.clock,
        Arc::new(crate::support::SeededRandom::starting_at(7)),
        config,
    )
}

#[tokio::test]
async fn an_import_that_breaks_off_anywhere_is_finished_by_the_same_again() {
    let server = full().await;
    // More than one batch.
    let pieces: Vec<Value> = (100..610).map(|n| new_piece(n, "Oli", "a")).collect();
    server.post_pieces(&kai(), &body(&pieces, None)).await;
    let text = exported(&server.engine, &kai()).await;
    let (mut at, mut broken) = (0, 0);

    loop {
        at += 1;
        let memory = Arc::new(MemoryStore::new());
        let kind = haumana_sync::store::ErrorKind::Throttled;
        let fault = if at % 2 == 0 { Fault::After } else { Fault::Before(kind) };
        let first = import(&failing(&memory, at, fault), &kai(), &text).await;
        let sound = Server::on(memory.clone(), Generation(0));
        sound.pass_secs(1000);
        if first.is_err() {
            broken += 1;
            let head = memory.head(&kai()).await.unwrap();
            let state = head.map(|head| (head.state, head.records));
            let is_whole = |(state, _)| state == HeadState::Active;
            let visible = sound.engine.export(&kai()).await.map(drop).map_err(|e| e.kind());
            let hidden = Err(ErrorKind::Importing);
            assert!(state.is_none_or(is_whole) || visible == hidden, "{at}: {state:?}");
        }
        import(&sound.engine, &kai(), &text).await.unwrap();
        assert_eq!(said(&text), said(&exported(&sound.engine, &kai()).await), "{at}");
        if first.is_ok() && 12 < at {
            break;
        }
    }
    assert!(5 < broken, "{broken} of {at}");
}

#[tokio::test]
async fn an_import_that_is_given_up_is_erased() {
    let text = exported(&full().await.engine, &kai()).await;
    let page = text.replacen('{', r#"{"next":"x","#, 1);
    let server = empty();
    let part = import(&server.engine, &kai(), &page).await.unwrap();
    assert_eq!(PartState::More, part.state);

    server.engine.erase(&kai()).await.unwrap();

    let empty = said(&exported(&server.engine, &kai()).await);
    assert_eq!(json!([]), empty["pieces"]);
    import(&server.engine, &kai(), &text).await.unwrap();
    assert_eq!(said(&text), said(&exported(&server.engine, &kai()).await));
}

#[tokio::test]
async fn while_an_import_is_not_finished_nothing_is_read() {
    let text = exported(&full().await.engine, &kai()).await;
    let server = empty();
    import(&server.engine, &kai(), &text.replacen('{', r#"{"next":"x","#, 1)).await.unwrap();
    let id = haumana_sync::id::RecordId::from_bits(1);
    let raw = serde_json::from_str("null").unwrap();

    let refused = [
        server.engine.conflict_page(&kai(), None, 9, 1 << 20).await.map(drop),
        server.engine.conflict_value(&kai(), id, raw).await.map(drop),
        server.engine.history_of(&kai(), Key::piece(id), None, 9, 1 << 20).await.map(drop),
        server.engine.export(&kai()).await.map(drop),
        server.engine.pull(&kai(), None, 9, 1 << 20).await.map(drop),
    ];

    for (at, result) in refused.into_iter().enumerate() {
        assert_eq!(haumana_sync::engine::ErrorKind::Importing, result.unwrap_err().kind(), "{at}");
    }
}

#[tokio::test]
async fn pages_of_an_import_count_the_account_whether_or_not_one_comes_again() {
    let source = full().await;
    let whole = import(&empty().engine, &kai(), &exported(&source.engine, &kai()).await).await;
    let whole = whole.unwrap();
    let server = empty();
    let (mut pages, mut place) = (Vec::new(), None);
    loop {
        let page = source.engine.export_page(&kai(), place.as_deref(), 900).await.unwrap();
        pages.push(page.json);
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert!(2 < pages.len());

    let mut counts = Vec::new();
    for page in &pages {
        let first = import(&server.engine, &kai(), page).await.unwrap();
        let again = import(&server.engine, &kai(), page).await.unwrap();
        assert_eq!(first, again);
        counts.push(first);
    }

    assert!(counts.is_sorted_by_key(|count| count.entries()));
    assert_eq!(Some(&whole), counts.last());
}

#[tokio::test]
async fn a_record_that_was_deleted_while_it_was_exported_comes_back_deleted() {
    let text = exported(&full().await.engine, &kai()).await;
    let mut export: Value = serde_json::from_str(&text).unwrap();
    let mut tombstone = export["tombstones"][0].clone();
    let piece = export["pieces"][0].clone();
    tombstone["id"] = piece["pieceId"].clone();
    tombstone["version"] = json!(piece["version"].as_u64().unwrap() + 1);
    export["tombstones"].as_array_mut().unwrap().push(tombstone);
    let server = empty();

    import(&server.engine, &kai(), &export.to_string()).await.unwrap();

    let now = said(&exported(&server.engine, &kai()).await);
    let n = |list: &str| now[list].as_array().unwrap().len();
    assert_eq!((1, 2), (n("pieces"), n("tombstones")));
}

#[tokio::test]
async fn an_export_of_another_server_comes_in_without_what_stands_beside() {
    let piece = new_piece(1, "Oli", "a");
    let export = json!({ "exportVersion": "1.0", "pieces": [piece], "practiceSessions": [] });
    let server = empty();

    import(&server.engine, &lani(), &export.to_string()).await.unwrap_err();
    import(&server.engine, &kai(), &export.to_string()).await.unwrap();

    let now = said(&exported(&server.engine, &kai()).await);
    assert_eq!(
        ("Oli", 1),
        (
            now["pieces"][0]["title"].as_str().unwrap(),
            now["pieces"][0]["version"].as_u64().unwrap()
        )
    );
}

/// Changes one entry of an export and says how that is refused; the store must not be touched.
async fn refused(text: &str, list: &str, change: impl FnOnce(&mut Value)) -> Refusal {
    let mut export: Value = serde_json::from_str(text).unwrap();
    change(&mut export[list][0]);
    let server = empty();
    let result = import(&server.engine, &kai(), &export.to_string()).await;
    assert_eq!(None, server.memory.head(&kai()).await.unwrap(), "nothing is written");
    match result {
        Err(Refused::Entry(flaw)) => {
            assert_eq!((list, 0), (flaw.list, flaw.at));
            flaw.refusal
        }
        other => panic!("{list}: {other:?}"),
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_taken_refuses_the_whole_and_is_named() {
    let text = exported(&full().await.engine, &kai()).await;
    let too_many: Vec<Value> = (1..200).map(|v| json!({ "v": v, "h": 1, "t": 1 })).collect();
    let cases = [
        ("pieces", "pieceId", json!("hula"), Refusal::InvalidId),
        ("pieces", "pieceId", Value::Null, Refusal::InvalidId),
        ("pieces", "userId", json!("somebody"), Refusal::WrongUser),
        ("pieces", "title", json!(7), Refusal::InvalidField),
        ("pieces", "title", Value::Null, Refusal::InvalidField),
        ("pieces", "isFavorite", json!("yes"), Refusal::InvalidField),
        ("pieces", "createdAt", json!("yesterday"), Refusal::InvalidField),
        ("pieces", "modifiedAt", Value::Null, Refusal::InvalidField),
        ("pieces", "version", json!(0), Refusal::InvalidField),
        ("pieces", "version", json!(-1), Refusal::InvalidField),
        ("pieces", "version", json!(limits::VERSION + 1), Refusal::InvalidField),
        ("pieces", "version", json!(u64::MAX), Refusal::InvalidField),
        ("pieces", "title", json!("a".repeat(limits::TITLE_CHARS + 1)), Refusal::TooLarge),
        ("pieces", "lyrics", json!("a".repeat(limits::LONG_TEXT_BYTES + 1)), Refusal::TooLarge),
        ("pieces", "new", json!("a".repeat(limits::RECORD_BYTES)), Refusal::TooLarge),
        ("pieces", "_haumana", json!({ "sides": u32::MAX }), Refusal::InvalidField),
        ("pieces", "_haumana", json!({ "past": { "title": too_many } }), Refusal::InvalidField),
        ("pieces", "_haumana", json!({ "foreign": [[9, 1]] }), Refusal::InvalidField),
        ("pieces", "_haumana", json!({ "lastVersion": 99 }), Refusal::InvalidField),
        ("pieces", "_haumana", json!([]), Refusal::InvalidField),
        ("pieces", "_haumana", json!("a".repeat(300_001)), Refusal::TooLarge),
        ("practiceSessions", "sessionId", json!(7), Refusal::InvalidId),
        ("practiceSessions", "pieceId", json!("x"), Refusal::InvalidField),
        ("practiceSessions", "startedAt", json!(7), Refusal::InvalidField),
        ("practiceSessions", "endedAtSource", json!("guess"), Refusal::InvalidField),
        ("practiceSessions", "more", json!("a".repeat(300_001)), Refusal::TooLarge),
        ("history", "kind", json!("conflict"), Refusal::InvalidField),
        ("history", "version", json!(0), Refusal::InvalidField),
        ("history", "side", json!(u32::MAX), Refusal::InvalidField),
        ("history", "value", json!({ "lyrics": 7 }), Refusal::InvalidField),
        ("history", "value", json!([]), Refusal::InvalidField),
        ("history", "lost", json!([{ "field": "title", "reason": "luck" }]), Refusal::InvalidField),
        ("conflicts", "conflictId", json!("x"), Refusal::InvalidId),
        ("conflicts", "kind", json!("conflict"), Refusal::InvalidField),
        ("conflicts", "reason", json!("luck"), Refusal::InvalidField),
        ("conflicts", "resolution", json!("gone"), Refusal::InvalidField),
        ("tombstones", "kind", json!("hula"), Refusal::InvalidField),
        ("tombstones", "id", json!("x"), Refusal::InvalidId),
        ("tombstones", "version", json!(1.5), Refusal::InvalidField),
    ];

    for (list, key, value, expected) in cases {
        let what = format!("{list} {key} {:.40}", value.to_string());
        let refusal = refused(&text, list, |entry| entry[key] = value).await;
        assert_eq!(expected, refusal, "{what}");
    }
    for list in LISTS {
        for entry in [json!(null), json!(7), json!("x"), json!([]), json!({})] {
            refused(&text, list, |old| *old = entry).await;
        }
    }
}

#[tokio::test]
async fn the_same_record_twice_in_one_document_is_refused() {
    let text = exported(&full().await.engine, &kai()).await;
    for list in LISTS {
        let mut export: Value = serde_json::from_str(&text).unwrap();
        let first = export[list][0].clone();
        export[list].as_array_mut().unwrap().push(first);
        let server = empty();

        let result = import(&server.engine, &kai(), &export.to_string()).await;

        assert!(matches!(result, Err(Refused::Entry(ref flaw)) if flaw.list == list), "{result:?}");
    }
}

#[tokio::test]
async fn a_document_that_is_no_export_is_refused_wherever_it_is_cut() {
    let text = exported(&full().await.engine, &kai()).await;
    let server = empty();

    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)).step_by(17) {
        let result = import(&server.engine, &kai(), &text[..end]).await;
        assert_eq!(Err(Refused::Document(BadRequest::Json)), result, "cut at {end}");
    }
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for (at, key) in
        ["pieces\":[", "history\":[", "_haumana\":", "deep\":", "user\":"].iter().enumerate()
    {
        let (before, after) = text.split_once(key).unwrap();
        let nested = format!("{before}{key}{deep}{}{after}", if at < 2 { "," } else { ",\"x\":" });
        assert!(import(&server.engine, &kai(), &nested).await.is_err(), "{key}");
    }
    assert_eq!(None, server.memory.head(&kai()).await.unwrap());
}
