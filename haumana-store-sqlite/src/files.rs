//! Names beside the database, and durable files.
//!
//! A new file becomes durable in three steps: its content is synced, it is renamed to its name, and
//! the directory is synced. If a program crashes anywhere in between, it later finds the old file
//! or the new one.
//!
//! All files of a store are readable by their owner only. Files that SQLite makes beside a database
//! get the permissions of the database.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The suffix that SQLite adds to a database's name for its log.
pub(crate) const LOG: &str = "-wal";
/// The suffixes of all files that SQLite may keep beside a database.
pub(crate) const BESIDE: [&str; 3] = [LOG, "-shm", "-journal"];

/// Returns the path of a file with this suffix beside another file.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Returns the path beside which SQLite keeps its other files.
///
/// SQLITE: on Unix these are beside the target of a symbolic link, elsewhere beside the link.
///
/// The sidecar, the journal and the log are found by this path too. So two paths to one database
/// must give the same answer.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    if cfg!(not(unix)) {
        return path.to_owned();
    }
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    let name = path.file_name().unwrap_or_default();
    // If the directory is missing, opening the file reports it.
    fs::canonicalize(parent(path)).map_or_else(|_| path.to_owned(), |parent| parent.join(name))
}

/// Makes the file if there is none, readable by its owner only; SQLite gives the files beside it
/// the same permissions. Returns whether it was made.
pub(crate) fn make(path: &Path) -> io::Result<bool> {
    match private().create_new(true).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a new file, readable by its owner only, in place of one that a crash has left under the
/// name. If the name is a symbolic link or a second name, the other file is not changed.
///
/// It removes the name and then uses `create_new`: if somebody puts a link under the name in
/// between, this fails instead of writing through the link.
pub(crate) fn make_anew(path: &Path) -> io::Result<File> {
    remove(path)?;
    private().create_new(true).open(path)
}

/// Removes the rights of others to an existing file of ours.
///
/// A file that was copied by hand, or made by an earlier version, may be readable by everybody. The
/// operator does not want that, and nothing is lost by it. So the mode is corrected, and the file
/// is not refused.
///
/// A missing file is not an error.
pub(crate) fn keep_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?.permissions().mode(),
        };
        if mode & 0o077 != 0 {
            return fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Gives a file the owner of another one. So the program that the database belongs to can use files
/// that root has made or restored. SQLite does the same with the files that it makes.
pub(crate) fn give_owner_of(like: &Path, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        let Ok(like) = fs::metadata(like) else { return Ok(()) };
        let now = fs::metadata(path)?;
        if (like.uid(), like.gid()) != (now.uid(), now.gid()) {
            return chown(path, Some(like.uid()), Some(like.gid()));
        }
    }
    #[cfg(not(unix))]
    let _ = (like, path);
    Ok(())
}

/// Makes the content of a file durable.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the names in a file's directory durable. Only Unix has a call for that.
pub(crate) fn sync_directory(file: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(parent(file))?.sync_all() } else { Ok(()) }
}

/// Removes a file, if it exists.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Mode 0600 is set when the file is made, so others can never open it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
