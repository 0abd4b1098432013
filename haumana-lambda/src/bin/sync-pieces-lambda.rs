//! `POST /pieces`: the repertoire of the app on people's phones.

use haumana_lambda::{Calls, run_function};
use std::process::ExitCode;

fn main() -> ExitCode {
    run_function(Calls::Store)
}
