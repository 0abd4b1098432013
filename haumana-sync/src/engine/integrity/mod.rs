//! Checks whether the stored data of an account contradicts itself, and repairs what follows from
//! the rest.
//!
//! The engine keeps everything twice in some form. The head sums up the records. A record has
//! hashes of its earlier values, and the history has the values. An entry of the inbox names a
//! side. So a fault of the storage, or a change by hand, is a contradiction between two of them.

mod fault;
mod inbox;
mod past;
mod records;
mod repair;
mod summary;
mod sums;

pub use fault::{Fault, FaultPlace, Finding, Remedy};
pub use repair::{RepairMode, Repaired};
pub use summary::{HistoryCount, KindCount, Summary};

use crate::engine::commit::notes::Notes;
use crate::engine::{Engine, Result};
use crate::id::UserId;
use crate::store::{self, Head, HeadState, Operate};
use records::Records;

/// What was checked, and what was found.
///
/// An account is sound if there are no findings. The counts show how much was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The head; `None` if there is none, or it cannot be read.
    pub head: Option<Head>,
    /// How many records there are, tombstones included.
    pub records: usize,
    /// How many of them are tombstones.
    pub tombstones: usize,
    /// How many entries the history has.
    pub history: usize,
    /// How many entries of the inbox are open.
    pub open_conflicts: usize,
    /// The contradictions, in the order of places.
    pub findings: Vec<Finding>,
}

impl Verified {
    fn nothing(findings: Vec<Finding>) -> Self {
        let (records, tombstones, history, open_conflicts) = (0, 0, 0, 0);
        Self { head: None, records, tombstones, history, open_conflicts, findings }
    }
}

impl Engine {
    /// Reads all stored data of a user, and returns its contradictions. `all` is the engine's own
    /// store. If others write meanwhile, it reads again.
    ///
    /// It checks the digests, counts and bytes of the head against the records; each record against
    /// its hash, its schema and the index; each value in the history against the hashes in its
    /// record; each entry of the inbox against its record and the value that lost.
    ///
    /// Nothing is written. It reads everything that the user has. So run it on one account at a
    /// time, and not in a request of a user.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, store, kai, .. } = example();
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    ///
    /// let verified = engine.verify(&*store, &kai).await?;
    ///
    /// assert_eq!((1, 0), (verified.records, verified.findings.len()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::engine::ErrorKind::Unavailable) if the store cannot
    /// answer, or if the user never stops writing.
    pub async fn verify(&self, all: &dyn Operate, user: &UserId) -> Result<Verified> {
        let mut attempts = self.attempts(user);
        loop {
            let head = match self.screen.store.head(user).await {
                Ok(head) => head,
                Err(error) if error.kind() == store::ErrorKind::Corrupt => {
                    let finding = Finding::new(Fault::HeadUnreadable, FaultPlace::Head, "");
                    return Ok(Verified::nothing(vec![finding]));
                }
                Err(error) => return Err(error.into()),
            };
            let verified = self.verify_at(all, user, head.clone()).await?;
            let now = attempts.head().await?;
            let is_same = match (&head, &now) {
                (Some(head), Some(now)) => head.is_same(now),
                (head, now) => head.is_none() && now.is_none(),
            };
            if is_same {
                return Ok(verified);
            }
            attempts.raced();
        }
    }

    async fn verify_at(
        &self,
        all: &dyn Operate,
        user: &UserId,
        head: Option<Head>,
    ) -> Result<Verified> {
        let mut found = Vec::new();
        let records = self.look_at_records(user, head.as_ref(), &mut found).await?;
        let n_history = self.look_at_history(all, user, &records, &mut found).await?;
        self.look_at_inbox(user, &records, &mut found).await?;
        match &head {
            Some(head) => self.look_at_head(head, &records, n_history, &mut found),
            None if !records.is_empty() || n_history != 0 => {
                found.push(Finding::new(Fault::HeadMissing, FaultPlace::Head, ""));
            }
            None => {}
        }
        found.sort_by_key(|finding| (finding.place, finding.fault));
        Ok(Verified {
            head,
            records: records.n_live + records.n_tombstones,
            tombstones: records.n_tombstones,
            history: n_history,
            open_conflicts: records.n_open,
            findings: found,
        })
    }

    fn look_at_head(
        &self,
        head: &Head,
        records: &Records,
        n_history: usize,
        found: &mut Vec<Finding>,
    ) {
        let mut tell = |fault, detail: String| {
            found.push(Finding::new(fault, FaultPlace::Head, detail));
        };
        match head.state {
            HeadState::Active => {}
            HeadState::Erasing => tell(Fault::Erasing, String::new()),
            HeadState::Importing => tell(Fault::Importing, String::new()),
            HeadState::Erased => {
                let n_left = records.n_live + records.n_tombstones + n_history;
                if n_left != 0 {
                    tell(Fault::NotErased, format!("{n_left} records and versions"));
                }
                return;
            }
        }
        // While an account is being erased, some of its data is gone.
        if head.state == HeadState::Erasing {
            return;
        }
        records.sums.compare(head, &mut tell);
        let Ok(notes) = Notes::of(Some(head)) else {
            tell(Fault::NotesUnreadable, String::new());
            return;
        };
        if let Some(noted) = notes.open.filter(|noted| *noted != records.n_open as u64) {
            tell(Fault::OpenCount, format!("{noted}, and {} are open", records.n_open));
        }
        let last = records.last_revision;
        if let Some(quiet) = notes.quiet_since.filter(|quiet| *quiet < last) {
            tell(Fault::QuietSince, format!("since {quiet}, and a record is of {last}"));
        }
        if notes.has_aside && records.n_unreadable == 0 {
            tell(Fault::NothingAside, String::new());
        }
    }
}
