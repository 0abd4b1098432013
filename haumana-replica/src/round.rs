//! One round trip: what is sent, and how the reply is applied.
//!
//! The replica is not locked in between, so its user can edit. The reply is compared with what was
//! sent, not with the state when it arrives.
//!
//! These calls are for programs that carry requests in their own way: a browser's service worker, a
//! radio, a test that loses replies. [`Replica::sync`] is built from them.

use crate::again::{Tried, passes};
use crate::error::{Error, ErrorKind, Result};
use crate::feed::Cause;
use crate::groups::has_groups;
use crate::index::entries;
use crate::kinds::Kinds;
use crate::push::pushes;
use crate::record::{Agreed, Local};
use crate::replica::{Inner, Replica};
use crate::sent::{SentFields, SentOp, SentPush};
use crate::settle::{Life, made_of};
use crate::storage::{Batch, State};
use crate::wire::{self, Answer, Change, Rejection, Reply};
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, UserId};
use haumana_sync::schema::Kind;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A request, and what the replica must remember until its reply comes.
///
/// Send `body` unchanged, as often as necessary. If no reply comes, drop it and begin anew: the
/// next request has the same edits.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The account for which it is sent.
    pub account: UserId,
    /// The body of `POST /sync`.
    pub body: Vec<u8>,
    device: String,
    cursor: Option<String>,
    mark: u64,
    sent: Vec<SentPush>,
    /// Its retries of records that the server has refused before.
    tried: Option<Tried>,
    is_probe: bool,
}

/// What a reply brought.
///
/// `more` is true until this device has sent and received everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether another round trip is due at once.
    pub more: bool,
    /// How many records came in.
    pub pulled: usize,
    /// How many pushes the server has settled. They are not sent again.
    pub settled: usize,
    /// How many conflicts the pushes made.
    pub conflicts: usize,
    /// Whether this device turned out to differ from the server. Then it starts over.
    pub mismatch: bool,
}

impl Replica {
    /// Makes the next request. If you drive a replica by hand, pass the reply to
    /// [`Replica::finish`]. [`Replica::sync`] does both.
    ///
    /// The storage marks the edits that are sent. So a delete or a newer edit of the same field is
    /// sent after them. If the storage has no space for the marks, the replica keeps them in memory
    /// until there is space, or until the process ends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`]; [`ErrorKind::Erased`] until a person has decided;
    /// [`ErrorKind::NoSpace`] if the server has answered all pending edits, and there is no space
    /// for the answers.
    pub async fn begin(&self) -> Result<Outgoing> {
        let mut inner = self.lock().await;
        let account = inner.account("sync")?;
        match inner.store_marks(&account).await {
            Err(full) if full.kind() == ErrorKind::NoSpace => {
                inner.compose_rest().await?.ok_or(full)
            }
            stored => {
                stored?;
                let limit = inner.config.page_records;
                inner.compose(limit).await
            }
        }
    }

    /// After a reply for which there was no space, makes a request of the edits that the server has
    /// not answered; `None` if there are none.
    pub(crate) async fn begin_rest(&self) -> Result<Option<Outgoing>> {
        self.lock().await.compose_rest().await
    }

    /// Notes that there was no space for the reply to `outgoing`, which therefore changes nothing.
    /// Its edits are not sent again until there is space.
    pub(crate) async fn note_answered(&self, outgoing: &Outgoing) -> Result<()> {
        let mut inner = self.lock().await;
        let account = outgoing.account.as_str();
        let mut keys: Vec<Key> = outgoing.sent.iter().map(|push| push.key).collect();
        keys.dedup();
        for local in inner.read(account, &keys).await?.into_iter().flatten() {
            // What was edited since was not sent.
            if !local.pending.clone().mark_sent() {
                inner.unstored.note(account, local, true);
            }
        }
        Ok(())
    }

    /// Applies the reply to `outgoing`. If the reply is not to the latest state, it changes
    /// nothing, as if it had been lost.
    ///
    /// Edits made since [`Replica::begin`] stay pending. If the account has changed meanwhile, the
    /// reply is still stored for the account that sent the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if it is no valid reply; [`ErrorKind::Storage`].
    pub async fn finish(&self, outgoing: &Outgoing, body: &[u8]) -> Result<Progress> {
        let protocol = || Error::new("sync", ErrorKind::Protocol);
        let reply = Reply::parse(body).ok_or_else(protocol)?;
        let mut inner = self.lock().await;
        let account = outgoing.account.as_str();
        if reply.copy && inner.device == outgoing.device {
            // Another installation uses this id, or this one was restored from a copy.
            inner.renew_device(self.random.as_ref()).await?;
        }
        let before = inner.storage.state(account).await?;
        if before.cursor != outgoing.cursor || before.mark != outgoing.mark || before.is_erased {
            return Ok(Progress { more: true, ..Progress::default() });
        }
        if outgoing.is_probe {
            let is_other_life = before.is_other_life || reply.reset;
            let state = Some(State { is_other_life, ..before });
            inner.write(account, Batch::repeatable(state, Vec::new())).await?;
            inner.probed = Some(outgoing.account.clone());
            return Ok(Progress { more: true, ..Progress::default() });
        }
        if reply.results.len() != outgoing.sent.len() {
            return Err(protocol());
        }
        let changes = inner.read_changes(&reply).await?;
        let mut round = Round {
            state: before.clone(),
            locals: HashMap::new(),
            kinds: inner.kinds.clone(),
            server_time: reply.server_time(),
            pulled: 0,
        };
        round.open(&mut inner, account, reply.reset, &changes, outgoing).await?;
        round.settle(&reply, &changes, outgoing);
        round.take_changes(&changes);
        let (mut mismatch, mut is_equal) = (false, false);
        round.state.open_conflicts = reply.open_conflicts().or(round.state.open_conflicts);
        round.state.cursor = reply.cursor.as_deref().map(str::to_owned);
        round.state.probe = None;
        if !reply.more {
            round.end_listing(&mut inner, account).await?;
            mismatch = reply.digest.is_some_and(|digest| digest != round.state.digest);
            is_equal = reply.digest.is_some() && !mismatch;
            if mismatch {
                round.state.probe = round.state.cursor.take();
            }
        }
        let Round { state, locals, pulled, kinds, .. } = round;
        let open_conflicts = state.open_conflicts;
        let local = |push: &SentPush| locals.get(&push.key).map(|found| &found.local);
        let is_settled = |push: &&SentPush| local(push).is_some_and(|local| !push.is_due(local));
        let settled = outgoing.sent.iter().filter(is_settled).count();
        let tried = outgoing.tried.iter().flat_map(|tried| &tried.keys);
        let n_refused = tried.filter(|key| locals.get(key).is_some_and(Found::is_refused)).count();
        let state = (state != before).then_some(state);
        let mut records: Vec<Local> = locals.into_values().map(|found| found.local).collect();
        records.sort_unstable_by_key(|local| local.key);
        let mut changed = None;
        if state.is_some() || !records.is_empty() {
            changed = Some(records.iter().map(|local| local.key).collect());
            let indexed = entries(&kinds, &records);
            inner.write(account, Batch { indexed, ..Batch::repeatable(state, records) }).await?;
        }
        if inner.account.as_ref() == Some(&outgoing.account) {
            let equal_at = is_equal.then(|| self.clock.now());
            self.publish(&mut inner, |status| {
                status.open_conflicts = open_conflicts;
                status.equal_at = equal_at.or(status.equal_at);
            })
            .await?;
            if let Some(keys) = changed {
                self.feed.tell(keys, Cause::Sync);
            }
        }
        let due = inner.storage.due(account, 1).await?;
        let mut more = reply.more || mismatch || !due.is_empty();
        if let Some(tried) = &outgoing.tried {
            more |= inner.again.note(tried, n_refused);
        }
        if !more {
            inner.again.rest();
        }
        let conflicts = reply.results.iter().map(|answer| answer.conflicts.len()).sum();
        Ok(Progress { more, pulled, settled, conflicts, mismatch })
    }

    /// Remembers that the server has erased the account.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`].
    pub async fn note_erased(&self, outgoing: &Outgoing) -> Result<()> {
        let mut inner = self.lock().await;
        let account = outgoing.account.as_str();
        let state = State { is_erased: true, ..inner.storage.state(account).await? };
        inner.write(account, Batch::repeatable(Some(state), Vec::new())).await
    }

    /// The server finds the request too large: sends less at once, or gives up on a single push.
    /// Returns whether trying again may help. If a proxy refused it, no push is given up, because
    /// another network may have no such proxy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`].
    pub(crate) async fn note_too_large(
        &self,
        outgoing: &Outgoing,
        refusal: &Error,
    ) -> Result<bool> {
        let mut inner = self.lock().await;
        let account = outgoing.account.as_str();
        let first = outgoing.sent.first().map(|push| push.key);
        let Some(first) = first else { return Ok(false) };
        if outgoing.sent.iter().any(|push| push.key != first) {
            inner.config.push_bytes = inner.config.push_bytes.min(outgoing.body.len()) / 2;
            return Ok(true);
        }
        if refusal.answered().is_some() {
            return Ok(false);
        }
        for mut local in inner.read(account, &[first]).await?.into_iter().flatten() {
            // What was edited since may be smaller. It is sent again.
            let before = local.clone();
            let why = Rejection { code: "too_large", message: None };
            if !local.pending.forget_earlier() {
                outgoing.sent.iter().for_each(|push| local.refuse(push, why));
            }
            if local != before {
                inner.write(account, Batch::repeatable(None, vec![local])).await?;
            }
        }
        if inner.account.as_ref() == Some(&outgoing.account) {
            self.publish(&mut inner, |_| {}).await?;
        }
        Ok(true)
    }
}

impl Inner {
    /// Reads what changed. A new kind is stored before any record of it.
    async fn read_changes<'a>(&mut self, reply: &Reply<'a>) -> Result<Vec<Change<'a>>> {
        let n_kinds = self.kinds.all().count();
        let mut kinds = self.kinds.clone();
        let changes = reply.changes(&mut kinds)?;
        if n_kinds != kinds.all().count() {
            self.storage.declare(&kinds.declared(), &[]).await?;
            self.kinds = kinds;
        }
        Ok(changes)
    }

    /// Makes a request only if there is something to send. It pulls a small page, since there is no
    /// space for a usual one.
    async fn compose_rest(&mut self) -> Result<Option<Outgoing>> {
        let outgoing = self.compose(1).await?;
        Ok(Some(outgoing).filter(|outgoing| !outgoing.sent.is_empty()))
    }

    /// Makes a request that pulls at most `limit` records.
    async fn compose(&mut self, limit: usize) -> Result<Outgoing> {
        let account = self.account.clone();
        let account = account.ok_or_else(|| Error::new("sync", ErrorKind::NoAccount))?;
        let state = self.storage.state(account.as_str()).await?;
        if state.is_erased {
            return Err(Error::new("sync", ErrorKind::Erased));
        }
        let is_probed = self.probed.take().as_ref() == Some(&account);
        let is_probe = state.cursor.is_none() && state.probe.is_some() && !is_probed;
        let (sent, tried) = if is_probe {
            (Vec::new(), None)
        } else {
            self.collect(account.as_str(), &state).await?
        };
        let shown = if is_probe { state.probe.as_deref() } else { state.cursor.as_deref() };
        let limit = if is_probe { 1 } else { limit };
        let body = wire::request(&self.device, shown, limit, &sent);
        let (device, cursor, mark) = (self.device.clone(), state.cursor, state.mark);
        Ok(Outgoing { account, body, device, cursor, mark, sent, tried, is_probe })
    }

    /// Stores the marks for which the storage had no space before. Then all of these edits are sent
    /// again, so that the answers can be stored.
    async fn store_marks(&mut self, account: &str) -> Result<()> {
        let keys = self.unstored.keys(account);
        if keys.is_empty() {
            return Ok(());
        }
        let records = self.read(account, &keys).await?.into_iter().flatten().collect();
        self.store(account, Batch::repeatable(None, records)).await?;
        self.unstored.drop_account(account);
        Ok(())
    }

    /// Collects the next pushes, and marks them as sent.
    ///
    /// After a reset, the edit of a record that this device holds waits until the record has come or
    /// the listing has ended. Before that, its base is a version of another past.
    async fn collect(
        &mut self,
        account: &str,
        state: &State,
    ) -> Result<(Vec<SentPush>, Option<Tried>)> {
        let waits = |local: &Local| {
            let has_come = |agreed: &Agreed| state.is_listing && state.mark <= agreed.mark;
            state.is_other_life && local.agreed.as_ref().is_some_and(|agreed| !has_come(agreed))
        };
        let n_unstored = self.unstored.keys(account).len();
        let due = self.storage.due(account, self.config.push_records + n_unstored).await?;
        let (mut sent, mut bytes) = (Vec::new(), 0);
        let mut marked = Vec::new();
        let config = self.config;
        let mut fits = |local: &mut Local, own: Vec<SentPush>| {
            let mut text = String::new();
            own.iter().for_each(|push| push.write(&mut text));
            bytes += text.len();
            let is_full = config.push_records < sent.len() + own.len();
            if !sent.is_empty() && (is_full || config.push_bytes < bytes) {
                return false;
            }
            sent.extend(own);
            if local.pending.mark_sent() {
                marked.push(local.clone());
            }
            true
        };
        let mut has_room = true;
        for mut local in due {
            if waits(&local) || self.unstored.is_answered(account, local.key) {
                continue;
            }
            self.unstored.complete(account, &mut local);
            let Some(kind) = self.kinds.kind(local.key.kind) else { continue };
            let own = pushes(&local, kind);
            has_room = fits(&mut local, own);
            if !has_room {
                break;
            }
        }
        let tries = has_room && !state.is_other_life;
        let tried = if tries { self.collect_again(account, fits).await? } else { None };
        if !marked.is_empty() {
            // The mark decides whether a delete waits for the edit, and whether a newer edit comes
            // after it. If power is lost before the reply, the server may take this device for two.
            // Then both edits are kept, and the inbox says so. That is not worth waiting for the
            // disk before each request, and no reason to keep edits here while the disk is full.
            match self.store(account, Batch::repeatable(None, marked.clone())).await {
                Err(full) if full.kind() == ErrorKind::NoSpace => {
                    marked.into_iter().for_each(|local| self.unstored.note(account, local, false));
                }
                stored => stored?,
            }
        }
        Ok((sent, tried))
    }

    /// Adds pushes that were refused before, as many as fit.
    async fn collect_again(
        &mut self,
        account: &str,
        mut fits: impl FnMut(&mut Local, Vec<SentPush>) -> bool,
    ) -> Result<Option<Tried>> {
        // On a full disk no answer could be stored.
        let is_noted = self.unstored.keys(account).is_empty();
        if self.again.is_over || !is_noted || self.count_open().await?.refused == 0 {
            return Ok(None);
        }
        let (after, size) = (self.again.after, self.again.size);
        let refused = self.storage.refused(account, after, size).await?;
        let is_last = refused.len() < size;
        let mut tried = Tried { keys: Vec::new(), next: after };
        for mut local in refused {
            let key = local.key;
            let kind = self.kinds.kind(key.kind).filter(|_| passes(&local));
            if let Some(kind) = kind {
                let mut open = local.clone();
                open.pending.clear_refusal();
                if !fits(&mut local, pushes(&open, kind)) {
                    return Ok(Some(tried));
                }
                tried.keys.push(key);
            }
            tried.next = Some(key);
        }
        if is_last {
            tried.next = None;
        }
        Ok(Some(tried))
    }
}

/// A reply that is being applied.
struct Round {
    state: State,
    locals: HashMap<Key, Found>,
    kinds: Kinds,
    server_time: UnixMillis,
    pulled: usize,
}

struct Found {
    local: Local,
    kind: Arc<Kind>,
    /// What the server has just answered.
    acked: SentFields,
}

impl Round {
    /// Reads every record that the reply concerns.
    async fn open(
        &mut self,
        inner: &mut Inner,
        account: &str,
        is_reset: bool,
        changes: &[Change<'_>],
        outgoing: &Outgoing,
    ) -> Result<()> {
        if is_reset || outgoing.cursor.is_none() {
            self.state.mark += 1;
            self.state.is_listing = true;
            self.state.is_other_life |= is_reset;
        }
        let keys = changes.iter().map(|change| change.key);
        let mut keys: Vec<Key> = keys.chain(outgoing.sent.iter().map(|push| push.key)).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(());
        }
        let found = inner.read(account, &keys).await?;
        self.locals = keys
            .into_iter()
            .zip(found)
            .filter_map(|(key, local)| {
                let local = local.unwrap_or_else(|| Local::new(key));
                let kind = self.kinds.kind(key.kind)?.clone();
                Some((key, Found { local, kind, acked: SentFields::new() }))
            })
            .collect();
        Ok(())
    }

    /// Applies the answers to what was sent.
    fn settle(&mut self, reply: &Reply<'_>, changes: &[Change<'_>], outgoing: &Outgoing) {
        let left_out = left_out(reply, changes, outgoing);
        for key in outgoing.tried.iter().flat_map(|tried| &tried.keys) {
            if let Some(found) = self.locals.get_mut(key) {
                found.local.pending.clear_refusal();
            }
        }
        for (push, answer) in outgoing.sent.iter().zip(&reply.results) {
            let Some(found) = self.locals.get_mut(&push.key) else { continue };
            if let Some(why) = answer.rejection() {
                found.reject(push, why, answer.version, &mut self.state);
                continue;
            }
            let is_left_out = left_out.contains(&push.key);
            let held = found.held(push, answer, is_left_out);
            match &push.op {
                SentOp::Set(fields) => {
                    found.local.acknowledge(&found.kind, fields, answer.version);
                    found.acked.extend(fields.clone());
                }
                SentOp::Delete(at) => found.local.acknowledge_removal(*at),
                SentOp::Offer(offer, fields) => {
                    found.local.acknowledge_offer(offer, answer.version);
                    if found.local.agreed.is_none() {
                        found.acked.extend(fields.clone().unwrap_or_default());
                    }
                }
            }
            if let Some((version, value)) = held {
                let (modified_at, mark) = (self.server_time, self.state.mark);
                take(&mut self.state, found, Agreed { version, modified_at, value, mark });
            }
        }
    }

    fn take_changes(&mut self, changes: &[Change<'_>]) {
        for change in changes {
            let Some(found) = self.locals.get_mut(&change.key) else { continue };
            let agreed = Agreed {
                version: change.version,
                modified_at: change.modified_at,
                value: change.value.map(str::to_owned),
                mark: self.state.mark,
            };
            take(&mut self.state, found, agreed);
            self.pulled += 1;
        }
    }

    /// After a full listing: the server lacks each record that it did not name.
    async fn end_listing(&mut self, inner: &mut Inner, account: &str) -> Result<()> {
        if !self.state.is_listing {
            return Ok(());
        }
        (self.state.is_listing, self.state.is_other_life) = (false, false);
        for mut local in inner.storage.unmarked(account, self.state.mark).await? {
            inner.unstored.complete(account, &mut local);
            let Some(kind) = self.kinds.kind(local.key.kind).cloned() else { continue };
            let found = Found { local, kind, acked: SentFields::new() };
            self.locals.entry(found.local.key).or_insert(found);
        }
        let mark = self.state.mark;
        for found in self.locals.values_mut() {
            match &found.local.agreed {
                Some(agreed) if agreed.mark < mark => {
                    self.state.digest = self.state.digest.minus(found.term());
                    found.local.be_lacked(&found.kind);
                }
                Some(_) => {}
                None => found.local.be_unanswered(),
            }
        }
        Ok(())
    }
}

impl Found {
    fn is_refused(&self) -> bool {
        self.local.pending.refused.is_some()
    }

    /// `version` is the server's version of the record, if it has the record.
    fn reject(
        &mut self,
        push: &SentPush,
        why: Rejection<'_>,
        version: Option<Version>,
        state: &mut State,
    ) {
        // Only what sets fields can be sent whole; no server of ours says it of a delete.
        let is_delete = matches!(push.op, SentOp::Delete(_));
        if why.code != "base_gone" || push.base.is_none() || is_delete {
            self.local.refuse(push, why);
            return;
        }
        self.local.make_whole(&self.kind);
        if has_groups(&self.kind) && version.is_none() {
            state.digest = state.digest.minus(self.term());
            self.local.agreed = None;
        }
    }

    /// What this device and the server now agree on, if the answer to a push says so.
    ///
    /// The last page leaves a record out if it equals, to the byte, its base plus the push. A
    /// record that is in the request more than once, or is offered, is never left out.
    fn held(
        &self,
        push: &SentPush,
        answer: &Answer<'_>,
        is_left_out: bool,
    ) -> Option<(Version, Option<String>)> {
        let version = answer.version.filter(|_| answer.outcome == "applied")?;
        let is_of_base = push.base.is_some() && self.local.version() == push.base;
        let value = match &push.op {
            SentOp::Delete(_) if is_left_out && is_of_base && push.base < Some(version) => None,
            // A later page may name it. Until then nobody should see it again.
            SentOp::Delete(_)
                if is_of_base
                    && version.checked_sub(1).is_some_and(|before| push.base == Some(before)) =>
            {
                None
            }
            // The server lacked it and has made it anew, whatever this device had before.
            SentOp::Set(fields) if is_left_out && push.base.is_none() => {
                Some(made_of(&self.kind, fields)?.to_json())
            }
            SentOp::Set(fields) if is_left_out && is_of_base && push.base < Some(version) => {
                Some(self.local.with_sent(&self.kind, fields)?.to_json())
            }
            _ => return None,
        };
        Some((version, value))
    }
}

/// Records that were pushed once, and that a page to the end of the change feed does not name.
fn left_out(reply: &Reply<'_>, changes: &[Change<'_>], outgoing: &Outgoing) -> HashSet<Key> {
    if reply.more {
        return HashSet::new();
    }
    let mut times: HashMap<Key, usize> = HashMap::new();
    for push in &outgoing.sent {
        *times.entry(push.key).or_default() += 1;
    }
    let named: HashSet<Key> = changes.iter().map(|change| change.key).collect();
    let once = times.into_iter().filter(|(_, times)| *times == 1).map(|(key, _)| key);
    once.filter(|key| !named.contains(key)).collect()
}

/// Stores a version and updates the digest.
fn take(state: &mut State, found: &mut Found, agreed: Agreed) {
    let life = if state.is_other_life { Life::Other } else { Life::Same };
    state.digest = state.digest.minus(found.term());
    found.local.take(&found.kind, agreed, &found.acked, life);
    state.digest = state.digest.plus(found.term());
}

impl Found {
    /// The record's term in the digest.
    fn term(&self) -> Digest {
        self.local.agreed.as_ref().map_or(Digest::default(), |agreed| {
            let (kind, id) = (self.kind.name(), self.local.key.id);
            Digest::of_version(kind, id, agreed.version, agreed.value.is_none())
        })
    }
}
