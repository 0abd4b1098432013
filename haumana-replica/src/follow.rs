//! Follows other devices: syncs at each poke of the server, and from time to time without pokes.
//!
//! Following is a loop around [`Replica::sync`]. It only decides when to call it. An app may do the
//! same by hand.

use crate::error::{Error, ErrorKind, Result};
use crate::feed::{Cause, Change};
use crate::replica::Replica;
use crate::retry::{Backoff, Sleep};
use crate::status::Following;
use crate::transport::{Heard, LiveFeed, Transport};
use haumana_sync::id::UserId;
use std::pin::{Pin, pin};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// How quickly a device follows if no server pokes it. [`Pace::usual`] makes one; then set the
/// fields that differ.
///
/// With shorter times, edits arrive sooner when there is no live feed, but each sync costs a
/// request. A sync that finds nothing new is cheap: the server reads one item for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// How often it syncs while no server pokes it. Usually a minute.
    pub poll: Duration,
    /// How often it syncs although the server pokes it, since a poke may be lost. Usually 15
    /// minutes.
    pub check: Duration,
    /// How long a live feed may be silent, and how long connecting may take. Usually 65 seconds. A
    /// server of this project sends something twice in that time.
    pub silence: Duration,
    /// How long it waits until it asks again for a feed that the server does not have. Usually 15
    /// minutes.
    pub no_feed: Duration,
    /// How long it waits before it connects again, and before it syncs again after a failure. The
    /// field `tries` is not used. Usually a random time below 2 seconds at first, and 5 minutes at
    /// most.
    pub backoff: Backoff,
}

impl Pace {
    /// The usual times: a poll each minute, a check each 15 minutes, and the others as their fields
    /// say.
    ///
    /// An idle device with a connection then syncs four times an hour.
    pub fn usual() -> Self {
        let quarter = Duration::from_secs(15 * 60);
        let mut backoff = Backoff::usual();
        backoff.first = Duration::from_secs(2);
        let (poll, silence) = (Duration::from_secs(60), Duration::from_secs(65));
        Self { poll, check: quarter, silence, no_feed: quarter, backoff }
    }
}

/// LIMIT: the first pause between syncs that pokes cause and that bring nothing. Each pause is
/// twice as long as the one before. So a server that pokes for nothing causes about one sync a
/// second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Replica {
    /// As [`Replica::follow_with`], at the usual pace, with tokio's timers. It must run on tokio.
    ///
    /// # Errors
    ///
    /// As [`Replica::follow_with`].
    #[cfg(feature = "http")]
    pub async fn follow(&self, transport: &dyn Transport) -> Result<()> {
        self.follow_with(transport, Pace::usual(), &TokioSleep).await
    }

    /// Keeps this device and the server equal until the account is signed out. It syncs at once.
    /// Then it syncs whenever the server says that another device has changed something, whenever
    /// something is edited here, and from time to time. [`Replica::changes`] says what came, and
    /// [`Replica::watch`] shows the state.
    ///
    /// After a failure that passes, it waits and tries again. The pauses grow and are random, so
    /// that devices which lost the connection together do not return together. A full disk counts
    /// as such a failure: pending edits are sent, and the rest continues once there is space.
    ///
    /// It returns `Ok` when the account is not signed in any more. It may be dropped at any time.
    /// Spawn it as a separate task, once for each sign-in:
    ///
    /// ```no_run
    /// # use haumana_replica::{ErrorKind, Replica, transport::HttpTransport};
    /// # use std::sync::Arc;
    /// # fn start(replica: Arc<Replica>, server: HttpTransport) {
    /// tokio::spawn(async move {
    ///     match replica.follow(&server).await {
    ///         Ok(()) => {} // Somebody signed out.
    ///         Err(error) if error.kind() == ErrorKind::NeedsSignIn => {} // Ask them to sign in.
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`] if nobody is signed in, [`ErrorKind::Busy`] if this account is
    /// followed already. [`ErrorKind::NeedsSignIn`], [`ErrorKind::Erased`] and
    /// [`ErrorKind::Storage`]: a person must act, and then it can begin again.
    pub async fn follow_with(
        &self,
        transport: &dyn Transport,
        pace: Pace,
        sleep: &dyn Sleep,
    ) -> Result<()> {
        let changes = self.feed.subscribe();
        let account = self.account("follow").await?;
        let _mark = Mark::set(self, &account).await?;
        let follower = Follower {
            replica: self,
            transport,
            pace,
            sleep,
            account,
            changes,
            poll: sleep.sleep(pace.poll),
            heard: None,
            synced: None,
            failures: 0,
            is_due: false,
        };
        match follower.run().await {
            Err(Stop::Failed(error)) => Err(error),
            Ok(()) | Err(Stop::SignedOut) => Ok(()),
        }
    }
}

/// Marks that an account is followed, until it is dropped.
struct Mark<'a> {
    replica: &'a Replica,
    _following: MutexGuard<'a, ()>,
}

impl<'a> Mark<'a> {
    /// Waits for a follower of another account. It ends when it learns that the account has
    /// changed.
    async fn set(replica: &'a Replica, account: &UserId) -> Result<Self> {
        let followed = || replica.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let following = match replica.following.try_lock() {
            Ok(following) => following,
            Err(_) if followed().as_ref() == Some(account) => {
                return Err(Error::new("follow", ErrorKind::Busy));
            }
            Err(_) => replica.following.lock().await,
        };
        *followed() = Some(account.clone());
        Ok(Self { replica, _following: following })
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.replica.show_following(Following::Not);
    }
}

/// Why following ends.
enum Stop {
    SignedOut,
    Failed(Error),
}

type Followed<T> = std::result::Result<T, Stop>;

/// The outcome of a sync.
enum Synced {
    /// This many records.
    Pulled(usize),
    /// A failure that passes. The next sync is due after this time.
    Failed(Duration),
}

#[cfg(not(target_arch = "wasm32"))]
type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
#[cfg(target_arch = "wasm32")]
type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

struct Follower<'a> {
    replica: &'a Replica,
    transport: &'a dyn Transport,
    pace: Pace,
    sleep: &'a dyn Sleep,
    account: UserId,
    changes: Receiver<Change>,
    /// Ends when the next poll is due, if no feed has sent anything. Connecting does not postpone
    /// it, however often it happens.
    poll: Waiting<'a>,
    /// The latest revision that the server has sent.
    heard: Option<u64>,
    /// The latest revision that the server had sent when the last successful sync began.
    synced: Option<u64>,
    /// How often in a row following the server has failed.
    failures: u32,
    /// Whether something was edited, or a sync failed, since the last successful sync.
    is_due: bool,
}

impl<'a> Follower<'a> {
    async fn run(mut self) -> Followed<()> {
        self.sync_unconnected().await?;
        loop {
            let wait = match self.connect().await? {
                Ok(Some(feed)) => {
                    let why = self.listen(feed).await?;
                    self.pause_after(&why)
                }
                Ok(None) => self.pace.no_feed,
                Err(error) => self.pause_after(&error),
            };
            self.poll_for(wait).await?;
        }
    }

    fn pause_after(&mut self, error: &Error) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let asked = error.retry_after_secs().map(Duration::from_secs);
        self.pace.backoff.wait(self.failures, asked, self.replica.random.next_u64())
    }

    async fn connect(&mut self) -> Followed<Result<Option<Box<dyn LiveFeed>>>> {
        let (transport, account) = (self.transport, self.account.clone());
        let mut connecting = transport.live(&account, self.synced);
        let mut late = self.sleep.sleep(self.pace.silence);
        loop {
            tokio::select! {
                biased;
                change = self.changes.recv() => self.is_due |= self.is_edit(change).await?,
                connected = &mut connecting => return match connected {
                    Err(error) => stays(error).map(Err),
                    connected => Ok(connected),
                },
                () = &mut late => return Ok(Err(Error::new("live", ErrorKind::Offline))),
                () = &mut self.poll => self.sync_unconnected().await?,
            }
        }
    }

    /// Follows a feed until it ends; returns why it did.
    async fn listen(&mut self, mut feed: Box<dyn LiveFeed>) -> Followed<Error> {
        let mut silence = self.sleep.sleep(self.pace.silence);
        let mut check = self.sleep.sleep(self.pace.check);
        let mut pause: Option<Waiting<'a>> = None;
        let (mut is_live, mut n_vain, mut n_failed) = (false, 0, 0);
        loop {
            if self.is_due && pause.is_none() {
                let synced = self.sync(n_failed).await?;
                if !is_live {
                    self.show_unconnected(&synced);
                }
                let wait = match synced {
                    Synced::Pulled(pulled) => {
                        n_failed = 0;
                        n_vain = if pulled == 0 { n_vain + 1 } else { 0 };
                        pause_of(n_vain)
                    }
                    Synced::Failed(wait) => {
                        n_failed += 1;
                        wait
                    }
                };
                pause = (!wait.is_zero()).then(|| self.sleep.sleep(wait));
            }
            tokio::select! {
                biased;
                change = self.changes.recv() => self.is_due |= self.is_edit(change).await?,
                heard = feed.next() => {
                    match heard {
                        Ok(Heard::Revision(revision)) => {
                            self.heard = Some(revision);
                            self.is_due = true;
                        }
                        Ok(Heard::Alive) => {}
                        Err(error) => return stays(error),
                    }
                    (self.failures, is_live) = (0, true);
                    self.replica.show_following(Following::Live);
                    silence = self.sleep.sleep(self.pace.silence);
                }
                () = wait_for(&mut pause) => pause = None,
                () = &mut self.poll, if !is_live => {
                    self.is_due = true;
                    self.poll = self.sleep.sleep(self.pace.poll);
                }
                () = &mut check => {
                    self.is_due = true;
                    check = self.sleep.sleep(self.pace.check);
                }
                () = &mut silence => {
                    let error = Error::new("live", ErrorKind::Offline);
                    return Ok(error.caused_by("the feed has fallen silent"));
                }
            }
        }
    }

    /// Syncs from time to time, for the duration `wait`.
    async fn poll_for(&mut self, wait: Duration) -> Followed<()> {
        let mut over = self.sleep.sleep(wait);
        loop {
            let is_due = tokio::select! {
                biased;
                change = self.changes.recv() => self.is_edit(change).await?,
                () = &mut self.poll => true,
                () = &mut over => return Ok(()),
            };
            if is_due {
                self.sync_unconnected().await?;
            }
        }
    }

    async fn sync_unconnected(&mut self) -> Followed<()> {
        let synced = self.sync(0).await?;
        self.show_unconnected(&synced);
        Ok(())
    }

    fn show_unconnected(&self, synced: &Synced) {
        self.replica.show_following(match synced {
            Synced::Pulled(_) => Following::Polling,
            Synced::Failed(_) => Following::Offline,
        });
    }

    async fn sync(&mut self, n_failed: u32) -> Followed<Synced> {
        let heard = self.heard;
        self.is_due = false;
        let (replica, transport) = (self.replica, self.transport);
        let mut syncing = pin!(replica.sync(transport));
        let synced = loop {
            tokio::select! {
                biased;
                synced = &mut syncing => break synced,
                // A person who signs out does not wait for a server that does not answer.
                change = self.changes.recv() => self.is_due |= self.is_edit(change).await?,
            }
        };
        self.poll = self.sleep.sleep(self.pace.poll);
        match synced {
            Ok(summary) => {
                self.synced = heard;
                Ok(Synced::Pulled(summary.pulled))
            }
            Err(error) => {
                self.is_due = true;
                let asked = error.retry_after_secs().map(Duration::from_secs);
                stays(error)?;
                let random = self.replica.random.next_u64();
                Ok(Synced::Failed(self.pace.backoff.wait(n_failed + 1, asked, random)))
            }
        }
    }

    /// Whether a change is an edit on this device, which must be sent.
    async fn is_edit(&mut self, change: std::result::Result<Change, RecvError>) -> Followed<bool> {
        match change {
            Ok(change) if change.cause != Cause::Account => Ok(change.cause == Cause::Edit),
            // Another account, or changes that were missed; the account may have changed, too.
            _ => match self.replica.account("follow").await {
                Ok(account) if account == self.account => Ok(true),
                _ => Err(Stop::SignedOut),
            },
        }
    }
}

/// Returns an error that may pass. Ends with any other error.
fn stays(error: Error) -> Followed<Error> {
    match error.kind() {
        ErrorKind::NoAccount => Err(Stop::SignedOut),
        ErrorKind::NeedsSignIn | ErrorKind::Erased | ErrorKind::Storage => Err(Stop::Failed(error)),
        _ => Ok(error),
    }
}

/// How long to wait after `n_vain` syncs in a row that brought nothing.
fn pause_of(n_vain: u32) -> Duration {
    match n_vain {
        0 => Duration::ZERO,
        n => FIRST_PAUSE.saturating_mul(1 << (n - 1).min(10)).min(LONGEST_PAUSE),
    }
}

async fn wait_for(pause: &mut Option<Waiting<'_>>) {
    match pause {
        Some(pause) => pause.await,
        None => std::future::pending().await,
    }
}

/// The timers of tokio.
#[cfg(feature = "http")]
#[derive(Clone, Copy, Debug)]
struct TokioSleep;

#[cfg(feature = "http")]
#[cfg_attr(not(target_arch = "wasm32"), async_trait::async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait::async_trait(?Send))]
impl Sleep for TokioSleep {
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}
