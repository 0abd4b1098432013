//! Erased content leaves the files.

use crate::support::{Opened, batch, history, stream, user};
use haumana_sync::Store;
use haumana_sync::store::Head;

/// Occurs in everything that must go.
const MARKER: &str = "KahuaOKaMeleHuna";

/// Counts the marker in all files of the store.
fn count(opened: &Opened) -> usize {
    let files = std::fs::read_dir(opened.directory.file(".")).unwrap();
    let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    contents.map(|bytes| occurrences(&bytes)).sum()
}

fn occurrences(bytes: &[u8]) -> usize {
    let marker = MARKER.as_bytes();
    bytes.windows(marker.len()).filter(|window| *window == marker).count()
}

/// Writes and rewrites records of many sizes for each user in turn, so that users share pages, and
/// pages split, join and are given back.
async fn churn(opened: &Opened, words: &[(&str, &str)]) -> Vec<Head> {
    let mut heads: Vec<Option<Head>> = vec![None; words.len()];
    // The multiplier's powers run through all lengths and places before they repeat.
    let mut random = 1u128;
    for round in 0..150u32 {
        for ((name, word), head) in words.iter().zip(&mut heads) {
            random = random * 48_271 % 2_147_483_647;
            let length = usize::try_from(random % 20).unwrap() + 1;
            let first = random / 20 % 200;
            let text = format!("{word} ").repeat(length);
            let mut next = batch(head.as_ref(), first..first + 6, &text);
            next.history = history(&next.records[..2], round);
            opened.commit(&user(name), head.as_ref(), &next).await.unwrap();
            *head = Some(next.head);
        }
    }
    heads.into_iter().flatten().collect()
}

#[tokio::test]
async fn erasing_leaves_not_one_byte_in_the_files() {
    let opened = Opened::new();
    let heads = churn(&opened, &[("noe", "theirs"), ("kai", MARKER), ("lono", "theirs")]).await;
    let of_noe = stream(&opened, &user("noe")).await;
    assert_ne!(0, count(&opened), "the files hold what was written");

    opened.erase(&user("kai")).await.unwrap();

    assert_eq!(0, count(&opened), "nothing of it is left");
    assert_eq!(of_noe, stream(&opened, &user("noe")).await, "others keep everything");
    let next = batch(Some(&heads[1]), 0..0, "");
    opened.commit(&user("kai"), Some(&heads[1]), &next).await.unwrap();
    assert_eq!(0, count(&opened), "nothing of it comes back");
}

#[tokio::test]
async fn a_backup_does_not_hold_what_was_purged_before_it() {
    let opened = Opened::new();
    let heads = churn(&opened, &[("kai", MARKER), ("noe", "theirs")]).await;
    let next = batch(Some(&heads[0]), 0..206, "harmless");
    opened.commit(&user("kai"), Some(&heads[0]), &next).await.unwrap();
    opened.purge(&user("kai"), haumana_sync::time::UnixMillis(i64::MAX)).await.unwrap();

    let copy = opened.directory.file("backup.db");
    opened.backup_to(&copy).await.unwrap();

    assert_eq!(0, occurrences(&std::fs::read(&copy).unwrap()));
}
