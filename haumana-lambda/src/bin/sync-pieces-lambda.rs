//! The calls of the app on people's phones: `POST /pieces`, and `POST /sessions` as a function of
//! its own.

use haumana_lambda::{Calls, run_function};
use std::process::ExitCode;

fn main() -> ExitCode {
    run_function(Calls::Store)
}
