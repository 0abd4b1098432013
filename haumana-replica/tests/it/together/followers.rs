//! Clients that were written from the docs, beside phones and replicas.

use super::follower::{Fields, Follower, Name, Sent};
use super::world::Together;
use haumana_sim::Violation;
use haumana_sim::guest::{Folder, GuestCall};
use haumana_sim::guest_reply::with_strange_cursor;
use haumana_sim::judge::Checked;
use haumana_sim::meeting::{Caller, Heard};
use haumana_sim::words;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::time::UnixMillis;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How many installations there are at most, with copies.
const INSTALLATIONS: usize = 4;

/// One installation, and what happens around it.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub client: Follower,
    skew_ms: i64,
    /// The request under way, with the reply once there is one.
    flight: Option<(Sent, GuestCall, Option<Vec<u8>>)>,
    /// The folder as it was at some time.
    backup: Option<(Follower, Folder)>,
    /// Requests that may arrive once more.
    late: Vec<GuestCall>,
}

fn place_name(at: usize) -> String {
    format!("follower {at}")
}

impl Together<'_> {
    pub(super) fn add_followers(&mut self) {
        if self.profile.has_followers {
            for _ in 0..1 + self.world.dice.below(2) {
                let device = self.fresh_device();
                let client = Follower { device, ..Follower::default() };
                self.places.push(Place { client, ..Place::default() });
            }
        }
    }

    fn fresh_device(&mut self) -> String {
        self.n_names += 1;
        format!("f{}", self.n_names)
    }

    pub(super) async fn follow(&mut self) -> Checked {
        let at = self.world.dice.below(self.places.len());
        match self.world.dice.below(100) {
            0..44 => self.follower_acts(at),
            44..54 => self.follower_sends(at),
            54..68 => self.follower_arrives(at).await?,
            68..78 => self.follower_reads(at)?,
            78..88 => drop(self.follower_syncs(at).await?),
            88..92 => self.follower_repeats(at).await?,
            92..94 => {
                self.world.note(None, || format!("follower {at} is killed"));
                self.places[at].flight = None;
            }
            94..96 => self.places[at].skew_ms = self.world.dice.between(-172_800_000, 172_800_000),
            _ if self.profile.has_copies => self.copy_follower(at).await,
            _ => {}
        }
        Ok(())
    }

    /// The folder is copied to another machine, or put back to what it was.
    async fn copy_follower(&mut self, at: usize) {
        let old = self.places[at].client.clone();
        let folder = self.world.guest_edits.folder(&place_name(at));
        match self.world.dice.below(3) {
            0 => self.places[at].backup = Some((old, folder)),
            1 if self.places.len() < INSTALLATIONS => {
                self.rare.copies += 1;
                self.world.note(None, || format!("follower {at} is copied"));
                self.world.guest_edits.set_folder(&place_name(self.places.len()), &folder);
                self.places.push(Place { client: old, ..Place::default() });
            }
            _ => {
                let Some((backup, folder)) = self.places[at].backup.clone() else { return };
                self.world.guest_edits.set_folder(&place_name(at), &folder);
                self.world.note(None, || format!("the folder of follower {at} is put back"));
                self.rare.copies += 1;
                self.places[at].client = backup;
                self.places[at].flight = None;
            }
        }
    }

    fn follower_now(&self, at: usize) -> i64 {
        self.world.now_ms() + self.places[at].skew_ms
    }

    fn follower_acts(&mut self, at: usize) {
        let now_ms = self.follower_now(at);
        let visible = self.places[at].client.visible();
        let pieces: Vec<&(Name, Fields)> =
            visible.iter().filter(|((kind, _), _)| kind == "piece").collect();
        let roll = self.world.dice.below(100);
        if pieces.is_empty() || 92 <= roll {
            return self.follower_adds(at, now_ms);
        }
        let (name, view) = (*self.world.dice.pick(&pieces)).clone();
        let set = match roll {
            0..72 => Some(self.typed(&view)),
            72..80 => None,
            80..86 => return self.follower_practises(at, &name, now_ms),
            _ => return self.follower_revives(at, now_ms),
        };
        self.follower_edits(at, &name, set, now_ms);
    }

    fn follower_edits(&mut self, at: usize, name: &Name, set: Option<Fields>, now_ms: i64) {
        let id = RecordId::parse(&name.1);
        self.world.note(id, || format!("follower {at} sets {set:?}"));
        self.places[at].client.edit(name, set, now_ms);
    }

    fn typed(&mut self, view: &Fields) -> Fields {
        let mark = self.world.new_mark(0);
        let dice = &mut self.world.dice;
        let old = |key: &str| -> String {
            view.get(key).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
        };
        let (key, value) = match dice.below(8) {
            0 | 1 => ("title", json!(words::short(dice, &mark))),
            2 => ("author", if dice.chance(30) { json!(null) } else { json!(mark) }),
            3 => ("isFavorite", json!(view.get("isFavorite").is_none_or(|raw| raw == "false"))),
            4 => ("notes", json!(words::edited_song(dice, &old("notes"), &mark))),
            5 => ("kumu", json!(dice.below(3))),
            _ => ("lyrics", json!(words::edited_song(dice, &old("lyrics"), &mark))),
        };
        Fields::from([(key.to_owned(), value.to_string())])
    }

    fn follower_adds(&mut self, at: usize, now_ms: i64) {
        let (title, song) = (self.world.new_mark(0), self.world.new_mark(0));
        let dice = &mut self.world.dice;
        let set = Fields::from([
            ("title".to_owned(), json!(words::short(dice, &title)).to_string()),
            ("lyrics".to_owned(), json!(words::song(dice, &song)).to_string()),
        ]);
        let name = ("piece".to_owned(), self.world.new_id().to_string());
        self.follower_edits(at, &name, Some(set), now_ms);
    }

    fn follower_practises(&mut self, at: usize, piece: &Name, now_ms: i64) {
        let now = json!(UnixMillis(now_ms).to_string()).to_string();
        let id = json!(piece.1).to_string();
        let set = Fields::from([("pieceId".to_owned(), id), ("startedAt".to_owned(), now)]);
        let name = ("session".to_owned(), self.world.new_id().to_string());
        self.follower_edits(at, &name, Some(set), now_ms);
    }

    /// An edit of a tombstone brings the record back on purpose.
    fn follower_revives(&mut self, at: usize, now_ms: i64) {
        let client = &self.places[at].client;
        let held = client.records.iter().filter(|((kind, _), _)| kind == "piece");
        let dead: Vec<Name> = held
            .filter(|(name, held)| held.value.is_none() && client.view(name).is_none())
            .map(|(name, _)| name.clone())
            .collect();
        if !dead.is_empty() {
            let name = self.world.dice.pick(&dead).clone();
            let mark = json!(self.world.new_mark(0)).to_string();
            let set = Fields::from([("title".to_owned(), mark)]);
            self.follower_edits(at, &name, Some(set), now_ms);
        }
    }

    fn follower_sends(&mut self, at: usize) {
        let (limit, pushes) = (1 + self.world.dice.below(5), 1 + self.world.dice.below(4));
        let sent = self.places[at].client.request(limit, pushes);
        let call = self.world.guest_call_of(0, &sent.body, &place_name(at));
        let body = String::from_utf8_lossy(&sent.body).into_owned();
        self.world.note(None, || format!("follower {at} sends {body}"));
        if self.places[at].late.len() < 20 {
            self.places[at].late.push(call.clone());
        }
        self.places[at].flight = Some((sent, call, None));
    }

    async fn follower_arrives(&mut self, at: usize) -> Checked {
        let Some((sent, mut call, None)) = self.places[at].flight.take() else { return Ok(()) };
        if self.world.dice.chance(4) {
            self.world.note(None, || format!("the cursor of follower {at} is garbled"));
            call.body = with_strange_cursor(&call.body, "strange");
        }
        let reply = self.follower_meets(at, &call).await?;
        match reply {
            Some(reply) if !self.world.dice.chance(25) => {
                self.places[at].flight = Some((sent, call, Some(reply)));
            }
            _ => self.world.note(None, || format!("follower {at} never sees the reply")),
        }
        Ok(())
    }

    /// `None`: no reply, or the account was erased, and it has begun anew.
    async fn follower_meets(&mut self, at: usize, call: &GuestCall) -> Checked<Option<Vec<u8>>> {
        let heard = self.world.meet(Caller::Guest(call), None).await?.0;
        if let Some(Heard::Gone) = heard {
            self.rare.goners += 1;
            let (fresh, keeps) = (self.fresh_device(), self.world.dice.chance(50));
            let now_ms = self.follower_now(at);
            self.places[at].client.begin_anew(&fresh, keeps, now_ms);
            self.places[at].flight = None;
        }
        Ok(heard.and_then(Heard::into_body))
    }

    fn follower_reads(&mut self, at: usize) -> Checked {
        match self.places[at].flight.take() {
            Some((sent, _, Some(reply))) => self.follower_takes(at, &sent, &reply).map(drop),
            flight => {
                self.places[at].flight = flight;
                Ok(())
            }
        }
    }

    fn follower_takes(
        &mut self,
        at: usize,
        sent: &Sent,
        reply: &[u8],
    ) -> Checked<super::follower::Read> {
        let fresh = self.fresh_device();
        self.world.note(None, || format!("follower {at} reads {}", String::from_utf8_lossy(reply)));
        let read = self.places[at].client.read(sent, reply, &fresh);
        if read.mismatch {
            let text = format!("the digest of follower {at} must be the server's");
            return Err(Violation::general(text));
        }
        Ok(read)
    }

    /// A whole sync; returns whether there was nothing to do, `None` if the server failed.
    pub(super) async fn follower_syncs(&mut self, at: usize) -> Checked<Option<bool>> {
        let mut is_quiet = true;
        for _ in 0..500 {
            self.follower_sends(at);
            let Some((sent, call, _)) = self.places[at].flight.take() else { return Ok(None) };
            let reply = self.follower_meets(at, &call).await?;
            let Some(reply) = reply else { return Ok(None) };
            let read = self.follower_takes(at, &sent, &reply)?;
            is_quiet &= read.changes == 0;
            if !read.more && self.places[at].client.is_settled() {
                self.check_follower(at).await?;
                return Ok(Some(is_quiet));
            }
        }
        Err(Violation::general(format!("the sync of follower {at} must come to an end")))
    }

    async fn follower_repeats(&mut self, at: usize) -> Checked {
        if self.places[at].late.is_empty() {
            return Ok(());
        }
        let nth = self.world.dice.below(self.places[at].late.len());
        let call = self.places[at].late[nth].clone();
        self.world.note(None, || {
            format!("an old request of follower {at}: {}", String::from_utf8_lossy(&call.body))
        });
        self.world.meet(Caller::Guest(&call), None).await.map(drop)
    }

    /// After a whole sync it holds what the server holds (G3).
    pub(super) async fn check_follower(&self, at: usize) -> Checked {
        let mut live = BTreeMap::new();
        for (Key { kind, id }, text) in self.live(0).await {
            let kind = if kind == KindNumber::PIECE { "piece" } else { "session" };
            let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).unwrap();
            let fields = fields.into_iter().map(|(key, raw)| (key, raw.get().to_owned()));
            let fields: Fields = fields.filter(|(_, raw)| raw != "null").collect();
            live.insert((kind.to_owned(), id.to_string()), fields);
        }
        let visible = self.places[at].client.visible();
        let ours = visible.iter().find(|(name, view)| live.get(name) != Some(view));
        let theirs = live.keys().find(|name| visible.iter().all(|(held, _)| held != *name));
        let Some(name) = ours.map(|(name, _)| name).or(theirs) else { return Ok(()) };
        let held = self.places[at].client.view(name);
        let text = format!("follower {at} holds\n  {held:?}, the server\n  {:?}", live.get(name));
        Err(Violation { piece: RecordId::parse(&name.1), text })
    }
}
