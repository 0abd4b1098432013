//! Rare events: deletes by new clients, backups, and the end of the retention time.
//!
//! # What a restored backup does to the ledger
//!
//! The ledger from the time of the backup is restored with it. Three things are added, because
//! phones remember what the server has forgotten. Pieces that differ between the two times have
//! *travelled*, so the base of a push may be unknown. Pieces that the backup lacks are *forgotten*.
//! And a phone that has synced with the other life may not ask for pieces that are stamped before
//! that sync.

use super::asks::Call;
use super::faults::FaultKind;
use super::judge::{Checked, Violation};
use super::profile::Profile;
use super::world::World;
use haumana_sync::engine::{EditTimes, Push, PushOp, RETENTION_MS};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::time::UnixMillis;

/// How many backups there are at most.
const BACKUPS: usize = 3;

/// Rare events.
///
/// In profiles about one of these it happens all the time.
#[derive(Clone, Copy, Debug)]
enum Upheaval {
    /// A phone is copied.
    Copy,
    /// A backup of the server is taken or restored.
    Restore,
    /// An account is erased.
    Erase,
}

impl World<'_> {
    /// A new client deletes a piece, knowing its last version or an older one.
    ///
    /// # Errors
    ///
    /// Those of [`World::delete_on_a_new_client`].
    pub async fn delete_elsewhere(&mut self) -> Checked {
        let account = self.dice.below(self.users.len());
        let tracks = self.ledgers[account].tracks.iter();
        let live: Vec<_> = tracks.filter(|(_, track)| track.content.is_some()).collect();
        if live.is_empty() {
            return Ok(());
        }
        let (id, k) = self.dice.pick(&live).to_owned();
        let (id, k) = (*id, k.k);
        let base = if self.dice.chance(70) { k } else { k.saturating_sub(1) };
        self.delete_on_a_new_client(account, id, base).await
    }

    /// A new client deletes a piece of which it knows the version `base`.
    ///
    /// The rule is simple because the model follows no field of the delete: the piece is deleted if
    /// and only if its base is the current version.
    ///
    /// # Errors
    ///
    /// If that rule does not hold.
    pub async fn delete_on_a_new_client(
        &mut self,
        account: usize,
        id: RecordId,
        base: u32,
    ) -> Checked {
        let k = self.ledgers[account].tracks.get(&id).map_or(0, |track| track.k);
        let (engine, user, key) = (self.any_engine(), self.users[account].clone(), Key::piece(id));
        let edited_at = EditTimes::One(UnixMillis(self.now_ms()));
        let push = Push { key, base: Some(base), edited_at, op: PushOp::Delete };
        let pushed = engine.push(&user, "new-client", std::slice::from_ref(&push)).await;
        self.ensure(pushed.is_ok(), || "a delete fails although all is well".to_owned())?;
        self.tally.faults.note(FaultKind::RecordDeleted);
        self.note(Some(id), || format!("a new client deletes version {base} of {k}"));
        let observed = self.watch.observe(&user).await;
        if observed[&id].deleted != (base == k) {
            return Err(Violation::of(id, "a delete of the last version deletes, no other does"));
        }
        let life = self.life;
        if let Some(track) = self.ledgers[account].tracks.get_mut(&id) {
            track.update(&observed[&id], life);
        }
        self.keep_ask(account, Call::Delete(push)).await
    }

    /// Makes the profile's rare event happen.
    ///
    /// # Errors
    ///
    /// If the server did something wrong.
    pub async fn upheave(&mut self, phone: usize) -> Checked {
        let Profile { copies, restores, erasures, .. } = self.profile;
        let kinds =
            [(copies, Upheaval::Copy), (restores, Upheaval::Restore), (erasures, Upheaval::Erase)];
        let kinds: Vec<Upheaval> =
            kinds.into_iter().filter(|(may, _)| *may).map(|(_, kind)| kind).collect();
        match self.dice.pick(&kinds) {
            Upheaval::Copy => self.copy_phones(phone),
            Upheaval::Restore if self.dice.chance(40) => self.take_backup().await,
            Upheaval::Restore => self.restore_any().await,
            Upheaval::Erase => return self.erase_any().await,
        }
        Ok(())
    }

    /// Takes or restores a backup, exports and imports an account, or lets the retention time pass.
    ///
    /// If the profile does not have the drawn event, nothing happens.
    ///
    /// # Errors
    ///
    /// If the server did something wrong.
    pub async fn rare(&mut self) -> Checked {
        let roll = self.dice.below(6);
        if self.profile.ages && roll == 0 {
            self.pass(RETENTION_MS + 10 * 86_400_000);
            self.tally.faults.note(FaultKind::RetentionPassed);
            self.note(None, || "a hundred days pass".to_owned());
            self.forget_what_may_be_gone();
        } else if self.profile.backups && roll <= 2 {
            self.take_backup().await;
        } else if self.profile.backups && roll <= 4 {
            self.restore_any().await;
        } else if self.profile.imports && roll == 5 {
            return self.take_along().await;
        }
        Ok(())
    }

    /// Erases an account. Phones that hold pieces of it go on as before.
    ///
    /// # Errors
    ///
    /// If it fails, or something remains.
    pub async fn erase_any(&mut self) -> Checked {
        let account = self.dice.below(self.users.len());
        if self.profile.imports && self.dice.chance(20) {
            return self.take_along().await;
        }
        if !self.asked.is_empty() && self.dice.chance(40) {
            return self.ask_again().await;
        }
        if self.ledgers[account].tracks.is_empty() || self.dice.chance(40) {
            return Ok(());
        }
        self.erase(account).await
    }

    /// Erases an account, perhaps twice.
    ///
    /// A new life of the account begins. What phones still hold of it must not come back unless the
    /// user asks for it.
    ///
    /// # Errors
    ///
    /// If it fails, or something remains.
    pub async fn erase(&mut self, account: usize) -> Checked {
        let user = self.users[account].clone();
        self.tally.faults.note(FaultKind::AccountErased);
        self.note(None, || format!("account {account} is erased"));
        let call = Call::Erase(self.new_id().to_string());
        for _ in 0..1 + self.dice.below(2) {
            let erased = self.make_call(account, &call).await;
            self.ensure(erased.is_ok(), || "an erasure fails although all is well".to_owned())?;
        }
        let remains = self.watch.observe(&user).await;
        self.ensure(remains.is_empty(), || "an erasure leaves something behind".to_owned())?;
        self.life += 1;
        let old = std::mem::take(&mut self.ledgers[account]);
        let ledger = &mut self.ledgers[account];
        ledger.erased = old.erased;
        ledger.erased.extend(old.tracks.keys().chain(&old.spared));
        ledger.forgotten = old.forgotten;
        ledger.forgotten.extend(old.tracks.keys());
        self.keep_ask(account, call).await
    }

    /// After the retention time only what is in the records is owed.
    ///
    /// History may be purged from then on, so marks that are only in the history are no longer
    /// owed.
    fn forget_what_may_be_gone(&mut self) {
        for ledger in self.ledgers.iter_mut().chain(self.backups.iter_mut().flatten()) {
            let tracks = &ledger.tracks;
            ledger
                .owed
                .retain(|(id, mark)| tracks.get(id).is_some_and(|track| track.raw.contains(mark)));
        }
    }

    /// Takes a backup of the server, if the backend can.
    pub async fn take_backup(&mut self) {
        if self.backups.len() < BACKUPS && self.backend.back_up().await {
            let number = self.backups.len();
            self.note(None, || format!("backup {number} is taken"));
            self.backups.push(self.ledgers.clone());
        }
    }

    /// Restores the last backup of the server, and starts it in a new life.
    pub async fn restore(&mut self) {
        if let Some(last) = self.backups.len().checked_sub(1) {
            self.restore_from(last).await;
        }
    }

    /// Restores any backup of the server, perhaps once more.
    pub async fn restore_any(&mut self) {
        if !self.backups.is_empty() {
            let at = self.dice.below(self.backups.len());
            self.restore_from(at).await;
        }
    }

    /// Restores this backup of the server, counted from the first, and starts it in a new life.
    ///
    /// In a profile with forgotten generations the generation is not raised, which is the
    /// operator's mistake. The promises that can still hold must hold.
    pub async fn restore_from(&mut self, at: usize) {
        let backup = self.backups[at].clone();
        self.backend.restore(at).await;
        self.life += 1;
        let is_forgotten = self.profile.forgotten_generations;
        self.generation += u32::from(!is_forgotten);
        self.tally.faults.note(match is_forgotten {
            true => FaultKind::RestoreSilent,
            false => FaultKind::BackupRestored,
        });
        let generation = self.generation;
        self.note(None, || format!("backup {at} is restored, generation {generation}"));
        let lost = std::mem::replace(&mut self.ledgers, backup);
        for (ledger, lost) in self.ledgers.iter_mut().zip(lost) {
            // What the earlier life had forgotten, phones may hold from the life before it.
            for (id, track) in &mut ledger.tracks {
                track.travelled |= lost.forgotten.contains(id);
            }
            ledger.forgotten.extend(lost.forgotten);
            ledger.doubtful.extend(lost.erased.iter().chain(&lost.doubtful));
            for (id, was) in lost.tracks {
                match ledger.tracks.get_mut(&id) {
                    Some(track) => {
                        let differs = track.k != was.k
                            || track.raw != was.raw
                            || track.stamp_secs != was.stamp_secs;
                        track.travelled |= was.travelled || differs;
                    }
                    None => {
                        ledger.forgotten.insert(id);
                    }
                }
            }
        }
        self.start_servers();
        for phone in 0..self.phones.len() {
            self.note_what_is_not_asked_for(phone);
        }
    }

    /// Notes pieces that a phone will not ask for. A phone that has synced with another life asks
    /// for what is stamped later than that sync. But the backup may have earlier pieces that the
    /// other life did not have. Nobody can know that the phone lacks them: `lastSyncedAt` names no
    /// life, and a piece that its user has deleted on the phone is missing in the request in the
    /// same way, and must not come back.
    pub(super) fn note_what_is_not_asked_for(&mut self, phone: usize) {
        let Some((last_secs, token)) = self.phones[phone].last_synced else { return };
        let tracks = self.ledgers[token].tracks.iter();
        let old =
            tracks.filter(|(_, track)| track.content.is_some() && track.stamp_secs <= last_secs);
        let old: Vec<RecordId> = old.map(|(id, _)| *id).collect();
        let phone = &mut self.phones[phone];
        let lacked = old.into_iter().filter(|id| phone.pieces.iter().all(|piece| piece.id != *id));
        phone.not_asked_for.extend(lacked.collect::<Vec<_>>());
    }
}
