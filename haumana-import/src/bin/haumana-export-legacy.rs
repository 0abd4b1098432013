//! `haumana-export-legacy`: writes live records in the earlier server's form. See `docs/import.md`.
//!
//! No store can list its users, so they are given in a file. Exit codes: 0 if everything was
//! written, 2 if something was refused, 1 if the run ended early or the arguments are wrong.

use clap::Parser;
use haumana_api::SystemClock;
use haumana_import::command::{Backend, MissingFile, StoreArgs, arguments, report_file, tell};
use haumana_import::{
    Error, ErrorKind, Exported, FolderSink, Found, Item, LiveTables, Outcome, Place, Refused,
    Report, Result, Sink, Table, chain, export_user,
};
use haumana_sync::engine::Clock;
use haumana_sync::id::UserId;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often progress is printed.
const PRINT_EVERY: Duration = Duration::from_secs(2);

/// Writes the live pieces and sessions of users in the earlier server's form, without deleted
/// records, history and conflicts.
#[derive(Debug, Parser)]
#[command(name = "haumana-export-legacy", version)]
struct Args {
    /// A file with one user id on each line; `-` is the standard input. The user directory has the
    /// ids.
    #[arg(long, value_name = "FILE")]
    users: PathBuf,

    /// The store that has the records.
    #[arg(long, value_enum)]
    from: Backend,

    #[command(flatten)]
    store: StoreArgs,

    /// The table to write pieces to. It must be empty, and not haumana-sync's own.
    #[arg(long, value_name = "TABLE", requires = "sessions_table")]
    pieces_table: Option<String>,

    /// The table to write sessions to.
    #[arg(long, value_name = "TABLE", requires = "pieces_table")]
    sessions_table: Option<String>,

    /// Write into tables that have items already, to repeat an export that was stopped.
    #[arg(long)]
    again: bool,

    /// Write files into this folder instead, to look at or to import.
    #[arg(long, value_name = "FOLDER", conflicts_with = "pieces_table")]
    to_folder: Option<PathBuf>,

    /// Write one line of JSON to this file for each record that the tables do not accept. It names
    /// items by their keys, which contain user ids.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = match arguments::<Args>() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let done = tokio::runtime::Runtime::new()
        .map_err(|error| Error::new(ErrorKind::Target, "no threads").because(error))
        .and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(exported) if exported.refused + exported.incomplete == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => {
            tell(format_args!("haumana-export-legacy: {}", chain(&error)));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<Exported> {
    let users = users(&args.users)?;
    let (store, generation) = args.store.open(args.from, MissingFile::Refuse).await?;
    let engine = args.store.engine(store, generation);
    let mut sink = sink(args).await?;
    let mut report = Report::new(args.report.as_deref().map(report_file).transpose()?);
    let mut each_refused = |table: Table, item: &Item, why: &Refused| {
        let found = Found { table, place: String::new(), item: Some(item.clone()) };
        report.add(&Place::of(&found), &Outcome::Refused(why.clone()))
    };
    let (mut exported, mut printed) = (Exported::default(), Instant::now());
    // One time for all users: the functions send phones everything written after their last sync.
    let now = SystemClock.now();
    for (number, user) in (1..).zip(&users) {
        let left = export_user(&engine, user, now, sink.as_mut(), &mut exported, &mut each_refused);
        if let Some(why) = left.await? {
            // Nobody is named here.
            tell(format_args!("user {number} of the list is incomplete: {why}"));
        }
        if PRINT_EVERY <= printed.elapsed() {
            printed = Instant::now();
            tell(exported);
        }
    }
    sink.finish().await?;
    report.flush()?;
    tell(format_args!("done: {exported}"));
    Ok(exported)
}

/// # Errors
///
/// [`ErrorKind::Target`] if neither tables nor a folder are named, if a table is one of
/// haumana-sync's own, or if it is not empty without `--again`.
async fn sink(args: &Args) -> Result<Box<dyn Sink>> {
    if let Some(folder) = &args.to_folder {
        return Ok(Box::new(FolderSink::create(folder)?));
    }
    let (Some(pieces), Some(sessions)) = (&args.pieces_table, &args.sessions_table) else {
        let what = "name the tables to write, or a folder";
        return Err(Error::new(ErrorKind::Target, what));
    };
    args.store.check_foreign(pieces)?;
    args.store.check_foreign(sessions)?;
    let tables = LiveTables::new(&args.store.service()?, pieces, sessions);
    if !args.again {
        tables.check_empty().await?;
    }
    Ok(Box::new(tables))
}

/// # Errors
///
/// [`ErrorKind::Source`] names the line that is not a user id, but not its content.
fn users(path: &Path) -> Result<Vec<UserId>> {
    let unread = || Error::new(ErrorKind::Source, format!("{}: it cannot be read", path.display()));
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(path).map(|all| text = all),
    };
    read.map_err(|error| unread().because(error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let user = |(at, line): (usize, &str)| {
        let what = format!("line {} is no user id", at + 1);
        UserId::verified_by_caller(line).ok_or_else(|| unread().because(what))
    };
    lines.map(user).collect()
}
