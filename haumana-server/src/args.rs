//! The command line, each flag with a twin in the environment.
//!
//! The doc comments of the fields below are the text of `--help` and of the manual page, so they
//! are written for operators. `serve`, `store`, `sign_in` and `schema` say what the arguments do.
//!
//! A wrong argument ends the program before anything is opened. A check that needs files or other
//! arguments comes later; its error is a `Problem`.

use clap::builder::BoolishValueParser;
use clap::{Arg, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use haumana_api::Origin;
use haumana_auth::IssuerConfig;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The prefix of the names of DynamoDB's tables, unless another one is given.
const DEFAULT_PREFIX: &str = "haumana-";

/// Syncs repertoires of oli and mele between devices: haumana-sync on one machine, on SQLite,
/// PostgreSQL or DynamoDB.
///
/// It issues ID tokens to anyone who asks, so everybody who can reach it can read and write all
/// data. With --google-client-id or --issuers it accepts only the tokens of these issuers instead.
#[derive(Debug, Parser)]
#[command(name = "haumana-server", version)]
// Every build has the options of every store, so that one that lacks a store can say so.
#[cfg_attr(not(all(feature = "dynamodb", feature = "postgres")), allow(dead_code))]
pub(crate) struct Args {
    /// Do this instead of serving.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Address and port to listen on; port 0 chooses a free port.
    #[arg(long, env = "HAUMANA_LISTEN", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,

    /// Address and port of /metrics, for Prometheus. Without this option there is no /metrics. It
    /// needs no sign-in, so strangers must not reach it.
    #[arg(long, env = "HAUMANA_METRICS", value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,

    /// The database file; it is created if it is missing. The key pair is in a file beside it.
    #[arg(long, env = "HAUMANA_DB", default_value = "haumana.db", global = true)]
    pub(crate) db: PathBuf,

    /// The store that keeps the data.
    #[arg(long, env = "HAUMANA_STORE", default_value = "sqlite", value_name = "STORE")]
    #[arg(global = true)]
    pub(crate) store: StoreKind,

    /// With PostgreSQL: the database, such as postgres://haumana:secret@127.0.0.1/haumana. Set the
    /// environment variable instead of this option, because other users of the machine can see
    /// command lines.
    #[arg(long, env = "HAUMANA_URL", value_name = "URL", hide_env_values = true)]
    #[arg(global = true)]
    pub(crate) url: Option<String>,

    /// With PostgreSQL: the schema with the tables; it is created if it is missing.
    #[arg(long, env = "HAUMANA_DATABASE_SCHEMA", default_value = "haumana", value_name = "NAME")]
    #[arg(global = true)]
    pub(crate) database_schema: String,

    /// With PostgreSQL: a file, in PEM, with the certificates that sign the server's certificate.
    /// Without it, the certificates that this machine trusts.
    #[arg(long, env = "HAUMANA_DATABASE_CERTIFICATES", value_name = "FILE")]
    #[arg(global = true)]
    pub(crate) database_certificates: Option<PathBuf>,

    /// With DynamoDB: its address, if it is not Amazon's, such as http://127.0.0.1:8000.
    #[arg(long, env = "HAUMANA_ENDPOINT", value_name = "URL")]
    #[arg(global = true)]
    pub(crate) endpoint: Option<String>,

    /// With DynamoDB: the region.
    #[arg(long, env = "HAUMANA_REGION", default_value = "us-east-1")]
    #[arg(global = true)]
    pub(crate) region: String,

    /// With DynamoDB: the prefix of the names of the tables.
    #[arg(long, env = "HAUMANA_TABLE_PREFIX", default_value = DEFAULT_PREFIX, value_name = "PREFIX")]
    #[arg(global = true)]
    pub(crate) table_prefix: String,

    /// With DynamoDB: create the tables that are missing.
    #[arg(long, env = "HAUMANA_CREATE_TABLES", value_parser = BoolishValueParser::new())]
    #[arg(global = true)]
    pub(crate) create_tables: bool,

    /// The generation of the data. A number higher than ever before begins a new life of the data:
    /// devices notice, and what they hold is merged back. With SQLite this is not needed, because a
    /// restored backup begins a new life by itself: see `restore`. With DynamoDB raise it after you
    /// restored an earlier point in time, and with PostgreSQL after you loaded a dump into the same
    /// database.
    #[arg(long, env = "HAUMANA_GENERATION", default_value_t = 0, value_name = "N")]
    #[arg(global = true)]
    pub(crate) generation: u32,

    /// How many days earlier versions, and values that lost, are kept. Without it, as many as when
    /// the data was served last, or 90. With DynamoDB always 90 without it.
    #[arg(long, env = "HAUMANA_RETENTION_DAYS", value_name = "DAYS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=36_500))]
    #[arg(global = true)]
    pub(crate) retention_days: Option<u32>,

    /// A schema file with the kinds of record that this server keeps, in TOML, or in JSON if its
    /// name ends in .json; see docs/schema.md. Without it they are pieces and practice sessions.
    #[arg(long, env = "HAUMANA_SCHEMA", value_name = "FILE")]
    #[arg(global = true)]
    pub(crate) schema: Option<PathBuf>,

    /// An origin whose web pages may call this server, such as http://localhost:3000. Repeatable.
    #[arg(long, env = "HAUMANA_CORS_ORIGIN", value_name = "ORIGIN", value_parser = origin)]
    #[arg(value_delimiter = ',')]
    pub(crate) cors_origin: Vec<Origin>,

    /// A client id of an app that signs people in with Google. Repeatable. With this option, this
    /// server issues no tokens of its own.
    #[arg(long, env = "HAUMANA_GOOGLE_CLIENT_ID", value_name = "ID", value_delimiter = ',')]
    pub(crate) google_client_id: Vec<String>,

    /// With --google-client-id: the address of Google's keys. http is allowed for 127.0.0.1 only.
    #[arg(long, env = "HAUMANA_GOOGLE_KEY_SET", value_name = "URL")]
    #[arg(default_value = IssuerConfig::GOOGLE_KEY_SET)]
    pub(crate) google_key_set: String,

    /// A file with a JSON list of further issuers, such as Sign in with Apple; see docs/sign-in.md.
    /// With this option, this server issues no tokens of its own.
    #[arg(long, env = "HAUMANA_ISSUERS", value_name = "FILE")]
    pub(crate) issuers: Option<PathBuf>,

    /// The file with the key of the hashes that name users in logs; it is created if it is missing.
    /// Without this option the file is beside the database. Several servers of one service need the
    /// same key.
    #[arg(long, env = "HAUMANA_CALLER_KEY", value_name = "FILE", global = true)]
    pub(crate) caller_key: Option<PathBuf>,

    /// What to log: a level, or levels by module, such as info,haumana_api=debug.
    #[arg(long, env = "HAUMANA_LOG", default_value = "info", value_name = "FILTER", global = true)]
    #[arg(value_parser = log_filter)]
    pub(crate) log: Targets,

    /// Listen on an address that others can reach. Everybody who reaches it can get a token for any
    /// user, and with it that user's data.
    #[arg(long, env = "HAUMANA_ALLOW_NON_LOOPBACK_AND_ISSUE_TOKENS_TO_ANYONE")]
    #[arg(conflicts_with_all = ["google_client_id", "issuers"])]
    #[arg(value_parser = BoolishValueParser::new())]
    pub(crate) allow_non_loopback_and_issue_tokens_to_anyone: bool,
}

/// The store that keeps the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// In the database file.
    Sqlite,
    /// In PostgreSQL, at --url; several servers may use one database. Needs the feature `postgres`.
    Postgres,
    /// In DynamoDB, with the credentials of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Needs the
    /// feature `dynamodb`.
    Dynamodb,
}

#[cfg(any(test, not(all(feature = "dynamodb", feature = "postgres"))))]
impl StoreKind {
    /// Its name on the command line. The feature that builds it in has the same name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Dynamodb => "dynamodb",
        }
    }
}

/// Do this instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a copy of the database to a new file. The server may be running.
    Backup {
        /// The file to write; it must not exist.
        to: PathBuf,
    },
    /// With DynamoDB or PostgreSQL: erase accounts again that a restore has brought back.
    ///
    /// The restored tables must not be in use yet. The tables that were in use before have a
    /// journal of erasures; this command reads from it which accounts to erase. With SQLite the
    /// server does this by itself. With PostgreSQL it does so too, if the journal is in the same
    /// database.
    EraseAgain {
        /// With DynamoDB: the prefix of the names of the tables that were in use before.
        #[arg(long, value_name = "PREFIX")]
        journal_prefix: Option<String>,
        /// With PostgreSQL: the database that was in use before; it is only read.
        #[arg(long, env = "HAUMANA_JOURNAL_URL", value_name = "URL", hide_env_values = true)]
        journal_url: Option<String>,
    },
    /// Check that --schema may be used for the stored records, as a server does when it starts, and
    /// keep it as their last schema.
    ///
    /// Use it before each deployment with a new schema, if services on the same records do not
    /// check the schema, such as AWS Lambda functions. It makes no database file.
    KeepSchema,
    /// Print the hash that names a user in logs, under the key in --caller-key. A server makes the
    /// key; this command makes none.
    Caller {
        /// The user's id: the `sub` of the user's tokens.
        user: String,
    },
    /// With DynamoDB or PostgreSQL: delete now, for all users, the history that is past its
    /// retention.
    ///
    /// DynamoDB does this by itself within days. Use this command after you made the retention
    /// shorter. With SQLite and PostgreSQL a server does it every hour.
    Sweep,
    /// Print the shell script that completes this command line.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write the pages of the program and of its commands into a folder.
    Man {
        /// The folder; it is created if it is missing.
        folder: Option<PathBuf>,
    },
    /// Replace the database by a backup. The server must not be running.
    ///
    /// The present database is kept under another name. Devices notice at their next sync, and what
    /// they wrote after the backup is merged into it.
    Restore {
        /// The backup; it is not changed.
        from: PathBuf,
        /// Let the backup win over what devices wrote after it. Their values go to their inbox.
        #[arg(long)]
        discard_later: bool,
    },
}

fn origin(text: &str) -> Result<Origin, &'static str> {
    Origin::parse(text).ok_or("an origin is scheme, host and port only, such as https://a.example")
}

/// What `haumana` and `haumana-admin` read beside what this program reads.
const OTHERS: [&str; 4] = ["HAUMANA_SERVER", "HAUMANA_TOKEN", "HAUMANA_DEVICE", "HAUMANA_AUDIT"];

/// Which of these environment variables look like settings of this program and are none.
///
/// Other programs of this project have some of their own.
pub(crate) fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let command = Args::command();
    let of_commands = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let known = command.get_arguments().chain(of_commands).filter_map(Arg::get_env);
    let known: Vec<&OsStr> = known.chain(OTHERS.map(OsStr::new)).collect();
    let names = names.filter(|name| !known.contains(&name.as_os_str()));
    let names = names.filter_map(|name| name.into_string().ok());
    names.filter(|name| name.starts_with("HAUMANA_")).collect()
}

/// Reads what to log. A word that is not a level would be taken for the name of a module. No module
/// has that name, so nothing would be logged.
fn log_filter(text: &str) -> Result<Targets, String> {
    let is_level = |part: &str| part.parse::<LevelFilter>().is_ok();
    let is_known = |part: &str| part.contains('=') || part.starts_with("haumana") || is_level(part);
    match text.split(',').map(str::trim).find(|part| !is_known(part)) {
        Some(part) => Err(format!("{part:?} is none of error, warn, info, debug, trace and off")),
        None => text.parse().map_err(|_| "write LEVEL, or MODULE=LEVEL,MODULE=LEVEL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_found() {
        let names = ["HAUMANA_GOOGLE_CLIENTID", "HAUMANA_ISSUER", "HAUMANA_DB", "HOME"];
        let unknown = unknown_variables(names.into_iter().map(OsString::from));

        assert_eq!(["HAUMANA_GOOGLE_CLIENTID", "HAUMANA_ISSUER"], unknown[..]);
    }

    #[test]
    fn the_command_line_makes_sense() {
        Args::command().debug_assert();
    }

    #[cfg(feature = "dynamodb")]
    #[test]
    fn tables_are_called_as_the_store_calls_them() {
        assert_eq!(haumana_store_dynamo::DEFAULT_PREFIX, DEFAULT_PREFIX);
    }

    #[test]
    fn every_flag_has_a_twin_in_the_environment() {
        for arg in Args::command().get_arguments() {
            let long = arg.get_long().unwrap();
            let twin = format!("HAUMANA_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(Some(twin.as_ref()), arg.get_env(), "--{long}");
        }
    }
}
