//! A file that its owner alone can read.

use std::io;
use std::path::Path;

/// Makes the file, unless it is there, so that its owner alone can read it. SQLite gives the files
/// beside it the same permissions.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // What a link leads to is somebody else's.
        Err(_) if !std::fs::symlink_metadata(path)?.is_file() => {
            Err(io::Error::other("the file is a link, or no ordinary file"))
        }
        _ => Ok(()),
    }
}

/// Takes away what others may do with a replica that was made before this was looked after.
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
