//! Part 2 at the engine: named bases, partial sets, deletes, restore, the inbox, erasing.

use crate::pushing::{delete, delete_at, fields, piece, push, set, text};
use crate::support::{Server, kai};
use haumana_sync::engine::{Asked, ErrorKind, Push, PushOutcome, PushResult, Resolution};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::merge::Reason;
use haumana_sync::record::Value;
use haumana_sync::store::{Generation, Store};
use haumana_sync::wire::Refusal;
use std::collections::BTreeMap;
use std::sync::Arc;

const MEGABYTE: usize = 1_000_000;

#[tokio::test]
async fn a_partial_set_touches_nothing_else_and_null_clears() {
    let server = Server::new();
    let all = [("title", text("Oli")), ("notes", text("n")), ("author", text("a"))];
    push(&server, "a", set(piece(1), None, 1, &all)).await;

    let change = [("title", text("Oli Aloha")), ("notes", Value::Null)];
    let result = push(&server, "a", set(piece(1), Some(1), 2, &change)).await;

    assert_eq!((PushOutcome::Applied, Some(2)), (result.outcome, result.version));
    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!(
        ("Oli Aloha", "a"),
        (now["title"].as_str().unwrap(), now["author"].as_str().unwrap())
    );
    assert!(now.get("notes").is_none());
}

#[tokio::test]
async fn the_head_counts_the_bytes_that_its_records_hold_now() {
    let server = Server::new();
    let bytes = async || server.store.head(&kai()).await.unwrap().unwrap().bytes;
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    let one = bytes().await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("title", text("012"))])).await;
    let longer = bytes().await;
    push(&server, "a", set(piece(2), None, 2, &[("title", text("012"))])).await;
    let both = bytes().await;
    push(&server, "a", delete(piece(1), Some(2))).await;

    assert!(0 < one);
    assert_eq!((one + 2, 2 * longer), (longer, both));
    assert!(bytes().await < both);
}

#[tokio::test]
async fn the_same_change_again_is_unchanged_even_after_others_have_moved_on() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    let first = set(piece(1), Some(1), 2, &[("title", text("1"))]);
    push(&server, "a", first.clone()).await;
    push(&server, "b", set(piece(1), Some(2), 3, &[("title", text("0"))])).await;

    let again = push(&server, "a", first).await;

    assert_eq!((PushOutcome::Unchanged, Some(3)), (again.outcome, again.version));
    assert_eq!("0", fields(&server, piece(1)).await.unwrap()["title"]);
}

/// Nothing shows that it is the same device: another installation may have its name.
#[tokio::test]
async fn a_later_change_of_one_name_replaces_the_earlier_one_and_the_inbox_keeps_it() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("title", text("1"))])).await;

    let later = push(&server, "a", set(piece(1), Some(1), 3, &[("title", text("2"))])).await;

    assert_eq!((PushOutcome::Merged, 1), (later.outcome, later.conflicts.len()));
    assert_eq!(Some(text("1")), later.conflicts[0].lost);
    assert_eq!("2", fields(&server, piece(1)).await.unwrap()["title"]);
}

#[tokio::test]
async fn a_later_change_replaces_the_one_that_comes_again_with_it_without_a_conflict() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    let earlier = set(piece(1), Some(1), 2, &[("title", text("1"))]);
    push(&server, "a", earlier.clone()).await;

    let both = [earlier, set(piece(1), Some(1), 3, &[("title", text("2"))])];
    let results = server.engine.push(&kai(), "a", &both).await.unwrap();

    let outcomes = (results[0].outcome, results[1].outcome);
    assert_eq!((PushOutcome::Unchanged, PushOutcome::Applied), outcomes);
    assert_eq!(0, results[1].conflicts.len());
    assert_eq!("2", fields(&server, piece(1)).await.unwrap()["title"]);
}

/// Found by the model of replicas beside phones, seed 46: clamped to the time of its arrival, the
/// late one looked like the newest.
#[tokio::test]
async fn late_push_from_a_clock_that_is_ahead_loses_to_the_same_devices_newer_one() {
    let server = Server::new();
    let (older, newer) = (200_000, 200_001);
    push(&server, "a", set(piece(1), None, newer, &[("notes", text("new"))])).await;
    server.pass_secs(7);

    let late = push(&server, "a", set(piece(1), None, older, &[("notes", Value::Null)])).await;

    assert_eq!((PushOutcome::Merged, Some(1)), (late.outcome, late.version));
    assert_eq!("new", fields(&server, piece(1)).await.unwrap()["notes"]);
}

#[tokio::test]
async fn late_push_without_a_base_loses_to_the_same_devices_newer_one_on_a_version() {
    cov_mark::check!(late_change_of_one_device_loses_to_its_newer);
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    push(&server, "a", set(piece(1), Some(1), 200_001, &[("notes", text("new"))])).await;

    let late = push(&server, "a", set(piece(1), None, 200_000, &[("notes", Value::Null)])).await;

    assert_eq!((PushOutcome::Merged, Some(2)), (late.outcome, late.version));
    assert_eq!("new", fields(&server, piece(1)).await.unwrap()["notes"]);
}

#[tokio::test]
async fn later_change_of_one_device_wins_also_on_a_server_whose_clock_is_behind() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    push(&server, "a", set(piece(1), Some(1), 200_000, &[("title", text("1"))])).await;
    server.pass_secs(-1);

    let later = push(&server, "a", set(piece(1), Some(1), 200_001, &[("title", text("2"))])).await;

    assert_eq!((PushOutcome::Merged, 1), (later.outcome, later.conflicts.len()));
    assert_eq!("2", fields(&server, piece(1)).await.unwrap()["title"]);
}

/// Found by the model of replicas beside phones, seed 2074: the newer one left nothing to know it by.
#[tokio::test]
async fn late_change_loses_to_the_same_devices_newer_one_that_changed_nothing() {
    cov_mark::check!(late_change_loses_to_a_newer_one_that_changed_nothing);
    let server = Server::new();
    push(&server, "b", set(piece(1), None, 1, &[("title", text("0"))])).await;
    let newer = set(piece(1), Some(1), 3, &[("author", Value::Null)]);
    push(&server, "a", newer.clone()).await;

    let late = push(&server, "a", set(piece(1), Some(1), 2, &[("author", text("x"))])).await;
    let other = push(&server, "c", set(piece(1), Some(1), 2, &[("title", text("c"))])).await;

    assert_eq!((PushOutcome::Merged, Some(1)), (late.outcome, late.version));
    assert_eq!((PushOutcome::Applied, Some(2)), (other.outcome, other.version));
    assert!(fields(&server, piece(1)).await.unwrap().get("author").is_none());
    let before = server.memory.head(&kai()).await.unwrap().unwrap().revision;
    push(&server, "a", newer).await;
    let after = server.memory.head(&kai()).await.unwrap().unwrap().revision;
    assert_eq!(before, after, "what changes nothing is committed once");
}

#[tokio::test]
async fn an_edit_of_a_newer_version_is_newer_although_its_clock_was_set_back() {
    let server = Server::new();
    push(&server, "b", set(piece(1), None, 1, &[("title", text("0"))])).await;
    push(&server, "a", set(piece(1), Some(1), 9000, &[("author", Value::Null)])).await;
    push(&server, "b", set(piece(1), Some(1), 2, &[("title", text("1"))])).await;

    let edit = push(&server, "a", set(piece(1), Some(2), 3, &[("author", text("x"))])).await;

    assert_eq!((PushOutcome::Applied, Some(3)), (edit.outcome, edit.version));
    assert_eq!("x", fields(&server, piece(1)).await.unwrap()["author"]);
}

#[tokio::test]
async fn the_same_id_twice_in_one_request_is_two_edits_in_order() {
    let server = Server::new();
    let pushes = [
        set(piece(1), None, 1, &[("title", text("0")), ("notes", text("n"))]),
        set(piece(1), Some(1), 2, &[("title", text("1"))]),
    ];

    let results = server.engine.push(&kai(), "a", &pushes).await.unwrap();

    assert_eq!([Some(1), Some(2)], [results[0].version, results[1].version]);
    assert_eq!("1", fields(&server, piece(1)).await.unwrap()["title"]);
}

/// Delete on one device, an edit on another, in the order that is asked for.
async fn delete_and_edit(delete_first: bool) -> (Server, PushResult) {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0")), ("notes", text("n"))])).await;
    let edit = set(piece(1), Some(1), 2, &[("title", text("1"))]);
    let second = if delete_first {
        push(&server, "a", delete(piece(1), Some(1))).await;
        push(&server, "b", edit).await
    } else {
        push(&server, "b", edit).await;
        push(&server, "a", delete(piece(1), Some(1))).await
    };
    (server, second)
}

#[tokio::test]
async fn an_edit_beats_a_delete_in_either_order_and_the_inbox_says_so() {
    cov_mark::check!(edit_brings_a_deleted_piece_back);
    cov_mark::check!(delete_loses_against_an_edit);
    for delete_first in [true, false] {
        let (server, second) = delete_and_edit(delete_first).await;

        assert_eq!((PushOutcome::Applied == second.outcome, 1), (false, second.conflicts.len()));
        let now = fields(&server, piece(1)).await.unwrap();
        assert_eq!(("1", "n"), (now["title"].as_str().unwrap(), now["notes"].as_str().unwrap()));
        let (open, _) = server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
        assert_eq!((1, Reason::EditBeatsDelete), (open.len(), open[0].reason));
        assert_eq!(None, open[0].field);
    }
}

#[tokio::test]
async fn a_deleted_piece_stays_deleted_when_a_stale_copy_is_deleted_again() {
    cov_mark::check!(unchanged_piece_is_deleted);
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    let gone = push(&server, "a", delete(piece(1), Some(1))).await;

    let again = push(&server, "b", delete(piece(1), Some(1))).await;

    assert_eq!((PushOutcome::Applied, Some(2)), (gone.outcome, gone.version));
    assert_eq!((PushOutcome::Unchanged, Some(2)), (again.outcome, again.version));
    assert_eq!(None, fields(&server, piece(1)).await);
}

#[tokio::test]
async fn late_change_does_not_bring_back_what_its_device_deleted_since() {
    cov_mark::check!(late_change_does_not_undo_its_devices_newer_delete);
    for first_to_delete in ["a", "b"] {
        let server = Server::new();
        push(&server, "b", set(piece(1), None, 1, &[("title", text("0"))])).await;
        push(&server, first_to_delete, delete_at(piece(1), Some(1), 3)).await;
        push(&server, "a", delete_at(piece(1), Some(1), 4)).await;

        let late = set(piece(1), Some(1), 2, &[("title", text("late"))]);
        let result = push(&server, "a", late.clone()).await;
        let again = push(&server, "a", late).await;

        assert_eq!((PushOutcome::Merged, Some(2)), (result.outcome, result.version));
        assert_eq!(PushOutcome::Unchanged, again.outcome);
        assert_eq!(None, fields(&server, piece(1)).await, "what its user deleted stays deleted");
        let id = piece(1).id;
        let page =
            server.engine.history_of(&kai(), Key::piece(id), None, 9, MEGABYTE).await.unwrap();
        let lost: Vec<&Value> =
            page.versions.iter().flat_map(|entry| &entry.lost).map(|lost| &lost.value).collect();
        assert_eq!(vec![&text("late")], lost, "what lost is in the history");
        server.engine.resolve(&kai(), result.conflicts[0].id, &Resolution::Restore).await.unwrap();
        assert_eq!("late", fields(&server, piece(1)).await.unwrap()["title"]);
    }
}

#[tokio::test]
async fn an_edit_of_another_device_still_beats_the_delete_and_later_ones_of_the_same_too() {
    for (device, base, secs) in [("b", Some(1), 2), ("a", Some(2), 2), ("a", Some(1), 4)] {
        let server = Server::new();
        push(&server, "b", set(piece(1), None, 1, &[("title", text("0"))])).await;
        push(&server, "a", delete_at(piece(1), Some(1), 3)).await;

        push(&server, device, set(piece(1), base, secs, &[("title", text("1"))])).await;

        let now = fields(&server, piece(1)).await;
        assert_eq!("1", now.expect("the piece is back")["title"], "{device} {base:?} {secs}");
    }
}

#[tokio::test]
async fn a_delete_covers_what_its_device_edited_before_although_it_never_saw_the_replies() {
    // Who made the piece, who edited it at 3, on which base and when "a" deletes it, and whether it
    // is gone then.
    let cases = [
        ("b", "a", Some(1), 4, true),
        ("b", "a", Some(1), 3, true),
        ("a", "a", None, 4, true),
        ("b", "a", None, 4, false),
        ("b", "b", Some(1), 4, false),
        ("a", "b", None, 4, false),
        ("b", "a", Some(1), 2, false),
    ];
    for (maker, editor, base, secs, is_gone) in cases {
        let server = Server::new();
        let whole = [("title", text("0")), ("notes", text("n"))];
        push(&server, maker, set(piece(1), None, 1, &whole)).await;
        push(&server, editor, set(piece(1), Some(1), 3, &[("title", text("1"))])).await;

        let result = push(&server, "a", delete_at(piece(1), base, secs)).await;

        let case = format!("{maker} {editor} {base:?} {secs}");
        // Another installation may have the device's name, so what it covers is in the inbox.
        assert_eq!(
            (PushOutcome::Merged, Some(if is_gone { 3 } else { 2 })),
            (result.outcome, result.version),
            "{case}"
        );
        let lost = result.conflicts[0].lost.clone().unwrap();
        assert_eq!(is_gone, !lost.is_null(), "{case}");
        assert_eq!(is_gone, fields(&server, piece(1)).await.is_none(), "{case}");
    }
}

#[tokio::test]
async fn late_delete_loses_to_the_same_devices_newer_change() {
    cov_mark::check!(late_delete_loses_to_its_devices_newer_change);
    // The second changes nothing, so that the version stays.
    for (value, version) in [("1", Some(2)), ("0", Some(1))] {
        let server = Server::new();
        push(&server, "b", set(piece(1), None, 1, &[("title", text("0"))])).await;
        push(&server, "a", set(piece(1), Some(1), 3, &[("title", text(value))])).await;

        let late = push(&server, "a", delete_at(piece(1), Some(1), 2)).await;

        assert_eq!((PushOutcome::Merged, version), (late.outcome, late.version));
        assert_eq!(value, fields(&server, piece(1)).await.unwrap()["title"]);
        assert_eq!(Reason::EditBeatsDelete, late.conflicts[0].reason);
        let meant = push(&server, "a", delete_at(piece(1), version, 4)).await;
        assert_eq!(PushOutcome::Applied, meant.outcome);
        assert_eq!(None, fields(&server, piece(1)).await);
    }
}

#[tokio::test]
async fn a_clash_is_kept_and_restore_brings_it_back_once() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("lyrics", text("one\ntwo\nthree"))])).await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("lyrics", text("one\nTWO A\nthree"))])).await;
    let clash = set(piece(1), Some(1), 3, &[("lyrics", text("one\nZWEI\nthree"))]);
    let result = push(&server, "b", clash.clone()).await;

    assert_eq!(1, result.conflicts.len());
    assert_eq!("one\nZWEI\nthree", fields(&server, piece(1)).await.unwrap()["lyrics"]);
    let (open, _) = server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    assert_eq!(
        (Some(text("one\nTWO A\nthree")), Reason::TextClash),
        (open[0].lost.clone(), open[0].reason)
    );

    for _ in 0..2 {
        server.engine.resolve(&kai(), open[0].id, &Resolution::Restore).await.unwrap();
    }
    assert_eq!("one\nTWO A\nthree", fields(&server, piece(1)).await.unwrap()["lyrics"]);
    assert!(server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap().0.is_empty());
    let other = server.engine.resolve(&kai(), open[0].id, &Resolution::Keep).await.unwrap_err();
    assert_eq!(ErrorKind::ConflictClosed, other.kind());
    let repeat = push(&server, "b", clash).await;
    assert_eq!(PushOutcome::Unchanged, repeat.outcome, "a repeat must not open it again");
}

#[tokio::test]
async fn history_lists_versions_and_restore_makes_one_the_content_again() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("title", text("1")), ("notes", text("n"))]))
        .await;
    push(&server, "a", delete(piece(1), Some(2))).await;

    let page = server.engine.history_of(&kai(), piece(1), None, 10, 1 << 20).await.unwrap();
    let restored =
        server.engine.restore_record(&kai(), piece(1), 1, &Asked::default()).await.unwrap().version;

    let numbers: Vec<_> = page.versions.iter().map(|version| version.version).collect();
    assert_eq!(vec![3, 2, 1], numbers);
    assert_eq!(4, restored);
    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!("0", now["title"]);
    assert!(now.get("notes").is_none(), "what the version did not have is cleared");
    assert!(server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap().0.is_empty());
    let never =
        server.engine.restore_record(&kai(), piece(1), 9, &Asked::default()).await.unwrap_err();
    assert_eq!(ErrorKind::NotFound, never.kind());
}

#[tokio::test]
async fn past_retention_the_servers_value_stays_and_the_pushed_one_goes_to_the_inbox() {
    let server = Server::new();
    let all = [("title", text("0")), ("notes", text("n")), ("author", text("a"))];
    push(&server, "a", set(piece(1), None, 1, &all)).await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("title", text("1"))])).await;
    server.pass_secs(400 * 86_400);

    let late = [("title", text("late")), ("author", text("late"))];
    let result = push(&server, "b", set(piece(1), Some(1), 3, &late)).await;

    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!(("1", "late"), (now["title"].as_str().unwrap(), now["author"].as_str().unwrap()));
    assert_eq!(1, result.conflicts.len());
    let (open, _) = server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    assert_eq!((Some(text("late")), Reason::BaseGone), (open[0].lost.clone(), open[0].reason));
    let restore =
        server.engine.restore_record(&kai(), piece(1), 1, &Asked::default()).await.unwrap_err();
    assert_eq!(ErrorKind::PastRetention, restore.kind());
}

#[tokio::test]
async fn part_of_a_piece_whose_content_is_gone_is_rejected_and_the_whole_is_taken() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0")), ("notes", text("n"))])).await;
    push(&server, "a", delete(piece(1), Some(1))).await;
    server.pass_secs(400 * 86_400);

    let part = push(&server, "b", set(piece(1), Some(1), 2, &[("title", text("late"))])).await;
    let whole = [("title", text("late")), ("notes", text("n"))];
    let whole = push(&server, "b", set(piece(1), None, 2, &whole)).await;

    assert_eq!(PushOutcome::Rejected(Refusal::BaseGone), part.outcome);
    assert_ne!(PushOutcome::Unchanged, whole.outcome);
    assert_eq!("late", fields(&server, piece(1)).await.unwrap()["title"]);
}

#[tokio::test]
async fn a_page_of_one_delivers_everything_once_and_ends_with_the_digest() {
    let server = Server::new();
    let pushes: Vec<Push> =
        (0..25).map(|n| set(piece(n), None, 1, &[("title", text("t"))])).collect();
    server.engine.push(&kai(), "a", &pushes).await.unwrap();
    push(&server, "a", delete(piece(3), Some(1))).await;

    let mut cursor: Option<String> = None;
    let mut held = BTreeMap::new();
    loop {
        let page = server.engine.pull(&kai(), cursor.as_deref(), 1, MEGABYTE).await.unwrap();
        for change in page.changes {
            held.insert(change.key, (change.version, change.value.is_none()));
        }
        cursor = page.cursor;
        if !page.more {
            let sum =
                held.iter().fold(haumana_sync::digest::Digest::default(), |sum, (key, at)| {
                    sum.plus(haumana_sync::digest::Digest::of_version(
                        &key.kind.code(),
                        key.id,
                        at.0,
                        at.1,
                    ))
                });
            assert_eq!(Some(sum), page.digest);
            break;
        }
    }

    assert_eq!((25, (2, true)), (held.len(), held[&piece(3)]));
    server.store.take();
    let idle = server.engine.pull(&kai(), cursor.as_deref(), 500, MEGABYTE).await.unwrap();
    assert!(idle.changes.is_empty() && !idle.reset);
    let calls = server.store.take();
    assert_eq!((1, 0), (calls.head, calls.changes), "a pull without changes reads one head");
}

#[tokio::test]
async fn a_cursor_that_means_nothing_here_starts_over_and_says_so() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("0"))])).await;
    let cursor = server.engine.pull(&kai(), None, 10, MEGABYTE).await.unwrap().cursor.unwrap();
    let backup = server.memory.snapshot();
    push(&server, "a", set(piece(2), None, 1, &[("title", text("0"))])).await;
    let future = server.engine.pull(&kai(), None, 10, MEGABYTE).await.unwrap().cursor.unwrap();
    server.memory.restore(&backup);
    let raised = Server::on(Arc::clone(&server.memory), Generation(1));

    for (server, cursor) in [(&server, "garbled"), (&server, &*future), (&raised, &*cursor)] {
        let page = server.engine.pull(&kai(), Some(cursor), 10, MEGABYTE).await.unwrap();
        assert_eq!((true, 1), (page.reset, page.changes.len()), "{cursor}");
    }
    let page = server.engine.pull(&kai(), Some(&cursor), 10, MEGABYTE).await.unwrap();
    assert_eq!((false, 0), (page.reset, page.changes.len()));
}

#[tokio::test]
async fn erasing_leaves_a_marker_and_a_cursor_from_before_is_told() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("secret"))])).await;
    let cursor = server.engine.pull(&kai(), None, 10, MEGABYTE).await.unwrap().cursor;

    for _ in 0..2 {
        server.engine.erase(&kai()).await.unwrap();
    }

    let told = server.engine.pull(&kai(), cursor.as_deref(), 10, MEGABYTE).await.unwrap_err();
    assert_eq!(ErrorKind::Gone, told.kind());
    let fresh = server.engine.pull(&kai(), None, 10, MEGABYTE).await.unwrap();
    assert!(fresh.changes.is_empty());
    assert!(server.memory.read(&kai(), &[piece(1)]).await.unwrap()[0].is_none());
    let everything = format!("{:?}", *server.memory);
    assert!(!everything.contains("secret"), "no byte of the content is left");
}

#[tokio::test]
async fn a_session_gains_its_end_and_stays_deleted() {
    let server = Server::new();
    let key = Key::session(RecordId::from_bits(9));
    let start =
        [("pieceId", text(&piece(1).id.to_string())), ("startedAt", text("2026-11-22T10:00:00Z"))];
    let created = push(&server, "a", set(key, None, 1, &start)).await;
    let end = [("endedAt", text("2026-11-22T10:10:00Z")), ("endedAtSource", text("manual"))];
    let ended = push(&server, "b", set(key, Some(1), 2, &end)).await;
    let guess = [("endedAt", text("2026-11-22T11:00:00Z")), ("endedAtSource", text("estimated"))];
    let guessed = push(&server, "c", set(key, Some(1), 3, &guess)).await;

    assert_eq!([Some(1), Some(2), Some(2)], [created.version, ended.version, guessed.version]);
    assert_eq!("2026-11-22T10:10:00.000Z", fields(&server, key).await.unwrap()["endedAt"]);
    push(&server, "a", delete(key, Some(2))).await;
    push(&server, "c", set(key, Some(2), 4, &guess)).await;
    assert_eq!(None, fields(&server, key).await);
}

#[tokio::test]
async fn what_cannot_be_taken_is_rejected_alone() {
    let server = Server::new();
    let refused = [
        (set(piece(1), None, 1, &[("title", Value::Null)]), Refusal::InvalidField),
        (set(piece(2), None, 1, &[("isFavorite", text("yes"))]), Refusal::InvalidField),
        (set(piece(3), None, 1, &[("userId", text("other"))]), Refusal::InvalidField),
        (set(piece(4), None, 1, &[("lyrics", text(&"x".repeat(200_001)))]), Refusal::TooLarge),
        (set(piece(5), Some(3), 1, &[("title", text("t"))]), Refusal::BaseGone),
        (set(Key::session(RecordId::from_bits(6)), None, 1, &[]), Refusal::InvalidField),
    ];
    let mut pushes: Vec<Push> = refused.iter().map(|(push, _)| push.clone()).collect();
    pushes.push(set(piece(7), None, 1, &[("title", text("good"))]));

    let results = server.engine.push(&kai(), "a", &pushes).await.unwrap();

    for ((_, refusal), result) in refused.iter().zip(&results) {
        assert_eq!(PushOutcome::Rejected(*refusal), result.outcome);
    }
    assert_eq!(PushOutcome::Applied, results[6].outcome);
}
