//! Names beside the database, and files that are there for good once they have their name.
//!
//! A new file becomes durable in three steps: its content is synced, it is renamed to its name, and
//! the directory is synced. A program that crashes anywhere in between finds the old file or the
//! new one.
//!
//! All files of a store are readable by their owner only. What SQLite makes beside a database takes
//! the permissions of the database.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What SQLite appends to a database's name for its log.
pub(crate) const LOG: &str = "-wal";
/// All that SQLite may keep beside a database.
pub(crate) const BESIDE: [&str; 3] = [LOG, "-shm", "-journal"];

/// Returns the name that ends in `suffix` beside a file.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Returns the path beside which SQLite keeps its other files.
///
/// SQLITE: on Unix those are beside what a symbolic link points to, elsewhere beside the link.
///
/// The answer is also the key under which the sidecar, the journal and the log are found. Two paths
/// to one database must therefore lead to one answer.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    if cfg!(not(unix)) {
        return path.to_owned();
    }
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    let name = path.file_name().unwrap_or_default();
    // A directory that is missing is reported by whatever opens the file.
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

/// Makes a new file, readable by its owner only, in place of what a crash has left under the name.
/// What a symbolic link or a second name points to stays as it is.
///
/// `create_new` after a removal: if somebody puts a link under the name in between, this fails
/// instead of writing through the link.
pub(crate) fn make_anew(path: &Path) -> io::Result<File> {
    remove(path)?;
    private().create_new(true).open(path)
}

/// Takes away what others may do with a file of ours that has been there before.
///
/// A file that was copied by hand, or made by an earlier version, may be readable by everybody. Who
/// runs the program does not want that, and nothing is lost by it; so it is mended, not refused.
///
/// A file that is not there is no error.
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

/// Gives a file the owner of another one, so that what root has made or restored can be used by
/// the program that the database belongs to. SQLite does the same with the files that it makes.
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

/// Makes what was written to a file durable.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the names in a file's directory durable; elsewhere than on Unix that cannot be asked for.
pub(crate) fn sync_directory(file: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(parent(file))?.sync_all() } else { Ok(()) }
}

/// Removes a file that need not be there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Mode 0600 is set when the file is made, so there is no moment at which others could open it.
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
