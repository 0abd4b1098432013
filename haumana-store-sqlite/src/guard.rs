//! Whether the log beside a database belongs to it.
//!
//! SQLite applies any log that has the right name. If somebody copies a backup over a database and
//! leaves the old log beside it, the result is a mixture of both, without a warning. So before the
//! first connection is opened, this module reads file and log by itself and compares their chains.
//!
//! | link of the file | the log | answer |
//! |---|---|---|
//! | is the log's first base, or one of its links | continues the file | belongs |
//! | is another one | is of another file | does not belong |
//! | is missing, the file is older than chains | has none, or makes the first one | belongs |
//! | is missing, the file should have one | holds every page of the database | belongs |
//!
//! The last case is a crash while a log with a whole new database, as after `VACUUM`, was being
//! moved.
//!
//! It reads the file from the second page on, until it finds a chain that the log continues. In a
//! file of another database it reads all pages.

use crate::chain::Chain;
use crate::files::{LOG, beside};
use crate::log::{self, Log, number};
use crate::schema::{APPLICATION_ID, FIRST_WITH_LIFE};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

/// The first bytes of a SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The length of its header.
const HEADER: usize = 100;

/// Whether SQLite may apply the log beside the file, if there is one.
///
/// The caller makes sure that nobody uses the file. A log of a program from before the chain has no
/// chain, so it counts as the file's own.
pub(crate) fn log_belongs(db: &Path) -> io::Result<bool> {
    let Some(log) = log::read(&beside(db, LOG))? else { return Ok(true) };
    // SQLITE: the log of an empty file is deleted unread, with everything that is only there.
    let Some(file) = Main::read(db, &log)? else { return Ok(false) };
    Ok(match (file.link, log.first()) {
        (Link::Continued, _) => true,
        (Link::Foreign, _) => false,
        (Link::Missing, None) => !file.has_life,
        // The table with the chain was made in this log.
        (Link::Missing, Some(first)) if first.base == 0 => file.may_be_ours,
        // A crash happened while a new copy of all tables was being moved into the file.
        (Link::Missing, Some(_)) => file.has_life && log.is_whole(),
    })
}

/// The state of the database file without its log.
///
/// The log may have a newer first page, so this is only the file's own state.
struct Main {
    may_be_ours: bool,
    has_life: bool,
    link: Link,
}

/// The relation of the file's chain to the log.
#[derive(Clone, Copy)]
enum Link {
    /// There is no chain: the file is older than chains, or is being rewritten.
    Missing,
    /// The log continues it.
    Continued,
    /// The log belongs to another file.
    Foreign,
}

impl Main {
    /// Reads the file; `None` if it is missing, empty or not a database.
    fn read(db: &Path, log: &Log) -> io::Result<Option<Self>> {
        let file = match File::open(db) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut header = [0; HEADER];
        if !log::fill(&mut file, &mut header)? || !header.starts_with(MAGIC) {
            return Ok(None);
        }
        let (version, application) = (number(&header, 60), number(&header, 68));
        let is_ours = application.map(i64::from) == Some(APPLICATION_ID);
        Ok(Some(Self {
            may_be_ours: is_ours || application == Some(0),
            has_life: is_ours && version.is_some_and(|version| FIRST_WITH_LIFE <= version),
            link: find_link(file, page_size(&header), log)?,
        }))
    }
}

/// SQLITE: the header has two bytes for it, in which 65,536 is written as 1.
fn page_size(header: &[u8; HEADER]) -> usize {
    // The array is longer than that.
    match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => usize::from(size).max(512),
    }
}

/// Looks for a chain on the pages after the first, which has the header and the names of tables.
///
/// If the log does not continue a chain, the search goes on: a page that SQLite has freed may still
/// hold an old copy of the row.
fn find_link(mut file: impl Read, page_size: usize, log: &Log) -> io::Result<Link> {
    let mut page = vec![0; page_size];
    let mut link = Link::Missing;
    // The rest of the first page.
    let mut rest = vec![0; page_size - HEADER];
    log::fill(&mut file, &mut rest)?;
    while log::fill(&mut file, &mut page)? {
        match Chain::on_page(&page) {
            Some(chain) if log.continues(chain.link) => return Ok(Link::Continued),
            Some(_) => link = Link::Foreign,
            None => {}
        }
    }
    Ok(link)
}
