//! A phone with the app: it sends all of its pieces and knows nothing of bases.

use serde_json::{Value, json};

/// A phone, with nothing in flight: the simulation of the engine covers that.
#[derive(Debug, Default)]
pub(crate) struct Phone {
    pub pieces: Vec<Value>,
}

impl Phone {
    pub(crate) fn body(&self) -> Vec<u8> {
        json!({"operation": "sync", "pieces": self.pieces}).to_string().into_bytes()
    }

    /// Types a new title, the way the app's form does: the number stays.
    pub(crate) fn edit(&mut self, at: usize, title: &str, now: &str) -> String {
        let piece = &mut self.pieces[at];
        piece["title"] = json!(title);
        piece["locallyModified"] = json!(true);
        piece["modifiedAt"] = json!(now);
        piece["pieceId"].as_str().unwrap().to_owned()
    }

    /// Practises a piece: the app adds one, and no field changes.
    pub(crate) fn practise(&mut self, at: usize, now: &str) {
        let piece = &mut self.pieces[at];
        piece["version"] = json!(piece["version"].as_u64().unwrap() + 1);
        piece["locallyModified"] = json!(true);
        piece["modifiedAt"] = json!(now);
    }

    /// Reads a reply as the app does.
    pub(crate) fn take(&mut self, reply: &[u8]) {
        let reply: Value = serde_json::from_slice(reply).unwrap();
        for theirs in reply["serverPieces"].as_array().unwrap() {
            let ours = self.pieces.iter_mut().find(|ours| ours["pieceId"] == theirs["pieceId"]);
            match ours {
                None => self.pieces.push(theirs.clone()),
                Some(ours) if ours["version"].as_u64() < theirs["version"].as_u64() => {
                    *ours = theirs.clone();
                }
                Some(_) => {}
            }
        }
        for theirs in reply["updatedPieces"].as_array().unwrap() {
            let ours = self.pieces.iter_mut().find(|ours| ours["pieceId"] == theirs["pieceId"]);
            if let Some(ours) = ours {
                ours["version"] = theirs["version"].clone();
                ours["modifiedAt"] = theirs["modifiedAt"].clone();
                ours["locallyModified"] = json!(false);
                ours["lastSyncedAt"] = reply["syncedAt"].clone();
            }
        }
    }
}
