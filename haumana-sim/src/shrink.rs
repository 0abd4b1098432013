//! From a history that fails to the smallest one found that fails too, and its story.
//!
//! A history of fifty events is too long to read. Most of its events have nothing to do with the
//! failure.
//!
//! 1. The shortest beginning that fails is looked for, from zero events up.
//! 2. Blocks of 8, 4, 2 and 1 events are left out, from the end, as long as it still fails. This is
//!    repeated until nothing can go.
//!
//! Each try is a whole run on a new backend. The failure at the end need not be the one that was
//! found first, but it is one of the same seed.

use super::history::{Failure, History, Plan, play};
use super::profile::Profile;
use super::world::{Backend, Tally};
use std::convert::Infallible;

/// Looks for the smallest history of a seed that fails: first the fewest events from the beginning,
/// then without each event that is not needed. Returns it with its story.
///
/// `make` opens a backend without records of the model's users, for each try a new one. `None` if the
/// seed does not fail.
///
/// Each try costs a run, so it is best done in memory.
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
    // What one event made possible another may need, so this goes on until nothing can go.
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

/// Makes the run of a history of which events are left out. The inner result is that of the run: the
/// first thing that must not happen, or what happened in numbers.
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
    // Whether it fails or not: only what chance would have been is asked of it.
    play(profile, &whole, plan, &mut *make().await?, false).await.ok();
    let plan = Plan { record: None, follow: &chance };
    Ok(play(profile, history, plan, &mut *make().await?, true).await)
}

/// Makes the run of `seed`; if it fails, looks for the smallest history that fails and tells the story.
///
/// `make` opens a backend without records of the model's users, for each try a new one. It is awaited on
/// whichever runtime the caller is. `repeat` is the command that makes these runs again.
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
