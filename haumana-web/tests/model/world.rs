//! Phones and devices on one account, and what happens next.

use crate::device::{Device, Flight, Name, Record, Stage, sent, told};
use crate::process::{Answer, Call, Process};
use haumana_sim::judge::Checked;
use haumana_sim::meeting::{Caller, Heard};
use haumana_sim::{Backend, Profile, Violation, World, words};
use haumana_sync::id::{KindNumber, RecordId};
use haumana_sync::repertoire;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const TWO_DAYS_MS: i64 = 172_800_000;
/// LIMIT: how many calls a sync makes.
const CALLS: usize = 2_000;

/// What happened on the devices.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub edits: usize,
    pub replies: usize,
    pub lost: usize,
    pub restarts: usize,
    /// Programs that ended in the middle of writing.
    pub deaths: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.edits += other.edits;
        self.replies += other.replies;
        self.lost += other.lost;
        self.restarts += other.restarts;
        self.deaths += other.deaths;
    }
}

/// One run.
pub(crate) struct Together<'a> {
    process: &'a mut Process,
    world: World<'a>,
    devices: Vec<Device>,
    pub tally: Tally,
}

impl<'a> Together<'a> {
    pub(crate) fn new(
        process: &'a mut Process,
        profile: Profile,
        seed: u64,
        backend: &'a mut dyn Backend,
    ) -> Self {
        let mut world = World::new(profile, seed, backend, true);
        let n_devices = 1 + world.dice.below(3);
        let schema = repertoire::schema().to_json();
        process.ask(&json!({ "do": "begin", "seed": world.dice.below(1 << 30), "schema": schema }));
        let devices = (0..n_devices).map(|_| Device::default()).collect();
        let mut run = Self { process, world, devices, tally: Tally::default() };
        for device in 0..n_devices {
            run.turn_clock(device);
            run.open(device);
        }
        run
    }

    /// What happened, for people.
    pub(crate) fn trace(&self) -> String {
        let all = self.world.trace.iter().flatten().map(|(_, text)| text.as_str());
        let all: Vec<&str> = all.collect();
        all[all.len().saturating_sub(60)..].join("\n")
    }

    pub(crate) async fn go(&mut self) -> Checked {
        self.world.begin();
        for _ in 0..20 + self.world.dice.below(70) {
            self.event().await?;
        }
        self.come_to_rest().await
    }

    async fn event(&mut self) -> Checked {
        if self.world.dice.chance(40) {
            return self.world.event().await;
        }
        // Often no time passes: ties are where merges go wrong.
        let gap = *self.world.dice.pick(&[0, 0, 1, 500, 5000]);
        self.world.pass(gap);
        let device = self.world.dice.below(self.devices.len());
        match self.world.dice.below(100) {
            0..36 => self.act(device)?,
            36..48 => self.send(device),
            48..62 => self.arrive(device).await?,
            62..74 => drop(self.read(device)?),
            74..82 => drop(self.sync(device).await?),
            82..86 => self.repeat(device).await?,
            86..91 => self.restart(device),
            91..97 => self.die(device)?,
            _ => self.turn_clock(device),
        }
        self.check_wishes(device)
    }

    /// Lets a device do something, at the time of its own clock.
    fn ask(&mut self, device: usize, mut command: Json) -> Answer {
        command["device"] = json!(device);
        command["now"] = json!(self.world.now_ms() + self.devices[device].skew_ms);
        self.process.ask(&command)
    }

    fn done(&mut self, device: usize, command: Json) -> Json {
        match self.ask(device, command.clone()) {
            Answer::Done(done) => done,
            other => panic!("{command}: {other:?}"),
        }
    }

    fn open(&mut self, device: usize) {
        let user = self.world.users[0].as_str().to_owned();
        self.done(device, json!({ "do": "open", "user": user }));
    }

    fn turn_clock(&mut self, device: usize) {
        let is_off = self.world.dice.chance(50);
        let skew_ms = self.world.dice.between(-TWO_DAYS_MS, TWO_DAYS_MS);
        self.devices[device].skew_ms = if is_off { skew_ms } else { 0 };
    }

    fn list(&mut self, device: usize, kind: &str) -> Vec<Record> {
        let listed = self.done(device, json!({ "do": "list", "kind": kind }));
        serde_json::from_str(listed.as_str().unwrap()).unwrap()
    }

    fn records(&mut self, device: usize) -> Vec<Record> {
        let mut all = self.list(device, "piece");
        all.extend(self.list(device, "session"));
        all
    }

    fn check_wishes(&mut self, device: usize) -> Checked {
        let records = self.records(device);
        match self.devices[device].flaw(&records) {
            Some((name, flaw)) => Err(violation(&name, format!("d{device}: {flaw}"))),
            None => Ok(()),
        }
    }

    /// Its user adds, edits or deletes.
    fn act(&mut self, device: usize) -> Checked {
        let (name, fields, command) = self.command(device);
        let answer = self.ask(device, command.clone());
        self.note(device, &name, &command);
        let Answer::Done(done) = answer else {
            return Err(Violation::general(format!("{command}: {answer:?}")));
        };
        self.tally.edits += 1;
        let Some(name) = name.or_else(|| Some(("piece".into(), done.as_str()?.to_owned()))) else {
            return Ok(());
        };
        if fields.is_empty() {
            self.devices[device].forget(&name);
        }
        for (field, value) in fields {
            self.devices[device].wish(&name, &field, value);
        }
        Ok(())
    }

    /// The program ends while it writes an edit, or what a reply brought: all of it is kept or none, and
    /// what was acknowledged before is.
    fn die(&mut self, device: usize) -> Checked {
        let when = *self.world.dice.pick(&["before", "after"]);
        self.done(device, json!({ "do": "dies", "when": when }));
        if matches!(self.devices[device].stage, Stage::Answered(_, Some(_))) {
            self.read(device)?;
        } else {
            let (name, fields, command) = self.command(device);
            self.note(device, &name, &command);
            let answer = self.ask(device, command);
            self.tally.deaths += usize::from(matches!(answer, Answer::Died(_)));
            // Nobody was told that it was saved.
            for field in fields.keys() {
                if let Some(name) = &name {
                    self.devices[device].wishes.remove(&(name.clone(), field.clone()));
                }
            }
            if let (Some(name), true) = (name, fields.is_empty()) {
                self.devices[device].forget(&name);
            }
        }
        self.restart(device);
        Ok(())
    }

    /// What its user does next: the record, if it is there; what is set; the command.
    fn command(&mut self, device: usize) -> (Option<Name>, BTreeMap<String, Json>, Json) {
        let pieces = self.list(device, "piece");
        let roll = self.world.dice.below(100);
        if pieces.is_empty() || 90 <= roll {
            let (title, song) = (self.world.new_mark(0), self.world.new_mark(0));
            let dice = &mut self.world.dice;
            let fields = BTreeMap::from([
                ("title".to_owned(), json!(words::short(dice, &title))),
                ("lyrics".to_owned(), json!(words::song(dice, &song))),
            ]);
            let text = json!(fields).to_string();
            return (None, fields, json!({ "do": "add", "kind": "piece", "fields": text }));
        }
        let piece = &pieces[self.world.dice.below(pieces.len())];
        let name = (piece.kind.clone(), piece.id.clone());
        if 80 <= roll {
            let command = json!({ "do": "delete", "kind": name.0, "id": name.1 });
            return (Some(name), BTreeMap::new(), command);
        }
        let (field, value) = self.typed(piece);
        let fields = BTreeMap::from([(field.to_owned(), value)]);
        let text = json!(fields).to_string();
        let command = json!({ "do": "edit", "kind": name.0, "id": name.1, "fields": text });
        (Some(name), fields, command)
    }

    fn typed(&mut self, piece: &Record) -> (&'static str, Json) {
        let mark = self.world.new_mark(0);
        let dice = &mut self.world.dice;
        let old = |field: &str| piece.field(field).as_str().unwrap_or_default().to_owned();
        match dice.below(10) {
            0 | 1 => ("title", json!(words::untidy(dice, &mark))),
            2 => ("isFavorite", json!(piece.field("isFavorite") != json!(true))),
            3 => ("author", [Json::Null, json!("a"), json!("b"), json!("")][dice.below(4)].clone()),
            4 => ("kumu", json!(dice.below(3))),
            5 | 6 => ("notes", json!(words::edited_song(dice, &old("notes"), &mark))),
            _ => ("lyrics", json!(words::edited_song(dice, &old("lyrics"), &mark))),
        }
    }

    fn send(&mut self, device: usize) {
        if matches!(self.devices[device].stage, Stage::Idle) {
            let Answer::Call(call) = self.ask(device, json!({ "do": "sync" })) else {
                panic!("a sync calls the server");
            };
            self.called(device, &call);
        }
    }

    /// A device calls the server.
    fn called(&mut self, device: usize, call: &Call) {
        assert_eq!(("POST", "/sync"), (call.method.as_str(), call.path.as_str()));
        let body = call.body.as_bytes();
        let touches = self.devices[device].touches;
        let flight = Flight { call: self.world.guest_call(0, body), sent: sent(body), touches };
        self.world.note(None, || format!("d{device} sends {}", call.body));
        if self.devices[device].late.len() < 20 {
            self.devices[device].late.push(flight.call.clone());
        }
        self.devices[device].stage = Stage::Sent(flight);
    }

    /// The request under way reaches the server, and perhaps the reply gets lost.
    async fn arrive(&mut self, device: usize) -> Checked {
        match std::mem::take(&mut self.devices[device].stage) {
            Stage::Sent(flight) => {
                let heard = self.world.meet(Caller::Guest(&flight.call), None).await?.0;
                let is_lost = self.world.dice.chance(30);
                let reply = heard.and_then(Heard::into_body).filter(|_| !is_lost);
                self.devices[device].stage = Stage::Answered(flight, reply);
            }
            stage => self.devices[device].stage = stage,
        }
        Ok(())
    }

    /// The device takes what comes back. Returns whether its sync is over, and how many changes came.
    fn read(&mut self, device: usize) -> Checked<(bool, usize)> {
        let (flight, reply) = match std::mem::take(&mut self.devices[device].stage) {
            Stage::Answered(flight, reply) => (flight, reply),
            stage => {
                self.devices[device].stage = stage;
                return Ok((false, 0));
            }
        };
        let text = reply.as_deref().map(String::from_utf8_lossy);
        self.world.note(None, || format!("d{device} reads {text:?}"));
        let (taken, n_changes) = reply.as_deref().map(told).unwrap_or_default();
        // Whoever dies in the middle of it does not know, and both are right.
        self.devices[device].settle(&flight, &taken);
        let answer = self.ask(device, json!({ "do": "reply", "body": text }));
        match (&answer, reply.is_some()) {
            (Answer::Call(call), true) => {
                self.tally.replies += 1;
                self.called(device, call);
                Ok((false, n_changes))
            }
            (Answer::Done(_), true) => {
                self.tally.replies += 1;
                Ok((true, n_changes))
            }
            (Answer::Died(_), true) => {
                self.tally.deaths += 1;
                Ok((false, n_changes))
            }
            (Answer::Failed(why), false) if why.starts_with("Offline") => {
                self.tally.lost += 1;
                Ok((true, 0))
            }
            _ => Err(Violation::general(format!("d{device} reads {text:?}: {answer:?}"))),
        }
    }

    /// A whole sync. Returns whether it found nothing to do; `None` if the server failed.
    async fn sync(&mut self, device: usize) -> Checked<Option<bool>> {
        if !matches!(self.devices[device].stage, Stage::Idle) {
            self.restart(device);
        }
        self.send(device);
        let mut is_quiet = true;
        for _ in 0..CALLS {
            let Stage::Sent(flight) = std::mem::take(&mut self.devices[device].stage) else {
                panic!("a sync is under way");
            };
            is_quiet &= flight.sent.is_empty();
            let heard = self.world.meet(Caller::Guest(&flight.call), None).await?.0;
            let reply = heard.and_then(Heard::into_body);
            let has_failed = reply.is_none();
            self.devices[device].stage = Stage::Answered(flight, reply);
            let (is_over, n_changes) = self.read(device)?;
            self.check_wishes(device)?;
            is_quiet &= n_changes == 0;
            if is_over {
                if !has_failed {
                    self.check_exact(device).await?;
                }
                return Ok((!has_failed).then_some(is_quiet));
            }
        }
        Err(Violation::general("a sync must come to an end"))
    }

    /// A request that was sent long ago reaches the server: again, or for the first time.
    async fn repeat(&mut self, device: usize) -> Checked {
        let late = &self.devices[device].late;
        if late.is_empty() {
            return Ok(());
        }
        let call = late[self.world.dice.below(late.len())].clone();
        self.world.meet(Caller::Guest(&call), None).await.map(drop)
    }

    fn restart(&mut self, device: usize) {
        self.world.note(None, || format!("d{device} restarts"));
        self.tally.restarts += 1;
        self.devices[device].stage = Stage::Idle;
        self.open(device);
    }

    fn note(&mut self, device: usize, name: &Option<Name>, command: &Json) {
        let id = name.as_ref().and_then(|(_, id)| RecordId::parse(id));
        self.world.note(id, || format!("d{device}: {command}"));
    }

    /// The living records of the server.
    async fn live(&self) -> BTreeMap<Name, String> {
        let (mut live, user) = (BTreeMap::new(), &self.world.users[0]);
        for (kind, name) in [(KindNumber::PIECE, "piece"), (KindNumber::SESSION, "session")] {
            let index = self.world.store.index(user, kind).await.unwrap();
            let keys: Vec<_> =
                index.iter().map(|entry| haumana_sync::id::Key { kind, id: entry.id }).collect();
            let found = self.world.store.read(user, &keys).await.unwrap();
            let found = found.into_iter().flatten().filter(|envelope| !envelope.deleted);
            let named = |id: RecordId| (name.to_owned(), id.to_string());
            live.extend(found.map(|envelope| (named(envelope.key.id), envelope.content)));
        }
        live
    }

    /// After a whole sync a device without edits equals the server, byte for byte.
    async fn check_exact(&mut self, device: usize) -> Checked {
        let status = self.done(device, json!({ "do": "status" }));
        let status: Json = serde_json::from_str(status.as_str().unwrap()).unwrap();
        if status["pending"] != json!(0) {
            return Ok(());
        }
        let live = self.live().await;
        let ours: BTreeMap<Name, String> = self
            .records(device)
            .into_iter()
            .map(|record| ((record.kind, record.id), record.fields.get().to_owned()))
            .collect();
        let all = ours.keys().chain(live.keys());
        match all.into_iter().find(|name| ours.get(*name) != live.get(*name)) {
            Some(name) => {
                let (ours, theirs) = (ours.get(name), live.get(name));
                Err(violation(name, format!("d{device} holds {ours:?}, the server {theirs:?}")))
            }
            None => Ok(()),
        }
    }

    /// Everybody syncs until nobody has anything left, and then all must agree.
    async fn come_to_rest(&mut self) -> Checked {
        self.world.calm_down().await?;
        self.come_to_agree().await?;
        self.world.come_to_rest().await?;
        for device in 0..self.devices.len() {
            self.sync(device).await?;
            if let Some((name, field)) = self.devices[device].wishes.keys().next() {
                return Err(violation(name, format!("d{device} never sent {field}")));
            }
            let status = self.done(device, json!({ "do": "status" }));
            assert!(status.as_str().unwrap().contains(r#""pending":0"#), "{status}");
        }
        Ok(())
    }

    async fn come_to_agree(&mut self) -> Checked {
        for _ in 0..8 {
            self.world.sync_until_quiet(0).await?;
            let mut is_quiet = true;
            for device in 0..self.devices.len() {
                is_quiet &= self.sync(device).await? == Some(true);
            }
            if is_quiet {
                return Ok(());
            }
        }
        Err(Violation::general("everybody must come to rest"))
    }
}

fn violation((_, id): &Name, text: String) -> Violation {
    match RecordId::parse(id) {
        Some(id) => Violation::of(id, text),
        None => Violation::general(text),
    }
}
