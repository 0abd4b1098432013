//! `POST /sessions`.

use super::commit::{Draft, OldFacts, Stopped, gave_up};
use super::meta::{FORMAT, Meta, Seen, Touch};
use super::record::{HistoryMeta, parse, superseded, to_json};
use super::{Engine, Error, Result, Room, check_state};
use crate::digest::Digest;
use crate::id::{Key, Kind, RecordId, UserId};
use crate::limits;
use crate::merge::{Reason, join_sessions};
use crate::record::{Session, Value};
use crate::store::{Envelope, Head, HistoryEntry, HistoryKey, Revision, Stamp};
use crate::time::UnixMillis;
use crate::wire::app::{AppSession, Counts, SessionsReply, SessionsRequest};
use crate::wire::{Refusal, Rejected};
use std::collections::HashSet;

/// How many sessions are read at a time for a reply.
const READ_CHUNK: usize = 1000;

impl Engine {
    /// Takes in what a phone sent to `POST /sessions` and answers with the user's sessions: all,
    /// or those stamped later than `lastSyncedAt` if one was given.
    ///
    /// # Errors
    ///
    /// As [`Engine::sync_pieces`].
    pub async fn sync_sessions(
        &self,
        user: &UserId,
        request: &SessionsRequest<'_>,
        reply_limit_bytes: usize,
    ) -> Result<SessionsReply> {
        let now = self.clock.now();
        let (mut pushed, mut rejected) = (Vec::new(), Vec::new());
        for result in request.read_sessions(user) {
            match result {
                Ok(session) => pushed.push(session),
                Err(refused) => rejected.push(refused),
            }
        }
        let mut left: Vec<usize> = (0..pushed.len()).collect();
        if left.is_empty() {
            // A list that is half imported or half erased must not look like all there is.
            check_state(self.store.head(user).await?.as_ref())?;
        }
        let mut uploaded = Vec::new();
        let mut tries = 0;
        while !left.is_empty() {
            let head = self.store.head(user).await?;
            check_state(head.as_ref())?;
            let round = self.session_round(user, head, &pushed, &left, &mut rejected).await?;
            left.retain(|at| !round.done.contains(at));
            uploaded.extend(round.accepted);
            match round.stopped {
                Some(Stopped::Raced) => tries += 1,
                // What is committed is acknowledged; the rest comes again.
                Some(Stopped::Failed(_)) if !uploaded.is_empty() => break,
                Some(Stopped::Failed(error)) => return Err(error),
                None => {}
            }
            if let Some(error) = gave_up(tries) {
                return Err(error);
            }
        }
        let last = request.last_synced_at.map(|at| Stamp(at.secs()));
        let last = last.filter(|last| last.0 <= now.secs() + 2);
        let used = rejected.len() * 1024 + uploaded.len() * 48;
        let room = reply_limit_bytes.saturating_sub(used + 1024);
        let server_sessions = self.sessions_for_app(user, last, room).await?;
        let counts = Counts {
            pushed: uploaded.len(),
            pulled: server_sessions.len(),
            rejected: rejected.len(),
            ..Counts::default()
        };
        uploaded.sort_unstable();
        uploaded.dedup();
        Ok(SessionsReply {
            user: user.clone(),
            uploaded,
            server_sessions,
            rejected,
            synced_at: UnixMillis::from_secs(now.secs()),
            counts,
        })
    }

    async fn session_round(
        &self,
        user: &UserId,
        head: Option<Head>,
        pushed: &[AppSession],
        left: &[usize],
        rejected: &mut Vec<Rejected>,
    ) -> Result<SessionRound> {
        let mut ids = HashSet::new();
        let due: Vec<usize> =
            left.iter().copied().filter(|at| ids.insert(pushed[*at].id)).collect();
        let keys: Vec<Key> = due.iter().map(|at| Key::session(pushed[*at].id)).collect();
        let found = self.store.read(user, &keys).await?;
        let now = self.clock.now();
        let mut room = Room::of(head.as_ref());
        let mut round = SessionRound::default();
        let (mut drafts, mut places) = (Vec::new(), Vec::new());
        for (at, old) in due.into_iter().zip(found) {
            let push = &pushed[at];
            match self.join(push, old.as_ref(), now)? {
                None => round.accept(at, push.id),
                Some(draft) => {
                    let old_bytes = old.as_ref().map(|old| old.content.len());
                    if room.take(old_bytes, draft.new.content.len()) {
                        drafts.push(draft);
                        places.push(at);
                    } else {
                        rejected.push(round.refuse(at, push.id));
                    }
                }
            }
        }
        let committed = self.commit(user, head, drafts).await;
        for (place, at) in places.into_iter().take(committed.done).enumerate() {
            match committed.full.contains_key(&place) {
                true => rejected.push(round.refuse(at, pushed[at].id)),
                false => round.accept(at, pushed[at].id),
            }
        }
        round.stopped = committed.stopped;
        Ok(round)
    }

    /// What is to be written of a pushed session; `None` if it says nothing new. A deleted session
    /// stays deleted.
    pub(super) fn join(
        &self,
        push: &AppSession,
        old: Option<&Envelope>,
        now: UnixMillis,
    ) -> Result<Option<Draft>> {
        let Some(envelope) = old else {
            let setting = self.setting(now);
            let created = Touch { version: 1, edited_at: now, claimed_at: now, device: None };
            let meta = Meta { created, generation: setting.generation, ..Meta::default() };
            let new = session_envelope(push.id, 1, &push.session, &meta, now);
            return Ok(Some(Draft { old: None, new, history: Vec::new(), inbox: Vec::new() }));
        };
        if FORMAT < envelope.format {
            return Err(Error::newer_format());
        }
        if envelope.deleted {
            return Ok(None);
        }
        let server: Session = parse(&envelope.content)?;
        let joined = join_sessions(&server, &push.session);
        let mut meta: Meta = parse(&envelope.meta)?;
        let hash = Value::Text(push.session.to_json()).hash();
        let loses = loses_against(&push.session, &joined);
        let is_kept = meta.seen.iter().any(|seen| seen.hash == hash);
        let version = envelope.version + u32::from(joined != server);
        if (joined == server && (!loses || is_kept)) || limits::VERSION < version {
            return Ok(None);
        }
        let mut history = Vec::new();
        if joined != server {
            history.push(superseded(envelope, meta.device.take(), Vec::new(), now));
        }
        if loses && !is_kept {
            let oldest = self.setting(now).oldest;
            meta.seen.retain(|seen| oldest <= seen.at);
            meta.seen.push(Seen { hash, at: now });
            meta.sides += 1;
            history.push(session_side(push, version, meta.sides, now));
        }
        let modified_at = if joined == server { envelope.modified_at } else { now };
        let new = session_envelope(push.id, version, &joined, &meta, modified_at);
        let old = Some(OldFacts::of(envelope));
        Ok(Some(Draft { old, new, history, inbox: Vec::new() }))
    }

    /// The user's sessions, newest change first as far as they fit.
    async fn sessions_for_app(
        &self,
        user: &UserId,
        last: Option<Stamp>,
        mut room_bytes: usize,
    ) -> Result<Vec<(RecordId, String)>> {
        let index = self.store.index(user, Kind::Session).await?;
        let is_due = |stamp: Stamp| last.is_none_or(|last| last < stamp);
        let mut due: Vec<_> =
            index.into_iter().filter(|entry| !entry.deleted && is_due(entry.stamp)).collect();
        due.sort_unstable_by_key(|entry| (std::cmp::Reverse(entry.stamp), entry.id));
        let overhead = 6 * user.as_str().len() + 128;
        let fits = due.iter().take_while(|entry| {
            let bytes = entry.size_bytes as usize + overhead;
            let fits = bytes <= room_bytes;
            room_bytes = room_bytes.saturating_sub(bytes);
            fits
        });
        let keys: Vec<Key> = fits.map(|entry| Key::session(entry.id)).collect();
        let mut sessions = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(READ_CHUNK) {
            let envelopes = self.store.read(user, chunk).await?;
            let live = envelopes.into_iter().flatten().filter(|envelope| !envelope.deleted);
            sessions.extend(live.map(|envelope| (envelope.key.id, envelope.content)));
        }
        Ok(sessions)
    }
}

/// How one round of pushing sessions ended.
#[derive(Default)]
struct SessionRound {
    done: HashSet<usize>,
    accepted: Vec<RecordId>,
    stopped: Option<Stopped>,
}

impl SessionRound {
    fn refuse(&mut self, at: usize, id: RecordId) -> Rejected {
        self.done.insert(at);
        let refusal = Refusal::QuotaExceeded;
        Rejected { id: id.to_string(), refusal, message: refusal.message().to_owned() }
    }

    fn accept(&mut self, at: usize, id: RecordId) {
        self.done.insert(at);
        self.accepted.push(id);
    }
}

pub(super) fn session_envelope(
    id: RecordId,
    version: u32,
    session: &Session,
    meta: &Meta,
    now: UnixMillis,
) -> Envelope {
    let content = session.to_json();
    Envelope {
        key: Key::session(id),
        version,
        revision: Revision(0),
        stamp: Stamp(0),
        modified_at: now,
        deleted: false,
        hash: Digest::of([content.as_bytes()]),
        format: FORMAT,
        content,
        meta: to_json(meta),
    }
}

/// Whether anything that `pushed` says is not in `joined`.
fn loses_against(pushed: &Session, joined: &Session) -> bool {
    let end = (pushed.ended_at, pushed.ended_at_source);
    let loses_end = end != (None, None) && end != (joined.ended_at, joined.ended_at_source);
    let frame = |session: &Session| (session.piece_id, session.started_at, session.created_at);
    let is_kept = |name: &String| joined.unknown.get(name) == pushed.unknown.get(name);
    loses_end || frame(pushed) != frame(joined) || !pushed.unknown.keys().all(is_kept)
}

/// Keeps a pushed session of which a part lost.
fn session_side(push: &AppSession, version: u32, side: u32, now: UnixMillis) -> HistoryEntry {
    let meta = HistoryMeta {
        at: now,
        lost: vec![(String::new(), Reason::EarlierRecord)],
        ..HistoryMeta::default()
    };
    HistoryEntry {
        key: HistoryKey { key: Key::session(push.id), version, side },
        at: now,
        content: push.session.to_json(),
        meta: to_json(&meta),
    }
}
