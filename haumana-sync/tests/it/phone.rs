//! A phone of the app, as far as these tests need one.

use crate::support::{Server, body, kai, new_piece};
use haumana_sync::engine::{EditTimes, Push, PushOp};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};

/// What a phone holds; a clone of it is a backup.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phone {
    pub pieces: Vec<Value>,
}

impl Phone {
    /// A phone with one new piece.
    pub(crate) fn with_song(title: &str, lyrics: &str) -> Self {
        Self { pieces: vec![new_piece(1, title, lyrics)] }
    }

    /// Sends everything and takes over the reply.
    pub(crate) async fn sync(&mut self, server: &Server) -> Value {
        let reply = server.post_pieces(&kai(), &body(&self.pieces, None)).await;
        self.apply(&reply, server);
        reply
    }

    /// Sends everything; the reply never arrives.
    pub(crate) async fn lose_reply(&self, server: &Server) -> Value {
        server.post_pieces(&kai(), &body(&self.pieces, None)).await
    }

    /// Takes over a reply as the app does.
    pub(crate) fn apply(&mut self, reply: &Value, server: &Server) {
        let now = json!(UnixMillis::from_secs(server.now().secs()).to_string());
        for theirs in reply["serverPieces"].as_array().unwrap() {
            let found = self.pieces.iter_mut().find(|ours| ours["pieceId"] == theirs["pieceId"]);
            match found {
                None => self.pieces.push(theirs.clone()),
                Some(ours) if ours["version"].as_u64() < theirs["version"].as_u64() => {
                    let flagged = ours["locallyModified"].clone();
                    *ours = theirs.clone();
                    ours["locallyModified"] = flagged;
                }
                Some(_) => {}
            }
        }
        for theirs in reply["updatedPieces"].as_array().unwrap() {
            let same = |ours: &&mut Value| ours["pieceId"] == theirs["pieceId"];
            for ours in self.pieces.iter_mut().filter(same) {
                for key in ["version", "modifiedAt", "locallyModified"] {
                    ours[key] = theirs[key].clone();
                }
                ours["lastSyncedAt"] = now.clone();
            }
        }
    }
}

fn touch(piece: &mut Value, server: &Server) {
    piece["locallyModified"] = json!(true);
    piece["modifiedAt"] = json!(UnixMillis::from_secs(server.now().secs()).to_string());
}

/// Saves one field in the form.
pub(crate) fn edit(piece: &mut Value, key: &str, value: Value, server: &Server) {
    piece[key] = value;
    touch(piece, server);
}

/// Practises the piece: no field changes.
pub(crate) fn practise(piece: &mut Value, server: &Server) {
    piece["version"] = json!(piece["version"].as_u64().unwrap() + 1);
    touch(piece, server);
}

/// Turns a switch.
pub(crate) fn flip(piece: &mut Value, key: &str, server: &Server) {
    piece[key] = json!(!piece[key].as_bool().unwrap());
    practise(piece, server);
}

impl Server {
    /// The time that the server's clock shows.
    pub(crate) fn now(&self) -> UnixMillis {
        use haumana_sync::engine::Clock as _;
        self.clock.now()
    }

    /// Deletes a piece with a new client that knows it as it stands.
    pub(crate) async fn delete(&self, id: &str) {
        let key = Key::piece(RecordId::parse(id).unwrap());
        let found = self.engine.pull(&kai(), None, 100, 1 << 20).await.unwrap().changes;
        let base = found.iter().find(|change| change.key == key).map(|change| change.version);
        let push = Push { key, base, edited_at: EditTimes::One(self.now()), op: PushOp::Delete };
        self.engine.push(&kai(), "a new client", &[push]).await.unwrap();
    }
}
