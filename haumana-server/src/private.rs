//! Files that their owner alone can read, beside the database.
//!
//! Names, hashes of users and keys are in these files, so no other user of the machine may read
//! them. A new file gets its mode when it is made, not afterwards: in between, others could open
//! it.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The path of a file beside a database: the database's path with this suffix.
///
/// `haumana.db` and `.audit` make `haumana.db.audit`. Bytes that are no UTF-8 are kept.
///
/// If the database is a link, that is the file beside what the link leads to, as it is for SQLite's
/// own files: two paths to one database have one audit log and one directory. A file that an earlier
/// version made beside the link is still used.
pub(crate) fn beside(db: &Path, suffix: &str) -> PathBuf {
    let named = with(db, suffix);
    let is_link = fs::symlink_metadata(db).is_ok_and(|meta| meta.is_symlink());
    match fs::canonicalize(db) {
        Ok(real) if is_link && !named.exists() => with(&real, suffix),
        _ => named,
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes a file, or removes the rights of others to a file that exists.
///
/// A file that was copied by hand, or made by an earlier version, may be readable by everybody. Its
/// mode is corrected, and the server starts: nothing is lost by it. A key is different, because
/// somebody who has read it can sign in as anybody; see `key_file`.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        // A link is refused: its target may belong to somebody else, or be missing today.
        Err(_) if !fs::symlink_metadata(path)?.is_file() => {
            Err(io::Error::other("it is a link, or no ordinary file"))
        }
        Err(_) => keep(path),
        Ok(_) => Ok(()),
    }
}

/// Removes the rights of others to a file, and logs that.
///
/// The owner's rights stay as they are. On systems other than Unix it only checks that the file
/// exists.
fn keep(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
            tracing::warn!(path = %path.display(), "others could read this file; now they cannot");
        }
    }
    #[cfg(not(unix))]
    fs::metadata(path)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_beside_a_link_is_beside_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (db, link) = (folder.join("real/h.db"), folder.join("link.db"));
        fs::create_dir(folder.join("real")).unwrap();
        symlink(&db, &link).unwrap();
        assert_eq!(folder.join("link.db.audit"), beside(&link, ".audit"), "nothing is there yet");
        fs::write(&db, "").unwrap();

        assert_eq!(folder.join("real/h.db.audit"), beside(&link, ".audit"));
        assert_eq!(folder.join("real/h.db.audit"), beside(&db, ".audit"));
        fs::write(folder.join("link.db.audit"), "").unwrap();
        assert_eq!(folder.join("link.db.audit"), beside(&link, ".audit"), "of an earlier version");
    }
}
