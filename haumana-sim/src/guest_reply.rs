//! The replies that new clients receive.
//!
//! A reply of `POST /sync` must have one result for each push, in order, and refuse exactly the
//! pushes that cannot be accepted. The driver applies the changes in it and checks them.
//! [`guest_judge`](crate::guest_judge) checks what the server has made of the pushes.

use super::guest::{GuestCall, cursor_of};
use super::guest_judge::Said;
use super::judge::Checked;
use super::ledger::Observed;
use super::meeting::general;
use super::server::{Course, Outcome};
use super::world::World;
use haumana_sync::id::{KindNumber, RecordId};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Pushes that cannot be accepted, and the codes that they must get.
///
/// They are put before a client's pushes, so that a server that stops at the first bad one is found
/// (G7).
const BAD: [(&str, &str); 2] = [
    (r#"{"kind":"piece","id":"hula","base":null,"set":{"title":"x"}}"#, "invalid_id"),
    (
        r#"{"kind":"piece","id":"00000000-0000-4000-8000-000000000000","base":null,"set":{"title":7}}"#,
        "invalid_field",
    ),
];

/// Puts pushes that cannot be accepted before the others.
///
/// Nothing else is changed: the rest of the body stays as the client wrote it.
pub(super) fn with_bad(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let comma = if text.contains(r#""push":[]"#) { "" } else { "," };
    let bad = format!(r#""push":[{},{}{comma}"#, BAD[0].0, BAD[1].0);
    text.replacen(r#""push":["#, &bad, 1).into_bytes()
}

impl World<'_> {
    /// Checks the result of a new client's request and adds it to the ledger.
    ///
    /// `None` if the request failed. Then anything may have been done; the store shows what.
    pub(super) async fn account_guest(
        &mut self,
        call: &GuestCall,
        outcome: Outcome,
        course: Course,
    ) -> Checked<Option<Vec<u8>>> {
        self.note_sessions(call);
        let body = match outcome.body {
            Ok(body) => body,
            Err(kind) => {
                self.check_failure(kind, course)?;
                self.take_in_guest(call, None, &outcome.observed)?;
                self.guest_edits.miss(call);
                self.follow_sessions(call.account).await?;
                return Ok(None);
            }
        };
        self.check_leaks(call.account, &body)?;
        self.cursors.extend(cursor_of(&body).map(|cursor| (cursor, self.life)));
        let (body, said) = self.said(call, &body)?;
        self.take_in_guest(call, Some(&said), &outcome.observed)?;
        self.check_refusals(call, &said)?;
        self.follow_sessions(call.account).await?;
        self.tally.syncs += 1;
        Ok(Some(body))
    }

    /// Checks the answer "gone". Only a client with a cursor from before an erasure may get it, and
    /// nothing of its request may be stored.
    ///
    /// The client must start over.
    pub(super) fn check_gone(&mut self, call: &GuestCall, observed: &Observed) -> Checked {
        self.note(None, || format!("new client {} is told that the account is gone", call.device));
        let was_erased = !self.ledgers[call.account].erased.is_empty();
        self.ensure(was_erased, || "a living account is gone".to_owned())?;
        let refused: Vec<Said> = call.pushes.iter().map(|_| Said::refused("gone")).collect();
        self.take_in_guest(call, Some(&refused), observed)
    }

    /// Reads the results, and removes those of pushes that the device did not send.
    ///
    /// Returns the reply with the other results.
    fn said(&self, call: &GuestCall, body: &[u8]) -> Checked<(Vec<u8>, Vec<Said>)> {
        let mut reply: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(body).expect("a reply is an object");
        let results = reply.get("results").expect("a reply has results");
        let mut results: Vec<Box<RawValue>> =
            serde_json::from_str(results.get()).expect("results are a list");
        let read = |raw: &RawValue| {
            let result: Json = serde_json::from_str(raw.get()).expect("a result is JSON");
            Said {
                outcome: result["outcome"].as_str().unwrap_or_default().to_owned(),
                code: result["error"]["code"].as_str().map(str::to_owned),
            }
        };
        let mut said: Vec<Said> = results.iter().map(|raw| read(raw)).collect();
        if said.len() != call.pushes.len() + call.n_bad {
            return general("there is not one result for each push");
        }
        for (result, (_, code)) in said.drain(..call.n_bad).zip(BAD) {
            if result.outcome != "rejected" || result.code.as_deref() != Some(code) {
                return general(format!("what must be rejected as {code} is {result:?}"));
            }
        }
        results.drain(..call.n_bad);
        let text = serde_json::to_string(&results).expect("JSON can be written");
        let results = RawValue::from_string(text).expect("what was written is JSON");
        reply.insert("results".to_owned(), results);
        Ok((serde_json::to_vec(&reply).expect("JSON can be written"), said))
    }

    /// Checks that only pushes without a base are rejected.
    ///
    /// `base_gone` is right only if a version can have been lost, by age or by a restore.
    fn check_refusals(&self, call: &GuestCall, said: &[Said]) -> Checked {
        for (push, said) in call.pushes.iter().zip(said) {
            let Some(code) = &said.code else { continue };
            let is_lost = self.profile.ages || 0 < self.life;
            let is_expected = (code == "base_gone" && is_lost && push.base.is_some())
                || (code == "too_large" && self.profile.invalid);
            if !is_expected {
                return super::server::wrong(push.id, format!("a push is rejected as {code}"));
            }
        }
        Ok(())
    }

    fn note_sessions(&mut self, call: &GuestCall) {
        let sessions = call.pushes.iter().filter(|push| push.kind == KindNumber::SESSION);
        let deleted = sessions.filter(|push| push.set.is_none()).map(|push| push.id);
        self.buried.extend(deleted);
    }

    /// Checks that a session disappears only if somebody deletes it.
    ///
    /// Sessions are not followed field by field. It is only checked that none is lost.
    async fn follow_sessions(&mut self, account: usize) -> Checked {
        let index = self.store.index(&self.users[account], KindNumber::SESSION).await;
        let index = index.expect("the store itself does not fail");
        let live: BTreeSet<RecordId> =
            index.iter().filter(|entry| !entry.deleted).map(|entry| entry.id).collect();
        let known = &mut self.ledgers[account].sessions;
        let lost = known.iter().find(|id| !live.contains(id) && !self.buried.contains(id));
        if let Some(id) = lost {
            return general(format!("the session {id} is gone, and nobody deleted it"));
        }
        *known = live;
        Ok(())
    }
}

/// A body with a cursor that no server knows.
pub fn with_strange_cursor(body: &[u8], cursor: &str) -> Vec<u8> {
    let mut request: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(body).expect("a request is an object");
    let text = json!(cursor).to_string();
    request.insert("cursor".to_owned(), RawValue::from_string(text).expect("a string is JSON"));
    serde_json::to_vec(&request).expect("JSON can be written")
}
