//! A run of mistakes against the laws: each mistake that is planted in a backend is caught.
//!
//! `cargo test -p haumana-sync --test it mistakes -- --nocapture` prints the table.

mod backend;
mod list;
mod opening;

use backend::Backend;
use haumana_sync::conformance::{self, Broken, Law, laws, try_run};
use list::Mistake;
use opening::Opening;
use std::sync::Arc;
use std::time::Duration;

/// LIMIT: how long a law may take on the backend in memory.
const LIMIT: Duration = Duration::from_secs(20);

/// How often each mistake is tried; `HAUMANA_MISTAKE_RUNS` sets another number.
const RUNS: u32 = 1;

/// Runs one law on a backend with a mistake; the thread of one that hangs is left behind.
fn broken(law: Law, mistake: Option<Mistake>, limit: Duration) -> Result<(), Broken> {
    try_run(law.name, limit, move || (law.run)(Arc::new(Backend::new(mistake))))
}

#[test]
fn a_backend_without_mistakes_keeps_every_law() {
    for law in laws() {
        if let Err(broken) = broken(law, None, Duration::from_secs(120)) {
            panic!("{broken}");
        }
    }
}

#[test]
fn a_backend_that_never_yields_and_has_no_mistakes_keeps_every_law() {
    for law in laws() {
        let make = move || (law.run)(Arc::new(Backend::blocking()));
        if let Err(broken) = try_run(law.name, Duration::from_secs(120), make) {
            panic!("{broken}");
        }
    }
}

fn runs() -> u32 {
    let asked = std::env::var("HAUMANA_MISTAKE_RUNS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(RUNS)
}

#[test]
fn handles_that_each_make_a_database_where_there_is_none_are_caught() {
    if let Err(broken) = opening::broken(Opening::LooksAgain) {
        panic!("{broken}");
    }

    let caught = (0..runs()).filter(|_| opening::broken(Opening::Replaces).is_err()).count();

    println!("{caught}/{} | {:?}", runs(), Opening::Replaces);
    assert_eq!(runs() as usize, caught);
}

#[test]
fn handles_that_each_make_a_database_on_threads_are_caught() {
    if let Err(broken) = opening::broken_on_threads(Opening::LooksAgainBlocking) {
        panic!("{broken}");
    }

    let mistake = Opening::ReplacesBlocking;
    let caught = (0..runs()).filter(|_| opening::broken_on_threads(mistake).is_err()).count();

    println!("{caught}/{} | {mistake:?}", runs());
    assert_eq!(runs() as usize, caught);
}

/// Runs the laws of two handles on threads on two that lock where the data is, or each for itself.
fn broken_handles(locks_each: bool) -> Result<(), Broken> {
    try_run("two handles", LIMIT, move || async move {
        let (one, other) = Backend::two_handles(locks_each);
        let (one, other) = (Arc::new(one), Arc::new(other));
        conformance::of_commits_on_threads_of_two_handles_on_one_head_exactly_one_succeeds(
            one, other,
        )
        .await;
        let (one, other) = Backend::two_handles(locks_each);
        let (one, other) = (Arc::new(one), Arc::new(other));
        conformance::writers_on_threads_of_two_handles_lose_nothing(one, other).await;
    })
}

#[test]
fn handles_with_a_lock_each_are_caught() {
    if let Err(broken) = broken_handles(false) {
        panic!("{broken}");
    }

    let caught = (0..runs()).filter(|_| broken_handles(true).is_err()).count();

    println!("{caught}/{} | a lock in each handle", runs());
    assert_eq!(runs() as usize, caught);
}

#[test]
fn every_mistake_is_caught() {
    let runs = runs();
    let mut table = String::new();
    let mut missed = Vec::new();
    for mistake in Mistake::ALL {
        let (mut caught, mut by) = (0, "");
        for _ in 0..runs {
            // The same order each time, so that the first law to break is the one that is named.
            let first = laws().into_iter().find(|law| broken(*law, Some(*mistake), LIMIT).is_err());
            if let Some(law) = first {
                (caught, by) = (caught + 1, law.name);
            }
        }
        table += &format!("{caught}/{runs} | {:?} | {} | {by}\n", mistake, mistake.text());
        if caught < runs {
            missed.push(*mistake);
        }
    }
    println!("{table}{} mistakes", Mistake::ALL.len());

    assert!(40 <= Mistake::ALL.len());
    assert!(missed.is_empty(), "no law catches {missed:?}:\n{table}");
}
