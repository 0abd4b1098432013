//! The folder of one device: who is signed in, with which token, and the replica.

use crate::problem::{Problem, is_near, why};
use crate::schema;
use crate::shell::{program, quoted};
use crate::system::Machine;
use haumana_replica::storage::SqliteStorage;
use haumana_replica::transport::{Encoding, HttpConfig, HttpTransport, TokenSource, is_loopback};
use haumana_replica::{ErrorKind, Replica};
use haumana_sync::id::UserId;
use haumana_sync::schema::Schema;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DATABASE: &str = "replica.db";
/// The default address of the local server.
const LOCAL_SERVER: &str = "http://127.0.0.1:8787";

/// How long to wait for other programs that hold the device, once a person has written something.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the folder remembers besides the replica.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Settings {
    pub(crate) server: Option<String>,
    pub(crate) account: Option<String>,
    /// The server that the token is for. No other server gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_for: Option<String>,
    /// Whether the token may go over plain HTTP to another machine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) plain_http: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The folder of one device.
#[derive(Debug)]
pub(crate) struct Device {
    folder: PathBuf,
    schema: Schema,
    pub(crate) settings: Settings,
    server: Option<String>,
}

impl Device {
    /// Opens the folder, or a device that is not made yet. `server` becomes its server.
    pub(crate) fn new_or_open(
        folder: &Path,
        server: Option<String>,
        schema: Schema,
    ) -> Result<Self, Problem> {
        let mut device = match Self::open(folder, None, schema.clone()) {
            Err(Problem::NoDevice(_)) => {
                let (folder, settings) = (folder.into(), Settings::default());
                Self { folder, schema, settings, server: None }
            }
            opened => opened?,
        };
        // Older versions did not note the server of the token. It was the server of that time.
        device.settings.token_for = Some(device.token_for()).filter(|_| device.has_account());
        device.settings.server = server.or(device.settings.server);
        Ok(device)
    }

    /// Makes the folder, for its owner only. Making it again changes nothing but the server. A
    /// folder that existed before keeps its mode, since others may need it. The files of this
    /// device in it are for its owner only.
    pub(crate) fn make(&self) -> Result<(), Problem> {
        make_private(&self.folder).map_err(|error| Problem::File(self.folder.clone(), error))?;
        self.save()
    }

    /// Opens the folder, with the schema that it keeps. `server` is used instead of the remembered
    /// server.
    pub(crate) fn open(
        folder: &Path,
        server: Option<String>,
        schema: Schema,
    ) -> Result<Self, Problem> {
        let path = folder.join("device.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Problem::NoDevice(folder.into()));
            }
            read => read.map_err(|error| Problem::File(path.clone(), error))?,
        };
        let settings = serde_json::from_slice(&text);
        let settings = settings.map_err(|error| Problem::File(path, error.into()))?;
        Ok(Self { folder: folder.into(), schema, settings, server })
    }

    /// The schema of the device.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of the server, without a slash at its end.
    pub(crate) fn server(&self) -> String {
        let named = self.server.as_deref().or(self.settings.server.as_deref());
        named.unwrap_or(LOCAL_SERVER).trim_end_matches('/').to_owned()
    }

    /// The server that the token is for.
    fn token_for(&self) -> String {
        let remembered = self.settings.token_for.as_deref().or(self.settings.server.as_deref());
        remembered.unwrap_or(LOCAL_SERVER).trim_end_matches('/').to_owned()
    }

    fn has_account(&self) -> bool {
        self.settings.account.is_some()
    }

    /// Fails if others could read the token on the way to the server.
    pub(crate) fn check_server(&self) -> Result<(), Problem> {
        let url = self.server();
        let is_plain = url.starts_with("http://") && !is_loopback(&url);
        if is_plain && !self.settings.plain_http {
            Err(Problem::PlainHttp { program: self.program(), url })
        } else {
            Ok(())
        }
    }

    pub(crate) fn account(&self) -> Result<UserId, Problem> {
        let account = self.settings.account.as_deref().and_then(UserId::verified_by_caller);
        account.ok_or_else(|| Problem::NotSignedIn(self.program()))
    }

    /// Remembers who is signed in, and the token, which only the owner may read.
    pub(crate) fn sign_in(&mut self, account: &UserId, token: &str) -> Result<(), Problem> {
        self.write("token", token.as_bytes())?;
        self.settings.account = Some(account.as_str().to_owned());
        self.settings.token_for = Some(self.server());
        self.save()
    }

    fn save(&self) -> Result<(), Problem> {
        // Two optional strings always serialise.
        let text = serde_json::to_vec_pretty(&self.settings).unwrap_or_default();
        self.write("device.json", &text)
    }

    /// Replaces a file as a whole. The temporary file is its owner's only, and so is the file after
    /// it is renamed.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        let path = self.folder.join(name);
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| Problem::File(path.clone(), error))
    }

    /// Returns the command line of a command on this device, quoted for a shell.
    pub(crate) fn command_line<'w>(&self, words: impl Iterator<Item = &'w str>) -> String {
        let mut line = self.program();
        for word in words {
            line.push(' ');
            line.push_str(&quoted(word));
        }
        line
    }

    /// Returns the beginning of a command line for this device.
    pub(crate) fn program(&self) -> String {
        program(&self.folder)
    }

    /// Opens the replica again, for the same account, after waiting for a person. Another program
    /// may be using it. It waits longer than other commands do, so that the person's work is not
    /// lost.
    pub(crate) async fn replica_again(&self) -> Result<Replica, Problem> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.replica().await {
                Err(problem) if problem.is_held() && Instant::now() < until => {}
                opened => return opened,
            }
        }
    }

    /// Opens the replica for the account that is signed in. Nobody else can use the device until
    /// the replica is dropped, so do not wait for a person meanwhile.
    pub(crate) async fn replica(&self) -> Result<Replica, Problem> {
        let account = self.account()?;
        let replica = self.replica_of_nobody().await?;
        replica.sign_in(account).await.map_err(Problem::local)?;
        Ok(replica)
    }

    pub(crate) async fn replica_of_nobody(&self) -> Result<Replica, Problem> {
        let path = self.folder.join(DATABASE);
        let failed = |error: haumana_replica::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_default();
            match error.kind() {
                ErrorKind::Schema => Problem::OtherSchema(cause),
                ErrorKind::InUse => Problem::Held(path.clone()),
                _ => Problem::Database(path.clone(), cause),
            }
        };
        let storage = SqliteStorage::open(&path).map_err(failed)?;
        let builder = Replica::builder(storage, self.schema.clone());
        let opened = builder.clock(Arc::new(Machine)).random(Arc::new(Machine)).open().await;
        opened.map_err(failed)
    }

    /// Keeps another schema from now on. It must be able to follow the schema of the present
    /// records.
    pub(crate) async fn adopt(self, schema: Schema) -> Result<Self, Problem> {
        let device = Self { schema, ..self };
        if device.folder.join(DATABASE).exists() {
            // Opening the replica compares it with the schema of its records.
            device.replica_of_nobody().await?;
        }
        schema::keep(&device.folder, &device.schema)?;
        Ok(device)
    }

    /// Makes the transport that carries calls to the server.
    pub(crate) fn transport(&self) -> Result<HttpTransport, Problem> {
        let url = self.server();
        self.check_server()?;
        let is_for = self.token_for();
        if is_for != url {
            return Err(Problem::OtherServer { program: self.program(), is_for, url });
        }
        let encoding = if is_near(&url) { Encoding::Identity } else { Encoding::Gzip };
        let tokens = TokenFile(Self::read_token(&self.folder.join("token"))?);
        let mut config = HttpConfig::usual(url.clone());
        (config.encoding, config.plain_http) = (encoding, self.settings.plain_http);
        HttpTransport::new(config, Arc::new(tokens))
            .map_err(|error| Problem::Refused(format!("cannot use {url}{}", why(&error))))
    }

    fn read_token(path: &Path) -> Result<Option<String>, Problem> {
        match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem::File(path.into(), error)),
            Ok(_) if is_exposed(path) => Err(Problem::Exposed(path.into())),
            Ok(token) => Ok(Some(token.trim().to_owned())),
        }
    }
}

/// The token of the folder; `Debug` does not print it.
struct TokenFile(Option<String>);

impl std::fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenFile")
    }
}

#[async_trait::async_trait]
impl TokenSource for TokenFile {
    async fn token(&self, _: &UserId) -> Option<String> {
        // The transport checks, before it sends anything, that the token is for this account.
        self.0.clone()
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

#[cfg(unix)]
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(not(unix))]
fn is_exposed(_: &Path) -> bool {
    false
}
