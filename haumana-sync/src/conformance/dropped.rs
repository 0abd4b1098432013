//! Laws of calls that are dropped. A web server drops a call when a client disconnects.

use super::cases::case;
use super::races::batch_by;
use super::sample::{
    Author, Everything, entry, everything, next_batch, piece, pieces, poll_times, record, user,
};
use crate::Store;
use crate::id::{Key, KindNumber, UserId};
use crate::store::{After, Batch, CommitId, ErrorKind, Head};
use crate::time::UnixMillis;

/// How often each number of polls is tried, since a call waits at different steps each time.
const ROUNDS: u128 = 3;
/// LIMIT: how many polls a call gets before the test stops waiting for it.
const POLLS: usize = 2_000;

/// However far a commit got, the identical call completes it, and the batch is whole.
pub async fn a_dropped_commit_is_settled_by_the_identical_call(store: &dyn Store) {
    for round in 0..ROUNDS {
        let mut author = begin(store, round).await;
        for polls in 0..POLLS {
            case(format_args!("round {round}: dropped after {polls} polls, then repeated"));
            let batch = large_step(author.head.as_ref(), polls as u128);
            let is_done = drop_commit(&author, &batch, polls).await;
            others_are_not_blocked(store, polls as u128 + POLLS as u128 * round).await;

            settle(store, author.user(), author.head.as_ref(), &batch).await;

            author.head = Some(batch.head.clone());
            is_whole(store, &author, &batch).await;
            if is_done {
                break;
            }
        }
    }
}

/// However far a commit got, either another commit on the same head succeeds, or the dropped one
/// was done.
pub async fn a_dropped_commit_is_in_or_leaves_no_trace(store: &dyn Store) {
    for round in 0..ROUNDS {
        let mut author = begin(store, 100 + round).await;
        for polls in 0..POLLS {
            case(format_args!("round {round}: dropped after {polls} polls, then another"));
            let dropped = large_step(author.head.as_ref(), polls as u128);
            let is_done = drop_commit(&author, &dropped, polls).await;

            let mut other = large_step(author.head.as_ref(), 1_000_000 + polls as u128);
            other.head.commit = CommitId(other.head.commit.0 + 1);
            let is_in = try_commit(store, author.user(), author.head.as_ref(), &other).await;

            let last = if is_in { &other } else { &dropped };
            let lost = if is_in { &dropped } else { &other };
            author.head = Some(last.head.clone());
            is_whole(store, &author, last).await;
            leaves_no_trace(store, &author, lost).await;
            assert!(!(is_done && is_in), "a commit that was acknowledged cannot be passed over");
            if is_done {
                break;
            }
        }
    }
}

/// Calls that read are dropped at every step. Afterwards all other calls work.
pub async fn dropped_calls_block_nobody_and_change_nothing(store: &dyn Store) {
    let author = begin(store, 200).await;
    let before = everything(store, author.user(), &keys()).await;
    for call in READS {
        for polls in 0..POLLS {
            case(format_args!("{call} dropped after {polls} polls"));
            let is_done = poll_times(make_call(store, author.user(), call), polls).await;

            others_are_not_blocked(store, 0).await;
            let after = everything(store, author.user(), &keys()).await;
            assert_eq!(before, after, "a dropped call that reads changes nothing");
            if is_done.is_some() {
                break;
            }
        }
    }
}

/// A purge or an erasure that was dropped is finished by the same call, and blocks no other call.
pub async fn a_dropped_purge_or_erasure_is_finished_by_the_same_call(store: &dyn Store) {
    for (call, at) in ["purge", "erase"].into_iter().zip(300..) {
        let mut author = begin(store, at).await;
        for polls in 0..POLLS {
            case(format_args!("{call} dropped after {polls} polls"));
            let batch = large_step(author.head.as_ref(), polls as u128);
            author.commit(batch).await;
            let is_done = poll_times(make_call(store, author.user(), call), polls).await;
            others_are_not_blocked(store, polls as u128).await;

            make_call(store, author.user(), call).await;

            let left = everything(store, author.user(), &keys()).await;
            assert_eq!(author.head, left.head, "the head stays");
            assert!(left.history.is_empty(), "no history is left");
            assert_eq!(call == "erase", left.stream.is_empty(), "an erasure takes all records");
            if is_done.is_some() {
                break;
            }
        }
    }
}

const READS: [&str; 6] = ["head", "read", "index", "changes", "history", "history_of"];

/// Makes one call and discards its answer, for callers that drop the call.
async fn make_call(store: &dyn Store, user: &UserId, call: &str) {
    let done = match call {
        "head" => store.head(user).await.map(drop),
        "read" => store.read(user, &keys()).await.map(drop),
        "index" => store.index(user, KindNumber::PIECE).await.map(drop),
        "changes" => store.changes(user, After::Start, 100).await.map(drop),
        "history" => store.history(user, &[entry(piece(1), 1, 0, 5).key]).await.map(drop),
        "history_of" => store.history_of(user, &piece(1), None, 100).await.map(drop),
        "purge" => store.purge(user, UnixMillis(i64::MAX)).await,
        _ => store.erase(user).await.map(drop),
    };
    done.unwrap();
}

fn keys() -> Vec<Key> {
    pieces(0..12)
}

/// Begins the change feed of a separate user, with records and history.
async fn begin(store: &dyn Store, number: u128) -> Author<'_> {
    let mut author = Author::new(store, &format!("kai {number}"));
    let records = keys().into_iter().map(|key| record(key, 1, "first")).collect();
    author.put_with_history(records, vec![entry(piece(1), 1, 0, 5)]).await;
    author
}

/// Rewrites records, adds one record, and adds history.
fn large_step(head: Option<&Head>, number: u128) -> Batch {
    let version = 2 + u32::try_from(number).unwrap();
    let mut records: Vec<_> =
        pieces(2..10).into_iter().map(|key| record(key, version, "next")).collect();
    records.push(record(own_key(number), 1, "own"));
    let history = vec![entry(piece(1), version, 0, 7), entry(piece(2), version, 0, 7)];
    let mut batch = next_batch(head, records, history);
    batch.head.commit = CommitId(1 + (number << 1));
    batch
}

fn own_key(number: u128) -> Key {
    piece(1_000 + number)
}

/// Whether the commit was acknowledged before it was dropped.
async fn drop_commit(author: &Author<'_>, batch: &Batch, polls: usize) -> bool {
    let commit = author.store().commit(author.user(), author.head.as_ref(), batch);
    match poll_times(commit, polls).await {
        None => false,
        Some(Ok(())) => true,
        Some(Err(error)) => {
            let may_fail = [ErrorKind::Unknown, ErrorKind::Throttled].contains(&error.kind());
            assert!(may_fail, "a commit on the head of its only writer is taken: {error}");
            false
        }
    }
}

/// Repeats a call until its outcome is known. The commit must be done.
async fn settle(store: &dyn Store, user: &UserId, head: Option<&Head>, batch: &Batch) {
    let is_in = try_commit(store, user, head, batch).await;
    assert!(is_in, "the identical call again succeeds, whether the dropped one was done or not");
}

/// Repeats a call until it succeeds or conflicts. Returns whether it succeeded.
async fn try_commit(store: &dyn Store, user: &UserId, head: Option<&Head>, batch: &Batch) -> bool {
    for _ in 0..10_000 {
        match store.commit(user, head, batch).await.map_err(|error| error.kind()) {
            Ok(()) => return true,
            Err(ErrorKind::Conflict) => return false,
            Err(ErrorKind::Throttled | ErrorKind::Unknown) => tokio::task::yield_now().await,
            Err(kind) => panic!("a commit behind a dropped one is in or conflicts, not {kind:?}"),
        }
    }
    panic!("a call that was dropped must not block the next one");
}

/// Calls of another user, and this user's reads, work at once.
async fn others_are_not_blocked(store: &dyn Store, number: u128) {
    let noe = user("noe");
    for _ in 0..2 {
        let head = store.head(&noe).await.unwrap();
        let batch = batch_by(head.as_ref(), 7, number);
        let is_in = try_commit(store, &noe, head.as_ref(), &batch).await;
        assert!(is_in, "another user's commit goes in beside a dropped call");
    }
}

/// The store has the records, the history and the head of the batch.
async fn is_whole(store: &dyn Store, author: &Author<'_>, batch: &Batch) {
    let Everything { head, stream, index, history } =
        everything(store, author.user(), &keys()).await;
    assert_eq!(Some(&batch.head), head.as_ref(), "the head is that of the commit that is in");
    let written = stream.iter().filter(|record| record.revision == batch.head.revision);
    let mut due = batch.records.clone();
    due.sort_by_key(|record| record.key);
    assert_eq!(due, written.cloned().collect::<Vec<_>>(), "all of its records are there");
    assert_eq!(stream.len(), index.iter().map(Vec::len).sum::<usize>(), "each once in the index");
    let mut found: Vec<_> = stream.iter().map(|record| record.key).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), stream.len(), "each once in the feed");
    for entry in &batch.history {
        assert!(history.contains(entry), "all of its history is there");
    }
}

/// Nothing of a batch that was not written can be seen.
async fn leaves_no_trace(store: &dyn Store, author: &Author<'_>, batch: &Batch) {
    let own = batch.records.iter().map(|record| record.key).find(|key| piece(999) < *key).unwrap();
    let found = store.read(author.user(), &[own]).await.unwrap();
    assert_eq!(vec![None], found, "a record of a batch that is not in is not read");
    let keys: Vec<_> = batch.history.iter().map(|entry| entry.key).collect();
    let found = store.history(author.user(), &keys).await.unwrap();
    assert_eq!(vec![None; keys.len()], found, "nor is its history");
}
