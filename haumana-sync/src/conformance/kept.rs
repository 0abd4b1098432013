//! Laws of the schema that a store keeps.

use super::cases::case;
use super::sample::{Author, everything, piece, record, user};
use crate::Store;
use crate::store::{ErrorKind, Operate, SCHEMA_BYTES};
use crate::time::UnixMillis;

/// The kept text is read unchanged, and the last one counts, however long it is.
pub async fn a_kept_schema_comes_back_byte_for_byte(_store: &dyn Store, all: &dyn Operate) {
    let longest = "\"\\\r\n{h\u{14d}".repeat(SCHEMA_BYTES / 8);
    assert_eq!(None, all.kept_schema().await.unwrap(), "nothing was kept");
    let mut before: Option<String> = None;
    for text in ["{}", "", "\u{1f33a} \0 \u{85}", "{}", &longest] {
        case(format_args!("a text of {} bytes", text.len()));
        all.keep_schema(before.as_deref(), text).await.unwrap();

        let kept = all.kept_schema().await.unwrap();

        assert!(kept.as_deref() == Some(text), "it comes back byte for byte");
        before = kept;
    }
}

/// A caller that does not know the kept text changes nothing, one after the other and at the same
/// time.
pub async fn of_two_that_keep_a_schema_one_is_refused(_store: &dyn Store, all: &dyn Operate) {
    all.keep_schema(None, "one").await.unwrap();
    for expected in [None, Some("other"), Some("on")] {
        case(format_args!("expecting {expected:?}"));
        let refused = all.keep_schema(expected, "two").await.unwrap_err();

        assert_eq!(ErrorKind::Conflict, refused.kind());
        assert_eq!(Some("one"), all.kept_schema().await.unwrap().as_deref(), "it stays");
    }

    let (two, three) =
        tokio::join!(all.keep_schema(Some("one"), "two"), all.keep_schema(Some("one"), "three"));

    let kept = all.kept_schema().await.unwrap();
    let winner = if two.is_ok() { "two" } else { "three" };
    assert!(two.is_ok() != three.is_ok(), "one of them keeps its text");
    assert_eq!(Some(winner), kept.as_deref());
}

/// If the outcome is unknown, the call is repeated.
pub async fn the_same_schema_kept_again_changes_nothing(_store: &dyn Store, all: &dyn Operate) {
    for (expected, next) in [(None, "one"), (Some("one"), "two")] {
        for _ in 0..2 {
            all.keep_schema(expected, next).await.unwrap();

            assert_eq!(Some(next), all.kept_schema().await.unwrap().as_deref());
        }
    }
}

/// The kept schema belongs to no user, and users' data does not include it.
pub async fn a_kept_schema_is_apart_from_users(store: &dyn Store, all: &dyn Operate) {
    let (kai, keys) = (user("kai"), [piece(1)]);
    let mut author = Author::new(store, "kai");
    author.put_with_history(vec![record(piece(1), 1, "Aloha")], Vec::new()).await;
    let before = everything(store, &kai, &keys).await;

    all.keep_schema(None, "one").await.unwrap();

    assert_eq!(before, everything(store, &kai, &keys).await, "nothing of the user changes");
    assert!(all.erasing(10).await.unwrap().is_empty());
    store.purge(&kai, UnixMillis(i64::MAX)).await.unwrap();
    store.erase(&kai).await.unwrap();
    let mut place = None;
    loop {
        place = all.sweep(UnixMillis(i64::MAX), place.as_ref(), 100).await.unwrap().next;
        if place.is_none() {
            break;
        }
    }
    all.replay_erasures().await.unwrap();
    assert_eq!(Some("one"), all.kept_schema().await.unwrap().as_deref(), "it stays");
}
