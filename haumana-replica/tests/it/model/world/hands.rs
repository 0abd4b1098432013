//! What users do on their devices.

use super::{Typed, World};
use crate::support::{fields, text};
use haumana_replica::View;
use haumana_sync::engine::Clock;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::record::Value;

impl World {
    pub(super) fn new_text(&mut self, device: usize, key: Key, field: &'static str) -> String {
        self.n_typed += 1;
        let token = format!("<{}>", self.n_typed);
        self.typed.insert(token.clone(), Typed { device, key, field });
        token
    }

    /// What its own user replaced before the server had it, nobody misses.
    fn excuse(&mut self, device: usize, key: Key, field: Option<&str>) {
        let ever = &self.ledger.ever;
        self.typed.retain(|token, typed| {
            let is_it = typed.device == device && typed.key == key;
            ever.contains(token) || !is_it || field.is_some_and(|field| typed.field != field)
        });
    }

    async fn any(&self, device: usize, kind: KindNumber) -> Option<View> {
        let mut views = self.devices[device].replica.records(kind).await.unwrap();
        let at = (!views.is_empty()).then(|| self.dice.below(views.len()))?;
        Some(views.swap_remove(at))
    }

    pub(super) async fn edit(&mut self, device: usize) {
        let view = self.any(device, KindNumber::PIECE).await;
        let Some(view) = view.filter(|_| !self.dice.chance(20)) else {
            self.add(device).await;
            return;
        };
        let key = view.key;
        let (field, value) = match self.dice.below(6) {
            0 | 1 => {
                self.excuse(device, key, Some("title"));
                ("title", text(&self.new_text(device, key, "title")))
            }
            2 => {
                let flag = view.content.get("isFavorite") == Value::Flag(true);
                ("isFavorite", Value::Flag(!flag))
            }
            // Values that come back, also to what they were.
            3 => ("author", [Value::Null, text("a"), text("b")][self.dice.below(3)].clone()),
            4 => ("lyrics", self.with_line(device, &view, "lyrics")),
            _ => ("notes", self.with_line(device, &view, "notes")),
        };
        self.tell(device, format!("{} {field} = {value:?}", key.id));
        self.devices[device].replica.set(key, fields([(field, value)])).await.unwrap();
    }

    /// The text with a new line somewhere.
    fn with_line(&mut self, device: usize, view: &View, field: &'static str) -> Value {
        let old = view.content.get(field);
        let mut lines: Vec<String> =
            old.as_text().unwrap_or_default().lines().map(str::to_owned).collect();
        let at = self.dice.below(lines.len() + 1);
        lines.insert(at, self.new_text(device, view.key, field));
        text(&lines.join("\n"))
    }

    async fn add(&mut self, device: usize) {
        let nobody = Key::piece(RecordId::from_bits(0));
        let token = self.new_text(device, nobody, "title");
        let set = fields([("title", text(&token)), ("lyrics", text("one\ntwo\nthree"))]);
        let id = self.devices[device].replica.add_piece(set).await.unwrap();
        self.typed.insert(token.clone(), Typed { device, key: Key::piece(id), field: "title" });
        self.tell(device, format!("{id} added with {token}"));
    }

    pub(super) async fn delete(&mut self, device: usize) {
        let kind = if self.dice.chance(80) { KindNumber::PIECE } else { KindNumber::SESSION };
        if let Some(view) = self.any(device, kind).await {
            self.tell(device, format!("{} deleted", view.key.id));
            self.excuse(device, view.key, None);
            self.devices[device].replica.delete(view.key).await.unwrap();
        }
    }

    pub(super) async fn practise(&mut self, device: usize) {
        let now = text(&self.clock.now().to_string());
        let open = self.any(device, KindNumber::SESSION).await;
        if let Some(view) = open.filter(|_| self.dice.chance(50)) {
            let set = fields([("endedAt", now), ("endedAtSource", text("manual"))]);
            self.devices[device].replica.set(view.key, set).await.unwrap();
        } else if let Some(piece) = self.any(device, KindNumber::PIECE).await {
            let set = fields([("pieceId", text(&piece.key.id.to_string())), ("startedAt", now)]);
            self.devices[device].replica.add_session(set).await.unwrap();
        }
    }
}
