//! The reply to `POST /pieces`: what the phone must learn, and its numbers.
//!
//! # What is in a reply
//!
//! | list | what |
//! |---|---|
//! | `updatedPieces` | pushes that arrived: the phone stores the number and drops its flag |
//! | `serverPieces` | content that the phone stores: results, newer copies, what it lacks |
//! | `rejectedPieces` | pushes that were refused; the phone keeps them, and its flag |
//!
//! # How a number is chosen
//!
//! The app overwrites its copy only if the server's number is greater. So if it must store content
//! under the same version, n is greater than the phone's. In all other cases n is random. With
//! fresh numbers, two phones that received the same version can be distinguished.
//!
//! # A reply that is cut
//!
//! Answers to pushes come first, then the pieces that the phone lacks, oldest change first.
//! `syncedAt` is then before the first record that did not fit, so the next sync continues there. A
//! push whose answer does not fit is in no list, and comes again.

use crate::App;
use crate::request::{AppSync, Outcome, Pushed};
use crate::wire::WireVersion;
use crate::wire::{Counts, Operation, PieceOut, PiecesReply};
use haumana_sync::Store as _;
use haumana_sync::engine::Result;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::store::{After, Envelope, Stamp, Version};
use haumana_sync::time::UnixMillis;
use std::collections::{BTreeMap, HashSet};

/// How many records are read at a time for a reply.
const READ_CHUNK: usize = 500;

/// Fixed overhead of a reply, in bytes, such as names of lists.
const REPLY_OVERHEAD_BYTES: usize = 2048;

/// A reply that is being filled.
///
/// If the size is known, room is reserved before a record is read.
struct Filling<'a> {
    sync: &'a AppSync<'a>,
    server_pieces: Vec<PieceOut>,
    updated_pieces: Vec<PieceOut>,
    left_bytes: usize,
    counts: Counts,
    /// The smallest stamp of a record that did not fit, if there is one.
    first_missing: Option<Stamp>,
}

impl App<'_> {
    /// The cheapest source is used: what was read to find differences; else the index, if it was
    /// read; else the change feed after `lastSyncedAt`.
    pub(super) async fn pull_for_app(
        &self,
        mut sync: AppSync<'_>,
        reply_limit_bytes: usize,
    ) -> Result<PiecesReply> {
        let changed = sync.known.changed.take();
        let rejected_bytes: usize =
            sync.rejected.iter().map(|rejected| 6 * rejected.id.len() + 256).sum();
        let mut filling = Filling {
            sync: &sync,
            server_pieces: Vec::new(),
            updated_pieces: Vec::new(),
            left_bytes: reply_limit_bytes
                .saturating_sub(REPLY_OVERHEAD_BYTES)
                .saturating_sub(rejected_bytes),
            counts: Counts { rejected: sync.rejected.len(), ..Counts::default() },
            first_missing: None,
        };
        self.answer_pushes(&mut filling);
        match changed {
            _ if sync.operation == Operation::Upload => {}
            Some(changed) => {
                self.fill_from(&mut filling, changed);
            }
            None if sync.known.is_settled => {}
            None if sync.known.is_complete => self.fill_from_index(&mut filling).await?,
            None => self.fill_from_stream(&mut filling).await?,
        }
        let now = UnixMillis::from_secs(sync.now.secs());
        let before = |stamp: Stamp| UnixMillis::from_secs(stamp.0 - 1);
        let synced_at = filling.first_missing.map_or(now, |stamp| now.min(before(stamp)));
        let Filling { server_pieces, updated_pieces, mut counts, .. } = filling;
        counts.pushed = updated_pieces.len();
        counts.pulled = server_pieces.len();
        Ok(PiecesReply {
            user: sync.user.clone(),
            server_pieces,
            updated_pieces,
            rejected: sync.rejected,
            synced_at,
            counts,
        })
    }

    /// Acknowledges pushes, with the result if it differs from what was sent. Also updates copies
    /// that their user had not touched.
    ///
    /// Acknowledgements are written first, so a reply that is cut still has them.
    fn answer_pushes(&self, filling: &mut Filling<'_>) {
        let mut by_id: BTreeMap<RecordId, Vec<(&Pushed<'_>, &Outcome)>> = BTreeMap::new();
        for (at, outcome) in &filling.sync.outcomes {
            let push = &filling.sync.pushed[*at];
            by_id.entry(push.id).or_default().push((push, outcome));
        }
        let is_acknowledged = |answers: &[(&Pushed<'_>, &Outcome)]| {
            answers.iter().any(|(_, outcome)| outcome.is_acknowledged)
        };
        let (acknowledged, rest): (Vec<_>, Vec<_>) =
            by_id.into_values().partition(|answers| is_acknowledged(answers));
        for answers in &acknowledged {
            self.answer(filling, answers, true);
        }
        if filling.sync.operation == Operation::Sync {
            for answers in &rest {
                self.answer(filling, answers, false);
            }
        }
    }

    /// Several pushes of one piece get one answer, that of the last.
    fn answer(
        &self,
        filling: &mut Filling<'_>,
        answers: &[(&Pushed<'_>, &Outcome)],
        is_acknowledged: bool,
    ) {
        let Some((push, outcome)) = answers.last() else {
            return;
        };
        let envelope = &outcome.envelope;
        let is_live = !envelope.deleted;
        let differs = is_live && answers.iter().any(|(push, _)| push.hash != envelope.hash);
        let content = if is_live {
            envelope.content.clone()
        } else {
            push.open(filling.sync.user).piece.to_json()
        };
        let piece = PieceOut {
            id: envelope.key.id,
            content,
            version: outcome.number.unwrap_or_else(|| {
                let version = outcome.copy_of.unwrap_or(envelope.version);
                self.issue(envelope, version, Some(push.version), differs)
            }),
            modified_at: envelope.modified_at,
        };
        let times = usize::from(is_acknowledged) + usize::from(differs);
        if !filling.take(times * piece.size_bytes(filling.sync.user)) {
            return;
        }
        filling.counts.merged += usize::from(is_acknowledged && differs);
        filling.counts.conflicts +=
            answers.iter().map(|(_, outcome)| outcome.n_lost).sum::<usize>();
        if differs {
            filling.server_pieces.push(piece.clone());
        }
        if is_acknowledged {
            filling.updated_pieces.push(piece);
        }
    }

    /// Delivers live pieces that the request lacks, oldest change first.
    ///
    /// All that fit are read in one call.
    async fn fill_from_index(&self, filling: &mut Filling<'_>) -> Result<()> {
        let sync = filling.sync;
        let in_request = sync.ids_in_request();
        let is_due = |stamp: Stamp| sync.last.is_none_or(|last| last < stamp);
        let entries = sync.known.entries.values().filter(|entry| {
            !entry.deleted && is_due(entry.stamp) && !in_request.contains(&entry.id)
        });
        let mut due: Vec<(Stamp, RecordId, u32)> =
            entries.map(|entry| (entry.stamp, entry.id, entry.size_bytes)).collect();
        due.sort_unstable();
        let overhead = 6 * sync.user.as_str().len() + 256;
        let mut fits = 0;
        for (stamp, _, size_bytes) in &due {
            if !filling.take(*size_bytes as usize + overhead) {
                filling.first_missing = Some(*stamp);
                break;
            }
            fits += 1;
        }
        // All in one call: for a store, reading all records may cost less than reading them one by
        // one.
        let keys: Vec<Key> = due[..fits].iter().map(|(_, id, _)| Key::piece(*id)).collect();
        let envelopes = self.0.store_unlooked().read(sync.user, &keys).await?;
        let live = envelopes.into_iter().flatten().filter(|envelope| !envelope.deleted);
        let live = live.filter(|envelope| self.is_sound(sync.user, envelope));
        filling.server_pieces.extend(live.map(|envelope| self.deliver(envelope)));
        Ok(())
    }

    /// As [`App::fill_from_index`], but reads only what changed.
    async fn fill_from_stream(&self, filling: &mut Filling<'_>) -> Result<()> {
        let Some(last) = filling.sync.last else { return Ok(()) };
        let mut after = After::Stamp(last);
        loop {
            let page =
                self.0.store_unlooked().changes(filling.sync.user, after, READ_CHUNK).await?;
            let Some(end) = page.records.last() else {
                return Ok(());
            };
            after = After::Place(haumana_sync::store::Place {
                revision: end.revision,
                within: Some(end.key),
            });
            if !self.fill_from(filling, page.records) || !page.more {
                return Ok(());
            }
        }
    }

    /// Adds the changed records that the request does not contain, oldest first. Returns whether
    /// all fit.
    fn fill_from(&self, filling: &mut Filling<'_>, changed: Vec<Envelope>) -> bool {
        let in_request = filling.sync.ids_in_request();
        for envelope in changed {
            let is_live_piece = envelope.key.kind == KindNumber::PIECE && !envelope.deleted;
            if !is_live_piece || in_request.contains(&envelope.key.id) {
                continue;
            }
            if !self.is_sound(filling.sync.user, &envelope) {
                continue;
            }
            let stamp = envelope.stamp;
            let piece = self.deliver(envelope);
            if !filling.take(piece.size_bytes(filling.sync.user)) {
                filling.first_missing = Some(stamp);
                return false;
            }
            filling.server_pieces.push(piece);
        }
        true
    }

    fn deliver(&self, envelope: Envelope) -> PieceOut {
        PieceOut {
            id: envelope.key.id,
            version: self.issue(&envelope, envelope.version, None, false),
            modified_at: envelope.modified_at,
            content: envelope.content,
        }
    }

    /// Chooses the number of one delivery. `held` is the device's number. If the device must store
    /// content, the new number is greater.
    ///
    /// It tries up to 64 numbers. If all were used, which is practically impossible, it takes the
    /// last one.
    fn issue(
        &self,
        envelope: &Envelope,
        version: Version,
        held: Option<WireVersion>,
        must_exceed: bool,
    ) -> WireVersion {
        let held = held.filter(|held| held.is_issued() && held.version() == version);
        let lowest = match held {
            Some(held) if must_exceed => held.n() + 1,
            _ => 0,
        };
        // If there was no greater n, the push was given a version of its own.
        let count = WireVersion::N_COUNT.saturating_sub(lowest).max(1);
        let mut number = WireVersion::issue(version, lowest);
        for _ in 0..64 {
            number = WireVersion::issue(version, lowest + self.0.random() % count);
            let is_held = held.is_some_and(|held| held.delivery() == number.delivery());
            // A delivery from which something was pushed belongs to another device, or to this one
            // at another time.
            let used = format!("\"d\":{}", number.delivery());
            if !is_held && !envelope.meta.contains(&used) {
                break;
            }
        }
        number
    }
}

impl Filling<'_> {
    /// Reserves room for one more record.
    ///
    /// If it does not fit, nothing is reserved, so a smaller record may still fit.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left_bytes;
        if fits {
            self.left_bytes -= bytes;
        }
        fits
    }
}

impl AppSync<'_> {
    /// The ids of all pieces that the device holds. The server's copy of such a piece is sent only
    /// as an answer.
    ///
    /// That includes refused pieces, because the server's copy would overwrite the refused edit.
    pub(super) fn ids_in_request(&self) -> HashSet<RecordId> {
        let pushed = self.pushed.iter().map(|push| push.id);
        let rejected = self.rejected.iter().filter_map(|rejected| RecordId::parse(&rejected.id));
        pushed.chain(rejected).collect()
    }
}
