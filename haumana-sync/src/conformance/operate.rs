//! Laws of [`Operate`](crate::store::Operate).

use super::sample::{Author, Everything, KINDS, entry, everything, piece, record, tombstone, user};
use crate::Store;
use crate::id::{Key, UserId};
use crate::store::{Epoch, Head, HeadState, HistoryEntry, Operate, Swept};
use crate::time::UnixMillis;

/// How often each user commits during a sweep.
const ROUNDS: u32 = 10;

const NAMES: [&str; 4] = ["kai", "noe", "lono", "pua"];

/// A sweep that is followed to its end leaves each user what a purge would have left.
pub async fn a_sweep_deletes_what_purges_of_all_users_would(store: &dyn Store, all: &dyn Operate) {
    for name in NAMES {
        write_history(store, name).await;
    }
    let before = of_all(store).await;

    for at_ms in [-50, 10, 11, 21, i64::MAX] {
        sweep_all(all, at_ms, 100).await;

        for (before, after) in before.iter().zip(of_all(store).await) {
            let due = before.history.iter().filter(|entry| UnixMillis(at_ms) <= entry.at);
            let history: Vec<HistoryEntry> = due.cloned().collect();
            assert_eq!(Everything { history, ..before.clone() }, after, "before {at_ms}");
        }
    }
}

/// Even if one call may delete little, all calls together delete everything that is due.
pub async fn a_sweep_of_any_size_is_bounded_and_complete(store: &dyn Store, all: &dyn Operate) {
    for limit in [1, 2, 3, 7] {
        for name in NAMES {
            let mut author = Author::new(store, name);
            author.head = store.head(&user(name)).await.unwrap();
            author.put_with_history(Vec::new(), entries()).await;
        }

        let deleted = sweep_all(all, i64::MAX, limit).await;

        assert_eq!(NAMES.len() * entries().len(), deleted, "by {limit}");
        assert!(of_all(store).await.iter().all(|user| user.history.is_empty()), "by {limit}");
    }
}

/// What was there when a sweep began is gone at its end. What is not due stays.
pub async fn a_sweep_is_complete_while_others_commit(store: &dyn Store, all: &dyn Operate) {
    for name in NAMES {
        write_history(store, name).await;
    }

    let (mut place, mut round, mut calls) = (None, 0u32, 0);
    loop {
        calls += 1;
        assert!(calls < 1_000, "a sweep comes to its end");
        let Swept { next, .. } = all.sweep(UnixMillis(100), place.as_ref(), 1).await.unwrap();
        if next.is_none() {
            break;
        }
        place = next;
        // A store may look at every entry. So a user who never stops committing would always be
        // ahead of it.
        if round == ROUNDS {
            continue;
        }
        for name in NAMES {
            let mut author = Author::new(store, name);
            author.head = store.head(&user(name)).await.unwrap();
            let late = entry(piece(1), 100 + round, 0, 100 + i64::from(round));
            author.put_with_history(vec![record(piece(1), 200 + round, "on")], vec![late]).await;
        }
        round += 1;
    }

    for name in NAMES {
        let history = store.history_of(&user(name), &piece(1), None, 1_000).await.unwrap();
        assert_eq!(round as usize, history.len(), "what is not due stays");
        assert!(history.iter().all(|entry| UnixMillis(100) <= entry.at), "what is due goes");
    }
}

/// Sweeping with nothing due is no error, and deletes nothing.
pub async fn a_sweep_of_nothing_comes_to_its_end(store: &dyn Store, all: &dyn Operate) {
    assert_eq!(0, sweep_all(all, i64::MAX, 10).await);
    write_history(store, "kai").await;
    let before = of_all(store).await;

    assert_eq!(0, sweep_all(all, i64::MIN, 10).await);

    assert_eq!(before, of_all(store).await);
}

/// If a restore brings back an erased account, the journal undoes that.
pub async fn an_erased_account_that_is_back_is_emptied(store: &dyn Store, all: &dyn Operate) {
    let kai = user("kai");
    let old = write_history(store, "kai").await;
    store.erase(&kai).await.unwrap();
    let back = bring_back(store, "kai", old.epoch).await;

    assert_eq!(1, all.replay_erasures().await.unwrap());

    let Everything { head, stream, index, history } = everything(store, &kai, &keys()).await;
    assert!(stream.is_empty() && history.is_empty(), "no content is in an answer");
    assert!(index.iter().all(Vec::is_empty), "nor in an index");
    let head = head.unwrap();
    assert_eq!(HeadState::Erasing, head.state);
    assert_eq!(back.max_version, head.max_version, "what the engine notes stays");
    assert!(!head.is_same(&back), "no commit on the head of before succeeds");
    assert_eq!(vec![kai], all.erasing(10).await.unwrap());
}

/// A device may hold a version that the backup does not know. The head's largest version is above
/// it.
pub async fn an_account_that_is_back_is_erased_with_its_largest_version(
    store: &dyn Store,
    all: &dyn Operate,
) {
    let kai = user("kai");
    let old = write_history(store, "kai").await;
    let largest = old.max_version + 40;
    commit_head(store, "kai", Head { max_version: largest, ..old.clone() }).await;
    store.erase(&kai).await.unwrap();
    commit_head(store, "kai", old).await;

    assert_eq!(1, all.replay_erasures().await.unwrap());

    assert_eq!(largest, store.head(&kai).await.unwrap().unwrap().max_version);
    assert_eq!(0, all.replay_erasures().await.unwrap(), "again finds nothing");
}

/// The erasure of a small account does not lower the version that an earlier erasure noted, in
/// another life, too.
pub async fn the_journal_knows_how_far_the_versions_of_a_user_went(
    store: &dyn Store,
    _all: &dyn Operate,
) {
    let (kai, noe) = (user("kai"), user("noe"));
    write_history(store, "noe").await;
    let old = write_history(store, "kai").await;
    assert_eq!(None, store.erased_floor(&kai).await.unwrap());
    store.erase(&user("malia")).await.unwrap();
    assert_eq!(None, store.erased_floor(&user("malia")).await.unwrap(), "nothing was there");

    for (step, (max_version, floor)) in
        [(70_000, 70_000), (3, 70_000), (u32::MAX, u32::MAX)].into_iter().enumerate()
    {
        let epoch = Epoch(old.epoch.0 + step as u64);
        commit_head(store, "kai", Head { epoch, max_version, ..old.clone() }).await;
        store.erase(&kai).await.unwrap();
        assert_eq!(Some(floor), store.erased_floor(&kai).await.unwrap(), "step {step}");
    }

    assert_eq!(None, store.erased_floor(&noe).await.unwrap(), "users are apart");
}

/// An account that was begun anew after an erasure is another life.
pub async fn an_account_that_was_begun_anew_stays(store: &dyn Store, all: &dyn Operate) {
    let old = write_history(store, "kai").await;
    store.erase(&user("kai")).await.unwrap();
    bring_back(store, "kai", Epoch(old.epoch.0 + 1)).await;
    write_history(store, "noe").await;
    let before = of_all(store).await;

    assert_eq!(0, all.replay_erasures().await.unwrap());

    assert_eq!(before, of_all(store).await);
    assert_eq!(Vec::<UserId>::new(), all.erasing(10).await.unwrap());
}

/// Another user with the same keys, and the same epoch, keeps everything.
pub async fn replaying_touches_only_who_was_erased(store: &dyn Store, all: &dyn Operate) {
    let old = write_history(store, "kai").await;
    write_history(store, "noe").await;
    store.erase(&user("kai")).await.unwrap();
    bring_back(store, "kai", old.epoch).await;
    let before = everything(store, &user("noe"), &keys()).await;

    all.replay_erasures().await.unwrap();

    assert_eq!(before, everything(store, &user("noe"), &keys()).await);
}

/// If the outcome is unknown, the call is repeated.
pub async fn replaying_again_finds_nothing(store: &dyn Store, all: &dyn Operate) {
    let old = write_history(store, "kai").await;
    store.erase(&user("kai")).await.unwrap();
    bring_back(store, "kai", old.epoch).await;
    all.replay_erasures().await.unwrap();
    let before = of_all(store).await;

    assert_eq!(0, all.replay_erasures().await.unwrap());

    assert_eq!(before, of_all(store).await);
}

/// Erasures that were interrupted are listed. Finished ones are not.
pub async fn erasures_that_are_not_finished_are_listed(store: &dyn Store, all: &dyn Operate) {
    for name in NAMES {
        let head = write_history(store, name).await;
        let state = if name == "pua" { HeadState::Erased } else { HeadState::Erasing };
        commit_head(store, name, Head { state, ..head }).await;
    }

    let found = all.erasing(10).await.unwrap();
    let some = all.erasing(2).await.unwrap();

    let mut names: Vec<&str> = found.iter().map(UserId::as_str).collect();
    names.sort_unstable();
    assert_eq!(vec!["kai", "lono", "noe"], names);
    assert_eq!(2, some.len(), "at most as many as were asked for");
}

/// Each user with a head is listed once, however few users one call returns.
pub async fn everybody_with_a_head_is_listed_once(store: &dyn Store, all: &dyn Operate) {
    assert_eq!(Vec::<UserId>::new(), users_of(all, 10).await, "nobody is there");
    // A user who only reads is not listed. A user who has erased everything still has a head.
    store.head(&user("malia")).await.unwrap();
    for name in NAMES {
        write_history(store, name).await;
    }
    store.erase(&user("noe")).await.unwrap();
    let many: Vec<String> = (0..40).map(|number| format!("kumu-{number:02}")).collect();
    for name in &many {
        Author::new(store, name).put(vec![record(piece(1), 1, "now")]).await;
    }
    let mut wanted: Vec<UserId> = NAMES.iter().map(|name| user(name)).collect();
    wanted.extend(many.iter().map(|name| user(name)));
    wanted.sort_unstable();

    for limit in [1, 2, 3, 7, 43, 44, 45, 1_000] {
        let mut found = users_of(all, limit).await;
        found.sort_unstable();
        assert_eq!(wanted, found, "by {limit}");
    }
}

/// Users who are added while a list is followed do not make it miss or repeat others.
pub async fn a_list_of_users_is_complete_while_others_come(store: &dyn Store, all: &dyn Operate) {
    for name in NAMES {
        write_history(store, name).await;
    }

    let (mut place, mut found, mut round) = (None, Vec::new(), 0);
    loop {
        let page = all.users(place.as_ref(), 1).await.unwrap();
        found.extend(page.users);
        if page.next.is_none() {
            break;
        }
        place = page.next;
        round += 1;
        assert!(round < 1_000, "a list comes to its end");
        if round < ROUNDS {
            for end in ["a", "k", "z"] {
                let name = format!("{end}-{round}");
                Author::new(store, &name).put(vec![record(piece(1), 1, "new")]).await;
            }
        }
    }

    for name in NAMES {
        let n_times = found.iter().filter(|found| **found == user(name)).count();
        assert_eq!(1, n_times, "{name}");
    }
}

/// The whole history of a user is listed, including that of records that are gone, and nobody
/// else's.
pub async fn the_whole_history_of_a_user_is_listed_once(store: &dyn Store, all: &dyn Operate) {
    write_history(store, "kai").await;
    let nothing = history_of_user(all, "noe", 10).await;
    assert!(nothing.is_empty(), "of somebody who has nothing");
    let gone = [entry(piece(9), 3, 0, 5), entry(piece(9), 3, 1, 6), entry(piece(9), 11, 0, 7)];
    let mut author = Author::new(store, "noe");
    author.put_with_history(Vec::new(), gone.to_vec()).await;
    author.put_with_history(vec![record(piece(1), 4, "now")], entries()).await;
    let mut wanted = entries();
    wanted.extend(gone);
    wanted.sort_unstable_by_key(|entry| entry.key);

    for limit in [1, 2, 3, 7, 8, 9, 1_000] {
        let mut found = history_of_user(all, "noe", limit).await;
        found.sort_unstable_by_key(|entry| entry.key);
        assert_eq!(wanted, found, "by {limit}");
    }
}

async fn users_of(all: &dyn Operate, limit: usize) -> Vec<UserId> {
    let (mut place, mut found) = (None, Vec::new());
    for _ in 0..1_000 {
        let page = all.users(place.as_ref(), limit).await.unwrap();
        assert!(page.users.len() <= limit, "at most {limit} of one call");
        assert!(!page.users.is_empty() || page.next.is_none(), "a page with more is not empty");
        found.extend(page.users);
        if page.next.is_none() {
            return found;
        }
        place = page.next;
    }
    panic!("a list comes to its end");
}

async fn history_of_user(all: &dyn Operate, name: &str, limit: usize) -> Vec<HistoryEntry> {
    let (mut place, mut found) = (None, Vec::new());
    for _ in 0..1_000 {
        let part = all.user_history(&user(name), place.as_ref(), limit).await.unwrap();
        assert!(part.entries.len() <= limit, "at most {limit} of one call");
        found.extend(part.entries);
        if part.next.is_none() {
            return found;
        }
        place = part.next;
    }
    panic!("a history comes to its end");
}

fn keys() -> [Key; 2] {
    [piece(1), piece(2)]
}

fn entries() -> Vec<HistoryEntry> {
    let (one, two) = (piece(1), piece(2));
    vec![
        entry(one, 1, 0, 10),
        entry(one, 2, 0, 20),
        entry(one, 2, 1, 30),
        entry(two, 1, 0, -50),
        entry(two, 2, 0, 9),
    ]
}

/// Writes records, with history of five different times. Returns the head.
async fn write_history(store: &dyn Store, name: &str) -> Head {
    let mut author = Author::new(store, name);
    let records = vec![record(piece(1), 4, "now"), tombstone(piece(2), 3)];
    author.put_with_history(records, entries()).await;
    author.head.unwrap()
}

/// Does to an account what a restore does: it gets its earlier state and epoch.
async fn bring_back(store: &dyn Store, name: &str, epoch: Epoch) -> Head {
    let mut author = Author::new(store, name);
    let head = store.head(&user(name)).await.unwrap();
    author.head = head.map(|head| Head { epoch, ..head });
    commit_head(store, name, author.head.clone().unwrap()).await;
    author.head = store.head(&user(name)).await.unwrap();
    author.put_with_history(vec![record(piece(1), 5, "back")], entries()).await;
    author.head.unwrap()
}

/// Commits only a head, with the contents of the given one.
async fn commit_head(store: &dyn Store, name: &str, head: Head) {
    let before = store.head(&user(name)).await.unwrap();
    let mut batch = super::sample::next_batch(before.as_ref(), Vec::new(), Vec::new());
    (batch.head.epoch, batch.head.state) = (head.epoch, head.state);
    batch.head.max_version = head.max_version;
    store.commit(&user(name), before.as_ref(), &batch).await.unwrap();
}

async fn of_all(store: &dyn Store) -> Vec<Everything> {
    let mut all = Vec::new();
    for name in NAMES {
        all.push(everything(store, &user(name), &keys()).await);
    }
    assert_eq!(KINDS.len(), all[0].index.len());
    all
}

/// Sweeps to the end, and returns how many entries were deleted.
async fn sweep_all(all: &dyn Operate, before_ms: i64, limit: usize) -> usize {
    let (mut place, mut deleted) = (None, 0);
    for _ in 0..1_000 {
        let swept = all.sweep(UnixMillis(before_ms), place.as_ref(), limit).await.unwrap();
        assert!(swept.deleted <= limit, "at most {limit} of one call");
        deleted += swept.deleted;
        if swept.next.is_none() {
            return deleted;
        }
        place = swept.next;
    }
    panic!("a sweep comes to its end");
}
