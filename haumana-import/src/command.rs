//! The code that both programs share: the store that the command line names.
//!
//! Both programs open the store themselves, without a server. On DynamoDB servers may run
//! meanwhile: each write is a compare-and-swap on the head of its user, so neither side overwrites
//! the other.
//!
//! Neither program takes credentials as an option, as other users of a machine can see command
//! lines.

use crate::error::{Error, ErrorKind, Result};
use crate::live::Service;
use clap::{Args, Parser, ValueEnum};
use haumana_api::{SystemClock, SystemRandom};
use haumana_store_dynamo::{
    Columns, Credentials, DEFAULT_PREFIX, DynamoOptions, DynamoStore, NoDeadline, Retry, TABLES,
};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::repertoire;
use haumana_sync::store::{Generation, MemoryStore};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How many days longer than the retention history stays in DynamoDB.
const TTL_MARGIN_DAYS: u32 = 10;
const DAY: Duration = Duration::from_secs(86_400);

/// Which backend holds the records of haumana-sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// DynamoDB, as in production.
    Dynamodb,
    /// SQLite: one file, to rehearse a move on a laptop.
    Sqlite,
}

/// The store of haumana-sync, by flags or environment.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// With sqlite: the database file.
    #[arg(long, env = "HAUMANA_DB", value_name = "FILE")]
    pub db: Option<PathBuf>,

    /// With dynamodb: the prefix of the names of haumana-sync's own tables.
    #[arg(long, env = "HAUMANA_DYNAMODB_PREFIX", default_value = DEFAULT_PREFIX)]
    pub prefix: String,

    /// With dynamodb: its address, if it is not Amazon's, such as http://127.0.0.1:8000.
    #[arg(long, env = "HAUMANA_DYNAMODB_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<String>,

    /// The AWS region.
    #[arg(long, env = "AWS_REGION")]
    pub region: Option<String>,

    /// The generation of the data: the same number as the servers have. A SQLite file may have a
    /// higher one.
    #[arg(long, env = "HAUMANA_GENERATION", default_value_t = 0, value_name = "N")]
    pub generation: u32,

    /// How many days history is kept. Give the same number as the servers have: what is older is
    /// deleted where something is written.
    #[arg(long, env = "HAUMANA_RETENTION_DAYS", default_value_t = 90, value_name = "DAYS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub retention_days: u32,
}

impl StoreArgs {
    /// Returns the DynamoDB that the flags name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Target`] if there is no region, or the environment has no credentials.
    pub fn service(&self) -> Result<Service> {
        // A guessed region might have tables with the same names.
        let unnamed = "DynamoDB needs a region: --region, or AWS_REGION";
        let region = self.region.clone().ok_or_else(|| Error::new(ErrorKind::Target, unnamed))?;
        let missing = "the environment has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        let credentials = Credentials::from_environment();
        let credentials = credentials.ok_or_else(|| Error::new(ErrorKind::Target, missing))?;
        Ok(Service { region, endpoint: self.endpoint.clone(), credentials, http: None })
    }

    /// Refuses a table of the earlier server that is one of ours. The earlier server and
    /// haumana-sync must not see each other's items.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Target`] if it is.
    pub fn check_foreign(&self, name: &str) -> Result<()> {
        if TABLES.iter().any(|table| table.name(&self.prefix) == name) {
            let what = format!(
                "the table {name} is one of haumana-sync's own; name the earlier server's, or \
                 another --prefix"
            );
            return Err(Error::new(ErrorKind::Target, what));
        }
        Ok(())
    }

    /// Opens the store, and returns the generation of its data. `missing` says what to do if there
    /// is no database file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Target`] if the store is missing, or not as it must be.
    pub async fn open(
        &self,
        backend: Backend,
        missing: MissingFile,
    ) -> Result<(Arc<dyn Store>, Generation)> {
        let asked = Generation(self.generation);
        match backend {
            Backend::Sqlite => self.open_sqlite(missing, asked),
            Backend::Dynamodb => {
                let store = self.open_dynamodb().await?;
                // The generation in which the functions serve, if the tables know a higher one. It
                // is not raised here: the functions do that.
                let known = store.known_generation().await.map_err(|error| {
                    let what = format!("the generation of the tables {}… is not told", self.prefix);
                    Error::new(ErrorKind::Target, what).because(error)
                })?;
                Ok((store, known.map_or(asked, |known| known.max(asked))))
            }
        }
    }

    fn open_sqlite(
        &self,
        missing: MissingFile,
        asked: Generation,
    ) -> Result<(Arc<dyn Store>, Generation)> {
        let target = |what: String| Error::new(ErrorKind::Target, what);
        let named = self.db.as_deref();
        let path = named.ok_or_else(|| target("sqlite needs --db FILE".to_owned()))?;
        if !path.exists() {
            match missing {
                MissingFile::Make => {}
                MissingFile::Pretend => return Ok((Arc::new(MemoryStore::new()), asked)),
                MissingFile::Refuse => {
                    return Err(target(format!("there is no database {}", path.display())));
                }
            }
        }
        let options = SqliteOptions {
            path: path.into(),
            readers: 2,
            busy_timeout: Duration::from_secs(60),
            max_bytes: None,
        };
        // A run that changes nothing must not begin a new life of the data.
        let asked = if missing == MissingFile::Make { asked } else { Generation(0) };
        let store = SqliteStore::open_asking(&options, asked).map_err(|error| {
            target(format!("{}: it cannot be opened", path.display())).because(error)
        })?;
        let generation = store.life().generation;
        Ok((Arc::new(store), generation))
    }

    async fn open_dynamodb(&self) -> Result<Arc<DynamoStore>> {
        let Service { region, endpoint, credentials, http } = self.service()?;
        let store = DynamoStore::open(DynamoOptions {
            prefix: self.prefix.clone(),
            region,
            endpoint,
            credentials,
            columns: Columns::of(&repertoire::schema()),
            history_ttl: DAY * (self.retention_days + TTL_MARGIN_DAYS),
            allowance: None,
            // No user waits for an answer, so it retries for long.
            retry: Retry {
                budget: Duration::from_secs(120),
                longest_wait: Duration::from_secs(10),
                ..Retry::interactive()
            },
            deadline: Arc::new(NoDeadline),
            http,
        });
        let checked = store.check_tables().await;
        let what = format!("the tables {}… are not as they must be", self.prefix);
        checked.map_err(|error| Error::new(ErrorKind::Target, what).because(error))?;
        Ok(Arc::new(store))
    }

    /// Makes an engine on a store in this generation.
    pub fn engine(&self, store: Arc<dyn Store>, generation: Generation) -> Engine {
        let mut config = EngineConfig::new(generation);
        config.retention_ms = i64::from(self.retention_days) * 86_400_000;
        Engine::new(store, Arc::new(SystemClock), Arc::new(SystemRandom), config)
    }
}

/// What to do if there is no database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingFile {
    /// Make it.
    Make,
    /// Use an empty store in memory.
    Pretend,
    /// Return an error.
    Refuse,
}

/// Reads the command line. If it asks for help or is wrong, prints the answer and returns the exit
/// code. A wrong command line gives 1, because 2 means that items were refused.
pub fn arguments<T: Parser>() -> std::result::Result<T, ExitCode> {
    T::try_parse().map_err(|said| {
        let is_help = said.print().is_ok() && !said.use_stderr();
        if is_help { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// Makes the file of a report. It holds user ids, so only its owner may read it.
///
/// A file with that name is removed first. It is not emptied, because others may have it open.
///
/// # Errors
///
/// [`ErrorKind::Report`] if it cannot be made.
pub fn report_file(path: &Path) -> Result<Box<dyn Write + Send>> {
    let file = private(path).map_err(|error| {
        let what = format!("{}: the report cannot be made", path.display());
        Error::new(ErrorKind::Report, what).because(error)
    })?;
    Ok(Box::new(BufWriter::new(file)))
}

/// Whether a file is empty, or begins as a report does.
fn is_report(path: &Path) -> std::io::Result<bool> {
    const START: &[u8] = br#"{"table":"#;
    let mut start = Vec::new();
    File::open(path)?.take(START.len() as u64).read_to_end(&mut start)?;
    Ok(start.is_empty() || start == START)
}

/// Says how far it is, and what went wrong. If nobody reads that, the work goes on.
pub fn tell(line: impl std::fmt::Display) {
    // The exit code tells how it ended.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn private(path: &Path) -> std::io::Result<File> {
    match std::fs::metadata(path) {
        // A terminal, a pipe, `/dev/null`: it is written to, and never replaced.
        Ok(there) if !there.is_file() => return OpenOptions::new().write(true).open(path),
        Ok(_) if !is_report(path)? => {
            return Err(std::io::Error::other(
                "it is no report of an earlier run; name another file",
            ));
        }
        _ => {}
    }
    // An earlier report is replaced. If it was a link, the target of the link is not touched.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
