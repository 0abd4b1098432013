//! `haumana-import`: imports the data of the earlier server's tables. See `docs/import.md`.
//!
//! Exit codes: 0 if everything was imported or left alone, 2 if something was refused, 1 if the run
//! ended early or the arguments are wrong.

use clap::Parser;
use haumana_import::command::{Backend, MissingFile, StoreArgs, arguments, report_file, tell};
use haumana_import::{
    Chain, Counts, DryRun, Error, ErrorKind, ExportFolder, LiveTable, Report, Result, ScanOptions,
    Service, Source, Table, Watch, chain, import,
};
use haumana_sync::Store;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often progress is printed.
const PRINT_EVERY: Duration = Duration::from_secs(2);

/// Imports the records of the earlier server's tables into haumana-sync. You can stop it at any
/// moment and repeat it at any time: items that have not changed are left alone, and changes are
/// merged.
#[derive(Debug, Parser)]
#[command(name = "haumana-import", version)]
struct Args {
    /// DynamoDB's export of the pieces table, as JSON, downloaded.
    #[arg(long, value_name = "FOLDER")]
    pieces_export: Option<PathBuf>,

    /// DynamoDB's export of the sessions table.
    #[arg(long, value_name = "FOLDER")]
    sessions_export: Option<PathBuf>,

    /// The earlier server's live pieces table, such as haumana-pieces-prod.
    #[arg(long, value_name = "TABLE", conflicts_with = "pieces_export")]
    pieces_table: Option<String>,

    /// The earlier server's live sessions table.
    #[arg(long, value_name = "TABLE", conflicts_with = "sessions_export")]
    sessions_table: Option<String>,

    /// The number of parts of a live table to read at once.
    #[arg(long, default_value_t = 1, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    segments: u16,

    /// The most read units in a second to use of a live table.
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..))]
    read_units: Option<u32>,

    /// The store to write the records to.
    #[arg(long, value_enum)]
    to: Backend,

    #[command(flatten)]
    store: StoreArgs,

    /// Write one line of JSON to this file for each item that is not left alone. It names items by
    /// their keys, which contain user ids.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write no record; only print what would be done.
    #[arg(long)]
    dry_run: bool,
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
        Ok(counts) if counts.refused == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => {
            tell(format_args!("haumana-import: {}", chain(&error)));
            tell(format_args!("haumana-import: what was taken stays; run it again"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<Counts> {
    let mut source = sources(args)?;
    let missing = if args.dry_run { MissingFile::Pretend } else { MissingFile::Make };
    let (store, generation) = args.store.open(args.to, missing).await?;
    let dry = args.dry_run.then(|| Arc::new(DryRun::new(store.clone())));
    let store: Arc<dyn Store> = match &dry {
        Some(dry) => dry.clone(),
        None => store,
    };
    let engine = args.store.engine(store, generation);
    let mut report = Report::new(args.report.as_deref().map(report_file).transpose()?);
    let mut progress = Progress { printed: Instant::now() };
    let done = import(&engine, &mut source, &mut report, &mut progress).await;
    let verb = if args.dry_run { "would be done" } else { "done" };
    tell(format_args!("{verb}: {}", report.counts));
    for (table, code, count) in report.codes() {
        tell(format_args!("refused in {}: {count} × {code}", table.as_str()));
    }
    done.map(|()| report.counts)
}

fn sources(args: &Args) -> Result<Chain> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    let tables = [
        (Table::Pieces, &args.pieces_export, &args.pieces_table),
        (Table::Sessions, &args.sessions_export, &args.sessions_table),
    ];
    for (table, export, live) in tables {
        if let Some(folder) = export {
            let export = ExportFolder::open(table, folder)?;
            tell(format_args!("{}: {} items in the export", table.as_str(), export.n_items()));
            sources.push(Box::new(export));
        }
        if let Some(name) = live {
            args.store.check_foreign(name)?;
            let service: Service = args.store.service()?;
            let (segments, read_units) = (args.segments, args.read_units);
            let options = ScanOptions { service, name: name.clone(), segments, read_units };
            sources.push(Box::new(LiveTable::new(table, options)));
        }
    }
    if sources.is_empty() {
        let what = "there is nothing to import; name an export or a table";
        return Err(Error::new(ErrorKind::Source, what));
    }
    Ok(Chain(sources))
}

/// Prints counts every two seconds at most.
struct Progress {
    printed: Instant,
}

impl Watch for Progress {
    fn page_done(&mut self, counts: &Counts) {
        if PRINT_EVERY <= self.printed.elapsed() {
            self.printed = Instant::now();
            tell(counts);
        }
    }
}
