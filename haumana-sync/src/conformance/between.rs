//! Laws of reads during which somebody commits between two steps. Unlike races, these tests find a
//! fault every time.

use super::cases::case;
use super::sample::{Author, interrupted, next_place, piece, pieces, record, user};
use crate::Store;
use crate::id::{Key, RecordId};
use crate::store::{After, Envelope, Page, Place, Revision};
use std::collections::BTreeMap;

/// LIMIT: how many polls a call gets before the test stops waiting for it.
const POLLS: usize = 2_000;

/// A reader that continues behind the head of a page has every record up to it, even if somebody
/// commits between any two steps of the call.
pub async fn a_page_has_all_records_up_to_its_head_whoever_commits_meanwhile(store: &dyn Store) {
    for limit in [1, 3, 100] {
        let mut author = Author::new(store, &format!("kai {limit}"));
        put(&mut author, 1).await;
        let name = user(&format!("kai {limit}"));
        let mut is_done = false;
        for polls in 1..POLLS {
            case(format_args!("pages of {limit}, a commit after {polls} polls"));
            let from = After::Place(Place { revision: Revision(0), within: None });
            let call = store.changes(&name, from, limit);
            let commit = async { drop(put(&mut author, 1 + polls as u32).await) };
            let (page, was_done) = interrupted(call, polls, commit).await;

            let seen = follow_on(store, &name, page.unwrap(), limit).await;

            let head = store.head(&name).await.unwrap().unwrap();
            let stored = store.changes(&name, After::Start, usize::MAX).await.unwrap();
            assert_eq!(author.head.as_ref(), Some(&head));
            for record in stored.records {
                let last = seen.get(&record.key);
                assert_eq!(Some(&record), last, "a follower has each record as it is now");
            }
            // Once more, because the next call may wait at the step where this one was done.
            if is_done && was_done {
                break;
            }
            is_done = was_done;
        }
    }
}

/// Each record that is read is whole: in its state before the commit, or after it.
pub async fn each_record_is_read_whole_whoever_commits_meanwhile(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let mut before = put(&mut author, 1).await;
    // All but the last, which is a different record in each commit.
    let keys: Vec<Key> = before.iter().map(|record| record.key).take(before.len() - 1).collect();

    for polls in 1..POLLS {
        case(format_args!("a commit after {polls} polls"));
        let mut after = Vec::new();
        let kai = user("kai");
        let call = store.read(&kai, &keys);
        let commit = async { after = put(&mut author, 1 + polls as u32).await };
        let (found, was_done) = interrupted(call, polls, commit).await;

        for (record, (old, new)) in found.unwrap().iter().zip(before.iter().zip(&after)) {
            let is_one = record.as_ref().is_some_and(|record| record == old || record == new);
            assert!(is_one, "a record is read as one commit wrote it");
        }
        before = after;
        if was_done {
            break;
        }
    }
}

/// A head, too, is of one commit.
pub async fn a_head_is_one_commits_whoever_commits_meanwhile(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    put(&mut author, 1).await;

    for polls in 1..POLLS {
        case(format_args!("a commit after {polls} polls"));
        let before = author.head.clone();
        let kai = user("kai");
        let call = store.head(&kai);
        let commit = async { drop(put(&mut author, 1 + polls as u32).await) };
        let (found, was_done) = interrupted(call, polls, commit).await;

        let found = found.unwrap();
        assert!(found == before || found == author.head, "a head is one that was committed");
        if was_done {
            break;
        }
    }
}

/// Rewrites some records, the first and the last of the page among them, and adds one.
async fn put(author: &mut Author<'_>, version: u32) -> Vec<Envelope> {
    let keys = pieces(1..6).into_iter().chain([Key::session(RecordId::from_bits(1))]);
    let mut records: Vec<Envelope> =
        keys.map(|key| record(key, version, &format!("version {version}"))).collect();
    records.push(record(piece(100 + u128::from(version)), 1, "new"));
    author.put(records).await
}

/// Continues behind a page as the engine does, to the end. Returns the last state of each record.
async fn follow_on(
    store: &dyn Store,
    user: &crate::id::UserId,
    mut page: Page,
    limit: usize,
) -> BTreeMap<Key, Envelope> {
    let mut seen = BTreeMap::new();
    loop {
        let head = page.head.as_ref().map_or(Revision(0), |head| head.revision);
        let place = next_place(&page);
        let is_last = !page.more && page.records.is_empty();
        for record in page.records {
            assert!(record.revision <= head, "nothing beyond the page's head is delivered");
            seen.insert(record.key, record);
        }
        let Some(place) = place.filter(|_| !is_last) else { return seen };
        page = store.changes(user, After::Place(place), limit).await.unwrap();
    }
}
