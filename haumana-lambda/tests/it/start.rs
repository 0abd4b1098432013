//! What a function says that cannot start.

use crate::world::program;
use std::process::Command;

/// Lambda's own variables. A function asks for them first.
const LAMBDA: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];
const AWS: [&str; 3] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const TABLES: [&str; 3] = ["HAUMANA_TABLE_PREFIX", "HAUMANA_GENERATION", "HAUMANA_RETENTION_DAYS"];
const POOL: [&str; 1] = ["HAUMANA_USER_POOL_ID"];
const TOKENS: [&str; 1] = ["HAUMANA_GOOGLE_CLIENT_IDS"];

/// Each function with everything that it cannot do without.
fn all() -> [(&'static str, Vec<&'static str>); 4] {
    let needs = |lists: &[&[&'static str]]| lists.concat();
    [
        ("sync-pieces-lambda", needs(&[&LAMBDA, &AWS, &TABLES])),
        ("sync-lambda", needs(&[&LAMBDA, &AWS, &TABLES, &POOL])),
        ("auth-sync-lambda", needs(&[&LAMBDA, &AWS, &POOL, &TOKENS])),
        ("google-token-authorizer", needs(&[&LAMBDA, &TOKENS])),
    ]
}

/// Starts a program with these variables alone; returns what it said before it gave up.
fn start(name: &str, variables: &[(&str, &str)]) -> String {
    let output =
        Command::new(program(name)).env_clear().envs(variables.iter().copied()).output().unwrap();
    assert!(!output.status.success(), "{name} must not start");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_function_names_the_variable_that_is_missing_and_ends() {
    for (name, needed) in all() {
        for missing in &needed {
            let others = needed.iter().filter(|variable| *variable != missing);
            let variables: Vec<_> = others.map(|variable| (*variable, "1")).collect();

            let said = start(name, &variables);

            let expected = format!("cannot start: the environment variable {missing} is missing\n");
            assert_eq!(expected, said, "{name}");
        }
    }
}

#[test]
fn a_wrong_value_names_its_variable_and_not_itself() {
    let mut variables: Vec<_> = LAMBDA.iter().map(|name| (*name, "1")).collect();
    variables.extend([("HAUMANA_RETENTION_DAYS", "s3cret"), ("HAUMANA_GENERATION", "0")]);

    let said = start("sync-pieces-lambda", &variables);

    assert!(said.contains("HAUMANA_RETENTION_DAYS"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn random_numbers_do_not_wait_for_jitter() {
    let switch = option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY");

    assert_eq!(Some("1"), switch, "built without .cargo/config.toml, a function starts in 40 ms");
}
