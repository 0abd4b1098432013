//! Laws that keep users apart.

use super::sample::{Author, answered, entry, everything, next_batch, piece, record, user};
use crate::Store;
use crate::id::UserId;

/// The same keys of two users name different records and different history.
pub async fn users_with_the_same_keys_are_apart(store: &dyn Store) {
    let mut kai = Author::new(store, "kai");
    let mut noe = Author::new(store, "noe");

    let history = vec![entry(piece(1), 1, 0, 5)];
    let of_kai = kai.put_with_history(vec![record(piece(1), 2, "Kai's")], history).await;
    let of_noe = noe.put(vec![record(piece(1), 1, "Noe's"), record(piece(2), 1, "Noe's")]).await;

    let seen_by_kai = everything(store, &user("kai"), &[piece(1)]).await;
    let seen_by_noe = everything(store, &user("noe"), &[piece(1)]).await;
    assert_eq!((of_kai, 1), (seen_by_kai.stream, seen_by_kai.history.len()));
    assert_eq!((of_noe, 0), (seen_by_noe.stream, seen_by_noe.history.len()));
    assert_eq!(
        vec![None],
        answered("a read of records", store.read(&user("kai"), &[piece(2)]).await)
    );
}

/// Ids are compared byte for byte, and no character has a special meaning.
pub async fn users_whose_ids_look_alike_are_apart(store: &dyn Store) {
    let names = [
        "kai",
        "Kai",
        "kai ",
        " kai",
        "kaia",
        "ka",
        "k%",
        "k_i",
        "k*",
        "kai#1",
        "USER#kai",
        "kai/1",
        "'kai'",
        "0",
        "00",
        "1e3",
        "1000",
        "kāi",
        "ka\u{304}i",
        "ｋａｉ",
    ];
    let long: Vec<UserId> =
        ["a", "b"].map(|end| user(&format!("{}{end}", "k".repeat(UserId::MAX_BYTES - 1)))).into();
    let users: Vec<UserId> = names.map(user).into_iter().chain(long).collect();

    for (user, version) in users.iter().zip(1..) {
        let batch = next_batch(None, vec![record(piece(1), version, "own")], Vec::new());
        answered("a first commit", store.commit(user, None, &batch).await);
    }

    for (user, version) in users.iter().zip(1..) {
        let stream = everything(store, user, &[]).await.stream;
        let versions: Vec<_> = stream.iter().map(|record| record.version).collect();
        assert_eq!(vec![version], versions, "{:?} has only its own", user.as_str());
    }
}

/// The change feeds of two users do not depend on each other, whatever their heads.
pub async fn a_commit_of_one_user_does_not_conflict_with_anothers(store: &dyn Store) {
    let mut kai = Author::new(store, "kai");
    let mut noe = Author::new(store, "noe");

    for version in 1..=5 {
        kai.put(vec![record(piece(1), version, "Kai's")]).await;
        noe.put(vec![record(piece(1), version, "Noe's")]).await;
        noe.put(Vec::new()).await;
    }

    assert_eq!(kai.head, answered("a head", store.head(&user("kai")).await));
    assert_eq!(noe.head, answered("a head", store.head(&user("noe")).await));
}
