//! Sessions as new clients push them.

use super::edit::Setting;
use super::push::{Decided, Push, PushOp, PushResult};
use super::push_delete::is_of_other_life;
use super::pusher::{Life, Pusher};
use super::record::parse;
use super::session_edit::{Claimed, Decision, SessionEdit, SessionOp, decide};
use super::{Engine, Result};
use crate::digest::Digest;
use crate::id::{Key, KindNumber, UserId};
use crate::record::{Session, SessionGroup, SessionSet, Value};
use crate::store::{Envelope, HistoryKey};
use crate::time::UnixMillis;
use crate::wire::Refusal;
use std::collections::{BTreeMap, HashMap};

/// The content of sessions at the bases of pushes, where they have changed since.
pub(super) type SessionBases = HashMap<HistoryKey, Session>;

/// Joins a push with the session as it stands.
pub(super) fn join_push(
    push: &Push,
    pusher: &Pusher<'_>,
    old: Option<&Envelope>,
    bases: &SessionBases,
    setting: Setting,
) -> Result<Decided> {
    let edit = match read(push, pusher, setting) {
        Ok(edit) => edit,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let base = old.and_then(|old| bases.get(&edit.base_key(old)?));
    let decided = decide(&edit, old, base, setting)?;
    Ok(decided.map(|decision| {
        let Decision { draft, outcome, version, conflicts } = decision;
        (draft, PushResult { key: push.key, outcome, version, conflicts })
    }))
}

impl Engine {
    /// Reads the content of sessions at the bases of those pushes that name an earlier version.
    pub(super) async fn read_session_bases(
        &self,
        user: &UserId,
        pushes: impl Iterator<Item = &Push>,
        found: &HashMap<Key, Envelope>,
        oldest: UnixMillis,
    ) -> Result<SessionBases> {
        let key = |push: &Push| {
            let old = found.get(&push.key).filter(|old| old.key.kind == KindNumber::SESSION)?;
            let version = push.base.filter(|base| *base < old.version)?;
            let key = HistoryKey { key: push.key, version, side: 0 };
            matches!(push.op, PushOp::Set(_)).then_some(key)
        };
        let keys: Vec<HistoryKey> = pushes.filter_map(key).collect();
        if keys.is_empty() {
            return Ok(SessionBases::new());
        }
        let entries = self.store.history(user, &keys).await?.into_iter().flatten();
        // A tombstone has no content.
        let entries = entries.filter(|entry| oldest <= entry.at && entry.content != "{}");
        entries.map(|entry| Ok((entry.key, parse(&entry.content)?))).collect()
    }
}

fn read(push: &Push, pusher: &Pusher<'_>, setting: Setting) -> Result<SessionEdit, Refusal> {
    let device = pusher.device;
    let op = match &push.op {
        PushOp::Set(fields) | PushOp::Offer(fields) => {
            let set = SessionSet::read(fields).map_err(Refusal::from)?;
            if push.base.is_none() {
                set.check_whole().map_err(Refusal::from)?;
            }
            SessionOp::Set(set, claims(push, device, fields, setting))
        }
        PushOp::Delete | PushOp::OfferDelete => {
            let at = push.time_of("", setting.now);
            let identity = push.identity(Some(device), at, "", &Value::Null);
            SessionOp::Delete(Claimed { at, identity })
        }
        // Taken by whoever calls this.
        PushOp::TakeOver(_) => return Err(Refusal::InvalidField),
    };
    let is_of_other_life = match &push.op {
        PushOp::Delete | PushOp::OfferDelete => is_of_other_life(push, pusher),
        // A base of another life; without one nothing is said that could be of it.
        PushOp::Set(_) => push.base.is_some() && pusher.life == Life::Other,
        PushOp::Offer(_) | PushOp::TakeOver(_) => true,
    };
    let device = Some(device.to_owned());
    Ok(SessionEdit { id: push.key.id, device, base: push.base, is_of_other_life, name: None, op })
}

/// What the device says of each group: a group was edited when the last of its fields was, and is
/// the same change again if all of its fields are.
fn claims(
    push: &Push,
    device: &str,
    fields: &BTreeMap<String, Value>,
    setting: Setting,
) -> BTreeMap<SessionGroup, Claimed> {
    let mut claims: BTreeMap<SessionGroup, Claimed> = BTreeMap::new();
    for (name, value) in fields {
        let at = push.time_of(name, setting.now);
        let identity = push.identity(Some(device), at, name, value);
        let claimed = claims.entry(SessionGroup::of(name)).or_insert(Claimed { at, identity: 0 });
        claimed.at = claimed.at.max(at);
        let parts = [claimed.identity.to_be_bytes(), identity.to_be_bytes()];
        claimed.identity = Digest::of(parts.iter().map(<[u8; 8]>::as_slice)).short();
    }
    claims
}
