//! Laws of [`Store::history`] and [`Store::history_of`].

use super::read::exact_objects;
use super::sample::{Author, answered, entry, piece, record, user};
use crate::Store;
use crate::id::{Key, RecordId};
use crate::store::{HistoryEntry, HistoryKey, Version};
use crate::time::UnixMillis;

/// Answers are in the order of the keys. An entry that was never written is `None`.
pub async fn history_is_read_in_the_order_of_the_keys(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let entries = vec![
        entry(piece(1), 1, 0, 10),
        entry(piece(1), 1, 7, 20),
        entry(piece(1), 2, 0, 30),
        entry(piece(2), 1, 0, 40),
    ];
    author.put_with_history(vec![record(piece(1), 3, "now")], entries.clone()).await;

    let absent = HistoryKey { key: piece(1), version: 3, side: 0 };
    let keys = [entries[3].key, absent, entries[1].key, entries[0].key, entries[3].key];
    let found = answered("history by its keys", store.history(&user("kai"), &keys).await);

    let at = |n: usize| Some(entries[n].clone());
    assert_eq!(vec![at(3), None, at(1), at(0), at(3)], found);
    assert!(answered("history by its keys", store.history(&user("kai"), &[]).await).is_empty());
    assert_eq!(
        vec![None],
        answered("history by its keys", store.history(&user("noe"), &[absent]).await)
    );
}

/// Content and meta of history come back byte for byte, as those of records do.
pub async fn history_comes_back_byte_for_byte(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let mut entries = Vec::new();
    for (version, object) in (1..).zip(exact_objects()) {
        let written = HistoryEntry { content: object, ..entry(piece(1), version, 0, 10) };
        author.put_with_history(Vec::new(), vec![written.clone()]).await;
        entries.push(written);
    }

    let keys: Vec<HistoryKey> = entries.iter().map(|entry| entry.key).collect();
    let found = answered("history by its keys", store.history(&user("kai"), &keys).await);

    for (written, read) in entries.iter().zip(&found) {
        assert_eq!(Some(written), read.as_ref(), "bytes come back as they were committed");
    }
}

/// The newest version comes first, and a version's sides follow it in order.
pub async fn history_of_a_record_is_newest_first_and_sides_ascend(store: &dyn Store) {
    write_history(store).await;

    let found = answered(
        "the history of a record",
        store.history_of(&user("kai"), &piece(1), None, 100).await,
    );

    let whole = [entry(piece(1), 2, 0, 20), entry(piece(1), 2, 3, 20), entry(piece(1), 2, 9, 20)];
    assert_eq!(whole.to_vec(), found[2..5], "entries come back whole");
    assert_eq!(vec![(256, 0), (255, 1), (2, 0), (2, 3), (2, 9), (1, 0)], places(&found));
}

/// Pages end between versions, so `before` the last version of a page continues it.
pub async fn history_of_a_record_is_paged_by_whole_versions(store: &dyn Store) {
    write_history(store).await;
    let (kai, piece) = (user("kai"), piece(1));

    for limit in 3..=7 {
        let mut found = Vec::new();
        let mut before = None;
        loop {
            let page = answered(
                "the history of a record",
                store.history_of(&kai, &piece, before, limit).await,
            );
            assert!(page.len() <= limit, "a page holds at most its limit");
            let is_below = |version| before.is_none_or(|before| version < before);
            assert!(page.iter().all(|entry| is_below(entry.key.version)), "`before` is a bound");
            let Some(last) = page.last() else { break };
            before = Some(last.key.version);
            found.extend(page);
        }

        let due = vec![(256, 0), (255, 1), (2, 0), (2, 3), (2, 9), (1, 0)];
        assert_eq!(due, places(&found), "in pages of {limit}");
    }
    let page = answered("the history of a record", store.history_of(&kai, &piece, None, 4).await);
    assert_eq!(vec![(256, 0), (255, 1)], places(&page), "version 2 does not fit whole");
}

/// Only a version with more sides than the limit is split.
pub async fn history_of_a_version_beyond_the_limit_is_cut(store: &dyn Store) {
    write_history(store).await;

    for limit in [1, 2] {
        let found = answered(
            "the history of a record",
            store.history_of(&user("kai"), &piece(1), Some(3), limit).await,
        );

        assert_eq!([(2, 0), (2, 3)][..limit], places(&found));
    }
}

/// Neighbours by id and by kind are not listed.
pub async fn history_of_a_record_holds_no_other_records(store: &dyn Store) {
    write_history(store).await;
    let neighbours = [piece(0), piece(2), Key::session(RecordId::from_bits(1)), piece(3)];

    for (key, due) in neighbours.iter().zip([1, 1, 1, 0]) {
        let found = answered(
            "the history of a record",
            store.history_of(&user("kai"), key, None, 100).await,
        );

        assert_eq!(due, found.len());
        assert!(found.iter().all(|entry| entry.key.key == *key), "no other record's history");
    }
}

/// A key that exists is replaced whole, as a record is, and stays one entry.
pub async fn a_history_entry_written_again_is_replaced_whole(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let first = HistoryEntry { content: long_object(), ..entry(piece(1), 2, 1, 90) };
    let again = entry(piece(1), 2, 1, 10);
    let other = entry(piece(1), 2, 0, 90);
    author.put_with_history(Vec::new(), vec![first, other.clone()]).await;

    author.put_with_history(Vec::new(), vec![again.clone()]).await;

    let kai = user("kai");
    let found = answered("history by its keys", store.history(&kai, &[again.key]).await);
    assert_eq!(vec![Some(again.clone())], found, "the later entry is read");
    let listed =
        answered("the history of a record", store.history_of(&kai, &piece(1), None, 100).await);
    assert_eq!(vec![other.clone(), again], listed, "it is listed once");
    answered("a purge", store.purge(&kai, UnixMillis(50)).await);
    let left =
        answered("the history of a record", store.history_of(&kai, &piece(1), None, 100).await);
    assert_eq!(vec![other], left, "it is purged by the time of the later entry");
}

/// History that was acknowledged is listed and read.
pub async fn history_is_fresh(store: &dyn Store) {
    let mut author = Author::new(store, "kai");

    for version in 1..=50 {
        let written = entry(piece(1), version, 0, 10);
        author.put_with_history(Vec::new(), vec![written.clone()]).await;

        let read =
            answered("history by its keys", store.history(&user("kai"), &[written.key]).await);
        assert_eq!(vec![Some(written.clone())], read, "an acknowledged entry is read");
        let listed = answered(
            "the history of a record",
            store.history_of(&user("kai"), &piece(1), None, 1).await,
        );
        assert_eq!(vec![written], listed, "an acknowledged entry is listed");
    }
}

fn long_object() -> String {
    format!(r#"{{"lyrics":"{}"}}"#, "long ".repeat(10_000))
}

/// Writes the history of piece 1 in several commits and out of order, and of its neighbours.
async fn write_history(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let (one, session) = (piece(1), Key::session(RecordId::from_bits(1)));
    let commits = [
        vec![entry(one, 2, 9, 20), entry(one, 1, 0, 10), entry(piece(0), 5, 0, 10)],
        vec![entry(one, 2, 0, 20), entry(session, 5, 0, 10), entry(piece(2), 5, 0, 10)],
        vec![entry(one, 256, 0, 40), entry(one, 2, 3, 20), entry(one, 255, 1, 30)],
    ];
    for history in commits {
        author.put_with_history(Vec::new(), history).await;
    }
}

fn places(entries: &[HistoryEntry]) -> Vec<(Version, u32)> {
    entries.iter().map(|entry| (entry.key.version, entry.key.side)).collect()
}
