//! `haumana-server`: haumana-sync on one machine.
//!
//! It has the same router, engine and token verification as any other host, with one difference: it
//! issues tokens of its own, with a key pair of its own, to anyone on the machine. With an option
//! it accepts tokens of Google or of other issuers instead. Its library is one function, [`main`].
//! To serve haumana-sync from a program of your own, use `haumana-api`, as `examples/embedding`
//! does.
//!
//! # Start it
//!
//! ```console
//! haumana-server                         # SQLite; tokens for anyone on this machine
//! haumana-server --google-client-id ID   # tokens of Google's instead
//! haumana-server --schema recipes.toml   # other kinds of record
//! haumana-server backup today.db         # while it is serving
//! ```
//! It prints its address, where the data is, and a command to try it. `haumana-server --help` lists
//! every flag; each has a variable in the environment. If it cannot start, it prints why and what
//! you can do, and ends with status 1.
//!
//! While it issues tokens to anyone, it listens on this machine alone, unless a flag explicitly
//! allows more.
//!
//! # Files beside the database
//!
//! | file | what it is | in a backup |
//! |---|---|---|
//! | `haumana.db` | all records; SQLite's `-wal` and `-shm` belong to it | yes, by `backup` |
//! | `haumana.db.seen` | how far the database has come, to notice an older copy | no |
//! | `haumana.db.erased` | which accounts were erased, as hashes | no; copy it elsewhere |
//! | `haumana.db.users.db` | who has signed in; filled again at the next sign-ins | no |
//! | `haumana.db.key.pem` | the key pair of its own tokens | no |
//! | `haumana.db.audit` | who exported, imported, rewound or erased an account, as hashes | yes |
//! | `haumana.db.caller-key` | the key of those hashes | apart from the logs |
//!
//! Only their owner can read them.
//!
//! # How it stops
//!
//! At Ctrl-C or SIGTERM it accepts no more connections, ends the streams of devices that follow,
//! and gives running requests up to ten seconds to finish. A second signal ends it at once.
//! Whatever was acknowledged is on the disk in any case.
//!
//! # For those who change it
//!
//! Everything else is private. Read `serve` first: from arguments to a router that listens. Then
//! read `store` (where the data is), `sign_in` (whose tokens are accepted), `connections` with
//! `idle`, `timed` and `carried` (how many connections there are, and how long one may wait),
//! `upkeep` (retention and erasures in the background), and `restore` and `erase_again` (an
//! operator's commands).
//!
//! # Features
//!
//! | feature | what it builds in | by default |
//! |---|---|---|
//! | `page` | the page for people at `/` | yes |
//! | `postgres` | `--store postgres` | no |
//! | `dynamodb` | `--store dynamodb`; it compiles the SDK of AWS | no |
//! | `all-stores` | both stores | no |
//! | `metrics` | `--metrics`: metrics for Prometheus | no |
//!
//! The store on SQLite is always built in. If you ask for a store that is not, the error names its
//! feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod args;
mod audit;
mod backup;
mod carried;
mod connections;
mod descriptors;
mod dev;
mod directory;
mod drain;
mod erase_again;
mod idle;
mod issuer;
mod key_file;
mod memory;
#[cfg(feature = "metrics")]
mod metering;
#[cfg(not(feature = "metrics"))]
#[path = "metering_absent.rs"]
mod metering;
#[cfg(feature = "page")]
mod page;
#[cfg_attr(not(feature = "page"), allow(dead_code, reason = "there is no page"))]
mod page_sign_in;
mod pages;
mod private;
mod problem;
mod restore;
mod retention;
mod say;
mod schema;
mod serve;
mod sign_in;
mod store;
mod timed;
mod upkeep;

use args::{Args, Command};
use clap::{CommandFactory, Parser};
use haumana_store_sqlite::LaterEdits;
use haumana_sync::id::UserId;
use problem::Problem;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs the program: reads the command line, and serves or runs the command.
///
/// It makes a tokio runtime of its own and writes logs to the standard error, so call it from a
/// `main`, not from a program with its own runtime or logging. On a failure it prints why, and
/// returns the exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    // Answers go to the standard output, logs to the standard error.
    let is_terminal = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(is_terminal);
    // Libraries below write whole requests at the lower levels: content, addresses and tokens.
    let ours =
        Targets::new().with_default(LevelFilter::WARN).with_target("haumana", LevelFilter::TRACE);
    let lines = lines.with_filter(args.log.clone()).with_filter(ours);
    let is_serving = args.command.is_none();
    let made = Some(audit::beside(&args.db)).filter(|path| is_serving && !path.exists());
    let serving = if is_serving { audit::open(&args) } else { Ok(None) };
    let done = serving.and_then(|file| {
        let audit = file.map(|file| {
            let only = Targets::new().with_target(haumana_api::AUDIT, LevelFilter::INFO);
            let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
            lines.with_current_span(false).with_writer(Mutex::new(file)).with_filter(only)
        });
        tracing_subscriber::registry().with(lines).with(audit).init();
        run(args)
    });
    if let Some(path) = made.filter(|_| done.is_err()) {
        audit::take_back(&path);
    }
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // If nobody reads the standard error, the exit code still tells.
            let _ = writeln!(io::stderr(), "haumana-server: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// One match from commands to functions. All of them run on a runtime of several threads.
fn run(args: Args) -> Result<(), Problem> {
    tokio::runtime::Runtime::new()?.block_on(async {
        match &args.command {
            Some(Command::Backup { to }) => backup::backup(&args, to),
            Some(Command::Restore { from, discard_later }) => {
                let later_edits =
                    if *discard_later { LaterEdits::Discard } else { LaterEdits::Merge };
                restore::restore(&args, from, later_edits)
            }
            Some(Command::EraseAgain { journal_prefix, journal_url }) => {
                let (prefix, url) = (journal_prefix.as_deref(), journal_url.as_deref());
                erase_again::erase_again(&args, prefix, url).await
            }
            Some(Command::KeepSchema) => schema::keep(&args).await,
            Some(Command::Caller { user }) => {
                let user = UserId::verified_by_caller(user.as_str());
                let user = user.ok_or(Problem::NotAUser)?;
                Ok(say::say(audit::known_caller_key(&args)?.hash(&user))?)
            }
            Some(Command::Completions { shell }) => {
                Ok(pages::completions(*shell, Args::command())?)
            }
            Some(Command::Man { folder }) => Ok(pages::man(folder.as_deref(), Args::command())?),
            Some(Command::Sweep) => erase_again::sweep(&args).await,
            None => serve::serve(args).await,
        }
    })
}
