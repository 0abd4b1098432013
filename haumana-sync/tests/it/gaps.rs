//! Phones that differ for good: they deleted pieces by themselves, or keep some that are deleted here.

use crate::support::{Server, body, kai, new_piece};
use haumana_sync::engine::Asked;
use haumana_sync::id::{Key, RecordId};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};

fn id(n: u32) -> String {
    format!("5EED0000-0000-4000-8000-{n:012}")
}

/// A phone of the app: it sends all that it has, and takes over what a reply says.
#[derive(Clone)]
struct Phone {
    pieces: Vec<Value>,
    last: Option<String>,
}

impl Phone {
    fn with(pieces: impl IntoIterator<Item = u32>) -> Self {
        let pieces = pieces.into_iter().map(|n| new_piece(n, "Oli", "Lyrics")).collect();
        Self { pieces, last: None }
    }

    async fn sync(&mut self, server: &Server) -> Value {
        server.pass_secs(10);
        let body = body(&self.pieces, self.last.as_deref());
        let reply = server.post_pieces(&kai(), &body).await;
        for list in ["updatedPieces", "serverPieces"] {
            for piece in reply[list].as_array().unwrap() {
                self.pieces.retain(|held| held["pieceId"] != piece["pieceId"]);
                self.pieces.push(piece.clone());
            }
        }
        self.last = reply["syncedAt"].as_str().map(str::to_owned);
        reply
    }

    /// What the store was asked for by one more sync, which tells nothing.
    async fn indexes_of_a_quiet_sync(&mut self, server: &Server) -> u64 {
        server.store.take();
        let reply = self.sync(server).await;
        for list in ["updatedPieces", "serverPieces"] {
            assert_eq!(json!([]), reply[list], "{reply}");
        }
        let calls = server.store.take();
        assert_eq!(0, calls.changes + calls.records_read, "{calls:?}");
        calls.index
    }

    fn holds(&self, n: u32) -> bool {
        self.pieces.iter().any(|piece| piece["pieceId"] == json!(id(n)))
    }
}

/// A phone, and a server that has its 20 pieces.
async fn phone() -> (Server, Phone) {
    let server = Server::new();
    let mut phone = Phone::with(0..20);
    phone.sync(&server).await;
    phone.sync(&server).await;
    (server, phone)
}

/// Another client edits a piece, or deletes it.
async fn push(server: &Server, n: u32, what: Value) {
    let mut push =
        json!({ "kind": "piece", "id": id(n), "base": 1, "editedAt": "2026-11-23T00:00:00Z" });
    push.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    let body = json!({ "deviceId": "tablet", "cursor": null, "push": [push] }).to_string();
    let request = SyncRequest::from_json(body.as_bytes()).unwrap();
    let reply = server.engine.sync(&kai(), &request, server.reply_limit_bytes).await.unwrap();
    let reply: Value = serde_json::from_slice(&reply.into_json()).unwrap();
    assert_eq!("applied", reply["results"][0]["outcome"], "{reply}");
}

#[tokio::test]
async fn a_phone_that_deleted_a_piece_by_itself_is_compared_once() {
    cov_mark::check!(phone_that_differs_for_good_is_remembered);
    let (server, mut phone) = phone().await;
    phone.pieces.remove(3);

    let before = phone.indexes_of_a_quiet_sync(&server).await;
    let after = phone.indexes_of_a_quiet_sync(&server).await;

    assert_eq!((1, 0), (before, after));
}

#[tokio::test]
async fn a_phone_that_keeps_a_piece_that_is_deleted_here_is_compared_once() {
    let (server, mut phone) = phone().await;
    push(&server, 3, json!({ "delete": true })).await;
    // What changed is looked at, and then all is compared.
    phone.sync(&server).await;
    phone.sync(&server).await;

    let next = phone.indexes_of_a_quiet_sync(&server).await;
    phone.last = None;
    let restarted = phone.indexes_of_a_quiet_sync(&server).await;

    assert!(phone.holds(3));
    assert_eq!((0, 0), (next, restarted));
}

#[tokio::test]
async fn its_edits_and_those_of_others_cost_what_changed() {
    let (server, mut phone) = phone().await;
    phone.pieces.remove(3);
    phone.sync(&server).await;
    push(&server, 7, json!({ "set": { "title": "Of the tablet" } })).await;
    phone.pieces[0]["title"] = json!("Of the phone");
    phone.pieces[0]["locallyModified"] = json!(true);
    server.store.take();

    let reply = phone.sync(&server).await;

    let calls = server.store.take();
    assert_eq!(0, calls.index, "{calls:?}");
    assert_eq!(json!(id(7)), reply["serverPieces"][0]["pieceId"]);
    assert_eq!(1, reply["updatedPieces"].as_array().unwrap().len());
    assert_eq!(0, phone.indexes_of_a_quiet_sync(&server).await);
}

#[tokio::test]
async fn what_it_deleted_comes_back_once_it_is_edited_elsewhere_or_the_app_starts_anew() {
    for is_edited in [true, false] {
        let (server, mut phone) = phone().await;
        phone.pieces.remove(3);
        phone.sync(&server).await;
        match is_edited {
            true => push(&server, 3, json!({ "set": { "title": "Of the tablet" } })).await,
            false => phone.last = None,
        }

        phone.sync(&server).await;

        assert!(phone.holds(3));
    }
}

/// Found by `asks`, seeds 15000000000417 and 15000000001337.
#[tokio::test]
async fn what_it_deleted_comes_back_once_a_person_asks_for_the_version_that_it_has() {
    let (server, mut phone) = phone().await;
    phone.pieces.remove(3);
    phone.sync(&server).await;
    phone.sync(&server).await;
    server.pass_secs(10);

    let key = Key::piece(RecordId::parse(&id(3)).unwrap());
    let restored = server.engine.restore_record(&kai(), key, 1, &Asked::default()).await.unwrap();
    phone.sync(&server).await;

    assert!(restored.is_unchanged);
    assert!(phone.holds(3));
    assert_eq!(0, phone.indexes_of_a_quiet_sync(&server).await);
}

#[tokio::test]
async fn another_phone_that_was_not_offered_the_piece_gets_it() {
    let (server, mut phone) = phone().await;
    let mut other = phone.clone();
    other.pieces.remove(3);
    // It is as far as a phone that has never been told of the piece.
    other.last = Some("2026-11-22T23:00:00Z".to_owned());
    phone.pieces.remove(3);
    phone.sync(&server).await;

    other.sync(&server).await;

    assert!(other.holds(3));
}

#[tokio::test]
async fn an_edit_of_what_is_deleted_here_is_looked_at() {
    let (server, mut phone) = phone().await;
    push(&server, 3, json!({ "delete": true })).await;
    phone.sync(&server).await;
    phone.sync(&server).await;
    let at = phone.pieces.iter().position(|piece| piece["pieceId"] == json!(id(3))).unwrap();
    phone.pieces[at]["title"] = json!("Edited");

    let reply = phone.sync(&server).await;

    assert_eq!(json!(id(3)), reply["updatedPieces"][0]["pieceId"], "{reply}");
}

#[tokio::test]
async fn of_many_phones_that_differ_the_last_are_remembered() {
    let (server, phone) = phone().await;
    let mut phones: Vec<Phone> = (0..12)
        .map(|n| {
            let mut phone = phone.clone();
            phone.pieces.truncate(20 - n - 1);
            phone
        })
        .collect();

    for phone in &mut phones {
        phone.sync(&server).await;
    }

    let mut indexes = Vec::new();
    for phone in phones.iter_mut().rev() {
        indexes.push(phone.indexes_of_a_quiet_sync(&server).await);
    }
    assert_eq!(vec![0; 8], indexes[..8]);
    assert_eq!(1, indexes[8]);
}
