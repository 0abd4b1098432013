//! Imports that are stopped, repeated, rehearsed, and met by phones.

use crate::support::{Pages, content, engine, found, piece, piece_key, post_pieces, read, run};
use crate::support::{run_items, session, session_key, user, uuid, with};
use haumana_import::{DryRun, Table};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::store::MemoryStore;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn sqlite(folder: &Path) -> Arc<SqliteStore> {
    let options = SqliteOptions {
        path: folder.join("haumana.db"),
        readers: 1,
        busy_timeout: Duration::from_secs(5),
        max_bytes: None,
    };
    Arc::new(SqliteStore::open(&options).unwrap())
}

fn pieces(numbers: std::ops::Range<u32>) -> Vec<Value> {
    numbers.map(|number| piece("kai", number)).collect()
}

#[tokio::test]
async fn an_import_that_was_stopped_is_finished_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let all = pieces(1..301);
    run_items(&engine(store.clone()), Table::Pieces, &all[..120]).await;
    drop(store);
    let store = sqlite(folder.path());

    let (counts, _) = run_items(&engine(store.clone()), Table::Pieces, &all).await;

    assert_eq!((180, 120, 0), (counts.created, counts.left, counts.refused));
    let revision = store.head(&user("kai")).await.unwrap().unwrap().revision;
    let (counts, lines) = run_items(&engine(store.clone()), Table::Pieces, &all).await;
    assert_eq!((300, 0), (counts.left, lines.len()), "the third run has nothing to say");
    assert_eq!(revision, store.head(&user("kai")).await.unwrap().unwrap().revision);
}

#[tokio::test]
async fn an_item_that_changed_since_is_merged_and_the_rest_is_left_alone() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(store.clone());
    let mut items = pieces(1..4);
    run_items(&engine, Table::Pieces, &items).await;

    items[1] = with(
        items[1].clone(),
        json!({
            "notes": {"S": "new"},
            "modifiedAt": {"S": "2025-06-20T12:00:00Z"},
            "lastSyncedAt": {"S": "2025-06-20T12:00:01.000Z"},
        }),
    );
    items.remove(2);
    let (counts, _) = run_items(&engine, Table::Pieces, &items).await;

    assert_eq!((1, 1), (counts.updated, counts.left));
    assert_eq!("new", content(&*store, "kai", piece_key(2)).await["notes"]);
    assert!(!read(&*store, "kai", piece_key(3)).await.unwrap().deleted, "gone is not deleted");
}

#[tokio::test]
async fn a_rehearsal_knows_who_was_erased() {
    let store = Arc::new(MemoryStore::new());
    run_items(&engine(store.clone()), Table::Pieces, &pieces(1..3)).await;
    store.erase(&user("kai")).await.unwrap();
    let floor = store.erased_floor(&user("kai")).await.unwrap();

    let rehearsal = DryRun::new(store);

    assert!(floor.is_some());
    assert_eq!(floor, rehearsal.erased_floor(&user("kai")).await.unwrap());
}

#[tokio::test]
async fn a_rehearsal_says_what_the_import_then_does_and_writes_nothing() {
    let store = Arc::new(MemoryStore::new());
    let engine_of = |store: Arc<dyn Store>| engine(store);
    run_items(&engine_of(store.clone()), Table::Pieces, &pieces(1..3)).await;
    let newer = with(
        piece("kai", 1),
        json!({"title": {"S": "New"}, "lastSyncedAt": {"S": "2025-07-01T00:00:00.000Z"}}),
    );
    let twin = with(
        piece("kai", 5),
        json!({"pieceId": {"S": uuid(5).to_lowercase()}, "title": {"S": "Twin"}}),
    );
    let items = [newer, piece("kai", 2), piece("kai", 5), twin, piece("lani", 6)];
    let revision = store.head(&user("kai")).await.unwrap().unwrap().revision;

    let dry: Arc<dyn Store> = Arc::new(DryRun::new(store.clone()));
    let rehearsed = run_items(&engine_of(dry), Table::Pieces, &items).await;

    assert_eq!(revision, store.head(&user("kai")).await.unwrap().unwrap().revision);
    assert!(store.head(&user("lani")).await.unwrap().is_none(), "nothing may be written");
    let done = run_items(&engine_of(store.clone()), Table::Pieces, &items).await;
    assert_eq!(done, rehearsed);
    assert_eq!((2, 1, 1, 1), (done.0.created, done.0.updated, done.0.merged, done.0.left));
}

#[tokio::test]
async fn pages_of_both_tables_and_many_users_go_where_they_belong() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(store.clone());
    let mut pages = Vec::new();
    for page in 0..4 {
        let owners = (0..30).map(|owner| format!("user{owner}"));
        let both = owners.flat_map(|owner| {
            let piece = found(Table::Pieces, &piece(&owner, page));
            [piece, found(Table::Sessions, &session(&owner, page))]
        });
        pages.push(both.collect());
    }

    let (counts, _) = run(&engine, &mut Pages(pages)).await;

    assert_eq!((240, 240), (counts.read, counts.created));
    for owner in ["user0", "user29"] {
        assert!(read(&*store, owner, piece_key(3)).await.is_some());
        assert!(read(&*store, owner, session_key(3)).await.is_some());
        assert_eq!(8, store.head(&user(owner)).await.unwrap().unwrap().records);
    }
}

#[tokio::test]
async fn an_erased_user_stays_erased_and_is_reported() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(store.clone());
    run_items(&engine, Table::Pieces, &pieces(1..3)).await;
    engine.erase(&user("kai")).await.unwrap();

    let items = [piece("kai", 1), piece("lani", 2)];
    let (counts, lines) = run_items(&engine, Table::Pieces, &items).await;

    assert_eq!((1, 1), (counts.created, counts.refused));
    assert!(lines.iter().any(|line| line["code"] == "gone"));
    assert_eq!(None, read(&*store, "kai", piece_key(1)).await);
}

/// A phone's copy of the piece of an item.
fn copy(number: u32, changes: Value) -> Value {
    let mut json = json!({
        "pieceId": uuid(number), "userId": "kai", "title": format!("Mele {number}"),
        "category": "mele", "lyrics": "Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele",
        "includeInPractice": true, "isFavorite": false,
        "createdAt": "2025-06-18T12:00:00Z", "modifiedAt": "2025-06-18T12:30:00Z",
        "lastSyncedAt": "2025-06-18T12:30:06Z", "version": 5, "locallyModified": false,
    });
    for (name, value) in changes.as_object().unwrap() {
        json[name] = value.clone();
    }
    json
}

#[tokio::test]
async fn a_phones_first_sync_after_the_import_loses_nothing_and_repeats_change_nothing() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(store.clone());
    let items = pieces(1..4);
    run_items(&engine, Table::Pieces, &items).await;
    let revision = async || store.head(&user("kai")).await.unwrap().unwrap().revision.0;
    let before = revision().await;

    let untouched = [copy(1, json!({})), copy(2, json!({"version": 9, "locallyModified": true}))];
    let reply = post_pieces(&engine, "kai", &untouched).await;
    assert_eq!(before, revision().await, "unchanged and practised copies change nothing");
    assert_eq!(1, {
        let pieces = reply["serverPieces"].as_array().unwrap();
        pieces.iter().filter(|piece| piece["pieceId"] == uuid(3)).count()
    });

    let edited = copy(
        1,
        json!({
            "lyrics": "Haʻaheo ē ka ua i nā pali\nKe nihi aʻela i ka nahele",
            "modifiedAt": "2025-06-21T12:00:00Z", "locallyModified": true,
        }),
    );
    post_pieces(&engine, "kai", &[edited]).await;
    // The earlier server took the other device's edit meanwhile.
    let newer = with(
        items[0].clone(),
        json!({
            "lyrics": {"S": "Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele lehua"},
            "modifiedAt": {"S": "2025-06-20T12:00:00Z"},
            "lastSyncedAt": {"S": "2025-06-20T12:00:01.000Z"},
        }),
    );
    let (counts, _) = run_items(&engine, Table::Pieces, &[newer]).await;

    assert_eq!((1, 0), (counts.merged, counts.conflicts));
    let merged = content(&*store, "kai", piece_key(1)).await;
    assert_eq!("Haʻaheo ē ka ua i nā pali\nKe nihi aʻela i ka nahele lehua", merged["lyrics"]);
}
