//! What one record, and one request, can make a store write: the history of a request is folded, and
//! a record with more losers than a commit holds is taken in parts.

use crate::pushing::{delete_at, fields, piece, push, set, text};
use crate::support::{SeededRandom, Server, body, kai, new_piece};
use haumana_sync::engine::{
    Asked, ConflictPlace, Engine, EngineConfig, Push, PushOutcome, Resolution,
};
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::json::JsonText;
use haumana_sync::limits;
use haumana_sync::record::Value;
use haumana_sync::store::{
    Batch, BatchLimits, ErrorKind as StoreErrorKind, Fault, Faults, FaultyStore, Generation,
    MemoryStore, Store,
};
use haumana_sync::wire::Refusal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A piece of this size is near the largest.
const LARGE_BYTES: usize = 280_000;
/// A transaction of DynamoDB.
const SMALL: BatchLimits = BatchLimits { items: 98, bytes: 3_500_000 };

/// The most that one commit writes where it can be cut.
const SLICE: BatchLimits = BatchLimits { items: 500, bytes: 4_000_000 };

/// Counts what commits write.
#[derive(Clone, Debug, Default)]
struct Written {
    bytes: Arc<AtomicUsize>,
    commits: Arc<AtomicUsize>,
    /// The store cannot hold a record with this in it, whatever the engine thinks.
    unholdable: Arc<Mutex<Option<&'static str>>>,
}

impl Faults for Written {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        None
    }

    fn next_commit(&self, batch: &Batch) -> Option<Fault> {
        let unholdable = *self.unholdable.lock().unwrap();
        if let Some(text) = unholdable
            && batch.records.iter().any(|record| record.content.contains(text))
        {
            return Some(Fault::Before(StoreErrorKind::TooLarge));
        }
        self.bytes.fetch_add(batch.size_bytes(), Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Written {
    /// Returns the bytes and the commits since the last call.
    fn take(&self) -> (usize, usize) {
        (self.bytes.swap(0, Ordering::Relaxed), self.commits.swap(0, Ordering::Relaxed))
    }
}

/// A server on a store with these limits.
fn server(limits: BatchLimits) -> (Server, Written) {
    let written = Written::default();
    let memory = Arc::new(MemoryStore::new().with_limits(limits));
    let store = Arc::new(FaultyStore::new(memory.clone(), written.clone()));
    let server = Server::on(memory, Generation(0));
    let config = EngineConfig::new(Generation(0));
    let engine =
        Engine::new(store, server.clock.clone(), Arc::new(SeededRandom::starting_at(7)), config);
    (Server { engine, ..server }, written)
}

fn large() -> (Server, Written) {
    server(MemoryStore::new().batch_limits())
}

fn flag(is_set: bool) -> Value {
    Value::Flag(is_set)
}

/// A piece with `LARGE_BYTES` of text.
async fn add_large_piece(server: &Server, key: Key) {
    let (lyrics, notes) = ("a".repeat(LARGE_BYTES / 2), "b".repeat(LARGE_BYTES / 2));
    let all = [("title", text("Oli")), ("lyrics", text(&lyrics)), ("notes", text(&notes))];
    push(server, "phone", set(key, None, 1, &all)).await;
}

fn toggles(key: Key, count: i64) -> Vec<Push> {
    let toggle = |at| set(key, Some(1), 10 + at, &[("isFavorite", flag(at % 2 == 0))]);
    (0..count).map(toggle).collect()
}

async fn history(server: &Server, key: Key) -> Vec<(u32, u32)> {
    let entries = server.memory.history_of(&kai(), &key, None, usize::MAX).await.unwrap();
    entries.iter().map(|entry| (entry.key.version, entry.key.side)).collect()
}

async fn open_conflicts(server: &Server) -> usize {
    let index = server.memory.index(&kai(), KindNumber::CONFLICT).await.unwrap();
    index.iter().filter(|entry| !entry.deleted).count()
}

/// All open conflicts, page by page, with their lost values.
async fn lost_values(server: &Server) -> Vec<(String, Value)> {
    let mut lost = Vec::new();
    let mut after: Option<ConflictPlace> = None;
    loop {
        let (page, next) = server.engine.conflict_page(&kai(), after, 100, 1 << 30).await.unwrap();
        lost.extend(page.into_iter().map(|one| (one.field.unwrap(), one.lost.unwrap())));
        after = next;
        if after.is_none() {
            lost.sort_by(|a, b| a.0.cmp(&b.0));
            return lost;
        }
    }
}

#[tokio::test]
async fn a_long_push_is_written_in_slices_between_which_others_have_their_turn() {
    let (server, written) = large();
    let new = |n: usize| set(piece(n as u128 + 1), None, 1, &[("title", text("Oli"))]);
    let pushes: Vec<Push> = (0..2 * SLICE.items + 1).map(new).collect();

    let results = server.engine.push(&kai(), "phone", &pushes).await.unwrap();

    assert!(results.iter().all(|result| result.outcome == PushOutcome::Applied));
    assert_eq!(3, written.take().1, "commits");
    let long = "l".repeat(limits::LONG_TEXT_BYTES);
    let new = |n: usize| set(piece(n as u128 + 9_000), None, 1, &[("lyrics", text(&long))]);
    let pushes: Vec<Push> = (0..SLICE.bytes / long.len()).map(new).collect();

    server.engine.push(&kai(), "phone", &pushes).await.unwrap();

    assert_eq!(2, written.take().1, "commits of many bytes");
}

#[tokio::test]
async fn a_thousand_toggles_in_one_request_write_the_piece_and_its_history_once() {
    let (server, written) = large();
    add_large_piece(&server, piece(1)).await;
    written.take();

    let results = server.engine.push(&kai(), "phone", &toggles(piece(1), 1000)).await.unwrap();

    let (bytes, commits) = written.take();
    eprintln!("1,000 toggles: {bytes} bytes in {commits} commits");
    assert!(results.iter().all(|result| result.outcome == PushOutcome::Applied));
    assert_eq!((Some(2), Some(1001)), (results[0].version, results[999].version));
    assert_eq!(1, commits);
    assert!(bytes < 3 * LARGE_BYTES, "{bytes} bytes");
    assert_eq!(vec![(1, 0)], history(&server, piece(1)).await, "what the device found");
}

#[tokio::test]
async fn deletes_and_returns_in_one_request_keep_what_was_found_and_what_is_needed() {
    let (server, written) = large();
    add_large_piece(&server, piece(1)).await;
    written.take();
    let mut pushes = Vec::new();
    for at in 0..100 {
        let base = 2 * u32::try_from(at).unwrap() + 1;
        pushes.push(delete_at(piece(1), Some(base), 10 + 2 * at));
        pushes.push(set(piece(1), Some(base + 1), 11 + 2 * at, &[("isFavorite", flag(true))]));
    }

    server.engine.push(&kai(), "phone", &pushes).await.unwrap();

    let (bytes, commits) = written.take();
    assert_eq!(1, commits);
    assert!(bytes < 3 * LARGE_BYTES, "{bytes} bytes");
    assert_eq!(vec![(1, 0)], history(&server, piece(1)).await);
    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!(LARGE_BYTES / 2, now["lyrics"].as_str().unwrap().len(), "its text is there");
}

#[tokio::test]
async fn a_delete_behind_edits_of_one_request_can_be_taken_back_with_these_edits() {
    let (server, _) = large();
    push(&server, "phone", set(piece(1), None, 1, &[("title", text("Oli"))])).await;
    let pushes = [
        set(piece(1), Some(1), 2, &[("title", text("Oli Aloha"))]),
        delete_at(piece(1), Some(1), 3),
    ];

    server.engine.push(&kai(), "phone", &pushes).await.unwrap();

    assert_eq!(vec![(2, 0), (1, 0)], history(&server, piece(1)).await);
    server.engine.restore_record(&kai(), piece(1), 2, &Asked::default()).await.unwrap();
    assert_eq!("Oli Aloha", fields(&server, piece(1)).await.unwrap()["title"]);
}

#[tokio::test]
async fn folded_edits_keep_what_another_device_wrote_and_what_lost() {
    let (server, _) = large();
    push(&server, "pad", set(piece(1), None, 1, &[("title", text("0")), ("author", text("0"))]))
        .await;
    push(&server, "pad", set(piece(1), Some(1), 50, &[("author", text("pad"))])).await;
    let pushes = [
        set(piece(1), Some(1), 60, &[("author", text("phone"))]),
        set(piece(1), Some(1), 61, &[("title", text("1"))]),
        set(piece(1), Some(1), 62, &[("title", text("2"))]),
    ];

    let results = server.engine.push(&kai(), "phone", &pushes).await.unwrap();

    let outcomes: Vec<_> = results.iter().map(|result| result.outcome).collect();
    assert_eq!(vec![PushOutcome::Merged, PushOutcome::Applied, PushOutcome::Applied], outcomes);
    assert_eq!(vec![("author".to_owned(), text("pad"))], lost_values(&server).await);
    let page = server.engine.history_of(&kai(), piece(1), None, 10, 1 << 20).await.unwrap();
    let newest = &page.versions[0];
    let changed: Vec<_> = newest.changed.iter().map(|one| one.field.as_str()).collect();
    assert_eq!((5, vec!["author", "title"]), (newest.version, changed), "of all three edits");
    assert_eq!(Some(text("pad")), newest.changed[0].value, "as the request found it");
    assert_eq!(2, page.versions[1].version);
}

#[tokio::test]
async fn a_piece_that_stands_often_in_a_phones_request_is_written_once() {
    let (server, written) = large();
    server.post_pieces(&kai(), &body(&[new_piece(1, "Oli", "")], None)).await;
    written.take();
    let pieces: Vec<_> = (0..50).map(|at| new_piece(1, &format!("Oli {at}"), "")).collect();

    let reply = server.post_pieces(&kai(), &body(&pieces, None)).await;

    assert_eq!(serde_json::json!([]), reply["rejectedPieces"], "{reply}");
    assert!(written.take().1 <= 2, "one commit for all, and one for notes");
}

/// `count` unknown keys with a value of `who`.
fn clashing(key: Key, base: Option<u32>, secs: i64, count: usize, who: &str) -> Push {
    let names: Vec<String> = (0..count).map(|at| format!("x-{at:04}")).collect();
    let mut all: Vec<(&str, Value)> = names.iter().map(|name| (name.as_str(), json(who))).collect();
    all.push(("title", text("Oli")));
    set(key, base, secs, &all)
}

fn json(text: &str) -> Value {
    Value::Json(JsonText::parse(&format!("\"{text}\"")).unwrap())
}

/// One record with more losers than one commit of the store holds; a good one after it.
async fn clash(server: &Server, count: usize) -> Vec<PushOutcome> {
    push(server, "pad", clashing(piece(1), None, 1, count, "0")).await;
    push(server, "pad", clashing(piece(1), Some(1), 50, count, "pad")).await;
    let pushes = [
        clashing(piece(1), Some(1), 60, count, "phone"),
        set(piece(2), None, 60, &[("title", text("Hula"))]),
    ];
    let results = server.engine.push(&kai(), "phone", &pushes).await.unwrap();
    results.iter().map(|result| result.outcome).collect()
}

#[tokio::test]
async fn a_record_with_more_losers_than_a_commit_holds_is_taken_in_parts() {
    for count in [94, 95, 96, 97, 98, 300, 999] {
        let (server, _) = server(SMALL);

        let outcomes = clash(&server, count).await;

        assert_eq!(vec![PushOutcome::Merged, PushOutcome::Applied], outcomes, "{count} clashes");
        let lost = lost_values(&server).await;
        assert_eq!(count, lost.len(), "each value that lost is in the inbox");
        assert!(lost.iter().all(|(_, value)| *value == json("pad")));
        let now = fields(&server, piece(1)).await.unwrap();
        assert!((0..count).all(|at| now[format!("x-{at:04}")] == "phone"));
        assert_eq!("Hula", fields(&server, piece(2)).await.unwrap()["title"]);
    }
}

#[tokio::test]
async fn edits_that_lose_are_taken_in_parts_too_and_once() {
    let (server, _) = server(SMALL);
    push(&server, "pad", clashing(piece(1), None, 1, 300, "0")).await;
    push(&server, "pad", clashing(piece(1), Some(1), 50, 300, "pad")).await;
    let late = clashing(piece(1), Some(1), 40, 300, "phone");

    let first = push(&server, "phone", late.clone()).await;
    let again = push(&server, "phone", late).await;

    assert_eq!((PushOutcome::Merged, 300), (first.outcome, first.conflicts.len()));
    assert_eq!(PushOutcome::Unchanged, again.outcome);
    assert_eq!(300, open_conflicts(&server).await);
}

#[tokio::test]
async fn a_restore_and_a_resolution_of_such_a_record_are_taken_in_parts() {
    let (server, _) = server(SMALL);
    clash(&server, 300).await;
    let before = open_conflicts(&server).await;
    let seen = Asked { base: Some(2), request_id: None };

    let restored = server.engine.restore_record(&kai(), piece(1), 1, &seen).await.unwrap();
    let again = server.engine.restore_record(&kai(), piece(1), 1, &seen).await.unwrap();

    assert!(!restored.is_unchanged && again.is_unchanged);
    assert_eq!(before + 300, open_conflicts(&server).await, "what the restore replaced");
    let now = fields(&server, piece(1)).await.unwrap();
    assert!((0..300).all(|at| now[format!("x-{at:04}")] == "0"));
    let (page, _) = server.engine.conflict_page(&kai(), None, 1, 1 << 20).await.unwrap();
    server.engine.resolve(&kai(), page[0].id, &Resolution::Restore).await.unwrap();
    assert_eq!(before + 299, open_conflicts(&server).await);
}

#[tokio::test]
async fn a_phones_piece_with_more_losers_than_a_commit_holds_is_taken_in_parts() {
    let (server, _) = server(SMALL);
    let with = |who: &str, at: &str| {
        let mut piece = new_piece(1, "Oli", "");
        (0..300).for_each(|n| piece[format!("x-{n:04}")] = who.into());
        piece["modifiedAt"] = at.into();
        piece
    };
    server.post_pieces(&kai(), &body(&[with("0", "2026-11-22T00:00:01Z")], None)).await;
    let key = Key::piece(RecordId::parse("5EED0000-0000-4000-8000-000000000001").unwrap());
    push(&server, "pad", clashing(key, Some(1), 50, 300, "pad")).await;

    let late = [with("phone", "2026-11-22T00:00:09Z"), new_piece(2, "Hula", "")];
    server.post_pieces(&kai(), &body(&late, None)).await;

    assert_eq!(300, open_conflicts(&server).await);
    assert_eq!(
        "Hula",
        fields(
            &server,
            Key::piece(RecordId::parse("5EED0000-0000-4000-8000-000000000002").unwrap())
        )
        .await
        .unwrap()["title"]
    );
}

#[tokio::test]
async fn a_delete_that_would_lose_more_than_a_commit_holds_asks_a_person() {
    let (server, _) = server(SMALL);
    push(&server, "pad", clashing(piece(1), None, 1, 300, "0")).await;
    push(&server, "pad", clashing(piece(1), Some(1), 50, 300, "pad")).await;

    // Nothing shows that it is the same device, so each field may be another installation's.
    let result = push(&server, "pad", delete_at(piece(1), Some(1), 60)).await;

    assert_eq!((PushOutcome::Merged, 1), (result.outcome, result.conflicts.len()));
    assert!(fields(&server, piece(1)).await.is_some(), "the record stays");
}

#[tokio::test]
async fn a_record_that_the_store_cannot_hold_is_refused_alone() {
    let (server, written) = large();
    *written.unholdable.lock().unwrap() = Some("unholdable");
    let title = |n: u128, title: &str| set(piece(n), None, 1, &[("title", text(title))]);
    let pushes =
        [title(1, "Oli"), title(2, "unholdable"), title(3, "Hula"), title(4, "unholdable")];

    let results = server.engine.push(&kai(), "phone", &pushes).await.unwrap();

    let outcomes: Vec<_> = results.iter().map(|result| result.outcome).collect();
    let refused = PushOutcome::Rejected(Refusal::TooLarge);
    assert_eq!(vec![PushOutcome::Applied, refused, PushOutcome::Applied, refused], outcomes);
    let phones = [new_piece(7, "unholdable", ""), new_piece(8, "Mele", "")];
    let reply = server.post_pieces(&kai(), &body(&phones, None)).await;
    assert_eq!("too_large", reply["rejectedPieces"][0]["code"], "{reply}");
    assert_eq!(4, server.memory.index(&kai(), KindNumber::PIECE).await.unwrap().len() + 1);
}

#[tokio::test]
async fn what_is_remembered_beside_a_record_stays_within_what_a_store_holds() {
    let (server, _) = large();
    let count = 400;
    let longest: usize = {
        push(&server, "phone", clashing(piece(1), None, 1, count, "0")).await;
        let mut longest = 0;
        for at in 1..60_i64 {
            let who = format!("{at}");
            let base = u32::try_from(at).unwrap();
            push(&server, "phone", clashing(piece(1), Some(base), 10 + at, count, &who)).await;
            let found = server.memory.read(&kai(), &[piece(1)]).await.unwrap();
            let record = found[0].as_ref().unwrap();
            longest = longest.max(record.content.len() + record.meta.len());
        }
        longest
    };

    assert!(longest <= 390_000, "{longest} bytes");
    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!("59", now["x-0000"], "and every edit is taken");
}
