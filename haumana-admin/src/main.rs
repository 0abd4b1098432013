//! `haumana-admin`: an operator's commands for accounts. See `docs/admin.md`.
//!
//! # How a command runs
//!
//! 1. The arguments are read. A mistake in them ends with 1, never with 2.
//! 2. The store is opened as it is. Nothing that is missing is made, and no schema is kept.
//! 3. If the command reads content or changes an account, a line goes to the audit log first. If
//!    that fails, nothing is done.
//! 4. The command calls the engine, as a server does, so its changes are edits that devices
//!    receive.
//! 5. The answer goes to the standard output, as lines or as JSON. The cost of reading, and
//!    failures, go to the standard error.
//!
//! # Exit codes
//!
//! 0 means that all is well, 2 that something was found or is left to do, 1 that the command
//! failed. So a job that runs `verify --all` every night can tell a finding from a failure by the
//! code alone.
//!
//! # Where to look
//!
//! `show`, `verify` and `person` have the commands. `place` opens stores, `audit` writes the log,
//! `say` prints, and `drill` rehearses a restore.

mod args;
mod audit;
mod cost;
mod drill;
mod person;
mod place;
mod problem;
mod say;
mod show;
mod verify;

use args::{Args, Command};
use clap::Parser;
use place::Opened;
use problem::Problem;
use say::Form;
use std::process::ExitCode;

/// The result of a command that did not fail.
///
/// A failure is a [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well.
    Well,
    /// Something was found, or is left to do.
    Left,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(said) => return told(&said),
    };
    let done = tokio::runtime::Runtime::new()
        .map_err(Problem::from)
        .and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::Left) => ExitCode::from(2),
        Err(problem) => {
            eprintln!("haumana-admin: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Prints help, or what is wrong with the arguments. Wrong arguments are a failure (1), not a
/// finding (2).
fn told(said: &clap::Error) -> ExitCode {
    let is_printed = said.print().is_ok();
    if is_printed && !said.use_stderr() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The store is opened here and not in the commands, unless a command needs to open it in another
/// way.
async fn run(args: &Args) -> Result<Outcome, Problem> {
    let form = if args.json { Form::Json } else { Form::Lines };
    let place = &args.place;
    let open = || Opened::new(place);
    match &args.command {
        Command::Show { user, content, reason } => {
            let reason = reason.as_deref().filter(|_| *content);
            show::show((place, &open().await?), user, reason, form).await
        }
        Command::Find { hash } => show::find((place, &open().await?), hash, form).await,
        Command::Verify(whom) => verify::verify(&open().await?, whom, form).await,
        Command::Repair { whom, write } => {
            verify::repair((place, &open().await?), whom, *write, form).await
        }
        Command::Retention(whom) => show::retention((place, &open().await?), whom, form).await,
        Command::Restore { user, kind, id, version } => {
            let record = (kind.as_str(), *id, *version);
            person::restore((place, &open().await?), user, record, form).await
        }
        Command::Rewind { user, to, dry_run } => {
            person::rewind((place, &open().await?), user, (*to, *dry_run), form).await
        }
        Command::Erase { user, confirm } => {
            person::erase((place, &open().await?), user, confirm, form).await
        }
        Command::Export { user, to } => {
            person::export((place, &open().await?), user, to, form).await
        }
        // These commands open what they need by themselves.
        Command::NewGeneration => person::new_generation(place, form).await,
        Command::Drill => drill::drill(place, form).await,
    }
}
