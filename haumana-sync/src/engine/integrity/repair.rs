//! Repairs what follows from the rest.

use super::records::Records;
use super::{Fault, FaultPlace, Finding, Remedy, Verified};
use crate::digest::Digest;
use crate::engine::commit::notes::Notes;
use crate::engine::{Engine, Error, Result};
use crate::id::{Key, UserId};
use crate::store::{Batch, Envelope, ErrorKind, Head, HeadState, Operate, StoreExt};

/// How many records one commit of a repair rewrites.
const REWRITTEN: usize = 100;

/// Whether a repair is done, or only simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepairMode {
    /// What can be repaired is repaired.
    Write,
    /// Nothing is written.
    ///
    /// [`Repaired::mended`] is then what a repair would try. A real repair may find more on the
    /// way.
    #[default]
    DryRun,
}

/// The outcome of a repair.
///
/// What is in `left` needs a person. [`Fault::remedy`] of a finding says whether a repair could
/// have repaired it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The findings before the repair.
    pub before: Verified,
    /// What was repaired; after a dry run, what would be.
    pub mended: Vec<Finding>,
    /// What is left; after a dry run, what would be.
    pub left: Vec<Finding>,
}

impl Engine {
    /// Repairs those findings of [`Engine::verify`] whose right value follows from the rest: the
    /// sums of the head, content that was changed by hand, tombstones with content, an erasure that
    /// was interrupted. The rest is left for a person. Others may write meanwhile.
    ///
    /// The sums are computed from the records that are there. If records are missing, restore them
    /// or a backup first.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, store, kai, .. } = example();
    /// use haumana_sync::engine::RepairMode;
    ///
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    ///
    /// let repaired = engine.repair(&*store, &kai, RepairMode::DryRun).await?;
    ///
    /// assert!(repaired.mended.is_empty() && repaired.left.is_empty(), "there is nothing to repair");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Engine::verify`].
    pub async fn repair(
        &self,
        all: &dyn Operate,
        user: &UserId,
        mode: RepairMode,
    ) -> Result<Repaired> {
        let before = self.verify(all, user).await?;
        if mode == RepairMode::DryRun {
            let findings = before.findings.iter().cloned();
            let (mended, left) = findings.partition(|found| found.fault.remedy().is_automatic());
            return Ok(Repaired { before, mended, left });
        }
        if before.findings.iter().any(|found| found.fault.remedy() == Remedy::Erase) {
            self.erase_rest(user).await?;
        }
        for found in &before.findings {
            if let (Fault::ChangedByHand, FaultPlace::Record(key)) = (found.fault, found.place) {
                // What cannot be accepted stays, and is reported below.
                let _ = self.accept_record(user, key).await;
            }
        }
        self.empty_tombstones(user, &before.findings).await?;
        self.write_sums(user).await?;
        let left = self.verify(all, user).await?.findings;
        let mended = before.findings.iter().filter(|found| !left.contains(found)).cloned();
        Ok(Repaired { mended: mended.collect(), before, left })
    }

    /// Erases the rest of an account that was erased, or is being erased.
    async fn erase_rest(&self, user: &UserId) -> Result<()> {
        let mut attempts = self.attempts(user);
        loop {
            let head = attempts.head().await?;
            let Some(old) = head.as_ref().filter(|head| head.state == HeadState::Erased) else {
                return self.erase(user).await;
            };
            let batch = Batch { head: self.erasing(old), records: Vec::new(), history: Vec::new() };
            match self.store.commit_settled(user, Some(old), &batch).await {
                Ok(()) => return self.erase(user).await,
                Err(error) => attempts.start_over(error.into())?,
            }
        }
    }

    /// Empties tombstones that have content, or the hash of content. Their versions stay.
    async fn empty_tombstones(&self, user: &UserId, findings: &[Finding]) -> Result<()> {
        let keys = findings.iter().filter_map(|found| match (found.fault, found.place) {
            (Fault::TombstoneContent, FaultPlace::Record(key)) => Some(key),
            _ => None,
        });
        let keys: Vec<Key> = keys.collect();
        for keys in keys.chunks(REWRITTEN) {
            let mut attempts = self.attempts(user);
            loop {
                let Some(old) = attempts.head().await? else { return Ok(()) };
                let found = self.screen.store.read(user, keys).await?.into_iter().flatten();
                let next = self.next_head(Some(&old), old.state, self.clock.now());
                let empty = |record: Envelope| Envelope {
                    hash: Digest::default(),
                    content: "{}".to_owned(),
                    revision: next.revision,
                    stamp: next.stamp,
                    ..record
                };
                let records = found.filter(|record| record.deleted).map(empty).collect();
                let batch = Batch { head: next, records, history: Vec::new() };
                match self.store.commit_settled(user, Some(&old), &batch).await {
                    Ok(()) => break,
                    Err(error) => attempts.start_over(error.into())?,
                }
            }
        }
        Ok(())
    }

    /// Writes a head that matches the records, if it does not match them.
    async fn write_sums(&self, user: &UserId) -> Result<()> {
        let mut attempts = self.attempts(user);
        loop {
            let Some(old) = attempts.head().await? else { return Ok(()) };
            if old.state != HeadState::Active && old.state != HeadState::Importing {
                return Ok(());
            }
            let records = self.look_at_records(user, Some(&old), &mut Vec::new()).await?;
            let mut told = Vec::new();
            // The history matters only for an erased account.
            self.look_at_head(&old, &records, 0, &mut told);
            if !told.iter().any(|found| found.fault.remedy() == Remedy::Derive) {
                return Ok(());
            }
            let head = self.mended(&old, &records);
            let batch = Batch { head, records: Vec::new(), history: Vec::new() };
            match self.store.commit_settled(user, Some(&old), &batch).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Conflict => attempts.raced(),
                Err(error) => return Err(Error::from(error)),
            }
        }
    }

    fn mended(&self, old: &Head, records: &Records) -> Head {
        let mut head = self.following(old);
        if records.sums.are_known() {
            records.sums.write(&mut head);
        }
        // Notes that cannot be read stay, because their meaning is not known.
        if let Ok(notes) = Notes::of(Some(old)) {
            let is_quiet = notes.quiet_since.is_some_and(|since| records.last_revision <= since);
            let quiet_since = match is_quiet {
                true => notes.quiet_since,
                false => Some(records.last_revision.max(old.revision.0)),
            };
            let notes = Notes {
                open: Some(records.n_open as u64),
                quiet_since,
                has_aside: notes.has_aside && records.n_unreadable != 0,
                ..notes
            };
            head.notes = notes.to_text();
        }
        head
    }
}
