//! The command line.
//!
//! The doc comments of this file are the text of `--help`. The options that name the store have
//! environment variables, with the names that the server uses.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use haumana_store_dynamo::DEFAULT_PREFIX;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::time::UnixMillis;
use std::path::PathBuf;

/// Looks at accounts of haumana-sync, verifies and repairs them, and does what a person asks for.
///
/// It works directly on the store, while servers or functions serve it. Its changes to an account
/// are ordinary edits, which devices receive. Before it reads content or changes an account, it
/// writes a line to the audit log.
///
/// Exit codes: 0 if all is well; 2 if something was found, or is left to do; 1 if the command
/// failed.
#[derive(Debug, Parser)]
#[command(name = "haumana-admin", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) place: Place,

    /// Answer in JSON, one object on each line, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The store: the same options as the server's.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Place {
    /// The store that keeps the data.
    #[arg(long, env = "HAUMANA_STORE", default_value = "sqlite", value_name = "STORE")]
    #[arg(global = true)]
    pub(crate) store: StoreKind,

    /// The database file. The audit log and the key of its hashes are in files beside it.
    #[arg(long, env = "HAUMANA_DB", default_value = "haumana.db", value_name = "FILE")]
    #[arg(global = true)]
    pub(crate) db: PathBuf,

    /// With PostgreSQL: the database.
    #[arg(long, env = "HAUMANA_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub(crate) url: Option<String>,

    /// With PostgreSQL: the schema with the tables.
    #[arg(long, env = "HAUMANA_DATABASE_SCHEMA", default_value = "haumana", value_name = "NAME")]
    #[arg(global = true)]
    pub(crate) database_schema: String,

    /// With PostgreSQL: a file, in PEM, with the certificates that sign the server's certificate.
    #[arg(long, env = "HAUMANA_DATABASE_CERTIFICATES", value_name = "FILE", global = true)]
    pub(crate) database_certificates: Option<PathBuf>,

    /// With DynamoDB: its address, if it is not Amazon's.
    #[arg(long, env = "HAUMANA_ENDPOINT", value_name = "URL", global = true)]
    pub(crate) endpoint: Option<String>,

    /// With DynamoDB: the region.
    #[arg(long, env = "HAUMANA_REGION", default_value = "us-east-1", global = true)]
    pub(crate) region: String,

    /// With DynamoDB: the prefix of the names of the tables.
    #[arg(long, env = "HAUMANA_TABLE_PREFIX", default_value = DEFAULT_PREFIX, value_name = "PREFIX")]
    #[arg(global = true)]
    pub(crate) table_prefix: String,

    /// A schema file with the kinds of record. Without it, the kinds with which the data was last
    /// served. A schema that may not follow that one is refused.
    #[arg(long, env = "HAUMANA_SCHEMA", value_name = "FILE", global = true)]
    pub(crate) schema: Option<PathBuf>,

    /// How many days history is kept. Without it, as many as when the data was served last, or 90.
    /// With DynamoDB give the same number as the functions have, or 90 counts.
    #[arg(long, env = "HAUMANA_RETENTION_DAYS", value_name = "DAYS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=36_500), global = true)]
    pub(crate) retention_days: Option<u32>,

    /// The file with the key of the hashes that name users in logs. Without it, the file beside the
    /// database.
    #[arg(long, env = "HAUMANA_CALLER_KEY", value_name = "FILE", global = true)]
    pub(crate) caller_key: Option<PathBuf>,

    /// The audit log. Without it, the file beside the database.
    #[arg(long, env = "HAUMANA_AUDIT", value_name = "FILE", global = true)]
    pub(crate) audit: Option<PathBuf>,
}

/// The store that keeps the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// In the database file.
    Sqlite,
    /// In PostgreSQL, at --url.
    Postgres,
    /// In DynamoDB, with the credentials of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    Dynamodb,
}

/// The command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the state of an account: its counts, its devices, its open conflicts.
    Show {
        /// The user's id: the `sub` of the user's tokens.
        #[arg(value_parser = user)]
        user: UserId,
        /// Also show the content of the records. The reason is written to the audit log.
        #[arg(long, requires = "reason")]
        content: bool,
        /// The reason, such as the number of a request.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Find the user whom logs name by this hash.
    Find {
        /// The hash: `caller` in log lines.
        hash: String,
    },
    /// Check that the stored data of an account agrees with itself.
    Verify(Whom),
    /// Repair the faults whose right value follows from the rest of the data. Without --write, only
    /// print what would be repaired.
    Repair {
        /// The account.
        #[command(flatten)]
        whom: Whom,
        /// Do the repairs.
        #[arg(long)]
        write: bool,
    },
    /// Restore an earlier version of a record, also of a deleted one.
    Restore {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The kind of the record.
        #[arg(long, default_value = "piece")]
        kind: String,
        /// The id of the record.
        #[arg(long, value_parser = record)]
        id: RecordId,
        /// The number of the version; `show --content` lists them.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        version: u32,
    },
    /// Set all records of an account to what they were at an earlier time. The command prints a
    /// time; rewind to that time to undo it.
    Rewind {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The time, such as 2026-11-28T18:30:00Z.
        #[arg(long, value_parser = time, value_name = "TIME")]
        to: UnixMillis,
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Erase an account, and write a receipt.
    Erase {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The same user again, because only an export can bring the account back.
        #[arg(long, value_parser = user, value_name = "USER")]
        confirm: UserId,
    },
    /// Write all data of an account into a new file that only its owner can read.
    Export {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The file; it must not exist.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Show how much history is past its retention, and of which users.
    Retention(Whom),
    /// Begin a new life of the data. Use it after a database was restored by other means than
    /// `haumana-server restore`: devices notice, and what they hold is merged back.
    NewGeneration,
    /// Rehearse a restore on a copy: back up, restore, erase again, verify, and let a device
    /// return. The real data is not changed.
    Drill,
}

/// The account.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct Whom {
    /// The user.
    #[arg(value_parser = user)]
    pub(crate) user: Option<UserId>,
    /// All users.
    #[arg(long)]
    pub(crate) all: bool,
}

fn user(text: &str) -> Result<UserId, &'static str> {
    let flaw = "an id is not empty, has at most 255 bytes and no control characters";
    UserId::verified_by_caller(text).ok_or(flaw)
}

fn record(text: &str) -> Result<RecordId, &'static str> {
    RecordId::parse(text).ok_or("an id has 32 hexadecimal digits in five groups")
}

fn time(text: &str) -> Result<UnixMillis, &'static str> {
    UnixMillis::parse(text).ok_or("a time is as 2026-11-28T18:30:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        Args::command().debug_assert();
    }
}
