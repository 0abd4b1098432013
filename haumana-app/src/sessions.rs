//! `POST /sessions`.
//!
//! A session is made once and almost never changed. So this is simpler than for pieces: there is no
//! number and no base. A hash of the content identifies what a phone sends. If it was seen, nothing
//! happens. If not, it is an edit on an unknown base, and the schema decides it by group and by
//! rank: an end that somebody entered beats an estimated one.
//!
//! `serverSessions` has all sessions that fit, newest change first. The app sends no `lastSyncedAt`
//! here.

use crate::App;
use crate::wire::{AppSession, Counts, SessionsReply, SessionsRequest};
use haumana_sync::Store as _;
use haumana_sync::engine::Result;
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::record::Value;
use haumana_sync::repertoire::session_kind;
use haumana_sync::store::{Envelope, Stamp};
use haumana_sync::time::UnixMillis;
use haumana_sync::transaction::{
    Against, Bases, Change, Doubt, Edit, MergeContext, Record, Stopped, Transaction, waves,
};
use haumana_sync::wire::{Refusal, Rejected};
use std::collections::HashSet;

/// How many sessions are read at a time for a reply.
const READ_CHUNK: usize = 1000;

impl App<'_> {
    /// See [`crate::Phones::sync_sessions`].
    ///
    /// A request without sessions still starts one attempt, which fails if the account is being
    /// erased or imported.
    pub(super) async fn sync_sessions(
        &self,
        user: &UserId,
        request: &SessionsRequest<'_>,
        reply_limit_bytes: usize,
    ) -> Result<SessionsReply> {
        let now = self.0.now();
        let (mut pushed, mut rejected) = (Vec::new(), Vec::new());
        for result in request.read_sessions(user) {
            match result {
                Ok(session) => pushed.push(session),
                Err(refused) => rejected.push(refused),
            }
        }
        let mut left: Vec<usize> = (0..pushed.len()).collect();
        let mut attempts = self.0.attempts(user);
        if left.is_empty() {
            // An incomplete list, of an account that is being imported or erased, must not look
            // complete.
            attempts.next().await?;
        }
        let mut uploaded = Vec::new();
        while !left.is_empty() {
            let transaction = attempts.next().await?;
            let is_sound = |old: &Envelope| self.is_sound(user, old);
            let round =
                session_round(transaction, &is_sound, &pushed, &left, &mut rejected).await?;
            left.retain(|at| !round.done.contains(at));
            uploaded.extend(round.accepted);
            match round.stopped {
                Some(Stopped::Raced) => attempts.raced(),
                // What is committed is acknowledged. The rest comes again.
                Some(Stopped::Failed(_)) if !uploaded.is_empty() => break,
                Some(Stopped::Failed(error)) => return Err(error),
                None => {}
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

    /// The user's sessions, newest change first, as many as fit.
    ///
    /// A store that keeps packed copies answers in one call. Otherwise the index is read, and then
    /// as many records as fit.
    async fn sessions_for_app(
        &self,
        user: &UserId,
        last: Option<Stamp>,
        room_bytes: usize,
    ) -> Result<Vec<(RecordId, String)>> {
        if last.is_none()
            && let Some(mut live) = self.0.store().live_records(user, KindNumber::SESSION).await?
        {
            live.sort_unstable_by_key(|record| (std::cmp::Reverse(record.stamp), record.id));
            live.retain(|record| self.fits(user, Key::session(record.id), &record.content));
            let live = that_fit(live, user, room_bytes, |record| record.content.len());
            return Ok(live.into_iter().map(|record| (record.id, record.content)).collect());
        }
        let index = self.0.store().index(user, KindNumber::SESSION).await?;
        let is_due = |stamp: Stamp| last.is_none_or(|last| last < stamp);
        let mut due: Vec<_> =
            index.into_iter().filter(|entry| !entry.deleted && is_due(entry.stamp)).collect();
        due.sort_unstable_by_key(|entry| (std::cmp::Reverse(entry.stamp), entry.id));
        let due = that_fit(due, user, room_bytes, |entry| entry.size_bytes as usize);
        let keys: Vec<Key> = due.iter().map(|entry| Key::session(entry.id)).collect();
        let mut sessions = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(READ_CHUNK) {
            let envelopes = self.0.store_unlooked().read(user, chunk).await?;
            let live = envelopes.into_iter().flatten().filter(|envelope| !envelope.deleted);
            let live = live.filter(|envelope| self.is_sound(user, envelope));
            sessions.extend(live.map(|envelope| (envelope.key.id, envelope.content)));
        }
        Ok(sessions)
    }
}

/// The first sessions that fit into a reply together. `size` returns the length of the content of
/// one.
///
/// It stops at the first that does not fit, so the list has no gaps.
fn that_fit<T>(
    all: Vec<T>,
    user: &UserId,
    mut room_bytes: usize,
    size: impl Fn(&T) -> usize,
) -> Vec<T> {
    // The bytes of a session beside its content.
    let overhead = 6 * user.as_str().len() + 128;
    let fits = all.into_iter().take_while(|one| {
        let bytes = size(one) + overhead;
        let fits = bytes <= room_bytes;
        room_bytes = room_bytes.saturating_sub(bytes);
        fits
    });
    fits.collect()
}

/// Whether a stored record can be read. If not, that is reported.
type IsSound<'a> = &'a (dyn Fn(&Envelope) -> bool + Send + Sync);

/// If a session is in the request twice, it is staged in waves.
async fn session_round(
    mut transaction: Transaction<'_>,
    is_sound: IsSound<'_>,
    pushed: &[AppSession],
    left: &[usize],
    rejected: &mut Vec<Rejected>,
) -> Result<SessionRound> {
    let mut round = SessionRound::default();
    let mut places = Vec::new();
    for wave in waves(left.iter().map(|at| (*at, pushed[*at].id))) {
        let (round, places) = (&mut round, &mut places);
        stage_wave(&mut transaction, is_sound, pushed, &wave, round, places, rejected).await?;
    }
    let committed = transaction.commit().await?;
    for (place, at) in places.into_iter().enumerate() {
        match committed.refusal(place) {
            _ if !committed.is_decided(place) => {}
            Some(refusal) => rejected.push(round.refuse(at, pushed[at].id, refusal)),
            None => round.accept(at, pushed[at].id),
        }
    }
    round.stopped = committed.into_stopped();
    Ok(round)
}

/// Stages sessions, each record at most once, on what was staged before.
///
/// If a record cannot be read, only its push is refused.
async fn stage_wave(
    transaction: &mut Transaction<'_>,
    is_sound: IsSound<'_>,
    pushed: &[AppSession],
    wave: &[usize],
    round: &mut SessionRound,
    places: &mut Vec<usize>,
    rejected: &mut Vec<Rejected>,
) -> Result<()> {
    let keys: Vec<Key> = wave.iter().map(|at| Key::session(pushed[*at].id)).collect();
    let found = transaction.read(&keys).await?;
    let context = transaction.context();
    for ((&at, key), old) in wave.iter().zip(keys).zip(found) {
        let push = &pushed[at];
        let record = match old.as_ref().filter(|old| is_sound(old)) {
            Some(old) => transaction.open_readable(old)?,
            None => None,
        };
        if old.is_some() && record.is_none() {
            rejected.push(round.refuse(at, push.id, Refusal::Unreadable));
            continue;
        }
        let Some(edit) = edit_of(record.as_ref(), push, context) else {
            round.accept(at, push.id);
            continue;
        };
        let there = old.as_ref().zip(record.as_ref());
        let applied = transaction.apply(session_kind(), key, there, &edit, &Bases::new());
        match applied.and_then(|applied| transaction.stage(applied, old.as_ref())) {
            Err(refusal) => rejected.push(round.refuse(at, push.id, refusal)),
            Ok(false) => round.accept(at, push.id),
            Ok(true) => places.push(at),
        }
    }
    Ok(())
}

/// The result of one round of pushing sessions.
///
/// `done` has places in the request, accepted or refused.
#[derive(Default)]
struct SessionRound {
    done: HashSet<usize>,
    accepted: Vec<RecordId>,
    stopped: Option<Stopped>,
}

impl SessionRound {
    fn refuse(&mut self, at: usize, id: RecordId, refusal: Refusal) -> Rejected {
        self.done.insert(at);
        Rejected { id: id.to_string(), refusal, message: refusal.message().to_owned() }
    }

    fn accept(&mut self, at: usize, id: RecordId) {
        self.done.insert(at);
        self.accepted.push(id);
    }
}

/// The edit for a session from a phone; `None` if it was seen before. The phone knows no version,
/// and sends all of its sessions again and again. So the content identifies what it sends.
///
/// Sending a session a hundred times costs a hundred comparisons and no write.
pub(super) fn edit_of(
    record: Option<&Record>,
    sent: &AppSession,
    context: MergeContext,
) -> Option<Edit> {
    let identity = Value::Text(sent.session.to_json()).hash();
    if record.is_some_and(|record| record.meta.seen.iter().any(|seen| seen.hash == identity)) {
        return None;
    }
    let content = sent.session.content();
    let now = context.now;
    let against = || record.map_or(Against::Unmoved, |_| Against::Moved(Vec::new()));
    let changes = content.names().filter_map(|name| {
        let value = content.unit(name);
        // A field that a phone does not send is untouched.
        (!value.is_null()).then(|| Change {
            name: name.to_owned(),
            value,
            parts: None,
            on: None,
            edited_at: now,
            claimed_at: now,
            against: against(),
            doubt: Doubt::None,
        })
    });
    Some(Edit {
        changes: changes.collect(),
        created: Some((now, now)),
        seen: vec![identity],
        is_sent_always: true,
        whole: Some(content.clone()),
        ..Edit::default()
    })
}
