//! Two installations of one name: a folder that was copied, or put back.

use crate::pushing::{fields, piece};
use crate::support::{DAY, Server, kai};
use haumana_sync::store::Store;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};

fn at(secs: i64) -> String {
    haumana_sync::time::UnixMillis(DAY - 86_400_000 + secs * 1000).to_string()
}

async fn sync(server: &Server, cursor: &Value, pushes: &[Value]) -> Value {
    server.pass_secs(1);
    let body = json!({"deviceId": "laptop", "cursor": cursor, "push": pushes}).to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = server.engine.sync(&kai(), &request, server.reply_limit_bytes).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

fn edit(base: Option<u32>, secs: i64, fields: Value) -> Value {
    json!({"kind": "piece", "id": piece(1).id.to_string(), "base": base, "editedAt": at(secs), "set": fields})
}

fn delete(base: Option<u32>, secs: i64) -> Value {
    json!({"kind": "piece", "id": piece(1).id.to_string(), "base": base, "editedAt": at(secs), "delete": true})
}

async fn n_open(server: &Server) -> usize {
    server.engine.conflict_page(&kai(), None, 50, usize::MAX).await.unwrap().0.len()
}

async fn lost(server: &Server) -> Vec<Option<String>> {
    let (open, _) = server.engine.conflict_page(&kai(), None, 50, usize::MAX).await.unwrap();
    open.into_iter().map(|open| open.lost?.as_text().map(str::to_owned)).collect()
}

/// A laptop that made a piece and has seen the reply.
async fn laptop() -> (Server, Value) {
    let server = Server::new();
    let fields = json!({"title": "t", "lyrics": "one\ntwo\nthree\nfour\nfive", "author": "x"});
    let made = sync(&server, &Value::Null, &[edit(None, 1, fields)]).await;
    (server, made["cursor"].clone())
}

#[tokio::test]
async fn edits_of_a_copied_folder_merge_as_another_devices() {
    cov_mark::check!(change_of_another_installation_is_another_devices);
    let (server, copied) = laptop().await;
    let theirs = json!({"lyrics": "ONE\ntwo\nthree\nfour\nfive", "author": "laptop"});
    let laptop = sync(&server, &copied, &[edit(Some(1), 2, theirs)]).await;
    // The laptop shows that it has seen the reply.
    sync(&server, &laptop["cursor"], &[]).await;

    let ours = json!({"lyrics": "one\ntwo\nthree\nfour\nFIVE", "author": "copy"});
    let copy = sync(&server, &copied, &[edit(Some(1), 3, ours)]).await;

    assert_eq!(json!(true), copy["copy"]);
    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!(json!("ONE\ntwo\nthree\nfour\nFIVE"), now["lyrics"]);
    assert_eq!(vec![Some("laptop".to_owned())], lost(&server).await);
}

#[tokio::test]
async fn where_a_lost_reply_and_a_copy_look_alike_both_values_are_kept() {
    cov_mark::check!(later_change_of_one_name_keeps_the_earlier_aside);
    let (server, copied) = laptop().await;
    sync(&server, &copied, &[edit(Some(1), 2, json!({"author": "laptop"}))]).await;

    let copy = sync(&server, &copied, &[edit(Some(1), 3, json!({"author": "copy"}))]).await;

    assert!(copy.get("copy").is_none());
    assert_eq!(json!("copy"), fields(&server, piece(1)).await.unwrap()["author"]);
    assert_eq!(vec![Some("laptop".to_owned())], lost(&server).await);
}

#[tokio::test]
async fn a_device_that_sends_its_earlier_change_again_is_certainly_the_same() {
    cov_mark::check!(later_change_of_one_device_replaces_its_earlier);
    let (server, cursor) = laptop().await;
    let first = edit(Some(1), 2, json!({"author": "first"}));
    sync(&server, &cursor, std::slice::from_ref(&first)).await;

    let reply =
        sync(&server, &cursor, &[first, edit(Some(1), 3, json!({"author": "second"}))]).await;

    let outcome = |at: usize| reply["results"][at]["outcome"].clone();
    assert_eq!((json!("unchanged"), json!("applied")), (outcome(0), outcome(1)));
    assert_eq!(
        (json!("second"), 0),
        (fields(&server, piece(1)).await.unwrap()["author"].clone(), n_open(&server).await)
    );
}

#[tokio::test]
async fn a_delete_by_a_copy_loses_or_leaves_the_edit_in_the_inbox() {
    for is_confirmed in [true, false] {
        let (server, copied) = laptop().await;
        let laptop = sync(&server, &copied, &[edit(Some(1), 2, json!({"author": "laptop"}))]).await;
        if is_confirmed {
            sync(&server, &laptop["cursor"], &[]).await;
        }

        sync(&server, &copied, &[delete(Some(1), 3)]).await;

        assert_eq!(is_confirmed, fields(&server, piece(1)).await.is_some());
        let expected = if is_confirmed { None } else { Some("laptop".to_owned()) };
        assert_eq!(vec![expected], lost(&server).await);
    }
}

#[tokio::test]
async fn a_delete_that_follows_its_edit_in_one_request_covers_it_without_an_entry() {
    cov_mark::check!(delete_knows_what_its_device_edited_before);
    for base in [Some(1), None] {
        let server = Server::new();
        let make = edit(None, 1, json!({"title": "t"}));
        let mut cursor = Value::Null;
        if base.is_some() {
            cursor = sync(&server, &cursor, std::slice::from_ref(&make)).await["cursor"].clone();
        }
        let change = if base.is_some() { edit(base, 2, json!({"author": "x"})) } else { make };
        sync(&server, &cursor, std::slice::from_ref(&change)).await;

        let reply = sync(&server, &cursor, &[change, delete(base, 3)]).await;

        assert_eq!(json!("applied"), reply["results"][1]["outcome"], "{reply}");
        assert_eq!((None, 0), (fields(&server, piece(1)).await, n_open(&server).await), "{base:?}");
    }
}

#[tokio::test]
async fn what_a_device_has_seen_is_noted_once_after_a_push_and_costs_nothing_else() {
    let (server, cursor) = laptop().await;
    let pushed = sync(&server, &cursor, &[edit(Some(1), 2, json!({"author": "y"}))]).await;
    let before = server.memory.head(&kai()).await.unwrap().unwrap();

    let first = sync(&server, &pushed["cursor"], &[]).await;
    server.store.take();
    let second = sync(&server, &first["cursor"], &[]).await;

    let calls = server.store.take();
    assert_eq!((1, 0, 0), (calls.head, calls.commit, calls.changes));
    assert_eq!(first["cursor"], second["cursor"]);
    let after = server.memory.head(&kai()).await.unwrap().unwrap();
    assert_eq!(before.revision.0 + 1, after.revision.0);
    assert_eq!((before.stamp, json!([])), (after.stamp, first["changes"].clone()));
}

#[tokio::test]
async fn a_device_that_starts_over_is_no_copy() {
    let (server, cursor) = laptop().await;
    for n in 2..9_u32 {
        let more = json!({"kind": "piece", "id": piece(u128::from(n)).id.to_string(), "base": null, "editedAt": at(5), "set": {"title": "t"}});
        sync(&server, &cursor, &[more]).await;
    }
    let end = sync(&server, &cursor, &[]).await["cursor"].clone();
    sync(&server, &end, &[edit(Some(1), 9, json!({"author": "z"}))]).await;

    let body =
        |cursor: &Value| json!({"deviceId": "laptop", "cursor": cursor, "limit": 2}).to_string();
    let mut cursor = Value::Null;
    loop {
        let body = body(&cursor);
        let request = SyncRequest::from_json(body.as_bytes()).unwrap();
        let reply = server.engine.sync(&kai(), &request, 1 << 20).await.unwrap().into_json();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        assert!(reply.get("copy").is_none(), "{reply}");
        cursor = reply["cursor"].clone();
        if reply["more"] == json!(false) {
            break;
        }
    }
}
