//! `POST /sync`: push and pull in one round trip.

use crate::engine::commit::notes::Notes;
use crate::engine::inbox::page::conflict_bytes;
use crate::engine::pull::cursor::Cursor;
use crate::engine::push::Pushed;
use crate::engine::push::devices::Shown;
use crate::engine::push::pusher::{Life, Pusher};
use crate::engine::{
    Conflict, Engine, Error, ErrorKind, Push, PushOutcome, PushResult, Result, check_state,
};
use crate::id::{Key, UserId};
use crate::schema::Schema;
use crate::store::{Head, Revision, Version};
use crate::wire::sync::{SentPush, SentResult, SyncReply, SyncRequest};
use std::collections::{BTreeSet, HashMap};

/// Fixed overhead of a reply, in bytes.
const REPLY_OVERHEAD_BYTES: usize = 1024;

impl Engine {
    /// Applies what a new client sent to `POST /sync`, and returns what the client must learn.
    ///
    /// The reply holds at most about `reply_limit_bytes`, but always at least one changed record if
    /// there is one. Conflicts that do not fit are named in the results and wait in the inbox.
    ///
    /// Pushes are applied first, in order. Then the change feed is read after the device's cursor.
    /// A record is left out of the last page if the device already has it to the byte, because the
    /// device's own push made it.
    ///
    /// - **A lost reply.** Send the same request again. Pushes that were committed are answered as
    ///   unchanged, and the cursor has not moved.
    /// - **A cursor that does not fit**, because it is garbled, of another user, or from before a
    ///   restored backup, is no error. The reply starts over from the beginning and says so. The
    ///   pushes are merged as edits of another life, and every value that they replace is in the
    ///   inbox.
    /// - **A copied device.** If the device has been seen further on than its cursor, its folder
    ///   was copied or restored. Then [`SyncReply::is_copy`] is `true`, and the device must take a
    ///   new name.
    /// - **Cost.** A request without pushes whose cursor is at the head reads the head and nothing
    ///   else. The first such request after a push also writes the head once, to note that the
    ///   device knows the outcome.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, kai, .. } = example();
    /// use haumana_sync::wire::sync::SyncRequest;
    ///
    /// let body = r#"{"deviceId": "phone-3f9a", "push": [{"kind": "song", "base": null,
    ///     "id": "5EED0000-0000-4000-8000-000000000001", "editedAt": "2026-11-22T08:00:00Z",
    ///     "set": {"title": "Hiʻilawe"}}]}"#.as_bytes();
    /// let first = engine.sync(&kai, &SyncRequest::from_json(body)?, 1 << 20).await?.into_json();
    /// // The reply was lost, so the device sends the same bytes again.
    /// let again = engine.sync(&kai, &SyncRequest::from_json(body)?, 1 << 20).await?.into_json();
    ///
    /// assert!(String::from_utf8(first)?.contains(r#""outcome":"applied","version":1"#));
    /// assert!(String::from_utf8(again)?.contains(r#""outcome":"unchanged","version":1"#));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Engine::push`] and [`Engine::pull`]. If it is [`ErrorKind::Gone`], nothing was pushed.
    pub async fn sync(
        &self,
        user: &UserId,
        request: &SyncRequest<'_>,
        reply_limit_bytes: usize,
    ) -> Result<SyncReply> {
        let sent = request.read_pushes(self.schema());
        let now = self.now();
        let head = self.head(user).await?;
        check_state(head.as_ref())?;
        refuse_ghosts(user, request.cursor.as_deref(), head.as_ref())?;
        let notes = Notes::of(head.as_ref())?;
        let cursor = request.cursor.as_deref().and_then(Cursor::decode);
        let life = Life::of(cursor, user, head.as_ref(), self.generation());
        let shown = Shown::of(&request.device, cursor.filter(|_| life == Life::Here), now);
        let mut pusher = Pusher::new(&request.device, life, &shown, &notes, head.as_ref());
        let good: Vec<Push> = sent.iter().filter_map(SentPush::good).cloned().collect();
        let pushed = self.push_on(user, &mut pusher, shown, &good, head).await?;
        let read_to = cursor.map_or(Revision(0), |cursor| cursor.whole_revision());
        let held = held(self.schema(), &sent, &good, &pushed, life, read_to);
        let Pushed { results: done, mut trail, .. } = pushed;
        if trail.is_at_start() && shown.confirms(&notes) {
            self.note_shown(user, shown, &mut trail).await;
        }
        let mut conflicts: Vec<Conflict> =
            done.iter().flat_map(|result| result.conflicts.iter().cloned()).collect();
        let versions = self.versions_of_refused(user, &sent).await?;
        let results = answers(self.schema(), sent, done, &versions);
        let mut left = reply_limit_bytes.saturating_sub(REPLY_OVERHEAD_BYTES + 384 * results.len());
        conflicts.retain(|conflict| {
            let bytes = conflict_bytes(conflict);
            let fits = bytes <= left;
            left -= if fits { bytes } else { 0 };
            fits
        });
        let cursor = request.cursor.as_deref();
        let open_conflicts = match &trail.head {
            None => Some(0),
            head => Notes::of(head.as_ref())?.open,
        };
        let mut pulled = self.pull_behind(user, cursor, request.limit, left, trail).await?;
        if !pulled.more {
            pulled.changes.retain(|change| held.get(&change.key) != Some(&change.version));
        }
        let schema = self.schema().clone();
        let is_copy = shown.is_copy(&notes);
        Ok(SyncReply { schema, results, conflicts, open_conflicts, pulled, is_copy })
    }
}

impl Engine {
    /// Returns the versions of existing records whose pushes were refused when they were read.
    async fn versions_of_refused(
        &self,
        user: &UserId,
        sent: &[SentPush],
    ) -> Result<HashMap<Key, Version>> {
        let refused = sent.iter().filter(|push| push.good().is_none());
        let keys: BTreeSet<Key> = refused.filter_map(|push| push.key(self.schema())).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: Vec<Key> = keys.into_iter().collect();
        let found = self.store().read(user, &keys).await?.into_iter().flatten();
        Ok(found.map(|envelope| (envelope.key, envelope.version)).collect())
    }
}

/// The records that the device already has to the byte, with their versions. A record that is in
/// the request more than once is never among them: how its device combines the pushes is not known.
///
/// `read_to` is the revision up to which the device has everything. The device has no base that was
/// written later, even if it knows its number.
fn held(
    schema: &Schema,
    sent: &[SentPush],
    good: &[Push],
    pushed: &Pushed,
    life: Life,
    read_to: Revision,
) -> HashMap<Key, Version> {
    let mut times: HashMap<Key, usize> = HashMap::new();
    for key in sent.iter().filter_map(|push| push.key(schema)) {
        *times.entry(key).or_default() += 1;
    }
    let results = good.iter().zip(&pushed.exact).zip(&pushed.results);
    let held = results.filter(|((push, exact_since), _)| {
        // Without a cursor, the life of a base is unknown. A creation has no base.
        let is_of_here = life == Life::Here || push.base.is_none();
        let has_base = exact_since.is_some_and(|written| written <= read_to);
        has_base && is_of_here && times.get(&push.key) == Some(&1)
    });
    held.filter_map(|(_, result)| Some((result.key, result.version?))).collect()
}

/// Refuses a device whose cursor is from before the account was erased. So nothing that it still
/// holds is taken for new.
fn refuse_ghosts(user: &UserId, cursor: Option<&str>, head: Option<&Head>) -> Result<()> {
    let (Some(head), Some(cursor)) = (head, cursor.and_then(Cursor::decode)) else {
        return Ok(());
    };
    if head.erased_at.is_some() && cursor.is_of(user) && !cursor.is_in_epoch_of(head) {
        return Err(Error::new(ErrorKind::Gone, "the account was erased"));
    }
    Ok(())
}

/// Puts the engine's results and the refusals in the order of the request.
fn answers(
    schema: &Schema,
    sent: Vec<SentPush>,
    done: Vec<PushResult>,
    versions: &HashMap<Key, Version>,
) -> Vec<SentResult> {
    let mut done = done.into_iter();
    sent.into_iter()
        .filter_map(|sent| {
            let found = sent.key(schema).and_then(|key| Some((key, *versions.get(&key)?)));
            match (sent, found) {
                (SentPush::Good(push), _) => {
                    done.next().map(|result| SentResult::of(&push, result, schema))
                }
                (SentPush::Refused { refusal, message, .. }, Some((key, version))) => {
                    let outcome = PushOutcome::Rejected(refusal);
                    let (version, conflicts) = (Some(version), Vec::new());
                    let result = PushResult { key, outcome, version, conflicts };
                    Some(SentResult::Done { result, message: Some(message) })
                }
                (SentPush::Refused { kind, id, refusal, message }, None) => {
                    Some(SentResult::Refused { kind, id, refusal, message })
                }
            }
        })
        .collect()
}
