//! A few seeds on each store, through the runner.

use haumana_sim::Profile;
use haumana_sim::profile::{self, RESTORES};
use haumana_sim_run::runner::{Limits, Plan};
use haumana_sim_run::state::Saved;
use haumana_sim_run::stores::StoreName;
use haumana_sim_run::{Finding, Open, Summary, run};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// A folder for a run; `None` if what the store needs is not installed, and then it says so.
pub(crate) fn folder_or_skip(store: StoreName) -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    match store.opener(folder.path()) {
        Ok(_) => Some(folder),
        Err(error) => {
            assert!(store == StoreName::Postgres && std::env::var_os("CI").is_none(), "{error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Makes so many histories of the profiles, with one worker.
pub(crate) fn run_on(
    store: StoreName,
    folder: &Path,
    profiles: Vec<Profile>,
    histories: u64,
    make: impl Fn() -> io::Result<Box<dyn Open>> + Sync,
    stop: &AtomicBool,
    tell: impl Fn(&Finding) + Sync,
) -> Saved {
    let saved = Saved::open(&folder.join("state.json"), store.name()).unwrap();
    let limits = Limits { time: None, operations: None, histories: Some(histories) };
    let plan = Plan { store: store.name().to_owned(), profiles, jobs: 1, limits };
    run(&plan, saved, stop, make, tell, |_| Ok(())).unwrap()
}

/// Runs each profile, and again, then restores backups, and looks at what is left in the folder.
fn keeps_every_promise(store: StoreName, rounds: u64) -> Option<Saved> {
    let folder = folder_or_skip(store)?;
    let files = tempfile::tempdir().unwrap();
    let n_profiles = profile::ALL.len() as u64;
    let made = |profiles: &[Profile], histories| {
        let make = || store.opener(files.path());
        let tell = |finding: &Finding| panic!("{}", finding.told());
        let stop = AtomicBool::new(false);
        run_on(store, folder.path(), profiles.to_vec(), histories, make, &stop, tell)
    };

    for round in 1..=rounds {
        let saved = made(&profile::ALL, round * n_profiles);

        assert_eq!(round * n_profiles, saved.state.totals(store.name()).histories);
    }

    let saved = made(&[RESTORES], rounds * n_profiles + 3);
    let left: Vec<_> = std::fs::read_dir(files.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?} is left");
    let summary = Summary::of(&saved.state);
    let names: Vec<&str> = summary.stores.iter().map(|of| of.store.as_str()).collect();
    assert_eq!([store.name()], names[..], "the summary names the store");
    Some(saved)
}

fn count(saved: &Saved, store: StoreName, fault: &str) -> u64 {
    saved.state.totals(store.name()).faults.get(fault).copied().unwrap_or_default()
}

#[test]
fn over_http_every_promise_is_kept() {
    let saved = keeps_every_promise(StoreName::Http, 2).unwrap();

    assert!(0 < count(&saved, StoreName::Http, "RequestFailed"), "some requests fail");
    assert!(0 < count(&saved, StoreName::Http, "BackupRestored"), "backups are restored");
}

#[test]
fn on_files_of_sqlite_every_promise_is_kept() {
    let saved = keeps_every_promise(StoreName::Sqlite, 1).unwrap();

    assert!(0 < count(&saved, StoreName::Sqlite, "BackupRestored"), "backups are restored");
}

#[test]
fn on_postgres_every_promise_is_kept() {
    let Some(saved) = keeps_every_promise(StoreName::Postgres, 1) else { return };

    assert!(0 < count(&saved, StoreName::Postgres, "BackupRestored"), "backups are restored");
}

#[test]
fn on_dynamodb_in_a_storm_every_promise_is_kept() {
    let saved = keeps_every_promise(StoreName::Dynamodb, 1).unwrap();

    assert!(0 < count(&saved, StoreName::Dynamodb, "dynamodb: cut after"), "its faults count");
}

#[test]
fn the_program_keeps_one_state_file_for_each_store() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let program = |store: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haumana-sim"));
        command.args(["run", "--profile", "everyday", "--histories", "2", "--store", store]);
        command.arg("--state").arg(&state).arg("--folder").arg(folder.path());
        command.output().unwrap()
    };
    assert!(program("sqlite").status.success());
    let before = std::fs::read(&state).unwrap();

    let refused = program("http");

    assert_eq!(Some(2), refused.status.code());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("state file of the store sqlite"), "{said}");
    assert!(said.contains("for the store http with --state"), "{said}");
    assert_eq!(before, std::fs::read(&state).unwrap(), "it is left as it was");
    assert!(program("sqlite").status.success(), "its own store goes on");
}
