//! What reaches the server, what it accepted, and what happens to it.

use super::super::Restores;
use super::{Checked, World};
use crate::support::{engine_on, user};
use haumana_app::Phones as _;
use haumana_app::wire::PiecesRequest;
use haumana_sync::engine::{Clock, RETENTION_MS};
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::store::Store;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::Value;
use std::collections::BTreeMap;

fn is_taken(answer: &Value) -> bool {
    answer["outcome"] != "rejected"
}

/// What a push sets, without what the same device replaced in the same request: the edits of one
/// record in one request are one change.
fn kept_of<'a>(push: &Value, later: impl Iterator<Item = (&'a Value, &'a Value)>) -> String {
    let mut set = push["set"].as_object().cloned().unwrap_or_default();
    for (other, _) in later.filter(|(other, _)| other["id"] == push["id"]) {
        let replaced = other["set"].as_object().into_iter().flatten();
        replaced.for_each(|(name, _)| drop(set.remove(name)));
    }
    Value::Object(set).to_string()
}

impl World {
    /// Lets a request reach the server, and notes what it accepted.
    pub(super) async fn ask(&mut self, device: usize, body: &[u8]) -> Vec<u8> {
        let request = SyncRequest::from_json(body).unwrap();
        let reply = self.engine.sync(&user("kai"), &request, self.reply_limit).await.unwrap();
        let reply = reply.into_json();
        self.tell(device, format!("  reply {}", String::from_utf8_lossy(&reply)));
        let sent: Value = serde_json::from_slice(body).unwrap();
        let answers: Value = serde_json::from_slice(&reply).unwrap();
        let pushes = sent["push"].as_array().unwrap();
        let answers = answers["results"].as_array().unwrap();
        for (at, (push, answer)) in pushes.iter().zip(answers).enumerate() {
            // What is unchanged was accepted before, and may be past its retention since.
            let is_news = is_taken(answer) && answer["outcome"] != "unchanged";
            if is_news && push["kind"] == "piece" {
                let later = pushes.iter().zip(answers).skip(at + 1);
                self.accept(&kept_of(push, later.filter(|(_, answer)| is_taken(answer))));
            }
        }
        reply
    }

    fn accept(&mut self, text: &str) {
        for token in tokens(text) {
            self.ledger.accepted.insert(token.clone());
            self.ledger.ever.insert(token);
        }
    }

    pub(super) async fn phone(&mut self) -> Checked {
        if !self.profile.has_phone {
            return Ok(());
        }
        let n_pieces = self.phone.pieces.len();
        let now = self.clock.now().to_string();
        if n_pieces != 0 && self.dice.chance(60) {
            let at = self.dice.below(n_pieces);
            let token = self.new_text(99, Key::piece(RecordId::from_bits(1)), "title");
            self.typed.remove(&token);
            let id = self.phone.edit(at, &token, &now);
            self.tell(99, format!("phone types {token} in {id}"));
        } else if n_pieces != 0 {
            let at = self.dice.below(n_pieces);
            self.phone.practise(at, &now);
        }
        let is_read = self.dice.chance(80);
        self.sync_phone(is_read).await
    }

    pub(super) async fn sync_phone(&mut self, is_read: bool) -> Checked {
        let body = self.phone.body();
        let request = PiecesRequest::from_json(&body).unwrap();
        let reply = self.engine.sync_pieces(&user("kai"), &request, 1 << 20).await.unwrap();
        let reply = reply.into_json();
        self.tell(99, format!("phone {}", String::from_utf8_lossy(&reply)));
        for piece in self.phone.pieces.clone() {
            self.accept(&piece["title"].to_string());
        }
        if is_read {
            self.phone.take(&reply);
        }
        Ok(())
    }

    pub(super) async fn back_up_or_restore(&mut self) -> Checked {
        if self.profile.restores == Restores::Never {
            return Ok(());
        }
        let is_raised = self.profile.restores == Restores::Raised;
        if self.profile.restores == Restores::Moved && self.dice.chance(40) {
            return self.move_house(self.store.snapshot()).await;
        }
        let Some((backup, ledger)) = self.backup.take() else {
            self.tell(0, "backup".to_owned());
            self.backup = Some((self.store.snapshot(), self.ledger.clone()));
            return Ok(());
        };
        self.tell(0, "restore".to_owned());
        match self.profile.restores {
            Restores::Moved => self.move_house(backup).await?,
            _ => self.store.restore(&backup),
        }
        // Accepted after the backup: it is on the devices, or was lost with the disk.
        let lost: Vec<String> = self.ledger.ever.difference(&ledger.ever).cloned().collect();
        self.ledger = ledger;
        self.typed.retain(|token, _| !lost.contains(token));
        if is_raised {
            self.generation += 1;
            let (clock, dice) = (self.clock.clone(), self.dice.clone());
            self.engine = engine_on(self.store.clone(), clock, dice, self.generation);
            if self.dice.chance(50) {
                return self.check_offers().await;
            }
        }
        Ok(())
    }

    /// What stands on a device comes back to a server that has lost it.
    async fn check_offers(&mut self) -> Checked {
        let mut visible = Vec::new();
        for device in &self.devices {
            visible.extend(device.visible().await);
        }
        for device in 0..self.devices.len() {
            self.sync(device).await?;
        }
        let kept = self.everything().await;
        for token in visible.iter().flat_map(|(_, text)| tokens(text)) {
            if !kept.contains(&token) {
                return Err(format!("{token} stood on a device and must come back"));
            }
        }
        Ok(())
    }

    pub(super) async fn age(&mut self) {
        self.tell(0, "a hundred days pass".to_owned());
        self.clock.pass_ms(RETENTION_MS / 9 * 10);
        let oldest = self.clock.now().plus_ms(-RETENTION_MS);
        self.store.purge(&user("kai"), oldest).await.unwrap();
        let live = self.live().await;
        let live: String = live.values().map(String::as_str).collect();
        self.ledger.accepted.retain(|token| live.contains(token.as_str()));
    }

    /// The living records of the server.
    pub(super) async fn live(&self) -> BTreeMap<Key, String> {
        let mut live = BTreeMap::new();
        for kind in [KindNumber::PIECE, KindNumber::SESSION] {
            let index = self.store.index(&user("kai"), kind).await.unwrap();
            let keys: Vec<Key> = index.iter().map(|entry| Key { kind, id: entry.id }).collect();
            let found = self.store.read(&user("kai"), &keys).await.unwrap();
            let found = found.into_iter().flatten().filter(|envelope| !envelope.deleted);
            live.extend(found.map(|envelope| (envelope.key, envelope.content)));
        }
        live
    }

    /// Everything that the server has, history included.
    pub(super) async fn everything(&self) -> String {
        let mut all: String = self.live().await.into_values().collect();
        let index = self.store.index(&user("kai"), KindNumber::PIECE).await.unwrap();
        for entry in index {
            let key = Key::piece(entry.id);
            let history = self.store.history_of(&user("kai"), &key, None, 100_000).await.unwrap();
            all.extend(history.into_iter().map(|entry| entry.content));
        }
        all
    }
}

/// The typed texts in a text.
fn tokens(text: &str) -> Vec<String> {
    let parts = text.split('<').skip(1);
    parts.filter_map(|part| Some(format!("<{}>", part.split_once('>')?.0))).collect()
}
