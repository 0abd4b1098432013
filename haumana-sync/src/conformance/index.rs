//! Laws of [`Store::index`].

use super::sample::{Author, answered, piece, pieces, record, tombstone, user};
use crate::Store;
use crate::id::{Key, KindNumber, RecordId};
use crate::store::{Envelope, IndexEntry};

/// Each record is listed once, ordered by id. Records of other kinds are not listed.
pub async fn the_index_lists_each_record_of_a_kind_once_by_id(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    // The order of these ids differs between unsigned numbers, signed numbers and text.
    let ids = [u128::MAX, 1 << 127, 10, 9, 0, 255, 256].map(RecordId::from_bits);
    author.put(ids.map(|id| record(Key::piece(id), 1, "piece")).to_vec()).await;
    author.put(ids[..3].iter().map(|id| record(Key::session(*id), 1, "session")).collect()).await;
    author.put(ids[..4].iter().map(|id| record(Key::piece(*id), 2, "again")).collect()).await;

    let listed = answered("an index", store.index(&user("kai"), KindNumber::PIECE).await);

    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, listed.iter().map(|entry| entry.id).collect::<Vec<_>>());
    assert_eq!(3, answered("an index", store.index(&user("kai"), KindNumber::SESSION).await).len());
    assert_eq!(
        0,
        answered("an index", store.index(&user("kai"), KindNumber::CONFLICT).await).len()
    );
}

/// The index has no page size that a caller could see.
pub async fn the_index_is_complete_beyond_any_page(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let keys = pieces(0..2_500);
    author.put_many(keys.iter().map(|key| record(*key, 1, "piece")).collect()).await;

    let listed = answered("an index", store.index(&user("kai"), KindNumber::PIECE).await);

    let ids: Vec<RecordId> = keys.iter().map(|key| key.id).collect();
    assert_eq!(ids, listed.iter().map(|entry| entry.id).collect::<Vec<_>>());
}

/// Entries agree with the envelopes, tombstones included; sizes are bytes, not characters.
pub async fn the_index_tells_of_each_record_what_its_envelope_says(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let live = record(piece(1), 4, "ʻŌlapa, kāholo");
    let stored = author.put_stamped(2_000, vec![live, tombstone(piece(2), 9)]).await;

    let listed = answered("an index", store.index(&user("kai"), KindNumber::PIECE).await);

    let told = stored.iter().map(|record| IndexEntry {
        id: record.key.id,
        version: record.version,
        stamp: record.stamp,
        deleted: record.deleted,
        size_bytes: u32::try_from(record.content.len()).unwrap(),
        hash: record.hash,
    });
    assert_eq!(told.collect::<Vec<_>>(), listed);
}

/// An index that is read after a commit was acknowledged includes that commit.
pub async fn the_index_is_fresh(store: &dyn Store) {
    let mut author = Author::new(store, "kai");

    for version in 1..=50 {
        author.put(vec![record(piece(1), version, "Hula")]).await;

        let listed = answered("an index", store.index(&user("kai"), KindNumber::PIECE).await);
        let versions: Vec<_> = listed.iter().map(|entry| entry.version).collect();
        assert_eq!(vec![version], versions, "an acknowledged commit is in the index");
    }
}

/// What a store keeps to answer quickly follows each change: new records, edits, deletes, and
/// records that come back.
pub async fn what_is_live_is_what_the_index_and_the_records_say(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let key = |number: u128| Key::session(RecordId::from_bits(number));
    let of = |numbers: std::ops::Range<u128>, version| -> Vec<Envelope> {
        numbers.map(|number| record(key(number), version, &format!("{number} {version}"))).collect()
    };
    live_is_exact(store).await;
    let rounds = [
        of(0..40, 1),
        of(40..43, 1),
        of(10..30, 2),
        (20..25).map(|number| tombstone(key(number), 3)).collect(),
        of(43..44, 1),
        of(22..23, 4),
        (0..12).map(|number| tombstone(key(number), 5)).collect(),
        of(100..160, 1),
    ];

    for round in rounds {
        author.put_many(round).await;
        author.put(vec![record(piece(1), 1, "of another kind")]).await;

        // Twice, because the first read may leave something for the next one.
        live_is_exact(store).await;
        live_is_exact(store).await;
    }
}

async fn live_is_exact(store: &dyn Store) {
    let kai = user("kai");
    let Some(told) = store.live_records(&kai, KindNumber::SESSION).await.unwrap() else { return };
    let mut told: Vec<_> =
        told.into_iter().map(|record| (record.id, record.stamp, record.content)).collect();

    let index = answered("an index", store.index(&kai, KindNumber::SESSION).await);
    let keys: Vec<Key> = index.iter().map(|entry| Key::session(entry.id)).collect();
    let records = answered("a read of records", store.read(&kai, &keys).await);
    let live = records.into_iter().flatten().filter(|record| !record.deleted);
    let live: Vec<_> = live.map(|record| (record.key.id, record.stamp, record.content)).collect();

    told.sort_unstable_by_key(|(id, ..)| *id);
    assert_eq!(live, told);
}
