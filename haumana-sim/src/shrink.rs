//! Reduces a history that fails to the smallest one found that fails too, with its story.
//!
//! A history of fifty events is too long to read. Most of its events have nothing to do with the
//! failure.
//!
//! 1. It looks for the shortest beginning that fails, from zero events up.
//! 2. It leaves out blocks of 8, 4, 2 and 1 events, from the end, as long as the history still
//!    fails. This is repeated until no event can be left out.
//!
//! Each try is a whole run on a new backend. The failure at the end need not be the first one, but
//! it is of the same seed.

use super::history::{Failure, History, Plan, play};
use super::profile::Profile;
use super::world::{Backend, Tally};
use std::convert::Infallible;

/// Looks for the smallest history of a seed that fails: first the fewest events from the beginning,
/// then without each event that is not needed. Returns it with its story; `None` if the seed does
/// not fail.
///
/// `make` opens a backend without records of the model's users, a new one for each try.
///
/// Each try costs a run, so do it in memory if possible.
///
/// # Errors
///
/// If a backend cannot be opened.
pub async fn shrink<E>(
    profile: Profile,
    seed: u64,
    make: impl AsyncFn() -> Result<Box<dyn Backend>, E>,
) -> Result<Option<(History, Failure)>, E> {
    let mut chance = Vec::new();
    let mut history = History::of(seed);
    let plan = Plan { record: Some(&mut chance), follow: &[] };
    let first = play(profile, &history, plan, &mut *make().await?, false).await;
    let Err(failure) = first else { return Ok(None) };
    let fails = async |history: &History| {
        let plan = Plan { record: None, follow: &chance };
        Ok::<_, E>(play(profile, history, plan, &mut *make().await?, false).await.is_err())
    };
    history.events = failure.events;
    for events in 0..failure.events {
        let shorter = History { events, ..history.clone() };
        if fails(&shorter).await? {
            history = shorter;
            break;
        }
    }
    // An event may need what another one made possible, so this is repeated until no event can go.
    loop {
        let before = history.len();
        for size in [8, 4, 2, 1] {
            let mut end = history.events;
            while 0 < end {
                let start = end.saturating_sub(size);
                let mut smaller = history.clone();
                smaller.without.extend(start..end);
                if smaller.len() < history.len() && fails(&smaller).await? {
                    history = smaller;
                }
                end = start;
            }
        }
        if history.len() == before {
            break;
        }
    }
    let plan = Plan { record: None, follow: &chance };
    let told = play(profile, &history, plan, &mut *make().await?, true).await;
    Ok(Some((history, told.err().unwrap_or(failure))))
}

/// Makes the run of a history with events left out. The inner result is that of the run: the first
/// violation, or the counts of what happened.
///
/// The whole history runs first, to know the state of chance before each event.
///
/// # Errors
///
/// If a backend cannot be opened.
pub async fn repeat<E>(
    profile: Profile,
    history: &History,
    make: impl AsyncFn() -> Result<Box<dyn Backend>, E>,
) -> Result<Result<Tally, Failure>, E> {
    let mut chance = Vec::new();
    let plan = Plan { record: Some(&mut chance), follow: &[] };
    let whole = History::of(history.seed);
    // Its result does not matter, only the state of chance.
    play(profile, &whole, plan, &mut *make().await?, false).await.ok();
    let plan = Plan { record: None, follow: &chance };
    Ok(play(profile, history, plan, &mut *make().await?, true).await)
}

/// Makes the run of `seed`. If it fails, looks for the smallest history that fails and prints its
/// story.
///
/// `make` opens a backend without records of the model's users, a new one for each try. It is
/// awaited on the caller's runtime. `repeat` is the command that makes these runs again.
///
/// ```
/// use haumana_sim::{Backend, check, profile};
/// use haumana_sync::store::MemoryStore;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// for seed in haumana_sim::seeds(2) {
///     let open = async || {
///         // Yours is opened here, asynchronously.
///         Box::new(Arc::new(MemoryStore::new())) as Box<dyn Backend>
///     };
///     check(profile::EVERYDAY, seed, open, "cargo test model").await;
/// }
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// If the run fails, with the seed, the command that repeats it, and what happened to the piece.
pub async fn check(
    profile: Profile,
    seed: u64,
    make: impl AsyncFn() -> Box<dyn Backend>,
    repeat: &str,
) -> Tally {
    let whole = History::of(seed);
    let first = play(profile, &whole, Plan::default(), &mut *make().await, false).await;
    let failure = match first {
        Ok(tally) => return tally,
        Err(failure) => failure,
    };
    let Ok(smallest) = shrink(profile, seed, async || Ok::<_, Infallible>(make().await)).await;
    let failure = smallest.map_or(failure, |(_, failure)| failure);
    panic!(
        "\n{}\n\n{} {:?}: {}\n\nHAUMANA_SIM_SEED={seed} {repeat}\n",
        failure.trace.join("\n"),
        profile.name,
        failure.violation.piece,
        failure.violation.text,
    );
}
