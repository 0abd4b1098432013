//! A file that only its owner can read.

use std::io;
use std::path::Path;

/// Makes the file, unless it exists, so that only its owner can read it. SQLite gives its other
/// files the same permissions.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // The target of a link belongs to somebody else.
        Err(_) if !std::fs::symlink_metadata(path)?.is_file() => {
            Err(io::Error::other("the file is a link, or no ordinary file"))
        }
        _ => Ok(()),
    }
}

/// Removes the permissions of others from a replica that an earlier version made.
pub(super) fn keep_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
