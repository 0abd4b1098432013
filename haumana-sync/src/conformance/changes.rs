//! Laws of [`Store::changes`].

use super::sample::{Author, KINDS, answered, end_of, follow, piece, record, tombstone, user};
use crate::Store;
use crate::id::{Key, RecordId};
use crate::store::{After, Envelope, Place, Revision, Stamp};

/// Without a head there are no changes.
pub async fn a_user_without_commits_has_no_changes(store: &dyn Store) {
    let place = Place { revision: Revision(3), within: Some(piece(1)) };

    for after in [After::Start, After::Place(place), After::Stamp(Stamp(0))] {
        let page = answered("a page of changes", store.changes(&user("kai"), after, 10).await);

        assert_eq!(None, page.head);
        assert!(page.records.is_empty() && !page.more, "there is nothing to deliver");
    }
}

/// The order is that of commits, and within one commit that of keys, in whatever order they were
/// written.
pub async fn changes_are_ordered_by_revision_then_kind_then_id(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let id = RecordId::from_bits;
    let first = [Key::piece(id(1 << 127)), Key::session(id(2)), Key::piece(id(256))];
    let second = [Key::conflict(id(1)), Key::session(id(1)), Key::piece(id(255))];
    author.put(first.map(|key| record(key, 1, "first")).to_vec()).await;
    author.put(second.map(|key| record(key, 1, "second")).to_vec()).await;

    let stream = follow(store, &user("kai"), After::Start, 100).await;

    let delivered: Vec<Key> = stream.iter().map(|record| record.key).collect();
    let due = [first[2], first[0], first[1], second[2], second[1], second[0]];
    assert_eq!(due.to_vec(), delivered);
}

/// A record is delivered only at its latest change.
pub async fn a_record_changed_again_appears_once_at_its_latest_change(store: &dyn Store) {
    let (mut author, _) = three_commits(store).await;
    let again = author.put(vec![record(piece(2), 2, "again"), tombstone(piece(11), 2)]).await;

    let stream = follow(store, &user("kai"), After::Start, 100).await;

    let numbers: Vec<u128> = stream.iter().map(|record| record.key.id.bits()).collect();
    assert_eq!(vec![1, 3, 10, 12, 20, 21, 22, 2, 11], numbers);
    assert_eq!(again, stream[7..], "the latest content is delivered");
}

/// With any limit, following the pages gives the same records in the same order.
pub async fn pages_of_any_size_deliver_the_same_stream(store: &dyn Store) {
    let (_, stored) = three_commits(store).await;

    for limit in [1, 2, 3, 4, 5, 8, 9, 10, 1_000, usize::MAX] {
        let stream = follow(store, &user("kai"), After::Start, limit).await;

        assert_eq!(stored, stream, "pages of {limit} deliver everything once");
    }
}

/// A page holds at most `limit` records, and says whether more follow.
pub async fn a_page_holds_at_most_its_limit(store: &dyn Store) {
    let (_, stored) = three_commits(store).await;

    for limit in 1..=stored.len() {
        let page =
            answered("a page of changes", store.changes(&user("kai"), After::Start, limit).await);

        assert!(!page.records.is_empty() && page.records.len() <= limit);
        assert_eq!(page.records.len() < stored.len(), page.more);
    }
}

/// A place may be inside a commit. Earlier records of that commit are not repeated.
pub async fn a_place_within_a_commit_continues_behind_its_record(store: &dyn Store) {
    let (_, stored) = three_commits(store).await;

    for (at, last) in stored.iter().enumerate() {
        let within = Place { revision: last.revision, within: Some(last.key) };
        let whole = Place { within: None, ..within };
        let behind_record = follow(store, &user("kai"), After::Place(within), 2).await;
        let behind_commit = follow(store, &user("kai"), After::Place(whole), 2).await;

        assert_eq!(stored[at + 1..], behind_record);
        let later = stored.iter().filter(|record| last.revision < record.revision);
        assert_eq!(later.cloned().collect::<Vec<_>>(), behind_commit);
    }
}

/// A place stays valid if its record was changed again since, or never existed.
pub async fn a_place_continues_although_its_record_moved_on(store: &dyn Store) {
    let (mut author, stored) = three_commits(store).await;
    let moved = author.put(vec![record(piece(11), 2, "again")]).await;
    let revision = stored[3].revision;

    for number in [11, 10] {
        let place = Place { revision, within: Some(piece(number)) };
        let stream = follow(store, &user("kai"), After::Place(place), 3).await;

        let due = [&stored[5..], &moved[..]].concat();
        assert_eq!(due, stream, "what follows the place is delivered, moved records too");
    }
}

/// Behind the head there is nothing, even for places that this change feed never reached.
pub async fn a_place_at_or_beyond_the_head_has_nothing_behind_it(store: &dyn Store) {
    let (author, stored) = three_commits(store).await;
    let head = author.head.unwrap();
    let last = stored.last().map(|record| record.key);
    let far = Revision(1 << 40);
    let (limit, end) = (Revision(1 << 63), Revision(u64::MAX));
    let places = [(head.revision, last), (head.revision, None), (far, None), (far, last)];
    let places = places.into_iter().chain([(limit, None), (limit, last), (end, None), (end, last)]);

    for (revision, within) in places {
        let after = After::Place(Place { revision, within });
        let page = answered("a page of changes", store.changes(&user("kai"), after, 10).await);

        assert_eq!(Some(&head), page.head.as_ref(), "an empty page still tells the head");
        assert!(page.records.is_empty() && !page.more, "nothing follows the head");
    }
}

/// Equal stamps are not later: a place behind a stamp is behind every commit with that stamp.
pub async fn a_stamp_has_behind_it_exactly_what_is_stamped_later(store: &dyn Store) {
    let stored = five_stamped_commits(store).await;

    for stamp in [i64::MIN, -5, 0, 99, 100, 101, 102, 103, 104, i64::MAX] {
        let after = After::Stamp(Stamp(stamp));
        let stream = follow(store, &user("kai"), after, 100).await;

        let later = stored.iter().filter(|record| Stamp(stamp) < record.stamp);
        assert_eq!(later.cloned().collect::<Vec<_>>(), stream, "behind the stamp {stamp}");
    }
}

/// The first page is read by stamp. The following ones are read by the place where the last one
/// ended.
pub async fn a_page_behind_a_stamp_is_continued_by_place(store: &dyn Store) {
    let stored = five_stamped_commits(store).await;

    for limit in 1..=stored.len() {
        let stream = follow(store, &user("kai"), After::Stamp(Stamp(99)), limit).await;

        let later = stored.iter().filter(|record| Stamp(99) < record.stamp);
        assert_eq!(later.cloned().collect::<Vec<_>>(), stream, "in pages of {limit}");
    }
}

/// A commit that was acknowledged is delivered.
pub async fn changes_are_fresh(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let mut after = After::Start;

    for version in 1..=50 {
        let stored = author.put(vec![record(piece(1), version, "Hula")]).await;

        let page = answered("a page of changes", store.changes(&user("kai"), after, 10).await);
        assert_eq!(stored, page.records, "an acknowledged commit is delivered");
        after = After::Place(end_of(&page).unwrap());
    }
}

/// A page contains the head up to which it goes.
pub async fn changes_come_with_the_head_and_nothing_beyond_it(store: &dyn Store) {
    let (author, _) = three_commits(store).await;
    let head = author.head.unwrap();

    for after in [After::Start, After::Stamp(Stamp(0)), After::Stamp(Stamp(i64::MAX))] {
        let page = answered("a page of changes", store.changes(&user("kai"), after, 2).await);

        assert_eq!(Some(&head), page.head.as_ref());
        assert!(page.records.iter().all(|record| record.revision <= head.revision));
    }
}

/// A place behind a whole revision is behind its records of every kind.
pub async fn a_place_behind_a_revision_is_behind_records_of_all_kinds(store: &dyn Store) {
    let mut author = Author::new(store, "kai");
    let ids = [RecordId::from_bits(0), RecordId::from_bits(u128::MAX)];
    let of_kind = |kind| ids.map(|id| record(Key { kind, id }, 1, "first"));
    author.put(KINDS.into_iter().flat_map(of_kind).collect()).await;
    let later = author.put(vec![record(piece(1), 1, "second")]).await;
    let revision = Revision(1);

    let behind = After::Place(Place { revision, within: None });
    let stream = follow(store, &user("kai"), behind, 100).await;

    assert_eq!(later, stream, "no record of the revision comes again");
    for (kind, left) in KINDS.into_iter().zip((0..KINDS.len()).rev()) {
        let within = Some(Key { kind, id: ids[1] });
        let behind = After::Place(Place { revision, within });
        let n_records = follow(store, &user("kai"), behind, 100).await.len();
        assert_eq!(2 * left + 1, n_records, "behind the last record of kind {kind:?}");
    }
}

/// Three commits of three pieces: 1 to 3, 10 to 12, 20 to 22.
async fn three_commits(store: &dyn Store) -> (Author<'_>, Vec<Envelope>) {
    let mut author = Author::new(store, "kai");
    let mut stored = Vec::new();
    for first in [1, 10, 20] {
        let records = (first..first + 3).map(|n| record(piece(n), 1, &format!("piece {n}")));
        stored.extend(author.put(records.collect()).await);
    }
    (author, stored)
}

/// Five commits of two pieces each, three of them with the same stamp.
async fn five_stamped_commits(store: &dyn Store) -> Vec<Envelope> {
    let mut author = Author::new(store, "kai");
    let mut stored = Vec::new();
    // The later commit has the smaller ids. So only the order of commits is right.
    for (stamp, first) in [(-5, 50), (100, 40), (100, 30), (100, 20), (103, 10)] {
        let records = vec![record(piece(first), 1, "one"), record(piece(first + 1), 1, "two")];
        stored.extend(author.put_stamped(stamp, records).await);
    }
    stored
}
