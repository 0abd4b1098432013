//! The program, ended in every way, goes on where it was.

use haumana_sim_run::{State, Totals};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const HISTORIES: &str = "60";

fn program(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haumana-sim"));
    command.args(["run", "--profile", "everyday,stormy", "--histories", HISTORIES, "--state"]);
    command.arg(state).stdout(Stdio::null());
    command
}

fn to_the_end(state: &Path) -> ExitStatus {
    program(state).status().unwrap()
}

/// What was done, without how long it took.
fn done(path: &Path) -> State {
    let mut state = State::read(path).unwrap();
    for part in state.stores.values_mut().flat_map(|parts| parts.values_mut()) {
        (part.totals.micros, part.totals.cpu_micros) = (0, 0);
    }
    state
}

#[test]
fn a_run_that_is_killed_goes_on_and_makes_no_seed_twice() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole.json", "killed.json"].map(|name| folder.path().join(name));
    assert!(to_the_end(&whole).success());

    let mut n_before = 0;
    for _ in 0..3 {
        let mut child = program(&killed).spawn().unwrap();
        let begun = Instant::now();
        let totals = || State::read(&killed).map_or(Totals::default(), |s| s.totals("memory"));
        while totals().histories < n_before + 5 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(n_before < totals().histories, "what was done before the kill is kept");
        n_before = totals().histories;
    }
    assert!(to_the_end(&killed).success());

    assert_eq!(done(&whole), done(&killed), "the same seeds, each once, and the same runs");
}

#[test]
fn a_state_with_a_violation_ends_with_1_and_a_page_that_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    assert!(to_the_end(&path).success());
    let finding = serde_json::json!({
        "store": "memory", "profile": "everyday", "seed": 5, "violation": "an edit is <lost>",
        "events": 2, "story": ["phone 0 sends a request"], "command": "haumana-sim repeat --seed 5",
    });
    let mut state = serde_json::to_value(State::read(&path).unwrap()).unwrap();
    state["findings"] = serde_json::json!([finding]);
    std::fs::write(&path, state.to_string()).unwrap();

    let status = to_the_end(&path);

    assert_eq!(Some(1), status.code());
    let page = std::fs::read_to_string(folder.path().join("state.json.html")).unwrap();
    assert!(page.contains("an edit is &lt;lost&gt;") && page.contains("repeat --seed 5"));
    let summary = std::fs::read(folder.path().join("state.json.summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(1, summary["nViolations"]);
    assert_eq!(60, summary["stores"][0]["totals"]["histories"]);
}
