//! The TOKEN authorizer: who is asking, by their ID token.

use haumana_lambda::run_authorizer;
use std::process::ExitCode;

fn main() -> ExitCode {
    run_authorizer()
}
