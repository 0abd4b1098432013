//! Every entry of the inbox has its lost value, and restoring it gives that value.

use crate::pushing::{delete_at, fields, piece, push, set, text};
use crate::support::{DAY, Server, body, kai, new_piece};
use haumana_sync::engine::{PushOutcome, Resolution};
use haumana_sync::record::Value;
use haumana_sync::store::Generation;
use serde_json::json;
use std::sync::Arc;

/// "a" makes a piece, "b" edits a field and deletes the piece, "a" edits the same field later.
async fn revived(name: &str, values: [Value; 3]) -> (Server, Vec<haumana_sync::engine::Conflict>) {
    let server = Server::new();
    let [made, lost, kept] = values;
    push(&server, "a", set(piece(1), None, 1, &[("title", text("t")), (name, made)])).await;
    push(&server, "b", set(piece(1), Some(1), 2, &[(name, lost)])).await;
    push(&server, "b", delete_at(piece(1), Some(2), 3)).await;
    let result = push(&server, "a", set(piece(1), Some(1), 4, &[(name, kept)])).await;
    assert_eq!((PushOutcome::Merged, Some(4)), (result.outcome, result.version));
    (server, result.conflicts)
}

#[tokio::test]
async fn what_a_deleted_piece_held_is_in_the_inbox_when_an_edit_brings_it_back() {
    cov_mark::check!(loser_that_no_version_has_is_kept_aside);
    let cases = [
        ("author", [text("A1"), text("A2"), text("A3")]),
        ("notes", [text("one\ntwo"), text("one\nTWO B"), text("one\nTWO A")]),
        ("title", [text("1"), text("2"), text("3")]),
        ("isFavorite", [Value::Flag(false), Value::Flag(true), Value::Flag(false)]),
    ];
    for (name, [made, lost, kept]) in cases {
        let (server, told) = revived(name, [made, lost.clone(), kept.clone()]).await;
        if name == "isFavorite" {
            // Nothing is decided where both sides are alike in the end.
            assert_eq!(
                Some(lost),
                told.iter().find_map(|one| one.field.as_ref().and(one.lost.clone()))
            );
            continue;
        }

        let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();

        let entry = open.iter().find(|open| open.field.is_some()).unwrap();
        assert_eq!(Some(lost.clone()), entry.lost, "{name}");
        server.engine.resolve(&kai(), entry.id, &Resolution::Restore).await.unwrap();
        let now = fields(&server, piece(1)).await.unwrap();
        assert_eq!(serde_json::to_value(&lost).unwrap(), now[name], "{name}");
    }
}

/// Found by a tester: the later side of a clash is not in its result at all.
#[tokio::test]
async fn a_clash_that_ends_with_the_text_of_the_server_keeps_the_pushed_one() {
    let server = Server::new();
    let verse = "Hui e ka pua\n\nNani ka lei aloha o ka lani\n\nHui e ka pua";
    let (first, second) = (format!("{verse}\n\n"), text(verse));
    push(&server, "a", set(piece(1), None, 1, &[("notes", text("lani\n\nHui e ka pua"))])).await;
    push(&server, "a", set(piece(1), Some(1), 2, &[("notes", text(&first))])).await;

    let told = push(&server, "b", set(piece(1), Some(1), 3, &[("notes", second.clone())])).await;

    assert_eq!((PushOutcome::Merged, 1), (told.outcome, told.conflicts.len()));
    assert_eq!(first, fields(&server, piece(1)).await.unwrap()["notes"]);
    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    assert_eq!(
        vec![Some(second.clone())],
        open.iter().map(|one| one.lost.clone()).collect::<Vec<_>>()
    );
    server.engine.resolve(&kai(), open[0].id, &Resolution::Restore).await.unwrap();
    let now = fields(&server, piece(1)).await.unwrap();
    assert_eq!(serde_json::to_value(&second).unwrap(), now["notes"]);
}

#[tokio::test]
async fn an_entry_keeps_its_value_for_the_whole_retention_time_however_old_the_value_is() {
    let server = Server::new();
    push(&server, "a", set(piece(1), None, 1, &[("title", text("t")), ("author", text("A1"))]))
        .await;
    push(&server, "b", set(piece(1), Some(1), 2, &[("author", text("A2"))])).await;
    push(&server, "b", delete_at(piece(1), Some(2), 3)).await;
    server.pass_secs(80 * 86_400);
    push(&server, "a", set(piece(1), Some(1), 80 * 86_400, &[("author", text("A3"))])).await;
    server.pass_secs(80 * 86_400);

    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();

    let lost: Vec<_> =
        open.iter().filter_map(|open| open.field.as_ref().and(open.lost.clone())).collect();
    assert_eq!(vec![text("A2")], lost);
}

/// A restored backup skips versions; the last one that had the old text is among them.
#[tokio::test]
async fn what_an_old_form_saved_is_in_the_inbox_also_where_its_version_was_skipped() {
    let before = Server::new();
    let mut phone = vec![new_piece(1, "t", "one\ntwo\nthree")];
    let reply = before.post_pieces(&kai(), &body(&phone, None)).await;
    phone[0]["version"] = reply["updatedPieces"][0]["version"].clone();
    let server = Server::on(Arc::clone(&before.memory), Generation(1));
    let key = haumana_sync::id::Key::piece(
        haumana_sync::id::RecordId::parse(phone[0]["pieceId"].as_str().unwrap()).unwrap(),
    );
    push(&server, "b", set(key, Some(1), 4, &[("lyrics", text("one\nTWO\nthree"))])).await;
    server.pass_secs(10);
    let reply = server.post_pieces(&kai(), &body(&phone, None)).await;
    phone[0]["version"] = reply["serverPieces"][0]["version"].clone();

    // The form was opened before that sync.
    phone[0]["author"] = json!("typed");
    phone[0]["locallyModified"] = json!(true);
    phone[0]["modifiedAt"] = json!(haumana_sync::time::UnixMillis(DAY + 20_000).to_string());
    server.post_pieces(&kai(), &body(&phone, None)).await;

    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    assert_eq!(1, open.len());
    assert_eq!(Some(text("one\ntwo\nthree")), open[0].lost);
    server.engine.resolve(&kai(), open[0].id, &Resolution::Restore).await.unwrap();
    assert_eq!("one\ntwo\nthree", fields(&server, key).await.unwrap()["lyrics"]);
}

/// The base of a merge by line is found although the versions after it were skipped.
#[tokio::test]
async fn texts_merge_by_line_across_versions_that_were_skipped() {
    let before = Server::new();
    push(&before, "a", set(piece(1), None, 1, &[("lyrics", text("one\ntwo\nthree"))])).await;
    let server = Server::on(Arc::clone(&before.memory), Generation(1));
    push(&server, "b", set(piece(1), Some(1), 2, &[("lyrics", text("ONE\ntwo\nthree"))])).await;

    let result =
        push(&server, "a", set(piece(1), Some(1), 3, &[("lyrics", text("one\ntwo\nTHREE"))])).await;

    assert_eq!(0, result.conflicts.len());
    assert_eq!("ONE\ntwo\nTHREE", fields(&server, piece(1)).await.unwrap()["lyrics"]);
}

#[tokio::test]
async fn the_inbox_is_newest_first_within_a_second_too_and_pages_skip_nothing() {
    let server = Server::new();
    for n in 0..20 {
        push(&server, "a", set(piece(n), None, 1, &[("title", text("0"))])).await;
        push(&server, "b", set(piece(n), Some(1), 3, &[("title", text("1"))])).await;
        push(&server, "a", set(piece(n), Some(1), 2, &[("title", text("2"))])).await;
        server.clock.pass_ms(30);
    }

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = server.engine.conflict_page(&kai(), after, 3, 1 << 20).await.unwrap();
        seen.extend(page.iter().map(|conflict| conflict.key.id.bits()));
        let token = next.map(haumana_sync::wire::inbox::place_token);
        after = token.as_deref().and_then(haumana_sync::wire::inbox::read_place);
        if after.is_none() {
            break;
        }
    }

    assert_eq!((0..20).rev().collect::<Vec<u128>>(), seen);
}
