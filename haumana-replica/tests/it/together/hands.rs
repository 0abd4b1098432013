//! What users do on their devices.

use super::world::Together;
use crate::support::{fields, text};
use haumana_replica::View;
use haumana_sim::dice::Dice;
use haumana_sim::words;
use haumana_sync::engine::Clock;
use haumana_sync::id::{Key, KindNumber};
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;

/// Values of keys that nobody knows, which a program that reads them as numbers would change.
const ODD: [&str; 8] = [
    "1.0",
    "1e400",
    "9223372036854775808",
    "-0.0",
    "0.1000",
    "12345678901234567890.5",
    r#"{"b":1.00,"a":[1E2,null]}"#,
    r#""\u006b""#,
];

fn odd(dice: &mut Dice) -> JsonText {
    let text = ODD[dice.below(ODD.len())];
    let odd = JsonText::parse(text).unwrap();
    assert_eq!(text, odd.as_str(), "a value stays as it is");
    odd
}

impl Together<'_> {
    async fn any(&mut self, device: usize, kind: KindNumber) -> Option<View> {
        let mut views = self.devices[device].replica.records(kind).await.unwrap();
        if views.is_empty() {
            return None;
        }
        Some(views.swap_remove(self.world.dice.below(views.len())))
    }

    pub(super) async fn act(&mut self, device: usize) {
        match self.world.dice.below(100) {
            0..72 => self.edit(device).await,
            72..80 => self.delete(device).await,
            80..94 => self.practise(device).await,
            94..96 if self.world.profile.invalid => self.overfill(device).await,
            _ => self.add(device).await,
        }
    }

    async fn edit(&mut self, device: usize) {
        let Some(view) = self.any(device, KindNumber::PIECE).await else {
            return self.add(device).await;
        };
        for _ in 0..1 + self.world.dice.below(2) {
            let (field, value) = self.value(device, &view);
            self.set(device, view.key, field, value).await;
        }
    }

    fn value(&mut self, device: usize, view: &View) -> (&'static str, Value) {
        let mark = self.world.new_mark(self.devices[device].account);
        let dice = &mut self.world.dice;
        let old = |field: &str| view.content.get(field).as_text().unwrap_or_default().to_owned();
        let toggled = |field: &str| Value::Flag(view.content.get(field) != Value::Flag(true));
        let is_kept = dice.chance(8);
        let (field, value) = match dice.below(12) {
            0 | 1 => ("title", text(&words::untidy(dice, &mark))),
            2 | 3 => ("isFavorite", toggled("isFavorite")),
            4 => ("includeInPractice", toggled("includeInPractice")),
            // Values that come back, also to what they were.
            5 => ("author", [Value::Null, text("a"), text("b"), text("")][dice.below(4)].clone()),
            6 => ("category", text(["oli", "mele", "hula"][dice.below(3)])),
            7 => ("language", [Value::Null, text("haw"), text("en")][dice.below(3)].clone()),
            8 => ("lyrics", text(&words::edited_song(dice, &old("lyrics"), &mark))),
            9 => ("notes", text(&words::edited_song(dice, &old("notes"), &mark))),
            10 if dice.chance(20) => ("englishTranslation", Value::Null),
            10 => ("englishTranslation", text(&words::song(dice, &mark))),
            _ => {
                let key = ["kumu", "x-count"][dice.below(2)];
                let odd = odd(dice);
                (key, if dice.chance(10) { Value::Null } else { Value::Json(odd) })
            }
        };
        if is_kept { (field, view.content.get(field)) } else { (field, value) }
    }

    async fn set(&mut self, device: usize, key: Key, field: &str, value: Value) {
        self.world.note(Some(key.id), || format!("d{device} sets {field} = {value:?}"));
        let view = self.devices[device].replica.record(key).await.unwrap();
        let is_kept = view.as_ref().is_some_and(|view| view.content.get(field) == value);
        let seen = view.and_then(|view| view.version);
        let done = self.devices[device].replica.set(key, fields([(field, value.clone())])).await;
        if done.is_err() {
            // A text that two devices overfilled fits nowhere once it is merged.
            assert!(self.world.profile.invalid, "every edit can be held: {done:?}");
            return;
        }
        self.world.tally.edits += 1;
        self.devices[device].wish(key, field, value, (seen, is_kept));
    }

    pub(super) async fn add(&mut self, device: usize) {
        let account = self.devices[device].account;
        let (title, song) = (self.world.new_mark(account), self.world.new_mark(account));
        let dice = &mut self.world.dice;
        let mut set = fields([
            ("title", text(&words::short(dice, &title))),
            ("lyrics", text(&words::song(dice, &song))),
        ]);
        if dice.chance(30) {
            set.insert("kumu".to_owned(), Value::Json(odd(dice)));
        }
        let id = self.devices[device].replica.add_piece(set.clone()).await.unwrap();
        self.world.note(Some(id), || format!("d{device} adds {set:?}"));
        for (field, value) in set {
            self.devices[device].wish(Key::piece(id), &field, value, (None, false));
        }
    }

    async fn delete(&mut self, device: usize) {
        let kind = if self.world.dice.chance(75) { KindNumber::PIECE } else { KindNumber::SESSION };
        if let Some(view) = self.any(device, kind).await {
            self.world.note(Some(view.key.id), || format!("d{device} deletes it"));
            self.devices[device].replica.delete(view.key).await.unwrap();
            self.devices[device].forget_wishes(view.key);
        }
    }

    async fn practise(&mut self, device: usize) {
        let now = text(&self.devices[device].clock.now().to_string());
        let open = self.any(device, KindNumber::SESSION).await;
        if let Some(view) = open.filter(|_| self.world.dice.chance(50)) {
            // What has ended goes on: the end is cleared.
            let (end, source) = match view.content.get("endedAt") {
                Value::Null => (now, text("manual")),
                _ => (Value::Null, Value::Null),
            };
            let set = fields([("endedAt", end), ("endedAtSource", source)]);
            self.devices[device].replica.set(view.key, set).await.unwrap();
        } else if let Some(piece) = self.any(device, KindNumber::PIECE).await {
            let set = fields([("pieceId", text(&piece.key.id.to_string())), ("startedAt", now)]);
            self.devices[device].replica.add_session(set).await.unwrap();
        }
    }

    /// Makes a piece larger than any server takes, field by field within the limits.
    async fn overfill(&mut self, device: usize) {
        if let Some(view) = self.any(device, KindNumber::PIECE).await {
            for field in ["lyrics", "notes", "englishTranslation"] {
                self.set(device, view.key, field, text(&"a".repeat(110_000))).await;
            }
            let account = self.devices[device].account;
            self.overfilled.insert((device, account, view.key));
        }
    }

    /// Its user makes it fit again.
    pub(super) async fn shorten(&mut self) {
        for (device, account, key) in std::mem::take(&mut self.overfilled) {
            self.sign_in(device, account).await;
            let is_there = self.devices[device].replica.record(key).await.unwrap().is_some();
            for field in ["lyrics", "notes", "englishTranslation"].into_iter().filter(|_| is_there)
            {
                self.set(device, key, field, text("short")).await;
            }
        }
    }
}
