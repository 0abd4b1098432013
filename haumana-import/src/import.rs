//! Imports everything that a source has into the engine.
//!
//! A page is read, its items are sorted by user, and several users are worked on at the same time.
//! The work for one user is serial: two commits of one account would only race for its head.
//!
//! A refused item does not stop the others. A failure of the store ends the run, because it
//! concerns all users. What was imported stays, and the next run continues.

use crate::error::{Error, ErrorKind, Result};
use crate::item::{self, Refused};
use crate::report::{Counts, Outcome, Place, Report};
use crate::source::{Found, Source};
use futures_util::StreamExt;
use haumana_app::Phones as _;
use haumana_app::{Earlier, TakenOver};
use haumana_sync::engine::{self, Engine, PushOutcome};
use haumana_sync::id::UserId;
use std::collections::BTreeMap;

/// How many records of one user go into one call of the engine.
///
/// With more, a lost race costs more. With fewer, there are more commits.
const CHUNK_RECORDS: usize = 50;
/// How many users are worked on at once.
///
/// While one user's call waits for the store, the others go on.
const USERS: usize = 8;

/// Watches a run, between pages.
///
/// It gets numbers only, so a program can print progress without seeing users' data.
pub trait Watch: Send {
    /// A page is done.
    fn page_done(&mut self, counts: &Counts);
}

/// Imports everything that `source` has. Refused items are in the report.
///
/// It may be stopped at any moment and repeated at any time; see
/// [`Phones::take_over`](haumana_app::Phones::take_over).
///
/// # Errors
///
/// [`Error`] if the source cannot be read to its end, or the store does not answer.
///
/// # Cancellation
///
/// Safe at any await: what was committed stays, and a repeated run finishes the rest.
pub async fn import(
    engine: &Engine,
    source: &mut dyn Source,
    report: &mut Report,
    watch: &mut dyn Watch,
) -> Result<()> {
    while let Some(page) = source.next().await? {
        report.counts.read += page.len() as u64;
        let mut users: BTreeMap<UserId, Vec<(Place, Earlier)>> = BTreeMap::new();
        for found in &page {
            match read(found) {
                Ok((user, earlier)) => {
                    users.entry(user).or_default().push((Place::of(found), earlier));
                }
                Err(refused) => report.add(&Place::of(found), &Outcome::Refused(refused))?,
            }
        }
        let work = users.into_iter().map(|(user, items)| take_over(engine, user, items));
        let mut done = futures_util::stream::iter(work).buffered(USERS);
        while let Some(outcomes) = done.next().await {
            for (place, outcome) in outcomes? {
                report.add(&place, &outcome)?;
            }
        }
        report.flush()?;
        watch.page_done(&report.counts);
    }
    Ok(())
}

/// # Errors
///
/// `unreadable` for a line that is not an item, and the errors of [`item::read`].
fn read(found: &Found) -> std::result::Result<(UserId, Earlier), Refused> {
    match &found.item {
        Some(item) => item::read(found.table, item),
        None => Err(Refused::new("unreadable", "this is not an item in DynamoDB's JSON")),
    }
}

/// Outcomes come in the order of the items. If the whole account is refused, each item of the chunk
/// has that outcome.
async fn take_over(
    engine: &Engine,
    user: UserId,
    items: Vec<(Place, Earlier)>,
) -> Result<Vec<(Place, Outcome)>> {
    let mut outcomes = Vec::with_capacity(items.len());
    let (places, records): (Vec<Place>, Vec<Earlier>) = items.into_iter().unzip();
    let mut places = places.into_iter();
    for chunk in records.chunks(CHUNK_RECORDS) {
        let results = match engine.take_over(&user, chunk).await {
            Ok(results) => results.into_iter().map(outcome).collect(),
            Err(error) => {
                let refused = refused(error)?;
                vec![Outcome::Refused(refused); chunk.len()]
            }
        };
        outcomes.extend(places.by_ref().zip(results));
    }
    Ok(outcomes)
}

/// The outcome for the report. A record whose version is 1 was made by this item.
fn outcome(result: TakenOver) -> Outcome {
    match (result.outcome, result.version) {
        (PushOutcome::Applied, Some(1)) => Outcome::Created,
        (PushOutcome::Applied, _) => Outcome::Updated,
        (PushOutcome::Merged, _) => Outcome::Merged(result.conflicts.len()),
        (PushOutcome::Unchanged, _) => Outcome::Left,
        (PushOutcome::Rejected(refusal), _) => {
            Outcome::Refused(Refused::new(refusal.code(), refusal.message()))
        }
    }
}

/// An error of one account becomes a refusal. An error of the store ends the run.
fn refused(error: engine::Error) -> Result<Refused> {
    match error.kind() {
        engine::ErrorKind::Gone => Ok(Refused::new("gone", "the user has erased the account")),
        engine::ErrorKind::Erasing => Ok(Refused::new("gone", "the account is being erased")),
        engine::ErrorKind::Importing => Ok(Refused::new(
            "importing",
            "an import into the account is not finished; finish it, then run this again",
        )),
        engine::ErrorKind::Internal => {
            Ok(Refused::new("internal", "what is stored of this user cannot be read"))
        }
        _ => Err(Error::new(ErrorKind::Target, "the store does not answer").because(error)),
    }
}
