//! `POST /auth/sync`: writes the user who signed in into the user directory.

use haumana_lambda::{Calls, run_function};
use std::process::ExitCode;

fn main() -> ExitCode {
    run_function(Calls::SignIn)
}
