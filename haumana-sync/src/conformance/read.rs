//! Laws of [`Store::read`].

use super::sample::{Author, answered, piece, pieces, record, tombstone, user};
use crate::Store;
use crate::digest::Digest;
use crate::id::{Key, RecordId};
use crate::store::{Envelope, Version};
use crate::time::UnixMillis;

/// Answers are in the order of the keys, also if a key occurs twice.
pub async fn records_are_read_in_the_order_of_the_keys(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let records = (1..=4).map(|n| record(piece(n), 1, &format!("piece {n}"))).collect();
    let stored = author.put(records).await;

    let keys = [piece(3), piece(1), piece(9), piece(4), piece(3)];
    let found = answered("a read of records", store.read(&user("kai"), &keys).await);

    let at = |n: usize| Some(stored[n - 1].clone());
    let due = vec![at(3), at(1), None, at(4), at(3)];
    assert_eq!(due, found, "each key has its answer, in order, also one that is asked for twice");
}

/// A record that was never written is `None`. No keys give no answers.
pub async fn records_that_do_not_exist_are_read_as_none(store: &dyn Store) {
    let kai = user("kai");
    let before = answered("a read of records", store.read(&kai, &[piece(1)]).await);
    Author::new(store, "kai").put(vec![record(piece(1), 1, "Hula")]).await;

    let after = answered("a read of records", store.read(&kai, &[piece(2), piece(3)]).await);

    assert_eq!(vec![None], before, "before the first commit no key has a record");
    assert_eq!(vec![None, None], after, "a key without a record is answered with `None`");
    assert!(
        answered("a read of records", store.read(&kai, &[]).await).is_empty(),
        "no keys have no answers"
    );
}

/// A read after a commit was acknowledged sees it.
pub async fn a_read_is_fresh(store: &dyn Store) {
    let mut author = Author::new(store, "kai");

    for version in 1..=50 {
        let stored = author.put(vec![record(piece(1), version, "Hula")]).await;

        let found = answered("a read of records", store.read(&user("kai"), &[piece(1)]).await);
        assert_eq!(vec![Some(stored[0].clone())], found, "an acknowledged commit is read");
    }
}

/// Content and meta come back byte for byte, with any text and numbers.
pub async fn records_come_back_byte_for_byte(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let mut keys = Vec::new();
    let mut stored = Vec::new();
    for (number, object) in exact_objects().into_iter().enumerate() {
        let key = piece(number as u128);
        let mut written = record(key, 1, "");
        written.meta = object.chars().take(10_000).collect::<String>();
        if written.meta != object {
            written.meta = "{}".to_owned();
        }
        written.content = object;
        keys.push(key);
        stored.extend(author.put(vec![written]).await.into_iter().map(Some));
    }

    let found = answered("a read of records", store.read(&user("kai"), &keys).await);

    for (written, read) in stored.iter().zip(&found) {
        assert_eq!(written, read, "bytes come back as they were committed");
    }
}

/// JSON objects that a store might reformat.
pub(super) fn exact_objects() -> Vec<String> {
    let long = "He mele no ka lāhui.\\n".repeat(8_000);
    let texts = [
        "{}".to_owned(),
        r#"{"title":""}"#.to_owned(),
        // One word in two normal forms: equal to people, not to bytes.
        "{\"lyrics\":\"Ka\u{304}nala\"}".to_owned(),
        "{\"lyrics\":\"K\u{101}nala\"}".to_owned(),
        "{\"lyrics\":\"\u{2bb}O ka \u{2018}oli\u{2019}\"}".to_owned(),
        "{\"lyrics\":\"one\u{2028}two\u{2029}three\u{85}four\u{feff}\"}".to_owned(),
        "{\"lyrics\":\"\u{1f3dd}\u{10ffff}\u{fffd}\u{fffe}\"}".to_owned(),
        r#"{"lyrics":"\u0000 \ud83c\udfdd \u00e9 \/ \r\n\t"}"#.to_owned(),
        r#"{"n":1.0,"m":1e2,"x":-0,"y":0.10,"big":123456789012345678901234567890,"e":1E+400}"#
            .to_owned(),
        r#"{"b":1,"a":{"d":null,"c":[[],{}]}}"#.to_owned(),
        "{ \"title\" :\t\"spaced\" ,\n\"more\": [ 1 , 2 ] }".to_owned(),
        r#"{"'; DROP TABLE records; --":"%s ? :a $1 \\"}"#.to_owned(),
        format!(r#"{{"lyrics":"{long}"}}"#),
    ];
    texts.into()
}

/// Numbers at the ends of their types come back.
pub async fn envelopes_come_back_with_extreme_numbers(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let first = Key::conflict(RecordId::from_bits(0));
    let last = Key::session(RecordId::from_bits(u128::MAX));
    let low = Envelope {
        modified_at: UnixMillis(i64::MIN),
        hash: Digest::from_bits(0),
        format: 0,
        ..record(first, 0, "")
    };
    let high = Envelope {
        modified_at: UnixMillis(i64::MAX),
        hash: Digest::from_bits(u128::MAX),
        format: u16::MAX,
        ..tombstone(last, Version::MAX)
    };

    let stored = author.put(vec![low, high]).await;

    let found = answered("a read of records", store.read(&user("kai"), &[first, last]).await);
    assert_eq!(stored, found.into_iter().flatten().collect::<Vec<_>>());
}

/// A piece, a session and a conflict of one id are three records.
pub async fn one_id_names_a_record_of_each_kind(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let id = RecordId::from_bits(5);
    let keys = [Key::piece(id), Key::session(id), Key::conflict(id)];

    let mut stored = Vec::new();
    for (key, version) in keys.into_iter().zip(1..) {
        stored.extend(author.put(vec![record(key, version, &key.kind.code())]).await);
    }

    let found = answered("a read of records", store.read(&user("kai"), &keys).await);
    assert_eq!(stored, found.into_iter().flatten().collect::<Vec<_>>());
}

/// One read may ask for more records than one request to the storage can return.
pub async fn thousands_of_records_are_read_at_once(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let mut keys = pieces(0..2_500);
    author.put_many(keys.iter().map(|key| record(*key, 1, &key.id.to_string())).collect()).await;
    keys.reverse();

    let found = answered("a read of records", store.read(&user("kai"), &keys).await);

    let read: Vec<Key> = found.iter().flatten().map(|record| record.key).collect();
    assert_eq!(keys, read, "every key is answered, in order");
}
