//! Pushes of sessions by new clients: a partial set is joined with what is there.

use super::commit::{Draft, OldFacts};
use super::edit::Setting;
use super::meta::{FORMAT, Meta, Touch};
use super::push::{Decided, Push, PushOp, PushOutcome, PushResult};
use super::record::{parse, superseded};
use super::sessions::session_envelope;
use super::{Error, Result};
use crate::id::RecordId;
use crate::merge::join_sessions;
use crate::record::{EndedAtSource, Session, Value};
use crate::store::Envelope;
use crate::time::UnixMillis;
use crate::wire::Refusal;
use std::collections::BTreeMap;

/// Joins a push with the session as it stands.
pub(super) fn join_push(
    push: &Push,
    device: &str,
    old: Option<&Envelope>,
    setting: Setting,
) -> Result<Decided> {
    let result =
        |outcome, version| PushResult { key: push.key, outcome, version, conflicts: Vec::new() };
    if old.is_some_and(|old| FORMAT < old.format) {
        return Err(Error::newer_format());
    }
    let live = old.filter(|old| !old.deleted);
    let before: Option<Session> = live.map(|old| parse(&old.content)).transpose()?;
    let mut meta: Meta = old.map(|old| parse(&old.meta)).transpose()?.unwrap_or_default();
    let set = match &push.op {
        PushOp::Set(set) | PushOp::Offer(set) => set,
        // Taken by whoever calls this.
        PushOp::TakeOver(_) => return Ok(Err(Refusal::InvalidField)),
        PushOp::Delete | PushOp::OfferDelete => {
            let Some(live) = live else {
                let version = old.map(|old| old.version);
                return Ok(Ok((None, result(PushOutcome::Unchanged, version))));
            };
            let version = live.version + 1;
            let new = Envelope {
                deleted: true,
                content: "{}".to_owned(),
                hash: crate::digest::Digest::default(),
                version,
                modified_at: setting.now,
                ..live.clone()
            };
            let history = vec![superseded(live, meta.device, Vec::new(), setting.now)];
            let draft = Draft { old: Some(OldFacts::of(live)), new, history, inbox: Vec::new() };
            return Ok(Ok((Some(draft), result(PushOutcome::Applied, Some(version)))));
        }
    };
    // A deleted session stays deleted.
    if let Some(tombstone) = old.filter(|old| old.deleted) {
        return Ok(Ok((None, result(PushOutcome::Unchanged, Some(tombstone.version)))));
    }
    let pushed = match overlay(before.as_ref(), set) {
        Ok(pushed) => pushed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let joined = before.as_ref().map_or(pushed.clone(), |before| join_sessions(before, &pushed));
    if before.as_ref() == Some(&joined) {
        let version = live.map(|live| live.version);
        return Ok(Ok((None, result(PushOutcome::Unchanged, version))));
    }
    let version = live.map_or(0, |live| live.version) + 1;
    let history = live.map(|live| superseded(live, meta.device.take(), Vec::new(), setting.now));
    if live.is_none() {
        meta.created =
            Touch { version, edited_at: setting.now, claimed_at: setting.now, device: None };
        meta.generation = setting.generation;
    }
    meta.device = Some(device.to_owned());
    let outcome = if joined == pushed { PushOutcome::Applied } else { PushOutcome::Merged };
    let draft = Draft {
        old: live.map(OldFacts::of),
        new: session_envelope(push.key.id, version, &joined, &meta, setting.now),
        history: history.into_iter().collect(),
        inbox: Vec::new(),
    };
    Ok(Ok((Some(draft), result(outcome, Some(version)))))
}

/// The session that a partial set makes of what is there.
fn overlay(
    before: Option<&Session>,
    set: &BTreeMap<String, Value>,
) -> std::result::Result<Session, Refusal> {
    let text = |name: &str| set.get(name).and_then(Value::as_text);
    let time = |name: &str| match set.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let at = value.as_text().and_then(UnixMillis::parse);
            at.map(Some).ok_or(Refusal::InvalidField)
        }
    };
    let piece_id = match text("pieceId") {
        Some(text) => Some(RecordId::parse(text).ok_or(Refusal::InvalidField)?),
        None => before.map(|before| before.piece_id),
    };
    let started_at = time("startedAt")?.or(before.map(|before| before.started_at));
    let started_at = started_at.ok_or(Refusal::InvalidField)?;
    let source = match text("endedAtSource") {
        Some(name) => Some(EndedAtSource::from_name(name).ok_or(Refusal::InvalidField)?),
        None => before.and_then(|before| before.ended_at_source),
    };
    let created_at = time("createdAt")?.or(before.map(|before| before.created_at));
    let mut unknown = before.map(|before| before.unknown.clone()).unwrap_or_default();
    for (name, value) in set {
        if let Value::Json(json) = value {
            unknown.insert(name.clone(), json.clone());
        }
    }
    Ok(Session {
        piece_id: piece_id.ok_or(Refusal::InvalidField)?,
        started_at,
        ended_at: time("endedAt")?.or(before.and_then(|before| before.ended_at)),
        ended_at_source: source,
        created_at: created_at.unwrap_or(started_at),
        unknown,
    })
}
