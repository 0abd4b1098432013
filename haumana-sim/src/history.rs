//! One history: a seed, the number of its events, and the events that are left out.
//!
//! # Why events can be left out
//!
//! All chance is in two generators, of the world and of the storm. Before each event of the first
//! run their state is noted. If an event is left out, the next ones start with the noted state of
//! the first run. So each event draws the same numbers as before, although it may find another
//! state of the world.
//!
//! A panic of the server is a failure like any other: it is caught and reported.

use super::dice::Dice;
use super::judge::Violation;
use super::profile::Profile;
use super::world::{Backend, Tally, World};
use haumana_sync::id::RecordId;
use std::any::Any;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

/// How many lines of a story are printed.
///
/// The end of a story is what matters.
const TOLD: usize = 80;

/// A history of a seed, perhaps with events left out.
///
/// `events` cuts the end, `without` removes single events from the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Decides everything.
    pub seed: u64,
    /// The most events.
    pub events: usize,
    /// Events that do not happen, counted from 0. The others draw the same numbers as with them.
    pub without: BTreeSet<usize>,
}

impl History {
    /// The whole history of a seed.
    pub fn of(seed: u64) -> Self {
        Self { seed, events: usize::MAX, without: BTreeSet::new() }
    }

    /// The number of events that remain, up to its last.
    pub fn len(&self) -> usize {
        self.events - self.without.range(..self.events).count()
    }

    /// Whether no event remains.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A failed run.
///
/// The trace is empty unless the run was traced. A failed run is traced when it is repeated.
#[derive(Debug)]
pub struct Failure {
    /// The violation.
    pub violation: Violation,
    /// What happened before, as far as it concerns the piece.
    pub trace: Vec<String>,
    /// The number of events before it.
    pub events: usize,
    /// What happened, in numbers.
    pub tally: Box<Tally>,
}

/// The state of all chance before an event.
///
/// There are two generators, because faults of the store must not change what users type.
#[derive(Clone, Debug)]
pub(super) struct Chance {
    dice: Dice,
    storm: Dice,
}

/// Makes the run of `seed`, with at most `events` events.
///
/// # Errors
///
/// The first violation.
pub async fn run(
    profile: Profile,
    seed: u64,
    events: usize,
    backend: &mut dyn Backend,
    is_traced: bool,
) -> Result<Tally, Failure> {
    let history = History { events, ..History::of(seed) };
    play(profile, &history, Plan::default(), backend, is_traced).await
}

/// The places where chance is noted, or read from.
///
/// It is empty for an ordinary run.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) record: Option<&'a mut Vec<Chance>>,
    pub(super) follow: &'a [Chance],
}

/// Like [`run`]. If events are left out, it uses the chance of an earlier run of the same seed.
pub(super) async fn play(
    profile: Profile,
    history: &History,
    mut plan: Plan<'_>,
    backend: &mut dyn Backend,
    is_traced: bool,
) -> Result<Tally, Failure> {
    let mut world = World::new(profile, history.seed, backend, is_traced);
    let mut done = 0;
    let violation = caught(live(&mut world, history, &mut plan, &mut done)).await;
    let violation = match violation {
        Ok(Ok(())) => return Ok(world.tally()),
        Ok(Err(violation)) => violation,
        Err(panic) => Violation::general(format!("a panic: {}", text_of(&*panic))),
    };
    let trace = world.trace.take().unwrap_or_default();
    Err(Failure {
        trace: about(violation.piece, trace),
        violation,
        events: done,
        tally: Box::new(world.tally()),
    })
}

/// If the history says so, fewer events happen than were drawn. The end of the run follows as
/// always.
async fn live(
    world: &mut World<'_>,
    history: &History,
    plan: &mut Plan<'_>,
    done: &mut usize,
) -> Result<(), Violation> {
    let n_events = (10 + world.dice.below(world.profile.events)).min(history.events);
    if 0 < n_events {
        world.begin();
    }
    while *done < n_events {
        let event = *done;
        *done += 1;
        if let Some(record) = &mut plan.record {
            record.push(Chance { dice: world.dice.clone(), storm: world.storm.dice() });
        }
        if history.without.contains(&event) {
            continue;
        }
        if let Some(chance) = plan.follow.get(event) {
            world.dice = chance.dice.clone();
            world.storm.go_on_from(chance.storm.clone());
        }
        world.event().await?;
    }
    world.come_to_rest().await
}

/// The end of the story, with the lines that concern the piece.
///
/// Lines about no piece, such as a restart, are always included.
fn about(piece: Option<RecordId>, trace: Vec<(Option<RecordId>, String)>) -> Vec<String> {
    let concerns = |about: &Option<RecordId>| about.is_none() || piece.is_none() || *about == piece;
    let mut told: Vec<String> =
        trace.into_iter().filter(|(about, _)| concerns(about)).map(|(_, text)| text).collect();
    told.drain(..told.len().saturating_sub(TOLD));
    told
}

/// Does `work`. A panic in it becomes the result.
///
/// It catches panics at each poll, since the work may wait in between.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut work = std::pin::pin!(work);
    poll_fn(|context| {
        // State that a panic leaves half done is only read for the story.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text").to_owned()
}
