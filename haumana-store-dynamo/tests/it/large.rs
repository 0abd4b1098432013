//! Repertoires that need several pages of DynamoDB's.

use crate::support::{batch, piece, record, user};
use haumana_store_dynamo::testing::Tables;
use haumana_sync::Store;
use haumana_sync::id::KindNumber;
use haumana_sync::store::{After, Head, Place};

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
