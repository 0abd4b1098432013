//! Command lines that a person can paste into a shell.

/// A word of a command line, as a shell reads it.
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
