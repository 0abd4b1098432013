//! The TOKEN authorizer: finds the user of a request from its ID token.

use haumana_lambda::run_authorizer;
use std::process::ExitCode;

fn main() -> ExitCode {
    run_authorizer()
}
