//! The devices, the server, and what one turn does to them.
//!
//! A scene is one moment of a history. The search copies it before each turn. So it has no threads,
//! no tasks and no borrowed data, and the store in memory can be copied.
//!
//! An engine is made for each call, with the time of that moment. State that a server process would
//! keep in memory must not matter.

use super::client::Client;
use super::handset::Handset;
use super::ledger::{Edit, Ledger, NAME, PARTS, REST, STAR, Seen, Sort, WORDS};
use super::turn::{End, Turn, What};
use super::{LYRICS, at_once, schema};
use crate::dice::SeededRandom;
use crate::ledger::{Stored, observe};
use crate::phone::Request;
use haumana_app::Phones as _;
use haumana_app::wire::PiecesRequest;
use haumana_sync::conformance::SetClock;
use haumana_sync::engine::{Asked, Engine, EngineConfig};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::schema::Schema;
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// 2026-11-23T00:00:00Z, when a history begins; the record is a day older.
const START_MS: i64 = 1_795_392_000_000;
const DAY_MS: i64 = 86_400_000;
const TURN_MS: i64 = 10_000;

/// The sorts of the devices.
///
/// Devices of one sort are interchangeable until they act, so the order in a cast does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast(pub &'static [bool]);

impl Cast {
    /// Every cast of three: `true` is a phone.
    pub const ALL: [Cast; 4] = [
        Cast(&[false, false, false]),
        Cast(&[true, false, false]),
        Cast(&[true, true, false]),
        Cast(&[true, true, true]),
    ];

    /// Its devices, one letter each: a phone, or a client.
    pub fn name(self) -> String {
        self.0.iter().map(|is_phone| if *is_phone { 'p' } else { 'c' }).collect()
    }
}

/// A device.
///
/// Both are plain data, so that a scene can be copied.
#[allow(clippy::large_enum_variant, reason = "there are three of them")]
#[derive(Clone, Debug)]
pub(super) enum Device {
    Client(Client),
    Handset(Handset),
}

/// A request as it was sent.
///
/// It is kept to be repeated late.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    Sync(Vec<u8>),
    Pieces(Request),
}

/// Everything at one moment of a history.
///
/// Ten seconds pass with each turn.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) store: Arc<MemoryStore>,
    pub(super) devices: Vec<Device>,
    pub(super) has_acted: Vec<bool>,
    pub(super) ledger: Ledger,
    pub(super) sent: Vec<Sent>,
    pub(super) has_copy: bool,
    pub(super) user: UserId,
    pub(super) id: RecordId,
    schema: Schema,
    /// How far the clock of the first device is ahead.
    ahead_ms: i64,
    now_ms: i64,
    n_calls: u64,
}

impl Device {
    pub(super) fn is_pending(&self) -> bool {
        match self {
            Device::Client(client) => client.is_pending(),
            Device::Handset(handset) => handset.is_pending(),
        }
    }

    pub(super) fn holds(&self) -> bool {
        match self {
            Device::Client(client) => client.holds(),
            Device::Handset(handset) => handset.piece().is_some(),
        }
    }

    /// Whether it sends deletes to the server.
    pub(super) fn deletes(&self) -> bool {
        matches!(self, Device::Client(_))
    }

    fn seen(&self) -> Seen {
        match self {
            Device::Client(client) => client.seen(),
            Device::Handset(handset) => handset.seen(),
        }
    }
}

impl Scene {
    /// A record that every device of the cast holds.
    ///
    /// The record is made by a client that takes no further part.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub(super) fn new(cast: Cast, ahead_ms: i64) -> Result<Self, String> {
        let device = |(at, is_phone): (usize, &bool)| match is_phone {
            true => Device::Handset(Handset::new(at)),
            false => Device::Client(Client::new(format!("client-{at}"))),
        };
        let user = UserId::verified_by_caller("kai").ok_or("a user id")?;
        let mut scene = Self {
            store: Arc::new(MemoryStore::new()),
            devices: cast.0.iter().enumerate().map(device).collect(),
            has_acted: vec![false; cast.0.len()],
            ledger: Ledger::default(),
            sent: Vec::new(),
            has_copy: false,
            user,
            id: RecordId::from_bits(0x5EED << 112 | 1),
            schema: schema(),
            ahead_ms,
            now_ms: START_MS - DAY_MS,
            n_calls: 0,
        };
        let push = json!({ "kind": "piece", "id": scene.id.to_string(), "base": null,
            "editedAt": UnixMillis(scene.now_ms).to_string(),
            "set": { "title": "t", "category": "oli", "lyrics": LYRICS, "isFavorite": false,
                "includeInPractice": true, "most": 4, "least": 4, "earliest": "f", "fixed": "once",
                "list": ["l"], "set": ["s"] } });
        let body = json!({ "deviceId": "founder", "cursor": null, "limit": 500, "push": [push] });
        scene.ask(&Sent::Sync(body.to_string().into_bytes()))?;
        scene.now_ms = START_MS;
        for device in 0..scene.devices.len() {
            scene.sync(device, End::Heard)?;
        }
        scene.sent.clear();
        Ok(scene)
    }

    /// A copy of the scene, to continue in another way.
    ///
    /// It costs a copy of one account.
    pub(super) fn fork(&self) -> Self {
        Self {
            store: Arc::new(self.store.snapshot()),
            devices: self.devices.clone(),
            has_acted: self.has_acted.clone(),
            ledger: self.ledger.clone(),
            sent: self.sent.clone(),
            user: self.user.clone(),
            schema: self.schema.clone(),
            ..*self
        }
    }

    /// Plays one turn.
    ///
    /// An early edit has a time before all others. Each early edit is before the early edit that
    /// was made last.
    ///
    /// # Errors
    ///
    /// What must not happen.
    pub(super) fn play(&mut self, turn: Turn) -> Result<(), String> {
        self.now_ms += TURN_MS;
        match turn {
            Turn::Act { device, what, is_early, end } => {
                self.has_acted[device] = true;
                if what != What::Nothing {
                    self.edit(device, what, is_early);
                }
                if end == End::Kept { Ok(()) } else { self.sync(device, end) }
            }
            Turn::Late(request) => {
                let before = self.record();
                let sent = self.sent[request].clone();
                self.ask(&sent)?;
                match self.record() == before {
                    true => Ok(()),
                    false => Err(format!("a late request changed something: {before:?}")),
                }
            }
            Turn::Copy(device) => {
                let copy = match self.devices[device].clone() {
                    Device::Handset(handset) => Device::Handset(handset.restarted()),
                    client @ Device::Client(_) => client,
                };
                let last = self.devices.len() - 1;
                self.devices[last] = copy;
                self.has_acted[last] = true;
                self.has_copy = true;
                Ok(())
            }
            Turn::Restore => {
                let (seen, at_ms) = (self.ledger.server, self.now_ms);
                let (engine, asked) = (self.engine(), Asked::default());
                let before = self.content();
                let restored = engine.restore_record(&self.user, Key::piece(self.id), 1, &asked);
                at_once(restored).map_err(|error| format!("restoring fails: {error}"))?;
                let restored = changed(&before, &self.content());
                let sort = Sort::Restore;
                let edit = Edit { sort, at_ms, seen, star: false, restored, has_arrived: false };
                let number = self.ledger.add(edit);
                self.ledger.arrive(number, at_ms);
                Ok(())
            }
        }
    }

    fn edit(&mut self, device: usize, what: What, is_early: bool) {
        // Each early time is before all others.
        let late_ms = if device == 0 { self.now_ms + self.ahead_ms } else { self.now_ms };
        let at_ms = if is_early { 2 * (START_MS - DAY_MS / 2) - self.now_ms } else { late_ms };
        let seen = self.devices[device].seen();
        let is_phone = !self.devices[device].deletes();
        let sort = match what {
            What::Name => Sort::Of(NAME),
            What::Words => Sort::Of(WORDS),
            What::Delete => Sort::Delete,
            _ if is_phone => Sort::Of(STAR),
            _ => Sort::Of(REST),
        };
        let restored = [false; PARTS];
        let edit = Edit { sort, at_ms, seen, star: false, restored, has_arrived: false };
        let number = self.ledger.add(edit);
        let own = self.ledger.own(number);
        match &mut self.devices[device] {
            Device::Client(client) => {
                let at_ms = client.edit(what, number, own, self.id, at_ms);
                self.ledger.edits[number].at_ms = at_ms;
            }
            Device::Handset(handset) => {
                handset.edit(what, number, own, at_ms);
                // A piece has one time, so all edits that are sent together have the time of the
                // last.
                for number in handset.sends() {
                    let edit = &mut self.ledger.edits[number];
                    edit.at_ms = if edit.has_arrived { edit.at_ms } else { at_ms };
                }
                self.ledger.edits[number].star = handset.has_star();
            }
        }
    }

    /// A device syncs.
    ///
    /// If the reply is lost, the device stays as it was, but the server has done its part.
    ///
    /// # Errors
    ///
    /// What must not happen.
    pub(super) fn sync(&mut self, device: usize, end: End) -> Result<(), String> {
        let (sent, numbers) = match &self.devices[device] {
            Device::Client(client) => (Sent::Sync(client.body()), client.sends()),
            Device::Handset(handset) => {
                let request = handset.request(self.user.as_str(), self.now_ms);
                (Sent::Pieces(request), handset.sends())
            }
        };
        let reply = self.ask(&sent)?;
        // Repeating a sync without pushes is pointless.
        if !numbers.is_empty() {
            self.sent.push(sent.clone());
        }
        numbers.into_iter().for_each(|number| self.ledger.arrive(number, self.now_ms));
        if end == End::Lost {
            return Ok(());
        }
        let (server, now_ms) = (self.ledger.server, self.now_ms);
        match (&mut self.devices[device], &sent) {
            (Device::Client(client), _) => client.hear(&reply, self.id, server)?,
            (Device::Handset(handset), Sent::Pieces(request)) => {
                handset.hear(request, &reply, server, now_ms)?;
            }
            (Device::Handset(_), Sent::Sync(_)) => {}
        }
        self.check_exact(device)
    }

    /// All devices sync until nothing is left to send.
    ///
    /// Two rounds are enough: the first brings everybody's edits to the server, the second brings
    /// them to everybody.
    ///
    /// # Errors
    ///
    /// What must not happen.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            for device in 0..self.devices.len() {
                self.now_ms += TURN_MS;
                self.sync(device, End::Heard)?;
            }
        }
        match self.devices.iter().any(Device::is_pending) {
            true => Err("a device still has an edit".to_owned()),
            false => Ok(()),
        }
    }

    /// The record as it is stored.
    ///
    /// Stamp and revision are left out, because no device can see them.
    pub(super) fn record(&self) -> Option<Stored> {
        let stored = at_once(observe(&*self.store, &self.user)).remove(&self.id)?;
        // The time of the last write tells nobody anything new.
        Some(Stored { stamp_secs: 0, revision: 0, ..stored })
    }

    /// The fields of the record; none of a tombstone.
    fn content(&self) -> Map<String, Json> {
        let stored = self.record().filter(|stored| !stored.deleted);
        stored.and_then(|stored| serde_json::from_str(&stored.raw).ok()).unwrap_or_default()
    }

    /// Checks that a device that has received a reply shows the server's record.
    ///
    /// Phones do not learn of deletes, so a deleted record is skipped.
    fn check_exact(&self, device: usize) -> Result<(), String> {
        let stored = self.record().ok_or("the record is gone from the store")?;
        let content = stored.content().map(|(content, _)| content);
        let is_exact = match &self.devices[device] {
            Device::Client(client) => client.value.is_some() != stored.deleted,
            // A phone does not learn of deletes.
            Device::Handset(handset) => {
                let shown = handset.piece().map(|piece| &piece.content);
                stored.deleted || shown == content.as_ref()
            }
        };
        match is_exact {
            true => Ok(()),
            false => Err(format!("device {device} shows something else than {}", stored.raw)),
        }
    }

    fn ask(&mut self, sent: &Sent) -> Result<Vec<u8>, String> {
        let engine = self.engine();
        self.n_calls += 1;
        let reply = match sent {
            Sent::Sync(body) => {
                let request = SyncRequest::from_json(body).map_err(|error| format!("{error:?}"))?;
                at_once(engine.sync(&self.user, &request, 1 << 20)).map(|reply| reply.into_json())
            }
            Sent::Pieces(request) => {
                let request = PiecesRequest::from_json(&request.body);
                let request = request.map_err(|error| format!("{error:?}"))?;
                let reply = at_once(engine.sync_pieces(&self.user, &request, 1 << 20));
                reply.map(|reply| reply.into_json())
            }
        };
        reply.map_err(|error| format!("a sync fails: {error}"))
    }

    /// A server process, by the time of this moment.
    pub(super) fn engine(&self) -> Engine {
        let clock = Arc::new(SetClock::at(UnixMillis(self.now_ms)));
        let random = Arc::new(SeededRandom::scattered(self.n_calls));
        let config = EngineConfig::new(Generation(0));
        Engine::of(self.schema.clone(), self.store.clone(), clock, random, config)
    }
}

/// The parts of a record that differ.
///
/// Only these parts count as restored.
fn changed(before: &Map<String, Json>, after: &Map<String, Json>) -> [bool; PARTS] {
    let differs = |field: &&str| before.get(*field) != after.get(*field);
    let of = |fields: &[&str]| fields.iter().any(differs);
    let mut parts = [false; PARTS];
    parts[NAME] = of(&["title"]);
    parts[WORDS] = of(&["lyrics"]);
    parts[REST] = of(&["most", "least", "earliest", "list", "set", "count"]);
    parts[STAR] = of(&["isFavorite"]);
    parts
}
