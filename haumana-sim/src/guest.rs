//! Requests of new clients, read from outside: what they push, and which edits that is.
//!
//! A push names its base. So the request itself says what its user had seen: the edits in that
//! version, and what the same device sent before.
//!
//! The drivers of new clients are other programs, such as the real replica, so the model does not
//! know what their users meant. It reads that from the request: a field that is set is an edit, and
//! its base is named. If a reply was lost and the same change is sent again, it must be the same
//! edit. A change is identified by device, record, base, field, edit time and value.
//!
//! # What its user had seen
//!
//! It is the edits in the version that the push names as its base, and what the same device sent of
//! that field before. If two devices have one name, the second part does not apply: neither has
//! seen what the other sent.

use super::content::{FIELDS, Val, shown};
use super::guest_reply::with_bad;
use super::world::World;
use haumana_sync::id::{KindNumber, RecordId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A `POST /sync` as it was sent.
///
/// It is read once, when it is sent. The same call may reach the server several times.
#[derive(Clone, Debug)]
pub struct GuestCall {
    /// The account of the token.
    pub account: usize,
    /// The installation that sent it; several may have one name.
    pub device: String,
    /// The body.
    pub body: Vec<u8>,
    /// Its pushes.
    pub pushes: Vec<GuestPush>,
    /// How many pushes before them cannot be accepted.
    pub n_bad: usize,
    /// The life of the server in which it was sent.
    pub life: u32,
    /// When it was sent.
    pub at_ms: i64,
}

/// One push.
///
/// Of records that are not pieces only the id and the kind are followed.
#[derive(Clone, Debug)]
pub struct GuestPush {
    /// The kind of the record.
    pub kind: KindNumber,
    /// The record.
    pub id: RecordId,
    /// The version that its user saw.
    pub base: Option<u32>,
    /// What it sets; `None` for a delete.
    pub set: Option<GuestSet>,
    /// Whether it is an offer: what the device held in another life, and no new edit.
    pub offered: bool,
}

/// What a push sets.
///
/// `createdAt` is not among the fields: it is set once and never merged.
#[derive(Clone, Debug, Default)]
pub struct GuestSet {
    /// Fields that the model follows.
    pub fields: Vec<GuestField>,
    /// Unknown keys, as text.
    pub extra: BTreeMap<String, String>,
    /// All values, as text.
    pub text: String,
}

/// A field that a push sets.
#[derive(Clone, Debug)]
pub struct GuestField {
    /// Its place in [`FIELDS`].
    pub aspect: usize,
    /// Its value.
    pub value: Val,
    /// The bit of the edit; `None` if the field was edited too often to follow.
    pub edit: Option<u128>,
    /// The edits of this field that the device sent before.
    pub own: u128,
}

/// The edits that an installation has sent, by field.
///
/// If a device is copied or restored, the copy gets them too, because its user has seen what the
/// other device had sent.
#[derive(Clone, Debug, Default)]
pub struct Folder(BTreeMap<(RecordId, usize), u128>);

/// Device, record, base, field and time, value.
///
/// Two requests with equal names carry one edit.
type ChangeName = (String, RecordId, Option<u32>, String, String);

/// Changes of new clients, each with its bit.
///
/// A repeated change gets the bit that it had before.
#[derive(Clone, Debug, Default)]
pub struct GuestEdits {
    changes: BTreeMap<ChangeName, (u128, u128)>,
    own: BTreeMap<(String, RecordId, usize), u128>,
    /// What was sent in calls without a reply. The server may have accepted it.
    unheard: BTreeMap<(RecordId, usize), u128>,
}

impl GuestEdits {
    /// Every edit of a field that the device has sent.
    pub fn of_device(&self, device: &str, id: RecordId, aspect: usize) -> u128 {
        self.own.get(&(device.to_owned(), id, aspect)).copied().unwrap_or(0)
    }
}

impl GuestEdits {
    /// What an installation has sent, according to its folder.
    pub fn folder(&self, who: &str) -> Folder {
        let own = self.own.iter().filter(|((of, _, _), _)| of == who);
        Folder(own.map(|((_, id, aspect), seen)| ((*id, *aspect), *seen)).collect())
    }

    /// Gives an installation the folder of another, or an earlier one of its own.
    pub fn set_folder(&mut self, who: &str, folder: &Folder) {
        self.own.retain(|(of, _, _), _| of != who);
        let own = folder.0.iter().map(|((id, at), seen)| ((who.to_owned(), *id, *at), *seen));
        self.own.extend(own);
    }

    /// Whether the server may already have accepted some of a push, in a call without a reply.
    ///
    /// Then the server may be right to say that it is unchanged.
    pub(super) fn may_be_known(&self, push: &GuestPush) -> bool {
        let is_unheard = |field: &GuestField| {
            let unheard = self.unheard.get(&(push.id, field.aspect)).copied().unwrap_or(0);
            field.edit.is_some_and(|edit| edit & unheard != 0)
        };
        push.set.iter().flat_map(|set| &set.fields).any(is_unheard)
    }

    /// Remembers a call without a reply.
    ///
    /// The server may have done all, some or nothing of it.
    pub(super) fn miss(&mut self, call: &GuestCall) {
        for push in &call.pushes {
            for field in push.set.iter().flat_map(|set| &set.fields) {
                let unheard = self.unheard.entry((push.id, field.aspect)).or_default();
                *unheard |= field.edit.unwrap_or(0);
            }
        }
    }
}

/// Values are kept as their text in the body, because numbers must not change.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    device_id: String,
    #[serde(borrow)]
    push: Vec<PushBody<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushBody<'a> {
    kind: String,
    id: String,
    base: Option<u32>,
    #[serde(borrow)]
    edited_at: &'a RawValue,
    #[serde(borrow, default)]
    set: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(default)]
    offered: bool,
}

impl World<'_> {
    /// Reads a request of a new client when it is sent.
    pub fn guest_call(&mut self, account: usize, body: &[u8]) -> GuestCall {
        let sent: Body = serde_json::from_slice(body).expect("a new client sends requests");
        let who = sent.device_id.clone();
        self.guest_call_of(account, body, &who)
    }

    /// Reads a request of one of perhaps several installations with the same name.
    ///
    /// `who` distinguishes two installations with one device id, which the wire does not.
    pub fn guest_call_of(&mut self, account: usize, body: &[u8], who: &str) -> GuestCall {
        let sent: Body = serde_json::from_slice(body).expect("a new client sends requests");
        let pushes =
            sent.push.iter().map(|push| self.read_push(&sent.device_id, who, push)).collect();
        let is_bad = self.profile.invalid && self.dice.chance(30);
        GuestCall {
            account,
            device: who.to_owned(),
            body: if is_bad { with_bad(body) } else { body.to_owned() },
            pushes,
            n_bad: if is_bad { 2 } else { 0 },
            life: self.life,
            at_ms: self.now_ms(),
        }
    }

    /// An offer after a reset is not an edit, so it gets no bit.
    fn read_push(&mut self, device: &str, who: &str, push: &PushBody<'_>) -> GuestPush {
        let id = RecordId::parse(&push.id).expect("a new client sends ids");
        let kind = KindNumber::from_code(&push.kind).expect("a new client sends kinds");
        let Some(values) = push.set.as_ref().filter(|_| kind == KindNumber::PIECE) else {
            let set = push.set.as_ref().map(|_| GuestSet::default());
            return GuestPush { kind, id, base: push.base, set, offered: push.offered };
        };
        let one: String = serde_json::from_str(push.edited_at.get()).unwrap_or_default();
        let times: BTreeMap<String, String> =
            serde_json::from_str(push.edited_at.get()).unwrap_or_default();
        let mut set = GuestSet::default();
        for (name, raw) in values.iter().filter(|(name, _)| *name != "createdAt") {
            set.text.push_str(raw.get());
            let Some(aspect) = FIELDS.iter().position(|(field, _, _)| field == name) else {
                set.extra.insert(name.clone(), raw.get().to_owned());
                continue;
            };
            let value = shown(aspect, read_value(raw.get()));
            let at = times.get(name).unwrap_or(&one);
            let change =
                (device.to_owned(), id, push.base, format!("{name} {at}"), raw.get().to_owned());
            let (edit, own) = match push.offered {
                // No matter who typed it, it is not an edit of this device now.
                true => (None, 0),
                false => self.guest_edit(change, who, (id, aspect), value.clone()),
            };
            set.fields.push(GuestField { aspect, value, edit, own });
        }
        GuestPush { kind, id, base: push.base, set: Some(set), offered: push.offered }
    }

    /// Whether the cursor of a request is from another life of the server. Then its bases do not
    /// count.
    pub(super) fn is_of_other_life(&self, call: &GuestCall) -> bool {
        let life = cursor_of(&call.body).and_then(|cursor| self.cursors.get(&cursor).copied());
        life.is_some_and(|life| life != self.life)
    }

    /// Whether the base of a push has somebody else's value that came after the version `seen`
    /// (`None`: before the first one).
    ///
    /// Then a device would show its user somebody else's value although it says that its base is
    /// older.
    pub fn is_hidden(
        &self,
        call: &GuestCall,
        push: &GuestPush,
        aspect: usize,
        seen: Option<u32>,
    ) -> bool {
        let track = self.ledgers[call.account].tracks.get(&push.id);
        let Some(track) = track.filter(|track| !track.travelled && !self.has_twins) else {
            return false;
        };
        let Some(base) = push.base.and_then(|base| track.versions.get(&base)) else { return false };
        let before = seen.and_then(|seen| track.versions.get(&seen));
        let known = before.map_or(0, |before| before.seen.0[aspect]);
        let own = self.guest_edits.of_device(&call.device, push.id, aspect);
        let value = base.content.aspect(aspect);
        let typed = self.typed.get(&(push.id, aspect)).map(Vec::as_slice).unwrap_or_default();
        let is_own = |(bit, typed): (usize, &Val)| own >> bit & 1 == 1 && *typed == value;
        let is_same = before.is_some_and(|before| before.content.aspect(aspect) == value)
            || typed.iter().enumerate().any(is_own);
        before.is_some() && !is_same && base.seen.0[aspect] & !(known | own) != 0
    }

    /// The second number has the edits of this field that the device had sent before the change.
    fn guest_edit(
        &mut self,
        change: ChangeName,
        who: &str,
        (id, aspect): (RecordId, usize),
        value: Val,
    ) -> (Option<u128>, u128) {
        if let Some((bit, own)) = self.guest_edits.changes.get(&change) {
            return (Some(*bit), *own);
        }
        let device = who.to_owned();
        let Some(bit) = self.new_edit(id, aspect, value) else { return (None, 0) };
        if self.has_twins {
            // They have one name, but neither has seen what the other sent.
            self.guest_edits.changes.insert(change, (bit, 0));
            return (Some(bit), 0);
        }
        let before = self.guest_edits.own.entry((device, id, aspect)).or_default();
        let own = *before;
        *before |= bit;
        self.guest_edits.changes.insert(change, (bit, own));
        (Some(bit), own)
    }
}

/// The cursor of a request or of a reply.
pub(super) fn cursor_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct WithCursor {
        cursor: Option<String>,
    }
    serde_json::from_slice::<WithCursor>(body).ok()?.cursor
}

fn read_value(raw: &str) -> Val {
    match serde_json::from_str(raw) {
        Ok(serde_json::Value::Bool(flag)) => Val::Flag(flag),
        Ok(serde_json::Value::String(text)) => Val::Text(text),
        _ => Val::Nil,
    }
}

/// The keys of a stored piece that the model does not know, as text.
///
/// They are compared as text, because they must come back byte for byte (G11).
pub fn extra_of(raw: &str) -> BTreeMap<String, String> {
    let all: BTreeMap<String, &RawValue> = serde_json::from_str(raw).unwrap_or_default();
    let is_known =
        |name: &str| name == "createdAt" || FIELDS.iter().any(|(field, _, _)| *field == name);
    let extra = all.into_iter().filter(|(name, _)| !is_known(name));
    extra.map(|(name, raw)| (name, raw.get().to_owned())).collect()
}
