//! Repertoires that need several pages of DynamoDB's.

use crate::support::{batch, piece, record, user};
use haumana_store_dynamo::testing::Tables;
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::{EditTimes, EngineConfig, Push, PushOp, PushOutcome};
use haumana_sync::id::KindNumber;
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::store::{After, Generation, Head, Place};
use haumana_sync::time::UnixMillis;
use haumana_sync::{Engine, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// DYNAMODB: an answer of a Query ends at 1 MB.
const PAGE_BYTES: usize = 1 << 20;

#[tokio::test]
async fn ten_thousand_pieces_arrive_whole() {
    let tables = Tables::create().await;
    let (store, kai) = (tables.store(), user("kai"));
    let content = format!(r#"{{"title":"Hula","lyrics":"{}"}}"#, "ʻO ka hui. ".repeat(80));
    let numbers: Vec<u128> = (0..10_000).collect();
    let mut head: Option<Head> = None;
    for chunk in numbers.chunks(98) {
        let records = chunk.iter().map(|n| record(piece(*n), 1, &content)).collect();
        let next = batch(head.as_ref(), chunk[0] + 1, records);
        store.commit(&kai, head.as_ref(), &next).await.unwrap();
        head = Some(next.head);

        if chunk[0] == 1_176 {
            // The first MB of the partition is behind us.
            assert!(PAGE_BYTES < 1_200 * content.len());
            assert_eq!(chunk[chunk.len() - 1] + 1, pulled(&store, 1_000).await);
        }
    }

    let keys: Vec<_> = numbers.iter().map(|n| piece(*n)).collect();
    let read = store.read(&kai, &keys).await.unwrap();

    assert!(read.iter().flatten().count() == 10_000, "every key is answered");
    assert_eq!(10_000, store.index(&kai, KindNumber::PIECE).await.unwrap().len());
    assert_eq!(10_000, pulled(&store, usize::MAX).await);
}

/// One transaction has no place for so many entries of the inbox.
#[tokio::test]
async fn a_piece_with_97_clashing_fields_and_more_is_taken_with_all_that_lost() {
    let tables = Tables::create().await;
    let kai = user("kai");
    let config = EngineConfig::new(Generation(0));
    let clock = Arc::new(SetClock::at(UnixMillis(1_795_392_000_000)));
    let random = Arc::new(SeededRandom::new(7));
    let engine = Engine::new(Arc::new(tables.store()), clock, random, config);
    for (n, count) in [(1, 96), (2, 97), (3, 98), (4, 300)] {
        let clash = |base, secs: i64, who: &str| {
            let value = Value::Json(JsonText::parse(&format!("\"{who}\"")).unwrap());
            let mut all: BTreeMap<String, Value> =
                (0..count).map(|at| (format!("x-{at}"), value.clone())).collect();
            all.insert("title".to_owned(), Value::Text("Oli".to_owned()));
            let edited_at = EditTimes::One(UnixMillis(secs * 1000));
            Push { key: piece(n), base, edited_at, op: PushOp::Set(all) }
        };
        engine.push(&kai, "pad", &[clash(None, 1, "0")]).await.unwrap();
        engine.push(&kai, "pad", &[clash(Some(1), 2, "pad")]).await.unwrap();

        let result = engine.push(&kai, "phone", &[clash(Some(1), 3, "phone")]).await.unwrap();

        assert_eq!(PushOutcome::Merged, result[0].outcome);
        assert_eq!(count, result[0].conflicts.len(), "each value that lost is in the inbox");
    }
}

/// Follows the stream from its beginning and returns how many different pieces came.
async fn pulled(store: &impl Store, limit: usize) -> u128 {
    let mut ids = std::collections::BTreeSet::new();
    let mut after = After::Start;
    loop {
        let page = store.changes(&user("kai"), after, limit).await.unwrap();
        ids.extend(page.records.iter().map(|record| record.key.id));
        let Some(last) = page.records.last().filter(|_| page.more) else {
            return ids.len() as u128;
        };
        after = After::Place(Place { revision: last.revision, within: Some(last.key) });
    }
}
