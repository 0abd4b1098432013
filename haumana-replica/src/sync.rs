//! A whole sync: round trips until this device and the server agree.
//!
//! A sync needs one or more round trips. Each of them is complete: its changes are stored with the
//! new cursor in one write.

use crate::error::{Error, ErrorKind, Result};
use crate::replica::Replica;
use crate::round::{Outgoing, Progress};
use crate::status::{Phase, Status};
use crate::transport::Transport;
use haumana_sync::id::UserId;
use haumana_sync::limits;
use std::sync::atomic::Ordering;

/// What a sync did.
///
/// A sync with nothing to do takes one round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many round trips it took.
    pub rounds: usize,
    /// How many records came in.
    pub pulled: usize,
    /// How many conflicts its pushes caused. They are in the inbox.
    pub conflicts: usize,
}

impl Replica {
    /// Pushes what is pending and pulls what is new, until nothing is left of either.
    ///
    /// A sync that is dropped half-way loses nothing; the next one continues.
    ///
    /// Call it when the app starts, a moment after an edit, and when the network comes back.
    /// [`Replica::follow_with`] does all of that.
    ///
    /// - Edits that are made while it runs are sent by it, too.
    /// - If a reply is lost, the next sync sends the same edits again, and the server recognises
    ///   them.
    /// - If the device's digest differs from the server's at the end, the device starts over once.
    ///   If that does not help, the sync fails with [`ErrorKind::Protocol`].
    /// - If the storage has no space for a reply, the reply changes nothing, as if it had been
    ///   lost. The other pending edits are still sent, and the sync fails with
    ///   [`ErrorKind::NoSpace`].
    /// - A push that the server refuses does not fail the sync. The record has the reason
    ///   ([`View::refused`](crate::View::refused)), and all other pushes are done.
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone, ipad, server } = devices().await;
    /// let id = phone.add(&Song { title: "Hiʻilawe".into(), ..Song::default() }).await?;
    ///
    /// phone.sync(&server).await?;
    /// let received = ipad.sync(&server).await?;
    ///
    /// assert_eq!(1, received.pulled);
    /// assert!(ipad.get::<Song>(id).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] if a sync is under way; [`ErrorKind::NoAccount`] if its account is not
    /// signed in any more; otherwise the errors of the transport, the server's answers and the
    /// storage. Edits are kept in each case.
    pub async fn sync(&self, transport: &dyn Transport) -> Result<Summary> {
        let flight = Flight::begin(self).await?;
        let account = &flight.account;
        self.show(account, |status| {
            status.phase = Phase::Syncing;
            (status.pulled, status.conflicts) = (0, 0);
        })
        .await?;
        let done = self.rounds(account, transport).await;
        let phase = match &done {
            Ok(_) => Phase::Idle,
            Err(error) => match error.kind() {
                ErrorKind::Offline | ErrorKind::Unavailable => Phase::Offline,
                ErrorKind::NeedsSignIn | ErrorKind::NoAccount => Phase::NeedsSignIn,
                ErrorKind::Erased => Phase::Erased,
                kind => Phase::Failed(kind),
            },
        };
        self.show(account, |status| status.phase = phase).await?;
        done
    }

    async fn rounds(&self, account: &UserId, transport: &dyn Transport) -> Result<Summary> {
        let mut summary = Summary::default();
        let (mut mismatches, mut n_empty) = (0, 0);
        // Why a reply of this sync could not be stored.
        let mut full: Option<Error> = None;
        loop {
            let outgoing = match full.take() {
                None => self.begin().await?,
                Some(why) => match self.begin_rest().await? {
                    Some(rest) => {
                        full = Some(why);
                        rest
                    }
                    None => return Err(why),
                },
            };
            // Another account may have been signed in meanwhile.
            if outgoing.account != *account {
                return Err(Error::new("sync", ErrorKind::NoAccount));
            }
            summary.rounds += 1;
            let progress = match transport.sync(&outgoing.account, outgoing.body.clone()).await {
                Ok(body) => match self.finish(&outgoing, &body).await {
                    Err(why) if why.kind() == ErrorKind::NoSpace => {
                        self.note_answered(&outgoing).await?;
                        full = Some(why);
                        continue;
                    }
                    done => done?,
                },
                Err(error) => self.failed(&outgoing, error).await?,
            };
            summary.pulled += progress.pulled;
            summary.conflicts += progress.conflicts;
            if progress.pulled != 0 || progress.conflicts != 0 {
                self.show(account, |status| {
                    status.pulled = summary.pulled;
                    status.conflicts = summary.conflicts;
                })
                .await?;
            }
            mismatches += usize::from(progress.mismatch);
            // One mismatch may be a lost page of an earlier life. Two in a row are a mistake.
            if 1 < mismatches {
                return Err(Error::new("compare", ErrorKind::Protocol));
            }
            if !progress.more && full.is_none() {
                return Ok(summary);
            }
            let is_empty = progress.pulled == 0 && progress.settled == 0;
            n_empty = if is_empty { n_empty + 1 } else { 0 };
            // A server that always has more must not keep a device busy for ever.
            if PULLED < summary.pulled || EMPTY_ROUNDS < n_empty {
                let why = "the server always has more";
                return Err(Error::new("sync", ErrorKind::Protocol).caused_by(why));
            }
        }
    }

    async fn failed(&self, outgoing: &Outgoing, error: Error) -> Result<Progress> {
        let again = match error.kind() {
            ErrorKind::TooLarge => self.note_too_large(outgoing, &error).await?,
            ErrorKind::Erased => {
                self.note_erased(outgoing).await?;
                false
            }
            _ => false,
        };
        if again { Ok(Progress { more: true, ..Progress::default() }) } else { Err(error) }
    }

    /// Changes the status, if it is still that of this account.
    async fn show(&self, account: &UserId, change: impl FnOnce(&mut Status)) -> Result<()> {
        let mut inner = self.lock().await;
        match &inner.account {
            Some(current) if current == account => self.publish(&mut inner, change).await,
            _ => Ok(()),
        }
    }
}

const USER_RECORDS: usize = limits::USER_RECORDS as usize;
/// LIMIT: how many round trips in a row may bring and settle nothing. A page may be empty if all of
/// it is this device's own. A user has at most this many pages of records.
const EMPTY_ROUNDS: usize = USER_RECORDS / limits::PAGE_RECORDS + 100;
/// LIMIT: how many records one sync receives: five times as many as a user can have.
const PULLED: usize = 5 * USER_RECORDS;

/// The one sync that is under way. It also ends if it is dropped.
struct Flight<'a> {
    replica: &'a Replica,
    account: UserId,
}

impl<'a> Flight<'a> {
    async fn begin(replica: &'a Replica) -> Result<Self> {
        let account = replica.account("sync").await?;
        if replica.is_syncing.swap(true, Ordering::AcqRel) {
            return Err(Error::new("sync", ErrorKind::Busy));
        }
        Ok(Self { replica, account })
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.replica.is_syncing.store(false, Ordering::Release);
    }
}
