//! Every call of new clients; see docs/protocol.md.

use haumana_lambda::{Calls, run_function};
use std::process::ExitCode;

fn main() -> ExitCode {
    run_function(Calls::StoreAndDirectory)
}
