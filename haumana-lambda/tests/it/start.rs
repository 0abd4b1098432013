//! What a function says that cannot start.

use crate::world::program;
use std::process::Command;

const ALL: [&str; 5] = [
    "sync-pieces-lambda",
    "sync-sessions-lambda",
    "sync-lambda",
    "auth-sync-lambda",
    "google-token-authorizer",
];

/// Starts a program with these variables alone; returns what it said before it gave up.
fn start(name: &str, variables: &[(&str, &str)]) -> String {
    let output =
        Command::new(program(name)).env_clear().envs(variables.iter().copied()).output().unwrap();
    assert!(!output.status.success(), "{name} must not start");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_function_without_its_environment_names_the_variable_and_ends() {
    for name in ALL {
        let said = start(name, &[]);
        assert!(said.contains("the environment variable HAUMANA_"), "{name}: {said}");
        assert!(said.contains("is missing"), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
    }
}

#[test]
fn a_wrong_value_names_its_variable_and_not_itself() {
    let said = start(
        "sync-pieces-lambda",
        &[("HAUMANA_RETENTION_DAYS", "s3cret"), ("HAUMANA_GENERATION", "0")],
    );

    assert!(said.contains("HAUMANA_RETENTION_DAYS"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}
