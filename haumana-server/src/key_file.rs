//! The server's key pair, kept in a file that its owner alone can read.
//!
//! A person who has the key can sign in as anybody. So if others can read the key file, the server
//! does not start, and the message says what to type. The mode of other files is corrected, with a
//! warning; the mode of a key is not, because somebody may have read the key already.
//!
//! The file gets its name only once it is complete and on the disk. If the process is killed while
//! it writes, a file with another name is left, and never half a key.

use crate::private;
use crate::problem::Problem;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::hash_map::RandomState;
use std::fs::{self, OpenOptions};
use std::hash::BuildHasher as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The lines of PEM around a PKCS#8 key, exactly as this program writes them.
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
const END: &str = "-----END PRIVATE KEY-----\n";

/// The path of the key file of a database.
pub(crate) fn beside(db: &Path) -> PathBuf {
    private::beside(db, ".key.pem")
}

/// Reads the key pair in `path`, or makes one.
///
/// With a new pair all tokens of the old one are invalid. Clients then get 401, and fetch new
/// tokens.
///
/// # Errors
///
/// [`Problem::NotAKey`] if the file has other content. It is never overwritten.
pub(crate) fn read_or_make(path: &Path) -> Result<RsaKeyPair, Problem> {
    let pem = read_or_write(path, new_pair)?;
    parse(&pem).ok_or_else(|| Problem::NotAKey(path.into()))
}

/// Reads the text in `path`, which its owner alone can read, or writes a new one there.
///
/// If two servers start at once, both make a text, and one of the two files gets the name. Both
/// servers then read that file.
///
/// # Errors
///
/// [`Problem::KeyFile`] if it cannot be read or written, [`Problem::KeyExposed`] if others may read
/// it.
pub(crate) fn read_or_write(
    path: &Path,
    new: impl FnOnce() -> Result<String, Problem>,
) -> Result<String, Problem> {
    let failed = |error| Problem::KeyFile(path.into(), error);
    if !path.try_exists().map_err(failed)? {
        write_new(path, &new()?).map_err(failed)?;
    }
    check_mode(path)?;
    fs::read_to_string(path).map_err(failed)
}

fn new_pair() -> Result<String, Problem> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| Problem::NoKey)?;
    let der = pair.as_der().map_err(|_| Problem::NoKey)?;
    Ok(print(der.as_ref()))
}

/// Writes a file that is complete and private from the moment it has its name. If another server
/// was faster, the other file stays.
///
/// The steps: write a file under a random name, with mode 600 from the start; flush it to the disk;
/// link it to its name, which fails if the name is taken; remove the random name.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    // Processes of two containers may have the same number, and a crash may have left a file.
    let drawn = RandomState::new().hash_one(std::process::id());
    unfinished.push(format!(".{drawn:016x}.new"));
    let unfinished = PathBuf::from(unfinished);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Group and others may have no rights at all.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt;
    let meta = fs::metadata(path).map_err(|error| Problem::KeyFile(path.into(), error))?;
    let is_private = meta.permissions().mode() & 0o077 == 0;
    if is_private { Ok(()) } else { Err(Problem::KeyExposed(path.into())) }
}

/// Other systems have no such mode.
#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<(), Problem> {
    Ok(())
}

/// PEM (RFC 7468) of a PKCS#8 structure.
fn print(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = BEGIN.to_owned();
    for (at, character) in base64.chars().enumerate() {
        if 0 < at && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n" + END
}

/// It reads what `print` writes, and not every PEM.
fn parse(pem: &str) -> Option<RsaKeyPair> {
    let base64 = pem.strip_prefix(BEGIN)?.strip_suffix(END)?.replace('\n', "");
    RsaKeyPair::from_pkcs8(&STANDARD.decode(base64).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::KeyPair;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("x.db"));

        let made = read_or_make(&path).unwrap();
        let read = read_or_make(&path).unwrap();

        assert_eq!(made.public_key().as_ref(), read.public_key().as_ref());
        assert_eq!(1, fs::read_dir(folder.path()).unwrap().count(), "nothing else is left behind");
        let longest = fs::read_to_string(&path).unwrap().lines().map(str::len).max();
        assert_eq!(Some(64), longest);
    }

    #[test]
    fn what_another_server_wrote_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "theirs").unwrap();

        write_new(&path, "ours").unwrap();

        assert_eq!("theirs", fs::read_to_string(&path).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        read_or_make(&path).unwrap();
        assert_eq!(0o600, fs::metadata(&path).unwrap().permissions().mode() & 0o777);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();

        assert!(matches!(read_or_make(&path), Err(Problem::KeyExposed(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_no_key_is_refused_and_left_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for text in ["", "not a key", BEGIN, &format!("{BEGIN}AAAA\n{END}")] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_or_make(&path), Err(Problem::NotAKey(_))), "{text}");
            assert_eq!(text, fs::read_to_string(&path).unwrap());
        }
    }
}
