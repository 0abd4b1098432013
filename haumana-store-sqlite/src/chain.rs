//! The chain: it ties a log to the file that it belongs to.
//!
//! SQLite's log names no database: SQLite applies any log beside a file that has the right name. So
//! each of our transactions writes two numbers into the one row of the table `life`: a random
//! `link`, and as `base` the link before it. SQLite starts its log over only when all of it has
//! been moved into the file. So the first `base` of a log is the link that the file had when the
//! log began. While the log is being moved, the file has one of the log's own links. If a file's
//! link is neither of these, the file has replaced the one that the log belongs to.
//!
//! # The bytes
//!
//! The column `chain` is a blob of 40 bytes, all numbers big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 15 | [`MAGIC`], by which the chain is found on a page without SQLite |
//! | 16 to 23 | the number of transactions so far |
//! | 24 to 31 | `base`: the link before |
//! | 32 to 39 | `link`: drawn at random for this transaction |
//!
//! The length never changes, so SQLite overwrites the row in place, and every log contains its
//! page. Two files have equal links by chance once in 2^64 times.
//!
//! # Who uses it
//!
//! [`writer`](crate::writer) adds a link to each transaction that changed anything.
//! [`guard`](crate::guard) compares the links of a file and its log before SQLite opens them. The
//! count of transactions also goes to the [`sidecar`](crate::sidecar), which notices that a file
//! was replaced by an older copy.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

/// The first bytes of a chain. They are not UTF-8, so no text of a user contains them.
const MAGIC: [u8; 16] = *b"haumana\xffchain\xff\xfe\x01";
/// Magic, commits, base, link.
const LENGTH: usize = 40;

/// SQLITE: `random` is seeded by the system.
const READ: &str = "SELECT chain, random() FROM life";
const READ_IN_LIFE: &str = "SELECT chain, random() FROM life WHERE tag = ?1";
const WRITE: &str = "UPDATE life SET chain = ?1";

/// The last link of a file's chain.
///
/// With `base`, the links of a log can be followed back to the file's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// How many transactions there were before; it never decreases.
    pub(crate) commits: u64,
    /// The link before; 0 if there is none.
    pub(crate) base: u64,
    /// Drawn at random.
    pub(crate) link: u64,
}

impl Chain {
    /// Reads the bytes of a chain.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.strip_prefix(&MAGIC)?.chunks_exact(8);
        let mut number = || Some(u64::from_be_bytes(numbers.next()?.try_into().ok()?));
        Some(Self { commits: number()?, base: number()?, link: number()? })
    }

    /// Returns the bytes. Their number is always the same, so that SQLite overwrites them in place.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [self.commits, self.base, self.link] {
            bytes.extend(number.to_be_bytes());
        }
        bytes
    }

    /// Returns the chain with one more link.
    pub(crate) fn and(self, link: u64) -> Self {
        Self { commits: self.commits + 1, base: self.link, link }
    }

    /// Finds the chain on a page of a database.
    ///
    /// SQLITE: a page that begins with 13 is a leaf of a table. It has the number of its cells and
    /// the place of the last one: <https://www.sqlite.org/fileformat.html#b_tree_pages>.
    ///
    /// The table `life` has one row, so a page with another number of cells cannot be its page.
    /// That keeps the search cheap. It also keeps a user's text with the magic bytes from being
    /// taken for a chain.
    pub(crate) fn on_page(page: &[u8]) -> Option<Self> {
        const TABLE_LEAF: u8 = 13;
        let [TABLE_LEAF, _, _, 0, 1, high, low, ..] = *page else { return None };
        let cell = page.get(usize::from(u16::from_be_bytes([high, low]))..)?;
        let start = cell.windows(LENGTH).position(|window| window.starts_with(&MAGIC))?;
        Self::decode(cell.get(start..)?)
    }
}

/// Returns the chain with a new link, to be written as a part of the transaction; `None` if the
/// file is in another life.
///
/// The condition on `tag` stops a handle of an earlier life: its next transaction finds no row.
pub(crate) fn next(connection: &Connection, tag: i64) -> rusqlite::Result<Option<Chain>> {
    connection.prepare_cached(READ_IN_LIFE)?.query_row([tag], next_of).optional()
}

/// Writes the chain.
pub(crate) fn write(connection: &Connection, chain: Chain) -> rusqlite::Result<()> {
    connection.prepare_cached(WRITE)?.execute([chain.encode()]).map(|_| ())
}

/// Adds a link, whatever life the file is in, and returns the chain.
///
/// For changes outside the writer: migrations, starts, and replayed erasures.
pub(crate) fn extend(connection: &Connection) -> rusqlite::Result<Chain> {
    let chain = connection.query_row(READ, [], next_of)?;
    write(connection, chain)?;
    Ok(chain)
}

fn next_of(row: &Row<'_>) -> rusqlite::Result<Chain> {
    let (bytes, link): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
    let not_a_chain = || rusqlite::Error::InvalidColumnType(0, "chain".to_owned(), Type::Blob);
    Ok(Chain::decode(&bytes).ok_or_else(not_a_chain)?.and(link.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: Chain = Chain { commits: 7, base: u64::MAX, link: 0x0102_0304_0506_0708 };

    #[test]
    fn a_chain_is_read_as_it_was_written() {
        let bytes = CHAIN.encode();

        assert_eq!(LENGTH, bytes.len());
        assert_eq!(Some(CHAIN), Chain::decode(&bytes));
        assert_eq!(None, Chain::decode(&bytes[..LENGTH - 1]));
        assert_eq!(None, Chain::decode(b"Kaulana na pua a o Hawaii, kupaa mahope o ka aina"));
    }

    #[test]
    fn a_chain_is_found_on_its_page_and_on_no_other() {
        let mut page = vec![0; 4096];
        page[..7].copy_from_slice(&[13, 0, 0, 0, 1, 0x0f, 0x00]);
        page[4056..].copy_from_slice(&CHAIN.encode());

        assert_eq!(Some(CHAIN), Chain::on_page(&page));
        page[4] = 2;
        assert_eq!(None, Chain::on_page(&page), "the table has one row");
        page[4] = 1;
        page[0] = 10;
        assert_eq!(None, Chain::on_page(&page), "an index is no table");
        assert_eq!(None, Chain::on_page(&[13, 0, 0, 0, 1, 0xff, 0xff]));
    }
}
