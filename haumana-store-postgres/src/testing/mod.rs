//! A PostgreSQL server that tests start by themselves.
//!
//! The first test of a process starts it, in a temporary folder, on a port of its own. It stops
//! when the process ends, even if it is killed: a shell waits for the end of a pipe that the
//! process holds. If `HAUMANA_POSTGRES_URL` names a server, that one is used instead; schemas are
//! made in it and stay.
//!
//! Tests do not share tables: each uses a schema of its own, in the same server, so they run at the
//! same time. The started server is the installed version, with `fsync` off. [`durable`] starts one
//! that waits for the disk.

use crate::{OpenError, PostgresOptions, PostgresStore};
use haumana_sync::store::Generation;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A server for tests.
///
/// It is for tests of this crate and of crates that use it. The module says where it comes from.
#[derive(Debug)]
pub struct Server {
    url: String,
    port: Option<u16>,
    folder: Option<PathBuf>,
    /// Stops the server when its standard input ends.
    _keeper: Option<Child>,
}

/// Returns the server of this process. If no PostgreSQL is installed, prints that and returns
/// `None`.
///
/// # Panics
///
/// If no PostgreSQL is installed and `CI` is set, or if the server cannot be started.
#[allow(clippy::panic, clippy::unwrap_used, reason = "a helper of tests")]
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        match Server::named_or_started() {
            Some(server) => Some(server),
            None if std::env::var_os("CI").is_some() => panic!("{NOT_INSTALLED}"),
            None => {
                // Directly to the terminal, because the harness hides the output of tests that
                // pass.
                let line = format!("\nskipped: {NOT_INSTALLED}\n");
                std::io::stderr().write_all(line.as_bytes()).unwrap();
                None
            }
        }
    });
    server.as_ref()
}

/// Starts a server that waits for the disk, as in production: for measurements. `None` if no
/// PostgreSQL is installed.
pub fn durable() -> Option<Server> {
    binaries().map(|binaries| start(&binaries, DURABLE))
}

/// Settings of tests. Nobody needs their data after a loss of power.
const QUICK: &str = "-c fsync=off -c full_page_writes=off -c shared_buffers=64MB";
/// Settings of measurements: the memory of a small server, and otherwise the defaults of a new
/// cluster.
const DURABLE: &str = "-c shared_buffers=256MB -c max_wal_size=4GB";

/// The root certificate that has signed the server's own, as PEM, and one that has not. All were
/// made for tests.
pub const ROOTS: [&str; 2] =
    [include_str!("certificates/root.crt"), include_str!("certificates/other-root.crt")];

const NOT_INSTALLED: &str = "the tests of haumana-store-postgres need PostgreSQL 13 or newer: \
    install it (Debian: apt-get install postgresql), or name a server with HAUMANA_POSTGRES_URL";

impl Server {
    /// The server that `HAUMANA_POSTGRES_URL` names, or a started one that does not wait for the
    /// disk. `None` if no PostgreSQL is installed.
    pub fn named_or_started() -> Option<Self> {
        match std::env::var("HAUMANA_POSTGRES_URL") {
            Ok(url) => Some(Self { url, port: None, folder: None, _keeper: None }),
            Err(_) => binaries().map(|binaries| start(&binaries, QUICK)),
        }
    }

    /// Returns options for a schema that is not in use.
    pub fn empty(&self) -> PostgresOptions {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        PostgresOptions {
            url: self.url.clone(),
            schema: format!("t{}_{number}_{}", std::process::id(), now % 1_000_000_007),
            certificates: None,
            connections: 4,
            connect_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(30),
            generation: Generation(0),
        }
    }

    /// Opens an empty store.
    ///
    /// # Errors
    ///
    /// Those of [`PostgresStore::open`].
    pub async fn open(&self) -> Result<PostgresStore, OpenError> {
        PostgresStore::open(&self.empty()).await
    }

    /// Dumps a schema, loads the dump into a new database, and returns its options. `None` if the
    /// server was not started here.
    #[allow(clippy::panic, clippy::unwrap_used, reason = "a helper of tests")]
    pub fn dump_into_another_database(&self, options: &PostgresOptions) -> Option<PostgresOptions> {
        let (binaries, folder) = (binaries()?, self.folder.as_ref()?);
        let name = format!("copy_{}", options.schema);
        let (server, _) = self.url.rsplit_once('/')?;
        let (url, dump) = (format!("{server}/{name}"), folder.join(&name));
        let run = |program: &str, arguments: &[&str]| {
            // The client's programs may be installed in another place than the server's.
            let beside = binaries.join(program);
            let found = if beside.is_file() { beside } else { program.into() };
            let output = Command::new(found).args(arguments).output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {text}");
            output.stdout
        };
        let dumped = run("pg_dump", &["-d", &options.url, "-n", &options.schema]);
        std::fs::write(&dump, dumped).unwrap();
        run("psql", &["-d", &self.url, "-c", &format!("CREATE DATABASE {name}")]);
        run("psql", &["-d", &url, "-v", "ON_ERROR_STOP=1", "-f", dump.to_str()?]);
        Some(PostgresOptions { url, ..options.clone() })
    }

    /// Returns the URL of the server's database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its port on 127.0.0.1; `None` if it was not started here.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the folder of the server's data; `None` if it was not started here.
    pub fn data(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("data"))
    }
}

/// Finds the folder of `initdb` and `pg_ctl`: on the path, or in Debian's folder.
///
/// Of several versions in Debian's folders, the one whose path sorts last is taken.
fn binaries() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut of_debian: Vec<PathBuf> = of_debian.map(|entry| entry.path().join("bin")).collect();
    of_debian.sort();
    std::env::split_paths(&path).chain(of_debian.into_iter().rev()).find(has_all)
}

/// Starts a server.
#[allow(clippy::panic, clippy::unwrap_used, reason = "a helper of tests")]
fn start(binaries: &Path, settings: &str) -> Server {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let owner = other_user();
    let name = match STARTED.fetch_add(1, Ordering::Relaxed) {
        0 => format!("haumana-postgres-{}", std::process::id()),
        number => format!("haumana-postgres-{}-{number}", std::process::id()),
    };
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    if let Some((user, group)) = owner {
        chown(&folder, Some(user), Some(group)).unwrap();
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(binaries.join(program));
        command.args(arguments).current_dir(&folder).stdin(Stdio::null());
        if let Some((user, group)) = owner {
            command.gid(group).uid(user);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), format!("{program} {arguments:?}: {text}"))
    };
    let (is_done, text) = run(
        "initdb",
        &["-D", "data", "-U", "haumana", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
    );
    assert!(is_done, "{text}");
    let (certificate, key) = (folder.join("data/server.crt"), folder.join("data/server.key"));
    std::fs::write(&certificate, include_bytes!("certificates/server.crt")).unwrap();
    std::fs::write(&key, include_bytes!("certificates/server.key")).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    if let Some((user, group)) = owner {
        chown(&certificate, Some(user), Some(group)).unwrap();
        chown(&key, Some(user), Some(group)).unwrap();
    }
    // Another program may take the port before the server does.
    for _ in 0..10 {
        let port = free_port();
        let socket = folder.to_str().unwrap();
        let settings = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{socket}' \
             -c ssl=on -c max_connections=300 {settings}"
        );
        let arguments = ["-D", "data", "-w", "-t", "60", "-l", "log", "-o", &settings, "start"];
        if run("pg_ctl", &arguments).0 {
            let keeper = keep(binaries, &folder, owner);
            let url = format!("postgres://haumana@127.0.0.1:{port}/postgres");
            return Server { url, port: Some(port), folder: Some(folder), _keeper: Some(keeper) };
        }
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("the server does not start: {log}");
}

/// Starts the shell that stops the server and deletes its folder when this process has ended.
///
/// The shell waits in `cat`, whose input ends when this process does, even if it is killed.
#[allow(clippy::unwrap_used, reason = "a helper of tests")]
fn keep(binaries: &Path, folder: &Path, owner: Option<(u32, u32)>) -> Child {
    let script = r#"trap '' INT; cat; "$0/pg_ctl" -D data -m immediate stop; cd /; rm -rf "$1""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(binaries).arg(folder).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    if let Some((user, group)) = owner {
        command.gid(group).uid(user);
    }
    command.spawn().unwrap()
}

/// The user to run the server as, if this process is root: PostgreSQL refuses to run as root.
fn other_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

#[allow(clippy::unwrap_used, reason = "a helper of tests")]
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
