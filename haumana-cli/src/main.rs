//! `haumana`: a repertoire on the command line, on the replica that any client can embed.
//!
//! Every command is a function from a device to an [`Answer`], which is printed for people or for
//! scripts in one place. What is local works without a server. The device is held while it is read
//! and written, and never while a person writes or thinks.

mod answer;
mod args;
mod ask;
mod conflicts;
mod delete;
mod device;
mod differ;
mod editor;
mod edits;
mod fields;
mod find;
mod json;
mod kept;
mod local_time;
mod moving;
mod online;
mod practise;
mod problem;
mod progress;
mod sessions;
mod shell;
mod shows;
mod sign_in;
mod system;
mod text;
mod timing;

use answer::{Answer, visible, visible_json};
use args::{Cli, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use device::Device;
use online::Online;
use problem::Problem;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(message) = cli.command.check() {
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let is_json = cli.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(Problem::File(".".into(), error)),
    };
    match done {
        Ok(answer) => {
            // Whoever reads the output may stop reading; that is no failure.
            print(answer, is_json).ok();
            ExitCode::SUCCESS
        }
        Err(problem) => {
            if is_json {
                eprintln!("{}", visible_json(&problem.to_json().to_string()));
            } else {
                eprintln!("{}", visible(&format!("haumana: {problem}")));
            }
            ExitCode::from(problem.exit())
        }
    }
}

fn print(answer: Option<Answer>, is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match answer {
        Some(answer) if is_json => writeln!(out, "{}", visible_json(&answer.json.to_string())),
        Some(answer) => writeln!(out, "{}", visible(&answer.text)),
        None => Ok(()),
    }?;
    out.flush()
}

/// Runs one command; `None` if it has written its answer itself.
async fn run(cli: Cli) -> Result<Option<Answer>, Problem> {
    if matches!(cli.command, Command::Init) {
        return init(&cli).map(Some);
    }
    let device = Device::open(&cli.device, cli.server)?;
    if let Command::SignIn(args) = cli.command {
        return sign_in::sign_in(device, args).await.map(Some);
    }
    let online = || Online::new(&device);
    let answer = match cli.command {
        Command::Init | Command::SignIn(_) => return Ok(None),
        Command::Add(args) => edits::add(&device, args).await,
        Command::Edit(args) => edits::edit(&device, args).await,
        Command::Delete(args) => delete::delete(&device, &args).await,
        Command::List(args) => shows::list(&device.replica().await?, &args).await,
        Command::Show { piece } => shows::show(&device.replica().await?, &piece).await,
        Command::Status => shows::status(&device, &device.replica().await?).await,
        Command::Practise(args) => practise::practise(&device.replica().await?, args).await,
        Command::Sessions(args) => sessions::list(&device.replica().await?, &args).await,
        Command::Mend(args) => sessions::mend(&device.replica().await?, &args).await,
        Command::DeleteSession(args) => delete::delete_session(&device, &args).await,
        Command::EraseAccount { yes } => online()?.erase_account(yes).await,
        Command::Sync(args) => online()?.sync(&args).await,
        Command::Conflicts(args) => match args.decision {
            None => online()?.list_conflicts().await,
            Some(decision) => online()?.decide(decision).await,
        },
        Command::History { piece, limit } => online()?.history(&piece, limit).await,
        Command::Restore { piece, version } => online()?.restore(&piece, version).await,
        Command::Import { file } => online()?.import(&file).await,
        Command::Export { file, force } => return online()?.export(&file, force).await,
    };
    answer.map(Some)
}

fn init(cli: &Cli) -> Result<Answer, Problem> {
    let device = Device::init(&cli.device, cli.server.clone())?;
    let (folder, server) = (device.folder(), device.server());
    let text = format!(
        "this device is in {}, its server is {server}\nnext: haumana sign-in NAME",
        folder.display()
    );
    Ok(Answer::new(text, serde_json::json!({ "device": folder, "server": server })))
}
