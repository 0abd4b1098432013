//! `haumana-admin`: what an operator does when somebody calls. See `docs/admin.md`.

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

/// What a command came to.
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

/// Prints help, or what is wrong with the arguments. That is a failure, and none of the things that a
/// command finds.
fn told(said: &clap::Error) -> ExitCode {
    let is_printed = said.print().is_ok();
    if is_printed && !said.use_stderr() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

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
        Command::Retention(whom) => show::retention(&open().await?, whom, form).await,
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
        // These open what they need by themselves.
        Command::NewGeneration => person::new_generation(place, form).await,
        Command::Drill => drill::drill(place, form).await,
    }
}
