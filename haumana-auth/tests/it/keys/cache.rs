//! The key cache, with a clock of ours and a fetcher that waits until told to go on.

use super::Still;
use super::server::set;
use crate::tokens::{KAI, UKA};
use futures_util::future::join_all;
use haumana_auth::verify::KeySetError;
use haumana_auth::{Fetch, FetchError, Fetched, KeyCache, KeysUnavailable};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

type Script = Result<Fetched, FetchError>;

/// A fetcher that answers as it is told.
#[derive(Debug)]
struct Scripted {
    next: Mutex<Script>,
    n_fetched: AtomicUsize,
    /// A fetch takes one of these before it answers.
    gate: Semaphore,
}

#[async_trait::async_trait]
impl Fetch for Scripted {
    async fn fetch(&self) -> Script {
        self.n_fetched.fetch_add(1, Ordering::Relaxed);
        self.gate.acquire().await.unwrap().forget();
        self.next.lock().unwrap().clone()
    }
}

struct World {
    fetch: Arc<Scripted>,
    clock: Arc<Still>,
    cache: Arc<KeyCache>,
}

fn fresh_for(jwks: &[&str], fresh_for_secs: Option<i64>) -> Script {
    Ok(Fetched { body: set(jwks).into_bytes(), fresh_for_secs })
}

fn hour(jwks: &[&str]) -> Script {
    fresh_for(jwks, Some(3600))
}

const DOWN: Script = Err(FetchError::Connection);

/// A fetcher with a mistake in it: the first fetch panics, the others answer.
#[derive(Debug)]
struct PanicsOnce {
    n_fetched: AtomicUsize,
    then: Script,
}

#[async_trait::async_trait]
impl Fetch for PanicsOnce {
    async fn fetch(&self) -> Script {
        // Those who wait are there before it happens.
        tokio::task::yield_now().await;
        let n_before = self.n_fetched.fetch_add(1, Ordering::Relaxed);
        assert_ne!(0, n_before, "the fetcher panics, as told");
        self.then.clone()
    }
}

impl World {
    /// A cache whose fetches answer at once.
    fn new(first: Script) -> Self {
        Self::with_gate(first, Semaphore::MAX_PERMITS)
    }

    fn with_gate(first: Script, permits: usize) -> Self {
        let fetch = Arc::new(Scripted {
            next: Mutex::new(first),
            n_fetched: AtomicUsize::new(0),
            gate: Semaphore::new(permits),
        });
        let clock = Arc::new(Still::at(1_750_000_000));
        let cache = Arc::new(KeyCache::new(fetch.clone(), clock.clone()));
        Self { fetch, clock, cache }
    }

    fn publishes(&self, script: Script) {
        *self.fetch.next.lock().unwrap() = script;
    }

    fn n_fetched(&self) -> usize {
        self.fetch.n_fetched.load(Ordering::Relaxed)
    }

    /// Whether a key can be had: yes, no, or nobody knows.
    async fn has(&self, id: &str) -> Result<bool, KeysUnavailable> {
        self.cache.keys_for(id).await.map(|keys| keys.has(id))
    }

    async fn check(&self, id: &str, expected: Result<bool, KeysUnavailable>, n_fetched: usize) {
        assert_eq!((expected, n_fetched), (self.has(id).await, self.n_fetched()), "{id}");
    }
}

const YES: Result<bool, KeysUnavailable> = Ok(true);
const NO: Result<bool, KeysUnavailable> = Ok(false);
const NOBODY_KNOWS: Result<bool, KeysUnavailable> = Err(KeysUnavailable);

#[tokio::test]
async fn keys_are_fetched_once_and_then_at_hand() {
    let world = World::new(hour(&[&KAI.jwk(), &UKA.jwk()]));

    assert_eq!(0, world.n_fetched(), "nothing is fetched before somebody asks");
    world.check("kai", YES, 1).await;
    world.check("uka", YES, 1).await;
    world.clock.pass_secs(3599);
    world.check("kai", YES, 1).await;
    world.clock.pass_secs(1);
    world.check("kai", YES, 2).await;
}

#[tokio::test]
async fn keys_are_kept_for_five_minutes_at_least_and_a_day_at_most() {
    for (said, kept) in [
        (None, 300),
        (Some(0), 300),
        (Some(-5), 300),
        (Some(299), 300),
        (Some(301), 301),
        (Some(86_399), 86_399),
        (Some(86_401), 86_400),
        (Some(i64::MAX), 86_400),
    ] {
        let world = World::new(fresh_for(&[&KAI.jwk()], said));
        world.has("kai").await.unwrap();

        world.clock.pass_secs(kept - 1);
        world.check("kai", YES, 1).await;
        world.clock.pass_secs(1);
        world.check("kai", YES, 2).await;
    }
}

#[tokio::test]
async fn a_hundred_first_requests_cause_one_fetch() {
    let world = World::with_gate(hour(&[&KAI.jwk()]), 0);
    let asking = join_all((0..100).map(|_| world.has("kai")));

    let gate = async {
        tokio::task::yield_now().await;
        assert_eq!(1, world.n_fetched());
        world.fetch.gate.add_permits(100);
    };
    let (answers, ()) = tokio::join!(asking, gate);

    assert!(answers.iter().all(|answer| *answer == YES), "everybody is served");
    assert_eq!(1, world.n_fetched());
}

#[tokio::test]
async fn a_hundred_first_requests_while_nobody_answers_cause_one_fetch_too() {
    let world = World::with_gate(DOWN, 0);
    let asking = join_all((0..100).map(|_| world.has("kai")));

    let gate = async {
        tokio::task::yield_now().await;
        world.fetch.gate.add_permits(100);
    };
    let (answers, ()) = tokio::join!(asking, gate);

    assert!(answers.iter().all(|answer| *answer == NOBODY_KNOWS));
    assert_eq!(1, world.n_fetched());
}

#[tokio::test]
async fn the_one_who_asked_may_go_and_the_others_are_served() {
    let world = World::with_gate(hour(&[&KAI.jwk()]), 0);
    let ask = || {
        tokio::spawn({
            let cache = world.cache.clone();
            async move { cache.keys_for("kai").await.map(|keys| keys.has("kai")) }
        })
    };
    let leader = ask();
    tokio::task::yield_now().await;
    let waiting = [ask(), ask()];
    tokio::task::yield_now().await;

    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    world.fetch.gate.add_permits(1);

    for waiter in waiting {
        assert_eq!(YES, waiter.await.unwrap());
    }
    assert_eq!(1, world.n_fetched(), "the fetch of the one who left was not in vain");
}

#[tokio::test]
async fn a_fetch_that_everybody_left_is_taken_up_by_the_next() {
    let world = World::with_gate(hour(&[&KAI.jwk()]), 0);
    for _ in 0..3 {
        let left = tokio::time::timeout(std::time::Duration::ZERO, world.has("kai")).await;
        assert!(left.is_err(), "nobody waited for the answer");
    }

    world.fetch.gate.add_permits(1);

    world.check("kai", YES, 1).await;
}

#[tokio::test]
async fn a_fetch_that_everybody_left_long_ago_is_started_anew() {
    let world = World::with_gate(hour(&[&KAI.jwk()]), 0);
    let left = tokio::time::timeout(std::time::Duration::ZERO, world.has("kai")).await;
    assert!(left.is_err());

    world.clock.pass_secs(10);
    world.fetch.gate.add_permits(10);

    world.check("kai", YES, 2).await;
}

#[tokio::test]
async fn a_flood_of_unknown_ids_causes_one_fetch_in_ten_seconds() {
    let world = World::new(hour(&[&KAI.jwk()]));
    world.check("kai", YES, 1).await;
    world.clock.pass_secs(60);

    for n in 0..10_000 {
        assert_eq!(NO, world.has(&format!("unknown-{n}")).await);
        if n % 1000 == 999 {
            world.clock.pass_secs(1);
        }
    }

    assert_eq!(2, world.n_fetched(), "ten seconds, one fetch");
    world.check("unknown", NO, 3).await;
    world.check("kai", YES, 3).await;
}

#[tokio::test]
async fn a_flood_while_nobody_answers_causes_one_fetch_in_ten_seconds_too() {
    let world = World::new(DOWN);

    for n in 0..10_000 {
        assert_eq!(NOBODY_KNOWS, world.has(&format!("unknown-{n}")).await);
    }

    assert_eq!(1, world.n_fetched());
    world.clock.pass_secs(9);
    world.check("kai", NOBODY_KNOWS, 1).await;
    world.clock.pass_secs(1);
    world.publishes(hour(&[&KAI.jwk()]));
    world.check("kai", YES, 2).await;
}

#[tokio::test]
async fn a_new_key_is_picked_up_by_the_first_token_that_names_it() {
    let world = World::new(hour(&[&KAI.jwk()]));
    world.check("kai", YES, 1).await;
    world.clock.pass_secs(10);

    world.publishes(hour(&[&KAI.jwk(), &UKA.jwk()]));

    world.check("uka", YES, 2).await;
    world.check("kai", YES, 2).await;
}

#[tokio::test]
async fn a_key_that_was_taken_out_is_refused_from_the_next_fetch_on() {
    let world = World::new(hour(&[&KAI.jwk()]));
    world.check("kai", YES, 1).await;
    world.clock.pass_secs(3600);

    world.publishes(hour(&[&UKA.jwk()]));

    world.check("kai", NO, 2).await;
    world.check("uka", YES, 2).await;
}

#[tokio::test]
async fn a_rotation_that_is_rolled_back_is_followed() {
    let world = World::new(hour(&[&KAI.jwk()]));
    world.check("kai", YES, 1).await;
    world.publishes(hour(&[&UKA.jwk()]));
    world.clock.pass_secs(10);
    world.check("uka", YES, 2).await;

    world.publishes(hour(&[&KAI.jwk()]));
    world.clock.pass_secs(10);

    world.check("kai", YES, 3).await;
    world.clock.pass_secs(10);
    world.check("uka", NO, 4).await;
}

#[tokio::test]
async fn an_outage_of_an_hour_is_survived_and_no_more() {
    let world = World::new(hour(&[&KAI.jwk()]));
    world.check("kai", YES, 1).await;
    world.publishes(DOWN);

    world.clock.pass_secs(3600);
    for minute in 0..60 {
        assert_eq!(YES, world.has("kai").await, "minute {minute}");
        assert_eq!(NOBODY_KNOWS, world.has("uka").await, "perhaps it is a new key");
        world.clock.pass_secs(60);
    }
    assert_eq!(61, world.n_fetched(), "it is asked for again all the time");

    world.check("kai", NOBODY_KNOWS, 62).await;
    world.publishes(hour(&[&KAI.jwk()]));
    world.clock.pass_secs(10);
    world.check("kai", YES, 63).await;
}

#[tokio::test]
async fn whoever_has_stale_keys_does_not_wait_for_another_ones_fetch() {
    let world = World::with_gate(hour(&[&KAI.jwk()]), 1);
    world.check("kai", YES, 1).await;
    world.clock.pass_secs(3600);
    let cache = world.cache.clone();
    let leader = tokio::spawn(async move { cache.keys_for("kai").await.is_ok() });
    tokio::task::yield_now().await;

    world.check("kai", YES, 2).await;

    assert!(!leader.is_finished(), "one waits for what the issuer says");
    world.fetch.gate.add_permits(1);
    assert!(leader.await.unwrap());
}

#[tokio::test]
async fn what_holds_no_keys_replaces_none() {
    let nothing = |body: &str| Ok(Fetched { body: body.into(), fresh_for_secs: Some(3600) });
    for body in ["", "<html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"kai"}]}"#] {
        let world = World::new(hour(&[&KAI.jwk()]));
        world.check("kai", YES, 1).await;
        world.publishes(nothing(body));

        world.clock.pass_secs(10);
        world.check("uka", NOBODY_KNOWS, 2).await;
        world.check("kai", YES, 2).await;

        let world = World::new(nothing(body));
        world.check("kai", NOBODY_KNOWS, 1).await;
    }
    let world = World::new(Err(FetchError::KeySet(KeySetError::TooLarge)));
    world.check("kai", NOBODY_KNOWS, 1).await;
}

#[tokio::test]
async fn a_clock_that_is_put_back_neither_keeps_keys_alive_nor_stops_fetches() {
    let world = World::new(hour(&[&KAI.jwk()]));
    world.check("kai", YES, 1).await;

    world.clock.pass_secs(-86_400);
    world.publishes(hour(&[&UKA.jwk()]));

    world.check("uka", YES, 2).await;
    world.check("kai", NO, 2).await;
}

#[tokio::test]
async fn a_fetcher_that_panics_is_an_outage_and_the_next_fetch_ends_it() {
    let fetch = PanicsOnce { n_fetched: AtomicUsize::new(0), then: hour(&[&KAI.jwk()]) };
    let (fetch, clock) = (Arc::new(fetch), Arc::new(Still::at(1_750_000_000)));
    let cache = KeyCache::new(fetch.clone(), clock.clone());
    let has = async || cache.keys_for("kai").await.map(|keys| keys.has("kai"));

    let first = join_all((0..100).map(|_| has())).await;

    assert!(first.iter().all(|answer| *answer == NOBODY_KNOWS), "nobody hangs and nobody falls");
    assert_eq!(NOBODY_KNOWS, has().await, "within the pause");
    clock.pass_secs(10);
    assert_eq!(YES, has().await);
    assert_eq!(2, fetch.n_fetched.load(Ordering::Relaxed));
}
