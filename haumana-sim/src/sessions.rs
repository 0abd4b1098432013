//! `POST /sessions`, with which every sync ends.
//!
//! The app sends sessions that were not uploaded, and downloads all. Nobody edits them on a phone.
//! So the rules are simple: none is lost, none belongs to somebody else, and the reply has all of
//! them.
//!
//! The reply is also compared with the changes that new clients made to sessions; see
//! [`mends`](crate::mends).

use super::faults::FaultKind;
use super::judge::{Checked, Violation};
use super::mends::SentSessions;
use super::reply::decode_sessions;
use super::wire::Endpoint;
use super::world::World;
use haumana_sync::id::RecordId;
use serde_json::json;

impl World<'_> {
    /// `POST /sessions`; `false` if it fails.
    ///
    /// A sync is complete only if this returns `true`.
    ///
    /// # Errors
    ///
    /// If the server does something wrong.
    pub async fn sync_sessions(&mut self, phone: usize, token: usize) -> Checked<bool> {
        if self.dice.chance(self.profile.losses / 2) {
            self.tally.faults.note(FaultKind::RequestLost);
            return Ok(false);
        }
        let account = self.phones[phone].account;
        let name = self.users[account].as_str();
        let mine = self.phones[phone].sessions.iter();
        let sent: Vec<_> = mine.filter(|s| s.user == account && !s.uploaded).cloned().collect();
        let body = json!({"sessions": sent.iter().map(|s| s.write(name)).collect::<Vec<_>>()});
        let body = serde_json::to_vec(&body).expect("JSON can be written");
        let wire = self.any_wire();
        let user = self.users[token].clone();
        let (struck, limit) = (self.storm.struck(), self.reply_limit);
        self.storm.blow(self.profile.faults);
        let result = wire.call(&user, Endpoint::Sessions, &body, limit).await;
        self.storm.blow(0);
        let is_calm = self.storm.struck() == struck;
        let ids: Vec<RecordId> = sent.iter().map(|session| session.id).collect();
        let is_done = result.is_ok() && is_calm;
        let kept_ids = if account == token { ids } else { Vec::new() };
        self.check_mends(token, &kept_ids).await?;
        let life = self.life;
        self.keep_sessions(SentSessions { token, body, ids: kept_ids, life, is_done });
        let Ok(body) = result else {
            self.ensure(!is_calm, || "/sessions fails".to_owned())?;
            self.tally.faults.note(FaultKind::RequestFailed);
            return Ok(false);
        };
        let reply = decode_sessions(&body).map_err(|error| {
            Violation::general(format!("the app cannot read /sessions: {error}"))
        })?;
        let is_own = reply.server.iter().all(|session| session.user == user.as_str());
        self.ensure(is_own, || "sessions of another account".to_owned())?;
        if account == token {
            let is_taken = |id| reply.uploaded.contains(id);
            let all = sent.iter().all(|session| is_taken(&session.id));
            self.ensure(all || !is_calm, || "a session was not taken".to_owned())?;
            let buried = &self.buried;
            let kept = reply.uploaded.iter().copied().filter(|id| !buried.contains(id));
            self.ledgers[token].sessions.extend(kept);
        } else {
            let refused = reply.rejected.len() == sent.len() && reply.uploaded.is_empty();
            self.ensure(refused, || "sessions of another account were taken".to_owned())?;
        }
        let has = |id: &RecordId| reply.server.iter().any(|session| session.id == *id);
        let complete = self.ledgers[token].sessions.iter().all(has);
        self.ensure(complete || self.profile.small_replies, || "a session is missing".to_owned())?;
        if self.profile.mends && self.dice.chance(self.profile.losses) {
            self.tally.faults.note(FaultKind::ReplyLost);
            self.note(None, || format!("the reply of /sessions to phone {phone} is lost"));
            return Ok(false);
        }
        let users: Vec<String> = self.users.iter().map(|user| user.as_str().to_owned()).collect();
        let user_of = |name: &str| users.iter().position(|user| user == name).unwrap_or(usize::MAX);
        self.phones[phone].take_over_sessions(&reply, &user_of);
        Ok(true)
    }
}
