//! Command lines that a person can paste into a shell.

use std::ffi::OsString;
use std::path::Path;

/// The default folder.
pub(crate) const USUAL_FOLDER: &str = ".haumana";

/// The beginning of a command line for the device in `folder`: with the folder, if nothing else
/// names it.
pub(crate) fn program(folder: &Path) -> String {
    let named = named_folder().unwrap_or_else(|| USUAL_FOLDER.into());
    match named == folder.as_os_str() {
        true => "haumana".to_owned(),
        false => format!("haumana --device {}", quoted(&folder.to_string_lossy())),
    }
}

/// The folder that the environment names, if it names one.
pub(crate) fn named_folder() -> Option<OsString> {
    std::env::var_os("HAUMANA_DEVICE").filter(|folder| !folder.is_empty())
}

/// A word of a command line, quoted for a shell.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_blanks_or_quotes_is_one_word_to_a_shell() {
        assert_eq!("/tmp/a-b.txt", quoted("/tmp/a-b.txt"));
        assert_eq!("'Aloha ʻOe'", quoted("Aloha ʻOe"));
        assert_eq!(r"'it'\''s'", quoted("it's"));
        assert_eq!("''", quoted(""));
    }
}
