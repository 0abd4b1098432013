//! Exports, while others write.

use crate::support::{Server, body, kai, new_piece};
use haumana_sync::engine::ErrorKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A server with pieces 1 to 40, each large enough that an export has many parts.
async fn full() -> Server {
    let server = Server::new();
    let pieces: Vec<Value> = (1..=40).map(|n| new_piece(n, "Oli", &"a".repeat(9000))).collect();
    server.post_pieces(&kai(), &body(&pieces, None)).await;
    server
}

/// Takes the parts of an export, doing something after the first.
async fn taken(server: &Server, meanwhile: impl AsyncFnOnce()) -> Value {
    let mut export = server.engine.export(&kai()).await.unwrap();
    let mut text = server.engine.export_more(&mut export).await.unwrap().unwrap();
    meanwhile().await;
    while let Some(more) = server.engine.export_more(&mut export).await.unwrap() {
        text.push_str(&more);
    }
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn what_changes_while_an_export_is_read_stands_in_each_list_once() {
    let server = full().await;

    let export = taken(&server, async || {
        for n in [1, 20, 40, 41] {
            let piece = new_piece(n, "Mele", "changed meanwhile");
            server.post_pieces(&kai(), &body(&[piece], None)).await;
        }
    });
    let export = export.await;

    let pieces = export["pieces"].as_array().unwrap();
    let ids: BTreeSet<_> = pieces.iter().map(|piece| piece["pieceId"].as_str()).collect();
    assert_eq!((41, 41), (pieces.len(), ids.len()));
}

#[tokio::test]
async fn an_account_that_is_erased_meanwhile_ends_its_export() {
    let server = full().await;
    let mut export = server.engine.export(&kai()).await.unwrap();
    server.engine.export_more(&mut export).await.unwrap();

    server.engine.erase(&kai()).await.unwrap();

    // What was read before may come yet.
    let error = loop {
        match server.engine.export_more(&mut export).await {
            Ok(more) => assert!(more.is_some(), "it must not end as if it were whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(ErrorKind::Gone, error.kind());
}

#[tokio::test]
async fn what_is_held_at_a_time_does_not_grow_with_the_account() {
    let server = full().await;

    let mut export = server.engine.export(&kai()).await.unwrap();
    let mut largest = 0;
    while let Some(more) = server.engine.export_more(&mut export).await.unwrap() {
        largest = largest.max(more.len());
    }

    // One page of 32 records of 9 kB.
    assert!(largest < 32 * 10_000, "{largest}");
}

#[tokio::test]
async fn content_that_is_not_ours_to_read_comes_out_as_it_went_in() {
    let server = Server::new();
    let mut piece = new_piece(1, "Oli \"Aloha\"", "a\r\n\tb");
    piece["mood"] = json!({ "deep": [1, null, "ʻ"] });
    server.post_pieces(&kai(), &body(&[piece.clone()], None)).await;

    let export = taken(&server, async || {}).await;

    for name in ["title", "lyrics", "mood", "category", "isFavorite"] {
        assert_eq!(piece[name], export["pieces"][0][name], "{name}");
    }
}

#[tokio::test]
async fn an_export_has_no_history_past_its_retention_although_nobody_purged_it() {
    let server = Server::new();
    let mut phone = new_piece(1, "Ka mua", "a");
    for title in ["Ka mua", "Ka lua", "Ke kolu"] {
        phone["title"] = title.into();
        let reply = server.post_pieces(&kai(), &body(&[phone.clone()], None)).await;
        phone["version"] = reply["updatedPieces"][0]["version"].clone();
        server.pass_secs(80 * 86_400);
    }

    let whole = taken(&server, async || {}).await;
    let page = server.engine.export_page(&kai(), None, usize::MAX).await.unwrap();

    let page: Value = serde_json::from_str(&page.json).unwrap();
    for export in [whole, page] {
        let titles: Vec<_> = export["history"].as_array().unwrap().iter().collect();
        assert_eq!(1, titles.len(), "{titles:?}");
        assert_eq!("Ka lua", titles[0]["value"]["title"]);
    }
}
