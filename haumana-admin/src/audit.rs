//! The audit log: what an operator does to an account, or reads of it, is written down first.
//!
//! The lines are as those of the server, in the same file. Users are in them by their hashes.
//!
//! # Two lines for each command
//!
//! The first is written, and synced to disk, before the command does anything: `status` is `begun`.
//! The second says `done` or `failed`. A line without a second one is a command that was killed, or
//! that could not write any more.
//!
//! | key | what |
//! |---|---|
//! | `timestamp` | when, in UTC |
//! | `operator` | the user of the process, as `uid 1000`; of root also whom `sudo` names |
//! | `caller` | the hash of the user's id, as in all logs; not there if it concerns every account |
//! | `call` | the command |
//! | `status` | `begun`, `done` or `failed` |
//! | `reason` | what was given with `--reason` |
//!
//! There is no content in it, and no user's name.

use crate::args::Place;
use crate::problem::Problem;
use haumana_api::SystemClock;
use haumana_auth::CallerKey;
use haumana_sync::engine::Clock as _;
use haumana_sync::id::UserId;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// How commands are written down.
///
/// Making one needs the key of the hashes: without it a line could not say whom it is about.
pub(crate) struct Audit {
    path: PathBuf,
    key: CallerKey,
}

/// A command that has begun. It says how it ended, or that it did not.
///
/// Commands pass their result through [`Begun::end`], which writes the second line.
pub(crate) struct Begun {
    path: PathBuf,
    call: &'static str,
    /// `None`: it concerns every account.
    caller: Option<String>,
}

impl Audit {
    /// The server's file beside the database, unless another one is named.
    pub(crate) fn of(place: &Place) -> Result<Self, Problem> {
        let path = audit_file(place);
        Ok(Self { path, key: key(place)? })
    }

    /// Writes down that a command begins. Whatever cannot be written down is not done.
    pub(crate) fn begin(
        &self,
        call: &'static str,
        user: &UserId,
        reason: Option<&str>,
    ) -> Result<Begun, Problem> {
        let (path, caller) = (self.path.clone(), Some(self.key.hash(user)));
        Begun { path, call, caller }.begun(reason)
    }
}

/// Writes down that a command begins that concerns every account.
///
/// It names no user, so it needs no key.
pub(crate) fn begin_for_all(place: &Place, call: &'static str) -> Result<Begun, Problem> {
    Begun { path: audit_file(place), call, caller: None }.begun(None)
}

impl Begun {
    fn begun(self, reason: Option<&str>) -> Result<Self, Problem> {
        self.write("begun", reason)?;
        Ok(self)
    }

    /// Writes down how it ended.
    pub(crate) fn end<T>(self, done: Result<T, Problem>) -> Result<T, Problem> {
        let status = if done.is_ok() { "done" } else { "failed" };
        let written = self.write(status, None);
        // What it came to counts more than that it could not be written down.
        done.and_then(|done| written.map(|()| done))
    }

    fn write(&self, status: &str, reason: Option<&str>) -> Result<(), Problem> {
        let mut line = json!({
            "timestamp": SystemClock.now().to_string(),
            "level": "INFO",
            "target": haumana_api::AUDIT,
            "message": "audit",
            "operator": operator(),
            "call": self.call,
            "status": status,
        });
        for (name, value) in [("caller", self.caller.as_deref()), ("reason", reason)] {
            if let Some(value) = value {
                line[name] = json!(value);
            }
        }
        append(&self.path, &line.to_string())
            .map_err(|error| Problem::Audit(self.path.clone(), error))
    }
}

fn audit_file(place: &Place) -> PathBuf {
    place.audit.clone().unwrap_or_else(|| beside(&place.db, ".audit"))
}

/// The key of the hashes by which logs call users.
///
/// It is the server's key. With another one the same user would have another hash.
pub(crate) fn key(place: &Place) -> Result<CallerKey, Problem> {
    let path = key_file(place);
    let flaw = |what: String| Problem::CallerKey(path.clone(), what);
    let text = std::fs::read_to_string(&path).map_err(|error| flaw(error.to_string()))?;
    if is_exposed(&path) {
        return Err(flaw("others can read it, too: chmod 600".to_owned()));
    }
    CallerKey::new(text.trim()).ok_or_else(|| flaw("it holds no key".to_owned()))
}

pub(crate) fn key_file(place: &Place) -> PathBuf {
    place.caller_key.clone().unwrap_or_else(|| beside(&place.db, ".caller-key"))
}

/// The file that stands beside a database under its name and this.
///
/// If the database is a link, that is the file beside what the link leads to, as for the server.
pub(crate) fn beside(db: &Path, suffix: &str) -> PathBuf {
    let with = |path: &Path| -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    };
    let is_link = std::fs::symlink_metadata(db).is_ok_and(|meta| meta.is_symlink());
    let named = with(db);
    match std::fs::canonicalize(db) {
        Ok(real) if is_link && !named.exists() => with(&real),
        _ => named,
    }
}

/// A link is refused: it could lead the lines to a file of somebody else's choice. A new file has
/// mode 0600.
fn append(path: &Path, line: &str) -> io::Result<()> {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(io::Error::other("it is a link, or no ordinary file"));
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let is_new = !path.exists();
    let mut file = options.open(path)?;
    if is_new {
        give_to_owner(path);
    }
    // One write, so that lines of a server stay apart.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

#[cfg(unix)]
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_path: &Path) -> bool {
    false
}

/// Gives a new log to whom the folder belongs: the server appends to it, and root may be first.
#[cfg(unix)]
fn give_to_owner(path: &Path) {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(meta) = std::fs::metadata(folder.unwrap_or(Path::new("."))) {
        // Where it is not allowed, this process is the owner's, or cannot help it.
        let _ = chown(path, Some(meta.uid()), Some(meta.gid()));
    }
}

#[cfg(not(unix))]
fn give_to_owner(_path: &Path) {}

/// Whose process this is, as the system says: anybody can set `USER`.
///
/// Only root can have been somebody else, who may be named in what `sudo` leaves behind.
fn operator() -> String {
    let Some(uid) = uid() else { return "unknown".to_owned() };
    let left = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (left("SUDO_UID"), left("SUDO_USER")) {
        (Some(by), Some(name)) if uid == 0 => format!("uid 0, by sudo of uid {by} ({name})"),
        _ => format!("uid {uid}"),
    }
}

#[cfg(unix)]
fn uid() -> Option<u32> {
    Some(rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn uid() -> Option<u32> {
    None
}
