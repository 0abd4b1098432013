//! History has a limit of its own: the oldest gives way, nobody is blocked, and what waits in the
//! inbox stays.

use crate::pushing::{fields, piece, push, set, text};
use crate::support::{SeededRandom, Server, kai};
use haumana_sync::engine::{
    Asked, Engine, EngineConfig, ErrorKind, ImportRequest, PushOutcome, Refusal, Resolution,
};
use haumana_sync::id::{Key, UserId};
use haumana_sync::record::Value;
use haumana_sync::store::{
    Batch, ErrorKind as StoreErrorKind, Fault, Faults, FaultyStore, Generation, Store,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Notes of a piece in these tests; an entry of its history is some bytes longer.
const NOTES_BYTES: usize = 10_000;
const DAY_SECS: i64 = 86_400;

/// Fails to purge for a while.
#[derive(Clone, Debug, Default)]
struct Broken(Arc<AtomicBool>);

impl Faults for Broken {
    fn next(&self, op: &'static str) -> Option<Fault> {
        let fails = op == "purge" && self.0.load(Ordering::Relaxed);
        fails.then_some(Fault::Before(StoreErrorKind::Unavailable))
    }

    fn next_commit(&self, _batch: &Batch) -> Option<Fault> {
        None
    }
}

fn engine(server: &Server, store: Arc<dyn Store>, history_bytes: u64) -> Engine {
    let config = EngineConfig::new(Generation(0));
    let random = Arc::new(SeededRandom::starting_at(7));
    Engine::new(store, server.clock.clone(), random, config).with_history_bytes(history_bytes)
}

/// A server that keeps so many bytes of history of each account.
fn server(history_bytes: u64) -> Server {
    let server = Server::new();
    let engine = engine(&server, server.store.clone(), history_bytes);
    Server { engine, ..server }
}

fn notes(at: i64) -> Value {
    text(&format!("{at:06}{}", "n".repeat(NOTES_BYTES - 6)))
}

/// Makes the versions `from..=to` of a piece, a second apart. Returns whether all were applied.
async fn edit(server: &Server, key: Key, from: u32, to: u32) -> bool {
    let mut is_applied = true;
    for version in from..=to {
        server.pass_secs(1);
        let base = (1 < version).then(|| version - 1);
        let at = i64::from(version);
        let all = [("title", text("Oli")), ("notes", notes(at))];
        let result = push(server, "phone", set(key, base, at, &all)).await;
        is_applied &= (PushOutcome::Applied, Some(version)) == (result.outcome, result.version);
    }
    is_applied
}

/// The bytes of the history, and the versions in it.
async fn history(server: &Server, key: Key) -> (u64, Vec<u32>) {
    let entries = server.memory.history_of(&kai(), &key, None, usize::MAX).await.unwrap();
    let bytes: usize = entries.iter().map(|entry| entry.size_bytes()).sum();
    (bytes as u64, entries.iter().map(|entry| entry.key.version).collect())
}

/// The bytes of the history after twenty versions.
async fn bytes_of_twenty() -> u64 {
    let server = server(u64::MAX);
    edit(&server, piece(1), 1, 20).await;
    history(&server, piece(1)).await.0
}

#[tokio::test]
async fn history_at_its_limit_stays_and_just_past_it_the_oldest_gives_way() {
    cov_mark::check!(oldest_history_gives_way);
    let limit = bytes_of_twenty().await;
    let server = server(limit);

    assert!(edit(&server, piece(1), 1, 20).await);
    let at_limit = history(&server, piece(1)).await;
    assert!(edit(&server, piece(1), 21, 21).await);
    let past_limit = history(&server, piece(1)).await;

    assert_eq!((limit, (1..=19).rev().collect()), at_limit);
    // The first is a little shorter than the others, so the second goes with it.
    assert_eq!((3..=20).rev().collect::<Vec<u32>>(), past_limit.1);
    assert!(past_limit.0 <= limit);
}

#[tokio::test]
async fn a_full_history_blocks_nobody_and_costs_an_ordinary_push_nothing() {
    let limit = bytes_of_twenty().await;
    let server = server(limit);

    assert!(edit(&server, piece(1), 1, 200).await, "every edit is taken");

    let (bytes, versions) = history(&server, piece(1)).await;
    assert!(bytes <= limit, "{bytes} bytes of {limit}");
    assert!(15 < versions.len(), "no more than needed gave way: {versions:?}");
    assert_eq!(
        notes(200),
        text(fields(&server, piece(1)).await.unwrap()["notes"].as_str().unwrap())
    );

    let roomy = self::server(u64::MAX);
    edit(&roomy, piece(1), 1, 20).await;
    roomy.store.take();
    edit(&roomy, piece(1), 21, 21).await;
    let calls = roomy.store.take();
    assert_eq!((1, 1, 1, 0, 0), (calls.head, calls.read, calls.commit, calls.delete, calls.index));
}

#[tokio::test]
async fn a_value_that_waits_in_the_inbox_stays_when_its_version_gives_way() {
    let limit = bytes_of_twenty().await;
    let server = server(limit);
    edit(&server, piece(1), 1, 1).await;
    push(&server, "pad", set(piece(1), Some(1), 50, &[("title", text("Pad"))])).await;
    let clash =
        push(&server, "phone", set(piece(1), Some(1), 60, &[("title", text("Phone"))])).await;
    let conflict = clash.conflicts[0].id;

    assert!(edit(&server, piece(1), 4, 60).await);

    let (page, _) = server.engine.conflict_page(&kai(), None, 10, 1 << 20).await.unwrap();
    assert_eq!(Some(text("Pad")), page[0].lost);
    let (bytes, versions) = history(&server, piece(1)).await;
    assert!(bytes <= limit && versions.contains(&2), "{versions:?}");
    let shown = server.engine.history_of(&kai(), piece(1), None, 100, 1 << 30).await.unwrap();
    assert!(shown.versions.iter().all(|version| version.version != 2), "it is no whole version");
    let again = server.engine.restore_record(&kai(), piece(1), 2, &Asked::default()).await;
    assert_eq!(ErrorKind::PastRetention, again.unwrap_err().kind());
    server.engine.resolve(&kai(), conflict, &Resolution::Restore).await.unwrap();
    assert_eq!("Pad", fields(&server, piece(1)).await.unwrap()["title"]);
    assert!(edit(&server, piece(1), 62, 120).await);
    assert!(!history(&server, piece(1)).await.1.contains(&2), "nothing waits for it any more");
}

#[tokio::test]
async fn an_export_with_such_a_value_comes_back_whole() {
    let limit = bytes_of_twenty().await;
    let server = server(limit);
    edit(&server, piece(1), 1, 1).await;
    push(&server, "pad", set(piece(1), Some(1), 50, &[("title", text("Pad"))])).await;
    push(&server, "phone", set(piece(1), Some(1), 60, &[("title", text("Phone"))])).await;
    edit(&server, piece(1), 4, 60).await;
    let export = exported(&server, &kai()).await;
    let lani = UserId::verified_by_caller("lani").unwrap();

    let request = ImportRequest::from_json(export.as_bytes()).unwrap();
    let import = server.engine.check_import(&lani, request).unwrap();
    server.engine.import(&import).await.unwrap();

    let (page, _) = server.engine.conflict_page(&lani, None, 10, 1 << 20).await.unwrap();
    assert_eq!((1, Some(text("Pad"))), (page.len(), page[0].lost.clone()));
}

async fn exported(server: &Server, user: &UserId) -> String {
    let mut export = server.engine.export(user).await.unwrap();
    let mut all = String::new();
    while let Some(part) = server.engine.export_more(&mut export).await.unwrap() {
        all.push_str(&part);
    }
    all
}

#[tokio::test]
async fn an_import_of_more_history_than_an_account_keeps_ends_within_the_limit() {
    let limit = bytes_of_twenty().await;
    let server = server(u64::MAX);
    edit(&server, piece(1), 1, 1).await;
    push(&server, "pad", set(piece(1), Some(1), 50, &[("title", text("Pad"))])).await;
    push(&server, "phone", set(piece(1), Some(1), 60, &[("title", text("Phone"))])).await;
    edit(&server, piece(1), 4, 30).await;
    let export = exported(&server, &kai()).await;
    let lani = UserId::verified_by_caller("lani").unwrap();
    let strict = engine(&server, server.store.clone(), limit);

    let request = ImportRequest::from_json(export.as_bytes()).unwrap();
    strict.import(&strict.check_import(&lani, request).unwrap()).await.unwrap();

    let entries = server.memory.history_of(&lani, &piece(1), None, usize::MAX).await.unwrap();
    let bytes: usize = entries.iter().map(|entry| entry.size_bytes()).sum();
    assert!(bytes as u64 <= limit, "{bytes} bytes of {limit}");
    let (page, _) = strict.conflict_page(&lani, None, 10, 1 << 20).await.unwrap();
    assert_eq!(Some(text("Pad")), page[0].lost);
}

#[tokio::test]
async fn what_could_not_be_deleted_gives_way_behind_the_next_commit() {
    let limit = bytes_of_twenty().await;
    let server = Server::new();
    let broken = Broken::default();
    let store = Arc::new(FaultyStore::new(server.memory.clone(), broken.clone()));
    let server = Server { engine: engine(&server, store, limit), ..server };
    edit(&server, piece(1), 1, 20).await;
    broken.0.store(true, Ordering::Relaxed);

    assert!(edit(&server, piece(1), 21, 25).await, "edits are taken all the same");
    let before = history(&server, piece(1)).await.0;
    broken.0.store(false, Ordering::Relaxed);
    assert!(edit(&server, piece(1), 26, 26).await);

    assert!(limit < before);
    assert!(history(&server, piece(1)).await.0 <= limit);
}

#[tokio::test]
async fn what_left_with_its_retention_or_an_erasure_is_not_counted() {
    let limit = bytes_of_twenty().await;
    let server = server(limit);
    edit(&server, piece(1), 1, 20).await;

    server.pass_secs(91 * DAY_SECS);
    edit(&server, piece(1), 21, 38).await;
    let (_, versions) = history(&server, piece(1)).await;
    assert_eq!((20..=37).rev().collect::<Vec<u32>>(), versions, "all of the last 90 days");

    server.engine.erase(&kai()).await.unwrap();
    let head = server.memory.head(&kai()).await.unwrap().unwrap();
    assert!(!head.notes.contains("history"), "{}", head.notes);
}

#[tokio::test]
async fn an_account_whose_history_was_never_counted_keeps_what_it_has() {
    let server = Server::new();
    edit(&server, piece(1), 1, 20).await;
    let head = server.memory.head(&kai()).await.unwrap().unwrap();
    let mut notes: serde_json::Value = serde_json::from_str(&head.notes).unwrap();
    notes.as_object_mut().unwrap().remove("history").unwrap();
    let mut older = head.clone();
    older.revision.0 += 1;
    older.commit.0 += 1;
    older.notes = notes.to_string();
    let batch = Batch { head: older, records: Vec::new(), history: Vec::new() };
    server.memory.commit(&kai(), Some(&head), &batch).await.unwrap();
    let limit = bytes_of_twenty().await;
    let strict = engine(&server, server.store.clone(), limit);
    let server = Server { engine: strict, ..server };

    assert!(edit(&server, piece(1), 21, 30).await);

    assert_eq!(29, history(&server, piece(1)).await.1.len(), "none of it gave way");
}

/// `device` gives each of 1,000 pieces a title, on `base`.
async fn titles(server: &Server, device: &str, base: Option<u32>, at: i64) -> Vec<PushOutcome> {
    let title = format!("Oli {at}");
    let pushes = (0..1_000).map(|n| set(piece(n), base, at, &[("title", text(&title))]));
    let pushes: Vec<_> = pushes.collect();
    let results = server.engine.push(&kai(), device, &pushes).await.unwrap();
    results.into_iter().map(|result| result.outcome).collect()
}

#[tokio::test]
async fn values_that_lost_wait_up_to_their_limit_and_just_past_it_an_edit_stays_on_its_device() {
    let server = Server::new();
    titles(&server, "phone", None, 1).await;
    titles(&server, "phone", Some(1), 1_000).await;
    for round in 0..10 {
        let outcomes = titles(&server, "tablet", Some(1), 2 + round).await;
        assert!(outcomes.iter().all(|outcome| *outcome == PushOutcome::Merged), "round {round}");
    }

    let loses = set(piece(0), Some(1), 20, &[("title", text("one more"))]);
    let loser = push(&server, "tablet", loses.clone()).await;
    let winner = push(&server, "tablet", set(piece(1), Some(2), 21, &[("notes", text("n"))])).await;

    assert_eq!(PushOutcome::Rejected(Refusal::QuotaExceeded), loser.outcome);
    assert_eq!(PushOutcome::Applied, winner.outcome, "what loses nothing goes through");
    let (page, _) = server.engine.conflict_page(&kai(), None, 1, usize::MAX).await.unwrap();
    server.engine.resolve(&kai(), page[0].id, &Resolution::Keep).await.unwrap();
    assert_eq!(PushOutcome::Merged, push(&server, "tablet", loses).await.outcome);
}
