//! The audit log: before an operator changes an account or reads its content, a line is written.
//!
//! The lines have the form of the server's, in the same file. Users are in them by their hashes.
//!
//! # Two lines for each command
//!
//! The first is written, and synced to disk, before the command does anything: its `status` is
//! `begun`. The second says `done` or `failed`. If a second one is missing, the command was killed,
//! or could not write any more.
//!
//! | key | what |
//! |---|---|
//! | `timestamp` | when, in UTC |
//! | `operator` | the user of the process, as `uid 1000`; for root also the user that `sudo` names |
//! | `caller` | the hash of the user's id, as in all logs; absent if all accounts are concerned |
//! | `call` | the command |
//! | `status` | `begun`, `done` or `failed` |
//! | `reason` | what was given with `--reason` |
//!
//! It has no content, and no name of a user.

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

/// Writes the audit log.
///
/// Making one needs the key of the hashes: without it a line could not say which user it is about.
pub(crate) struct Audit {
    path: PathBuf,
    key: CallerKey,
}

/// A command that has begun and needs a second line.
///
/// A command passes its result through [`Begun::end`], which writes that line.
pub(crate) struct Begun {
    path: PathBuf,
    call: &'static str,
    /// `None`: the command concerns every account.
    caller: Option<String>,
}

impl Audit {
    /// Uses the server's file beside the database, unless another one is named.
    pub(crate) fn of(place: &Place) -> Result<Self, Problem> {
        let path = audit_file(place);
        Ok(Self { path, key: key(place)? })
    }

    /// Writes that a command begins. If that cannot be written, the command must not run.
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

/// Writes that a command begins that concerns every account.
///
/// The line names no user, so it needs no key.
pub(crate) fn begin_for_all(place: &Place, call: &'static str) -> Result<Begun, Problem> {
    Begun { path: audit_file(place), call, caller: None }.begun(None)
}

impl Begun {
    fn begun(self, reason: Option<&str>) -> Result<Self, Problem> {
        self.write("begun", reason)?;
        Ok(self)
    }

    /// Writes how the command ended.
    pub(crate) fn end<T>(self, done: Result<T, Problem>) -> Result<T, Problem> {
        let status = if done.is_ok() { "done" } else { "failed" };
        let written = self.write(status, None);
        // The command's own failure matters more than a failure to write it down.
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

/// The key of the hashes by which logs name users.
///
/// It is the server's key. Under another key the same user would have another hash.
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

/// The path of a file beside a database: the database's path with this suffix.
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

/// A link is refused: it could lead to a file that somebody else has chosen. A new file has mode
/// 0600.
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

    // One write, so that a line of a server cannot come in between.
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

/// The user of this process, as the system says, because anybody can set `USER`.
///
/// The variables that `sudo` sets count only if the process is root's.
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
