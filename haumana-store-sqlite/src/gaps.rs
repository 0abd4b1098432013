//! Finds where a page of a database may hold bytes of deleted rows.
//!
//! `secure_delete` overwrites a deleted row, and a page that becomes free. But when SQLite moves
//! rows from one page to another, the old page keeps a copy of them between its list of cells and
//! the first cell. That part belongs to no row, and no reader looks there, so these bytes can be
//! overwritten in the file.
//!
//! SQLITE: the layout is <https://www.sqlite.org/fileformat.html#b_tree_pages>.
//!
//! # A page of a table or an index
//!
//! ```text
//! | header 8 or 12 | list of cells, 2 bytes each | unused | cells, from the end backwards |
//! ```
//!
//! This module finds the part `unused`; [`mover`](crate::mover) overwrites it with zeros. It is
//! pure: it gets the bytes of a page and returns a range.
//!
//! A mistake here would destroy data. So a page is only touched if each number on it fits: a known
//! kind of page, and a first cell that is behind the list of cells and within the page.

use std::ops::Range;

/// The length of a database's header, which is on the first page, before the page's own header.
const DATABASE_HEADER: usize = 100;

/// How a database is divided into pages.
///
/// A file keeps its page size for life, unless `VACUUM` changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageSize {
    /// The length of a page in bytes.
    pub(crate) bytes: usize,
    /// How much of it SQLite uses.
    usable: usize,
}

impl PageSize {
    /// How many bytes of a file [`PageSize::read`] needs.
    pub(crate) const HEADER: usize = DATABASE_HEADER;

    /// Reads it from the header of a database; `None` if that is no header.
    pub(crate) fn read(header: &[u8]) -> Option<Self> {
        let bytes = match u16::from_be_bytes([*header.get(16)?, *header.get(17)?]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = bytes.checked_sub(usize::from(*header.get(20)?))?;
        (512 <= bytes && bytes.is_power_of_two()).then_some(Self { bytes, usable })
    }
}

/// Returns the unused part of a page between its list of cells and its first cell; `None` if the
/// page is not one of a table or an index.
///
/// A page that continues a long row, or is free, is not taken for one of a table. Such a page
/// begins with the number of another page, so in a file of less than 128 GB its first byte is 0. In
/// a larger file it has text, or zeros, in the place of the offset of the first cell; neither is a
/// valid offset.
pub(crate) fn unused(page: &[u8], number: u32, size: PageSize) -> Option<Range<usize>> {
    let at = if number == 1 { DATABASE_HEADER } else { 0 };
    let header = page.get(at..at + 8)?;
    let [kind, _, _, count_high, count_low, first_high, first_low, _] = *header else {
        return None;
    };
    let header_bytes = match kind {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let cells = usize::from(u16::from_be_bytes([count_high, count_low]));
    let end = match u16::from_be_bytes([first_high, first_low]) {
        0 => 65_536,
        first => usize::from(first),
    };
    let start = at + header_bytes + 2 * cells;
    (start <= end && end <= size.usable && end <= page.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PageSize = PageSize { bytes: 4096, usable: 4096 };

    #[track_caller]
    fn check(start: &[u8], number: u32, expected: Option<Range<usize>>) {
        let mut page = vec![0; 4096];
        let at = if number == 1 { DATABASE_HEADER } else { 0 };
        page[at..at + start.len()].copy_from_slice(start);
        assert_eq!(expected, unused(&page, number, SIZE), "{start:?}");
    }

    #[test]
    fn what_is_unused_lies_between_the_list_of_cells_and_the_first_cell() {
        check(&[13, 0, 0, 0, 2, 0x0f, 0x00, 0], 7, Some(12..0x0f00));
        check(&[10, 0, 0, 0, 2, 0x0f, 0x00, 0], 7, Some(12..0x0f00));
        check(&[5, 0, 0, 0, 2, 0x0f, 0x00, 0], 7, Some(16..0x0f00));
        check(&[2, 0, 0, 0, 0, 0x10, 0x00, 0], 7, Some(12..4096));
        check(&[13, 0, 0, 0, 1, 0x0f, 0x00, 0], 1, Some(110..0x0f00));
    }

    #[test]
    fn a_page_that_is_none_of_a_table_has_nothing_unused() {
        // Free, or the last page of a long row.
        check(&[0; 8], 7, None);
        // A long row that continues far behind. Its text is not a valid offset.
        check(b"\x02\0\0\x01{\"ly", 7, None);
        check(b"\x0d\0\0\0  ab", 7, None);
        // The list of free pages, far behind.
        check(&[2, 0, 0, 1, 0, 0, 0, 200], 7, None);
        check(&[2, 0, 0, 1, 0, 0, 3, 200], 7, None);
        // More cells than there is room for.
        check(&[13, 0, 0, 8, 0, 0x0f, 0x00, 0], 7, None);
    }

    #[test]
    fn the_size_of_pages_is_read_from_the_header() {
        let header = |high, low, reserved| {
            let mut header = [0; DATABASE_HEADER];
            (header[16], header[17], header[20]) = (high, low, reserved);
            header
        };

        assert_eq!(Some(SIZE), PageSize::read(&header(0x10, 0, 0)));
        let large = PageSize { bytes: 65_536, usable: 65_528 };
        assert_eq!(Some(large), PageSize::read(&header(0, 1, 8)));
        assert_eq!(None, PageSize::read(&header(0, 0, 0)));
        assert_eq!(None, PageSize::read(&[]));
    }
}
