//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use haumana_store_dynamo::DEFAULT_PREFIX;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::time::UnixMillis;
use std::path::PathBuf;

/// Looks at accounts of haumana-sync, verifies and repairs them, and does what a person asks for.
///
/// It works on the store itself, while servers or functions serve it. What it does to an account is
/// an ordinary edit that devices are given. Whatever reads content or changes an account is written
/// to the audit log first.
///
/// It ends with 0 if all is well, with 2 if something was found, or is left to do, and with 1 if it
/// could not do what it was asked for.
#[derive(Debug, Parser)]
#[command(name = "haumana-admin", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) place: Place,

    /// Answer as JSON, one object a line, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the data is: the flags of the server.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Place {
    /// Where the data is kept.
    #[arg(long, env = "HAUMANA_STORE", default_value = "sqlite", value_name = "STORE")]
    #[arg(global = true)]
    pub(crate) store: StoreKind,

    /// The database file. The audit log and the key of its hashes stand beside it.
    #[arg(long, env = "HAUMANA_DB", default_value = "haumana.db", value_name = "FILE")]
    #[arg(global = true)]
    pub(crate) db: PathBuf,

    /// With PostgreSQL: the database.
    #[arg(long, env = "HAUMANA_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub(crate) url: Option<String>,

    /// With PostgreSQL: the schema that holds the tables.
    #[arg(long, env = "HAUMANA_DATABASE_SCHEMA", default_value = "haumana", value_name = "NAME")]
    #[arg(global = true)]
    pub(crate) database_schema: String,

    /// With PostgreSQL: a file with the certificates that sign the server's, in PEM.
    #[arg(long, env = "HAUMANA_DATABASE_CERTIFICATES", value_name = "FILE", global = true)]
    pub(crate) database_certificates: Option<PathBuf>,

    /// With DynamoDB: its address, if it is not Amazon's.
    #[arg(long, env = "HAUMANA_ENDPOINT", value_name = "URL", global = true)]
    pub(crate) endpoint: Option<String>,

    /// With DynamoDB: the region.
    #[arg(long, env = "HAUMANA_REGION", default_value = "us-east-1", global = true)]
    pub(crate) region: String,

    /// With DynamoDB: what the names of the tables begin with.
    #[arg(long, env = "HAUMANA_TABLE_PREFIX", default_value = DEFAULT_PREFIX, value_name = "PREFIX")]
    #[arg(global = true)]
    pub(crate) table_prefix: String,

    /// Which kinds of record there are; without it those that the data was last served with.
    #[arg(long, env = "HAUMANA_SCHEMA", value_name = "FILE", global = true)]
    pub(crate) schema: Option<PathBuf>,

    /// How long history is kept; as the servers have it.
    #[arg(long, env = "HAUMANA_RETENTION_DAYS", default_value_t = 90, value_name = "DAYS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=36_500), global = true)]
    pub(crate) retention_days: u32,

    /// The file with the key of the hashes by which logs call users; without it the one beside the
    /// database.
    #[arg(long, env = "HAUMANA_CALLER_KEY", value_name = "FILE", global = true)]
    pub(crate) caller_key: Option<PathBuf>,

    /// The audit log; without it the one beside the database.
    #[arg(long, env = "HAUMANA_AUDIT", value_name = "FILE", global = true)]
    pub(crate) audit: Option<PathBuf>,
}

/// Where the data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// In the database file.
    Sqlite,
    /// In PostgreSQL, at --url.
    Postgres,
    /// In DynamoDB, with the credentials of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    Dynamodb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say how an account stands: its counts, its devices, its open conflicts.
    Show {
        /// The user, as tokens name them (`sub`).
        #[arg(value_parser = user)]
        user: UserId,
        /// Show what the records hold. The reason is written to the audit log.
        #[arg(long, requires = "reason")]
        content: bool,
        /// Why, such as the number of a request.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Find the user whom logs call by this hash.
    Find {
        /// The hash: `caller` in log lines.
        hash: String,
    },
    /// Check that what is stored agrees with itself.
    Verify(Whom),
    /// Mend what follows from the rest. Without --write it says what it would do.
    Repair {
        /// Whose account.
        #[command(flatten)]
        whom: Whom,
        /// Do it.
        #[arg(long)]
        write: bool,
    },
    /// Make an earlier version of a record its content again, also of one that was deleted.
    Restore {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The kind of the record.
        #[arg(long, default_value = "piece")]
        kind: String,
        /// The record.
        #[arg(long, value_parser = record)]
        id: RecordId,
        /// The version; `show --content` lists them.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        version: u32,
    },
    /// Make an account what it was at a time. Rewinding to the time that it answers takes it back.
    Rewind {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The time, such as 2026-11-28T18:30:00Z.
        #[arg(long, value_parser = time, value_name = "TIME")]
        to: UnixMillis,
        /// Say what would become of it, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Erase an account, and write a receipt.
    Erase {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The same user again: nothing brings the account back but an export.
        #[arg(long, value_parser = user, value_name = "USER")]
        confirm: UserId,
    },
    /// Write everything of an account into a new file that its owner alone can read.
    Export {
        /// The user.
        #[arg(value_parser = user)]
        user: UserId,
        /// The file; it must not exist.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Say how much history is past its retention, of whom.
    Retention(Whom),
    /// Begin a new life of the data, after a database was put back by other means than `haumana-server
    /// restore`: devices notice, and what they hold is merged back.
    NewGeneration,
    /// Rehearse going back to a backup, on a copy: back up, restore, erase again, verify, and let a
    /// device return. Nothing of the real data is changed.
    Drill,
}

/// Whose account.
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
