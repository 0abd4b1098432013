//! Sessions that new clients correct and delete, and that phones send again.
//!
//! A phone uploads a session once and never changes it. New clients can: they correct its end, or
//! delete it. If the reply to an upload was lost, the phone sends the session again in its first
//! form. The change of the new client must stay.

use super::counts::Rare;
use super::faults::FaultKind;
use super::judge::Checked;
use super::meeting::general;
use super::server::wrong;
use super::wire::Endpoint;
use super::world::World;
use haumana_sync::engine::{EditTimes, Push, PushOp};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::time::UnixMillis;

/// How many requests are kept to be repeated.
const PAST: usize = 20;

/// A `POST /sessions` as it was sent.
///
/// It is kept to be repeated. In another life of the server it is dropped.
#[derive(Clone, Debug)]
pub struct SentSessions {
    /// The account of the token.
    pub token: usize,
    /// The body.
    pub body: Vec<u8>,
    /// The sessions in it.
    pub ids: Vec<RecordId>,
    /// The life of the server in which it was sent.
    pub life: u32,
    /// Whether all of it succeeded.
    pub is_done: bool,
}

impl World<'_> {
    /// Lets a new client correct or delete a session, or repeats a phone's sessions.
    pub(super) async fn mend(&mut self) -> Checked {
        if !self.past_sessions.is_empty() && self.dice.chance(50) {
            return self.old_sessions().await;
        }
        let account = self.dice.below(self.users.len());
        let ids: Vec<RecordId> = self.ledgers[account].sessions.iter().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let id = *self.dice.pick(&ids);
        self.mend_session(account, id).await
    }

    /// Corrects or deletes a session, on its present version.
    ///
    /// The request is sent once or twice with the same content. The second must change nothing
    /// more.
    async fn mend_session(&mut self, account: usize, id: RecordId) -> Checked {
        let Some(before) = self.stored(account, Key::session(id)).await.filter(|old| !old.deleted)
        else {
            return wrong(id, "a session that was taken is not there");
        };
        let started = super::reply::lenient(&before.content).expect("stored content is JSON");
        let started = started["startedAt"].as_str().and_then(UnixMillis::parse);
        let started_ms = started.expect("a session has a start").0;
        let end = UnixMillis(started_ms + 60_000 * self.dice.between(1, 90)).to_string();
        let text = |text: &str| Value::Text(text.to_owned());
        let source = *self.dice.pick(&["manual", "estimated", "automatic"]);
        let fields = [("endedAt", text(&end)), ("endedAtSource", text(source))];
        let deletes = self.dice.chance(30);
        let op = match deletes {
            true => PushOp::Delete,
            false => PushOp::Set(fields.map(|(name, value)| (name.to_owned(), value)).into()),
        };
        let edited_at = EditTimes::One(UnixMillis(self.now_ms()));
        let push = Push { key: before.key, base: Some(before.version), edited_at, op };
        let (user, engine) = (self.users[account].clone(), self.any_engine());
        for _ in 0..1 + self.dice.below(2) {
            let pushed = engine.push(&user, "mender", std::slice::from_ref(&push)).await;
            self.ensure(pushed.is_ok(), || "a mend fails although all is well".to_owned())?;
        }
        self.note(Some(id), || format!("a session is mended: {push:?}"));
        let Some(after) = self.stored(account, Key::session(id)).await else {
            return wrong(id, "the session is gone from the store");
        };
        let is_mended = after.content.contains(&end) && after.content.contains(source);
        if after.deleted != deletes || (!deletes && !is_mended) {
            return wrong(id, format!("an edit of the current version is {}", after.content));
        }
        if deletes {
            self.ledgers[account].sessions.remove(&id);
            self.buried.insert(id);
        }
        let left = (!deletes).then_some(after.content);
        self.ledgers[account].mended.insert(id, left);
        Ok(())
    }

    /// Keeps a phone's request to be repeated.
    ///
    /// Requests without sessions are not kept.
    pub(super) fn keep_sessions(&mut self, sent: SentSessions) {
        if sent.ids.is_empty() || !self.profile.mends {
            return;
        }
        if self.past_sessions.len() < PAST {
            self.past_sessions.push(sent);
        } else {
            let at = self.dice.below(PAST);
            self.past_sessions[at] = sent;
        }
    }

    /// Repeats an old `POST /sessions`. Sessions that were stored before are no news.
    ///
    /// If the whole request succeeded before, not even the head may change.
    async fn old_sessions(&mut self) -> Checked {
        let at = self.dice.below(self.past_sessions.len());
        let SentSessions { token, body, ids, life, is_done } = self.past_sessions[at].clone();
        if life != self.life {
            self.past_sessions.remove(at);
            return Ok(());
        }
        self.note(None, || format!("the sessions {ids:?} of account {token} come again"));
        let user = self.users[token].clone();
        let before = self.store.head(&user).await.expect("the store works");
        let (wire, limit) = (self.any_wire(), self.reply_limit);
        let reply = wire.call(&user, Endpoint::Sessions, &body, limit).await;
        self.tally.faults.note(FaultKind::RequestLate);
        self.ensure(reply.is_ok(), || "/sessions fails".to_owned())?;
        let after = self.store.head(&user).await.expect("the store works");
        self.check_mends(token, &ids).await?;
        self.past_sessions[at].is_done = true;
        match is_done && before != after {
            true => general("sessions that came again are written once more"),
            false => self.note_sessions_of(token, &ids).await,
        }
    }

    /// Notes sessions that did not exist before.
    async fn note_sessions_of(&mut self, account: usize, ids: &[RecordId]) -> Checked {
        for id in ids {
            match self.stored(account, Key::session(*id)).await {
                Some(stored) if !stored.deleted => {
                    self.ledgers[account].sessions.insert(*id);
                }
                Some(_) if self.buried.contains(id) => {}
                _ => return wrong(*id, "a session that a phone sent is not there"),
            }
        }
        Ok(())
    }

    /// Checks that corrections and deletes by new clients stay, for sessions that a phone has just
    /// sent.
    ///
    /// Other sessions are not checked here.
    pub(super) async fn check_mends(&mut self, account: usize, sent: &[RecordId]) -> Checked {
        for id in sent {
            let Some(left) = self.ledgers[account].mended.get(id).cloned() else { continue };
            let stored = self.stored(account, Key::session(*id)).await;
            let is = stored.filter(|stored| !stored.deleted).map(|stored| stored.content);
            if is != left {
                let text = format!("a phone made {is:?} of a session that was left as {left:?}");
                return wrong(*id, text);
            }
            let rare = if left.is_some() { Rare::MendedSession } else { Rare::DeletedSession };
            self.tally.rare.note(rare);
        }
        Ok(())
    }
}
