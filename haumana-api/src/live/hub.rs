//! The channels: one for each account with a connected device.
//!
//! The channels are under one mutex, which is held for a few instructions and never across an
//! await. A channel is a `tokio::sync::watch`: it holds the latest news alone, so nothing grows
//! when nobody listens.
//!
//! Three things may go wrong with pokes, and each costs no more than a sync:
//!
//! - One is lost, because a database connection broke. Then the source calls `ask_again`, and the
//!   hub looks at the heads itself.
//! - One comes twice. Then devices find nothing new.
//! - One comes late. Then the greater revision stays.

use super::LiveLimits;
use crate::error::Failure;
use haumana_sync::Engine;
use haumana_sync::id::UserId;
use haumana_sync::live::{Hearer, Pokes, Topic};
use haumana_sync::store::Revision;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// What a channel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The latest revision that is known. 0: none is known yet.
    Revision(u64),
    /// The host stops.
    ///
    /// Nothing comes after it. Clients connect again, perhaps to another server.
    Over,
}

impl News {
    /// Takes in a revision that is known now. After `Over` it changes nothing.
    ///
    /// The greater of the two revisions stays: pokes may come out of order.
    fn know(&mut self, revision: u64) {
        if let Self::Revision(known) = self {
            *known = revision.max(*known);
        }
    }
}

/// All channels.
pub(super) struct Hub {
    /// The source of pokes. It also makes the topic of a user, under which pokes come.
    pokes: Arc<dyn Pokes>,
    /// Only heads are read from it, never records.
    engine: Arc<Engine>,
    limits: LiveLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channels: HashMap<Topic, Channel>,
    n_seats: usize,
    /// Set once. From then on no seat is given.
    is_closed: bool,
}

struct Channel {
    /// Kept to ask for the head again. It never leaves the process.
    user: UserId,
    /// At 0 the channel is removed.
    n_seats: usize,
    news: watch::Sender<News>,
}

impl Channel {
    /// Wakes every seat, even if the channel knows the revision: a commit may have failed after its
    /// poke, and the next commit has the same revision.
    fn poke(&self, revision: u64) {
        self.news.send_modify(|news| news.know(revision));
    }
}

impl fmt::Debug for Hub {
    /// Shows no topics and no users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_seats = self.n_connected();
        f.debug_struct("Hub").field("n_seats", &n_seats).finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn new(pokes: Arc<dyn Pokes>, engine: Arc<Engine>, limits: LiveLimits) -> Self {
        Self { pokes, engine, limits, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limits(&self) -> &LiveLimits {
        &self.limits
    }

    pub(super) fn n_connected(&self) -> usize {
        self.state().n_seats
    }

    /// Every stream and long poll ends at once. Seats are still given back one by one, as their
    /// connections end.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        for channel in state.channels.values() {
            channel.news.send_replace(News::Over);
        }
    }

    /// # Errors
    ///
    /// - 503 `stopping`: the host ends.
    /// - 503 `live`: all places are taken.
    /// - 429 `live`: the account has all of its places.
    pub(super) fn seat(self: &Arc<Self>, user: &UserId) -> Result<Seat, Failure> {
        let topic = self.pokes.topic(user);
        let mut state = self.state();
        if state.is_closed {
            return Err(Failure::Overloaded("stopping"));
        }
        if self.limits.in_all <= state.n_seats {
            return Err(Failure::Overloaded("live"));
        }
        let of_account = state.channels.get(&topic).map_or(0, |channel| channel.n_seats);
        if self.limits.of_account <= of_account {
            return Err(Failure::Busy("live"));
        }
        state.n_seats += 1;
        let channel = state.channels.entry(topic).or_insert_with(|| Channel {
            user: user.clone(),
            n_seats: 0,
            news: watch::Sender::new(News::Revision(0)),
        });
        channel.n_seats += 1;
        Ok(Seat { hub: Arc::clone(self), topic, news: channel.news.subscribe() })
    }

    /// Looks at each account that somebody follows, and pokes those that have changed.
    ///
    /// A source calls this if it was cut off and may have missed pokes. The accounts are looked at
    /// one after the other, so that a reconnect does not become a burst of reads.
    async fn look_again(&self) {
        let followed: Vec<(Topic, UserId)> = {
            let state = self.state();
            state.channels.iter().map(|(topic, channel)| (*topic, channel.user.clone())).collect()
        };
        for (topic, user) in followed {
            // If the head cannot be read, the devices are poked all the same: that costs one sync.
            let revision = revision(&self.engine, &user).await.ok();
            if let Some(channel) = self.state().channels.get(&topic) {
                let is_new = match (revision, *channel.news.borrow()) {
                    (Some(revision), News::Revision(known)) => known < revision,
                    _ => true,
                };
                if is_new {
                    channel.poke(revision.unwrap_or_default());
                }
            }
        }
    }
}

/// The revision of an account; 0 if nothing was ever committed.
pub(crate) async fn revision(engine: &Engine, user: &UserId) -> haumana_sync::engine::Result<u64> {
    Ok(engine.store().head(user).await?.map_or(0, |head| head.revision.0))
}

/// The view that a source of pokes has of a hub.
///
/// It is weak, because the source of pokes is usually the store, and the hub holds the engine,
/// which holds the store. A strong reference would be a cycle that is never freed.
#[derive(Debug)]
pub(super) struct Ear(pub(super) Weak<Hub>);

#[async_trait::async_trait]
impl Hearer for Ear {
    fn poke(&self, topic: Topic, revision: Revision) {
        let Some(hub) = self.0.upgrade() else { return };
        if let Some(channel) = hub.state().channels.get(&topic) {
            channel.poke(revision.0);
        }
    }

    async fn ask_again(&self) {
        if let Some(hub) = self.0.upgrade() {
            hub.look_again().await;
        }
    }
}

/// The place of one connected device, given back when dropped.
///
/// While any seat of an account exists, so does its channel.
pub(crate) struct Seat {
    hub: Arc<Hub>,
    topic: Topic,
    news: watch::Receiver<News>,
}

impl Seat {
    pub(crate) fn limits(&self) -> &LiveLimits {
        &self.hub.limits
    }

    /// The present revision of its account. [`Seat::next`] returns every later commit.
    pub(crate) async fn revision(&self, user: &UserId) -> haumana_sync::engine::Result<u64> {
        let revision = revision(&self.hub.engine, user).await?;
        self.news_of(revision);
        Ok(revision)
    }

    /// Records a revision in the channel without waking any seat.
    fn news_of(&self, revision: u64) {
        if let Some(channel) = self.hub.state().channels.get(&self.topic) {
            channel.news.send_if_modified(|news| {
                news.know(revision);
                false
            });
        }
    }

    /// Waits for news.
    ///
    /// If news came before the call, it returns the latest at once.
    ///
    /// # Cancellation
    ///
    /// Safe: news that was not returned is returned by the next call.
    pub(crate) async fn next(&mut self) -> News {
        match self.news.changed().await {
            Ok(()) => *self.news.borrow_and_update(),
            // The channel is there as long as a seat is.
            Err(_) => News::Over,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        state.n_seats -= 1;
        let is_last = state.channels.get_mut(&self.topic).is_none_or(|channel| {
            channel.n_seats -= 1;
            channel.n_seats == 0
        });
        if is_last {
            state.channels.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Live;
    use super::*;
    use haumana_sync::conformance::sample::{next_batch, user};
    use haumana_sync::conformance::{SeededRandom, SetClock};
    use haumana_sync::engine::EngineConfig;
    use haumana_sync::store::{Generation, MemoryStore, Store};
    use haumana_sync::time::UnixMillis;

    /// A source whose pokes are all lost.
    #[derive(Debug)]
    struct Deaf(Mutex<Option<Arc<dyn Hearer>>>);

    impl Pokes for Deaf {
        fn topic(&self, user: &UserId) -> Topic {
            Topic::of(b"", user)
        }

        fn tell(&self, hearer: Arc<dyn Hearer>) {
            *self.0.lock().unwrap() = Some(hearer);
        }
    }

    fn live(store: &Arc<MemoryStore>) -> (Live, Arc<dyn Hearer>) {
        let (clock, random) = (SetClock::at(UnixMillis(0)), SeededRandom::new(1));
        let config = EngineConfig::new(Generation(0));
        let engine = Engine::new(store.clone(), Arc::new(clock), Arc::new(random), config);
        let deaf = Arc::new(Deaf(Mutex::default()));
        let live = Live::new(deaf.clone(), Arc::new(engine), LiveLimits::usual());
        let hearer = deaf.0.lock().unwrap().clone().unwrap();
        (live, hearer)
    }

    #[tokio::test]
    async fn where_pokes_may_be_missed_those_accounts_are_told_of_that_have_changed() {
        let store = Arc::new(MemoryStore::new());
        let (live, hearer) = live(&store);
        let (kai, noe) = (user("kai"), user("noe"));
        let (mut of_kai, mut of_noe) = (live.seat(&kai).unwrap(), live.seat(&noe).unwrap());
        of_kai.revision(&kai).await.unwrap();
        of_noe.revision(&noe).await.unwrap();
        let batch = next_batch(None, Vec::new(), Vec::new());
        store.commit(&kai, None, &batch).await.unwrap();

        hearer.ask_again().await;

        let revision = batch.head.revision.0;
        assert_eq!(News::Revision(revision), of_kai.next().await);
        let of_noe = futures_util::FutureExt::now_or_never(of_noe.next());
        assert_eq!(None, of_noe, "nothing has changed there");
    }

    #[tokio::test]
    async fn a_poke_that_comes_twice_is_told_twice_and_a_late_one_takes_nothing_back() {
        let (live, hearer) = live(&Arc::new(MemoryStore::new()));
        let kai = user("kai");
        let topic = Topic::of(b"", &kai);
        let mut seat = live.seat(&kai).unwrap();

        // The first commit of a revision may have failed after its poke.
        for (revision, told) in [(5, 5), (5, 5), (3, 5), (6, 6)] {
            hearer.poke(topic, Revision(revision));
            assert_eq!(News::Revision(told), seat.next().await);
        }
    }

    #[tokio::test]
    async fn nothing_is_kept_of_accounts_that_nobody_follows() {
        let (live, hearer) = live(&Arc::new(MemoryStore::new()));
        let kai = user("kai");
        let seats = [live.seat(&kai).unwrap(), live.seat(&kai).unwrap()];
        assert_eq!((2, 1), (live.n_connected(), live.0.state().channels.len()));

        drop(seats);
        hearer.poke(Topic::of(b"", &kai), Revision(1));

        assert_eq!((0, 0), (live.n_connected(), live.0.state().channels.len()));
    }

    #[tokio::test]
    async fn the_source_of_pokes_keeps_no_host_alive() {
        let store = Arc::new(MemoryStore::new());
        let (live, hearer) = live(&store);

        drop(live);
        hearer.ask_again().await;

        assert_eq!(1, Arc::strong_count(&store), "the engine is gone");
    }
}
