//! The way back.

use crate::support::{content, engine, piece, piece_key, run_items, session, user, uuid, with};
use haumana_import::{Attribute, ExportFolder, Exported, FolderSink, Item, Sink, Table};
use haumana_import::{Refused, Result, export_user};
use haumana_sync::engine::{EditTimes, Engine, Push, PushOp};
use haumana_sync::store::{Batch, Head, HeadState, MemoryStore, Revision, Store as _};
use haumana_sync::time::UnixMillis;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tables in memory.
#[derive(Default)]
pub(crate) struct Kept(pub BTreeMap<(Table, String), Item>);

#[async_trait::async_trait]
impl Sink for Kept {
    async fn put(&mut self, table: Table, items: Vec<Item>) -> Result<Vec<(Item, Refused)>> {
        for item in items {
            let key = item[table.key_names()[1]].as_text().unwrap().to_owned();
            self.0.insert((table, key), item);
        }
        Ok(Vec::new())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// An account of which only the beginning was imported.
#[tokio::test]
async fn an_account_that_is_not_whole_holds_up_no_other() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(store.clone());
    for name in ["kai", "noe"] {
        run_items(&engine, Table::Pieces, &[piece(name, 1)]).await;
    }
    let head = store.head(&user("kai")).await.unwrap().unwrap();
    let next = Head {
        state: HeadState::Importing,
        revision: Revision(head.revision.0 + 1),
        ..head.clone()
    };
    let batch = Batch { head: next, records: Vec::new(), history: Vec::new() };
    store.commit(&user("kai"), Some(&head), &batch).await.unwrap();
    let (mut sink, mut exported) = (Kept::default(), Exported::default());
    let at = UnixMillis::parse("2026-11-24T00:00:00.000Z").unwrap();
    let mut never = |_: Table, _: &Item, _: &Refused| Ok(());

    let mut said = Vec::new();
    for name in ["kai", "noe"] {
        let user = user(name);
        let left = export_user(&engine, &user, at, &mut sink, &mut exported, &mut never);
        said.push(left.await.unwrap());
    }

    assert_eq!(vec![Some("an import is not finished"), None], said);
    assert_eq!((2, 1, 1), (exported.users, exported.pieces, exported.incomplete));
}

pub(crate) async fn export(engine: &Engine, owner: &str, sink: &mut dyn Sink) -> Exported {
    let mut exported = Exported::default();
    let at = UnixMillis::parse("2026-11-24T00:00:00.000Z").unwrap();
    let mut never = |_: Table, _: &Item, _: &Refused| Ok(());
    export_user(engine, &user(owner), at, sink, &mut exported, &mut never).await.unwrap();
    sink.finish().await.unwrap();
    exported
}

#[tokio::test]
async fn what_comes_back_is_what_the_functions_held_but_for_the_server_s_own_times() {
    let engine = engine(Arc::new(MemoryStore::new()));
    let unknown = json!({
        "author": {"S": "Queen Liliʻuokalani"},
        "tempo": {"N": "12345678901234567890123456789012345678"},
        "huge": {"M": {"list": {"L": [{"N": "1.0"}, {"NULL": true}, {"BOOL": true}]}}},
    });
    let old = with(piece("kai", 1), unknown);
    let practice = with(
        session("kai", 9),
        json!({"endedAt": {"S": "2025-06-19T08:20:00Z"}, "endedAtSource": {"S": "manual"}}),
    );
    run_items(&engine, Table::Pieces, std::slice::from_ref(&old)).await;
    run_items(&engine, Table::Sessions, std::slice::from_ref(&practice)).await;

    let mut kept = Kept::default();
    let exported = export(&engine, "kai", &mut kept).await;

    assert_eq!((1, 1, 0), (exported.pieces, exported.sessions, exported.refused));
    let own = json!({
        "modifiedAt": {"S": "2026-11-23T00:00:00Z"},
        "lastSyncedAt": {"S": "2026-11-24T00:00:00.000Z"},
        "version": {"N": (2_u64 << 32).to_string()},
        "locallyModified": {"BOOL": false},
    });
    let got = |table, key: &str| serde_json::to_value(&kept.0[&(table, key.to_owned())]).unwrap();
    assert_eq!(with(old, own), got(Table::Pieces, &uuid(1)));
    let synced = json!({"syncedAt": {"S": "2026-11-24T00:00:00.000Z"}});
    let key = format!("SESSION#2025-06-19T08:00:00Z#{}", uuid(9));
    assert_eq!(with(practice, synced), got(Table::Sessions, &key));
}

#[tokio::test]
async fn deleted_records_and_what_lost_stay_behind() {
    let store = Arc::new(MemoryStore::new());
    let engine = engine(store.clone());
    let twin = with(
        piece("kai", 2),
        json!({"pieceId": {"S": uuid(2).to_lowercase()}, "title": {"S": "Twin"}}),
    );
    run_items(&engine, Table::Pieces, &[piece("kai", 1), piece("kai", 2), twin]).await;
    let delete = Push {
        key: piece_key(1),
        base: Some(1),
        edited_at: EditTimes::Unknown,
        op: PushOp::Delete,
    };
    engine.push(&user("kai"), "1f7b2e90-44c8-4d57-b0a6-e95c3a7d8f12", &[delete]).await.unwrap();

    let mut kept = Kept::default();
    let exported = export(&engine, "kai", &mut kept).await;

    assert_eq!((1, 0), (exported.pieces, exported.sessions));
    assert_eq!(vec![(Table::Pieces, uuid(2))], kept.0.keys().cloned().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_number_that_dynamodb_cannot_hold_comes_back_as_text() {
    let engine = engine(Arc::new(MemoryStore::new()));
    let numbers = [
        "1E125",
        "1E126",
        "1E-130",
        "1E-131",
        "1.50",
        "-0.0",
        "9".repeat(38).as_str(),
        "9".repeat(39).as_str(),
    ]
    .map(str::to_owned);
    let attributes: serde_json::Map<_, _> = numbers
        .iter()
        .enumerate()
        .map(|(at, text)| (format!("n{at}"), json!({"N": text})))
        .collect();
    run_items(&engine, Table::Pieces, &[with(piece("kai", 1), attributes.into())]).await;

    let mut kept = Kept::default();
    export(&engine, "kai", &mut kept).await;

    let item = &kept.0[&(Table::Pieces, uuid(1))];
    let is_number =
        |at: usize| matches!(&item[&format!("n{at}")], Attribute::N(text) if *text == numbers[at]);
    let got: Vec<bool> = (0..numbers.len()).map(is_number).collect();
    assert_eq!(vec![true, false, true, false, true, true, true, false], got);
}

#[tokio::test]
async fn an_export_to_disk_can_be_imported_somewhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let here = Arc::new(MemoryStore::new());
    let engine_here = engine(here.clone());
    let items: Vec<_> = (1..700).map(|number| piece("kai", number)).collect();
    run_items(&engine_here, Table::Pieces, &items).await;
    run_items(&engine_here, Table::Sessions, &[session("kai", 9)]).await;

    let mut sink = FolderSink::create(&folder.path().join("out")).unwrap();
    let exported = export(&engine_here, "kai", &mut sink).await;
    let there = Arc::new(MemoryStore::new());
    let mut pieces = ExportFolder::open(Table::Pieces, &folder.path().join("out/pieces")).unwrap();
    let (counts, _) = crate::support::run(&engine(there.clone()), &mut pieces).await;

    assert_eq!((699, 1), (exported.pieces, exported.sessions));
    assert_eq!(699, counts.created);
    let key = piece_key(699);
    assert_eq!(content(&*here, "kai", key).await, content(&*there, "kai", key).await);
}
