//! Calls of a person that come again, early or late.

use crate::pushing::{delete_at, fields, piece, push, set, text};
use crate::support::{Server, kai};
use haumana_sync::engine::{Asked, Erasure, Resolution, Restored};
use haumana_sync::id::Key;
use haumana_sync::store::Store;

fn named(id: &str) -> Asked {
    Asked { base: None, request_id: Some(id.to_owned()) }
}

fn seen(base: u32) -> Asked {
    Asked { base: Some(base), request_id: None }
}

/// A piece of three versions: title 0, 1, 2.
async fn three() -> Server {
    let server = Server::new();
    for n in 0..3_u32 {
        let base = (0 < n).then_some(n);
        let title = text(&n.to_string());
        push(&server, "a", set(piece(1), base, i64::from(n) + 1, &[("title", title)])).await;
    }
    server
}

async fn title(server: &Server) -> String {
    fields(server, piece(1)).await.unwrap()["title"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_restore_that_comes_again_late_takes_no_later_edit_back() {
    cov_mark::check!(repeated_restore_changes_nothing);
    for asked in [Asked::default(), named("r"), seen(3)] {
        let server = three().await;
        let id = piece(1).id;
        let first = server.engine.restore_record(&kai(), Key::piece(id), 1, &asked).await.unwrap();
        push(&server, "b", set(piece(1), Some(4), 9, &[("title", text("later"))])).await;

        let again = server.engine.restore_record(&kai(), Key::piece(id), 1, &asked).await.unwrap();

        assert_eq!(Restored { version: 4, is_unchanged: false }, first);
        assert_eq!(Restored { version: 5, is_unchanged: true }, again);
        assert_eq!("later", title(&server).await, "{asked:?}");
        let meant = server
            .engine
            .restore_record(&kai(), Key::piece(id), 1, &named("another"))
            .await
            .unwrap();
        assert_eq!((6, "0".to_owned()), (meant.version, title(&server).await));
    }
}

#[tokio::test]
async fn a_restore_of_the_current_version_is_remembered_too() {
    let server = three().await;
    let id = piece(1).id;
    let first = server.engine.restore_record(&kai(), Key::piece(id), 3, &named("r")).await.unwrap();
    push(&server, "b", set(piece(1), Some(3), 9, &[("title", text("later"))])).await;

    let again = server.engine.restore_record(&kai(), Key::piece(id), 3, &named("r")).await.unwrap();

    assert_eq!(Restored { version: 3, is_unchanged: true }, first);
    assert_eq!(
        (Restored { version: 4, is_unchanged: true }, "later".to_owned()),
        (again, title(&server).await)
    );
}

#[tokio::test]
async fn edits_since_the_version_that_a_person_saw_merge_with_the_restored_one() {
    let server = Server::new();
    let first = [("title", text("0")), ("lyrics", text("one\ntwo\nthree"))];
    push(&server, "a", set(piece(1), None, 1, &first)).await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("lyrics", text("ONE\ntwo\nthree"))])).await;
    let since = [("notes", text("n")), ("lyrics", text("ONE\ntwo\nTHREE"))];
    push(&server, "b", set(piece(1), Some(2), 3, &since)).await;

    server.engine.restore_record(&kai(), piece(1), 1, &seen(2)).await.unwrap();

    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!(
        ("n", "one\ntwo\nTHREE"),
        (now["notes"].as_str().unwrap(), now["lyrics"].as_str().unwrap())
    );
    for base in [0, 9] {
        let refused = server.engine.restore_record(&kai(), piece(1), 1, &seen(base)).await;
        assert_eq!(haumana_sync::engine::ErrorKind::Invalid, refused.unwrap_err().kind());
    }
}

#[tokio::test]
async fn a_delete_that_the_person_had_not_seen_is_in_the_inbox_after_a_restore() {
    let server = three().await;
    push(&server, "b", delete_at(piece(1), Some(3), 9)).await;

    server.engine.restore_record(&kai(), piece(1), 1, &seen(3)).await.unwrap();

    assert_eq!("0", title(&server).await);
    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    assert_eq!(1, open.iter().filter(|open| open.field.is_none()).count());
}

#[tokio::test]
async fn a_resolution_that_comes_late_merges_with_what_came_since() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("lyrics", text("one\ntwo\nthree"))])).await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("lyrics", text("ONE\ntwo\nthree"))])).await;
    push(&server, "b", set(piece(1), Some(1), 3, &[("lyrics", text("EIN\ntwo\nthree"))])).await;
    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    push(&server, "c", set(piece(1), Some(3), 4, &[("lyrics", text("EIN\ntwo\nTHREE"))])).await;

    server.engine.resolve_as(&kai(), open[0].id, &Resolution::Restore, Some(3)).await.unwrap();

    assert_eq!("ONE\ntwo\nTHREE", fields(&server, piece(1)).await.unwrap()["lyrics"]);
    assert!(server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn an_erasure_that_comes_again_after_a_new_beginning_erases_nothing() {
    for is_empty in [true, false] {
        let server = if is_empty { Server::new() } else { three().await };
        let first = server.engine.erase_as(&kai(), Some("e")).await.unwrap();
        server.engine.erase_as(&kai(), Some("f")).await.unwrap();
        push(&server, "a", set(piece(2), None, 1, &[("title", text("new"))])).await;

        for id in ["e", "f"] {
            assert_eq!(Erasure::Repeated, server.engine.erase_as(&kai(), Some(id)).await.unwrap());
        }

        assert_eq!(Erasure::Done, first);
        assert_eq!("new", fields(&server, piece(2)).await.unwrap()["title"]);
        assert_eq!(Erasure::Done, server.engine.erase_as(&kai(), None).await.unwrap());
        assert!(server.memory.read(&kai(), &[piece(2)]).await.unwrap()[0].is_none());
    }
}

/// Found by `asks`, seed 6.
#[tokio::test]
async fn what_came_after_its_own_delete_can_be_restored_from_the_inbox() {
    let server = Server::new();
    push(&server, "a", delete_at(piece(1), None, 2)).await;
    let fields_of_creation = [("title", text("late")), ("lyrics", text("song"))];
    push(&server, "a", set(piece(1), None, 1, &fields_of_creation)).await;
    assert!(fields(&server, piece(1)).await.is_none(), "the delete stands");
    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    let title = open.iter().find(|open| open.field.as_deref() == Some("title")).unwrap();

    server.engine.resolve(&kai(), title.id, &Resolution::Restore).await.unwrap();

    assert_eq!("late", self::title(&server).await);
}
