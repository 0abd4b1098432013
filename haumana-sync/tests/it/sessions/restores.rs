//! A person looks at the history of a session and puts an earlier version back.

use super::*;
use haumana_sync::engine::{Asked, ErrorKind};

fn asked(request_id: &str, base: Option<Version>) -> Asked {
    Asked { base, request_id: Some(request_id.to_owned()) }
}

async fn restore(server: &Server, version: Version, asked: &Asked) -> Version {
    server.engine.restore_record(&kai(), key(), version, asked).await.unwrap().version
}

/// A session whose end was mended once: versions 1, 2 and 3.
async fn mended() -> Server {
    let server = Server::new();
    push(&server, "a", start()).await;
    push(&server, "a", set(Some(1), 2, &end(50, "manual"))).await;
    push(&server, "b", set(Some(2), 3, &end(10, "estimated"))).await;
    server
}

#[tokio::test]
async fn the_history_of_a_session_names_what_each_version_changed() {
    let server = mended().await;

    let page = server.engine.history_of(&kai(), key(), None, 9, 1 << 20).await.unwrap();

    let changed: Vec<(Version, Vec<Option<Value>>)> = page
        .versions
        .iter()
        .map(|version| {
            (version.version, version.changed.iter().map(|field| field.value.clone()).collect())
        })
        .collect();
    let earlier = [Some(text(&at(50))), Some(text("manual"))];
    assert_eq!((3, earlier.to_vec()), changed[0]);
    assert_eq!((2, vec![Some(Value::Null), Some(Value::Null)]), changed[1]);
    assert_eq!(3, changed.len());
}

#[tokio::test]
async fn an_earlier_end_comes_back_and_a_repeat_changes_nothing() {
    let server = mended().await;

    assert_eq!(4, restore(&server, 2, &asked("r", None)).await);
    assert_eq!(an_end(50, "manual"), ended(&server).await);

    push(&server, "b", set(Some(4), 9, &end(20, "manual"))).await;
    let before = revision(&server).await;
    assert_eq!(5, restore(&server, 2, &asked("r", None)).await);
    assert_eq!(an_end(20, "manual"), ended(&server).await);
    assert_eq!(before, revision(&server).await, "no commit");
}

#[tokio::test]
async fn a_deleted_session_is_put_back_and_its_old_delete_stays_undone() {
    cov_mark::check!(edit_brings_a_deleted_piece_back);
    let server = mended().await;
    let gone = push_of(Some(3), 5, PushOp::Delete);
    push(&server, "b", gone.clone()).await;

    assert_eq!(5, restore(&server, 3, &asked("r", None)).await);

    assert_eq!(an_end(10, "estimated"), ended(&server).await);
    restore(&server, 3, &asked("r", None)).await;
    assert_eq!(an_end(10, "estimated"), ended(&server).await);
}

#[tokio::test]
async fn a_version_that_never_was_is_not_found() {
    let server = mended().await;

    let refused = server.engine.restore_record(&kai(), key(), 9, &asked("r", None)).await;

    assert_eq!(ErrorKind::NotFound, refused.unwrap_err().kind());
}
