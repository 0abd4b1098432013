//! `POST /auth/sync`: the user directory learns who signed in.

use haumana_lambda::{Calls, run_function};
use std::process::ExitCode;

fn main() -> ExitCode {
    run_function(Calls::SignIn)
}
