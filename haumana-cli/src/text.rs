//! Texts of people: their encoding, and how their lines end.

/// Why bytes are not a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotText;

const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Reads a text: UTF-8, or UTF-16 with a byte order mark. The mark is not part of the text.
///
/// Bytes with a NUL are UTF-16 or UTF-32 without a mark, or no text at all; they are refused.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, NotText> {
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => from_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => from_utf16(rest, u16::from_be_bytes),
        _ => {
            let rest = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
            std::str::from_utf8(rest).map(str::to_owned).map_err(|_| NotText)
        }
    }?;
    if text.contains('\0') { Err(NotText) } else { Ok(text) }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(NotText);
    }
    let units = pairs.iter().map(|pair| unit(*pair));
    char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| NotText)
}

/// Undoes what an editor does to a whole text: other line ends throughout, and a line break at the
/// end. Changes of single lines are kept.
pub(crate) fn as_before(before: &str, after: &str) -> String {
    let mut text = match (lines_end(before), lines_end(after)) {
        (LineEnds::None | LineEnds::Lf, LineEnds::CrLf) => after.replace("\r\n", "\n"),
        (LineEnds::CrLf, LineEnds::Lf) => after.replace('\n', "\r\n"),
        _ => after.to_owned(),
    };
    if !before.ends_with('\n') && text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// How the lines of a text end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnds {
    None,
    Lf,
    CrLf,
    Mixed,
}

fn lines_end(text: &str) -> LineEnds {
    let (all, with_cr) = (text.matches('\n').count(), text.matches("\r\n").count());
    match (all, with_cr) {
        (0, _) => LineEnds::None,
        (_, 0) => LineEnds::Lf,
        (all, with_cr) if all == with_cr => LineEnds::CrLf,
        _ => LineEnds::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_decode(bytes: &[u8], expected: Option<&str>) {
        assert_eq!(expected, decode(bytes).ok().as_deref(), "{bytes:?}");
    }

    #[test]
    fn a_byte_order_mark_says_how_to_read_and_is_no_part_of_the_text() {
        check_decode("Haʻaheo".as_bytes(), Some("Haʻaheo"));
        check_decode("\u{FEFF}Haʻaheo".as_bytes(), Some("Haʻaheo"));
        check_decode(b"\xFF\xFEH\0\xBB\x02\x3C\xD8\x3A\xDF", Some("Hʻ🌺"));
        check_decode(b"\xFE\xFF\0H\x02\xBB", Some("Hʻ"));
        check_decode(b"", Some(""));
    }

    #[test]
    fn other_encodings_and_halves_of_characters_are_no_text() {
        check_decode(b"Ha\xA1aheo", None);
        check_decode(b"H\0a\0", None);
        check_decode(b"\xFF\xFEH", None);
        check_decode(b"\xFF\xFE\x3C\xD8", None);
        check_decode(b"\xFF\xFE\0\0H\0\0\0", None);
    }

    #[track_caller]
    fn check_line_ends(before: &str, after: &str, expected: &str) {
        assert_eq!(expected, as_before(before, after), "{before:?} {after:?}");
    }

    #[test]
    fn an_editor_that_writes_other_line_ends_changes_none() {
        check_line_ends("a\nb", "a\r\nb\r\nc\r\n", "a\nb\nc");
        check_line_ends("a", "a\r\n", "a");
        check_line_ends("", "a\r\nb\r\n", "a\nb");
        check_line_ends("a\nb\n", "a\r\nb\r\n", "a\nb\n");
        check_line_ends("a\r\nb", "a\nc\n", "a\r\nc");
        check_line_ends("a\r\nb\r\n", "a\r\nc\r\n", "a\r\nc\r\n");
        check_line_ends("a\nb", "a\nb\r\n", "a\nb");
    }

    #[test]
    fn line_ends_that_a_text_had_or_that_somebody_mixed_stay() {
        check_line_ends("a\r\nb\nc\n", "a\r\nb\nc\nd\n", "a\r\nb\nc\nd\n");
        check_line_ends("a\nb\n", "a\r\nb\n", "a\r\nb\n");
        check_line_ends("a\n", "a", "a");
    }
}
