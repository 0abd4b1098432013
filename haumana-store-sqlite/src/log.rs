//! Reads a write-ahead log without SQLite, because SQLite would apply it.
//!
//! SQLITE: the format is <https://www.sqlite.org/fileformat.html#the_write_ahead_log>.
//!
//! # What is read
//!
//! A log has a header of 32 bytes and then frames: a header of 24 bytes and one page each. A frame
//! is valid if its salts are those of the log's header and the running checksum is right. A
//! transaction is valid if its last frame, which has the size of the database, is valid. Everything
//! behind the first invalid frame is left from an earlier round and is ignored.
//!
//! [`read`] follows these rules exactly, so it sees what SQLite would apply. [`page_numbers`] is
//! for cleaning pages. It skips the checksums, because one page too many does no harm there.

use crate::chain::Chain;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

/// The magic number without its last bit, which tells the byte order of the checksums.
const MAGIC: u32 = 0x377f_0682;
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// How much is read at once when only the headers of frames matter.
const LOOK_AHEAD: usize = 1 << 18;
/// The place of a byte that is on no page: SQLite locks it.
const LOCK_BYTE: u32 = 1 << 30;

/// The part of a log that SQLite would apply: everything up to the last frame that commits.
///
/// `pages` and `chains` have only that part.
#[derive(Debug, Default)]
pub(crate) struct Log {
    page_size: u32,
    /// The number of pages of the database after the log is applied.
    n_pages: u32,
    pages: HashSet<u32>,
    /// The chains in it, oldest first.
    chains: Vec<Chain>,
}

impl Log {
    /// Returns the oldest chain in it.
    pub(crate) fn first(&self) -> Option<Chain> {
        self.chains.first().copied()
    }

    /// Whether the log continues a file with this link, or the file has a part of the log already.
    pub(crate) fn continues(&self, link: u64) -> bool {
        self.first().is_some_and(|first| first.base == link)
            || self.chains.iter().any(|chain| chain.link == link)
    }

    /// Whether it holds the whole database, as after a `VACUUM`. Then nothing of the file that it
    /// is applied to is left.
    pub(crate) fn is_whole(&self) -> bool {
        let unused = LOCK_BYTE / self.page_size.max(1) + 1;
        (1..=self.n_pages).all(|page| page == unused || self.pages.contains(&page))
    }
}

/// Reads the part of a log that SQLite would apply. `None`: there is no such part, or no log.
///
/// It reads the whole log once. Memory grows with the number of frames, not with their content.
pub(crate) fn read(path: &Path) -> io::Result<Option<Log>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? {
        return Ok(None);
    }
    let Some(mut frames) = Frames::begin(&header) else { return Ok(None) };
    let mut log = Log { page_size: frames.page_size, ..Log::default() };
    // Pages and chains since the last frame that commits.
    let (mut pages, mut chains) = (Vec::new(), Vec::new());
    let mut frame = vec![0; FRAME_HEADER + frames.page_size as usize];
    while fill(&mut file, &mut frame)? {
        let Some(Frame { page, n_pages, content }) = frames.check(&frame) else { break };
        pages.push(page);
        chains.extend(Chain::on_page(content));
        if n_pages != 0 {
            log.n_pages = n_pages;
            log.pages.extend(pages.drain(..));
            log.chains.append(&mut chains);
        }
    }
    Ok((log.n_pages != 0).then_some(log))
}

/// Returns the numbers of the pages that a log holds, in order. Checksums are not compared, so
/// there may be pages that SQLite would not apply.
///
/// The caller keeps others from writing meanwhile, so the log does not change while it is read.
pub(crate) fn page_numbers(path: &Path) -> io::Result<Vec<u32>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? {
        return Ok(Vec::new());
    }
    let Some(frames) = Frames::begin(&header) else { return Ok(Vec::new()) };
    // Large enough for many frames. Otherwise each header would cost a system call.
    let mut file = BufReader::with_capacity(LOOK_AHEAD, file);
    let mut pages = HashSet::new();
    let mut frame = [0; FRAME_HEADER];
    while fill(&mut file, &mut frame)? && frame.get(8..16) == Some(&frames.salts) {
        pages.extend(number(&frame, 0));
        file.seek_relative(frames.page_size.into())?;
    }
    let mut pages: Vec<u32> = pages.into_iter().collect();
    pages.sort_unstable();
    Ok(pages)
}

/// Reads until the buffer is full; `false` at the end of the file.
pub(crate) fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        done => done.map(|()| true),
    }
}

/// One page as the log has it.
struct Frame<'a> {
    page: u32,
    /// The size of the database if the frame commits, otherwise 0.
    n_pages: u32,
    content: &'a [u8],
}

/// Distinguishes frames of the log from those that an earlier round has left in its file.
///
/// The checksum runs over all frames from the beginning, so they can only be checked in order.
struct Frames {
    page_size: u32,
    salts: [u8; 8],
    sum: Sum,
}

impl Frames {
    /// `None` if SQLite would not read this log: wrong magic, page size or checksum.
    fn begin(header: &[u8; HEADER]) -> Option<Self> {
        let (magic, page_size) = (number(header, 0)?, number(header, 8)?);
        let is_size = page_size.is_power_of_two() && (512..=65_536).contains(&page_size);
        if magic & !1 != MAGIC || !is_size {
            return None;
        }
        let mut sum = Sum { values: (0, 0), is_big_endian: magic & 1 == 1 };
        sum.add(header.get(..24)?);
        let salts = header.get(16..24)?.try_into().ok()?;
        sum.is(header.get(24..)?).then_some(Self { page_size, salts, sum })
    }

    /// Call it for each frame in turn, since each checksum includes the ones before.
    fn check<'a>(&mut self, frame: &'a [u8]) -> Option<Frame<'a>> {
        let (header, content) = frame.split_at_checked(FRAME_HEADER)?;
        let (page, n_pages) = (number(header, 0)?, number(header, 4)?);
        self.sum.add(header.get(..8)?);
        self.sum.add(content);
        let is_ours = header.get(8..16)? == self.salts && self.sum.is(header.get(16..)?);
        (is_ours && page != 0).then_some(Frame { page, n_pages, content })
    }
}

/// The running checksum of a log.
///
/// The words are read in the byte order of the machine that wrote the log; bit 0 of the magic
/// number says which.
struct Sum {
    values: (u32, u32),
    is_big_endian: bool,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (mut left, mut right) = self.values;
        for word in bytes.chunks_exact(8) {
            let [a, b, c, d, e, f, g, h] = *word else { continue };
            let (first, second) = ([a, b, c, d], [e, f, g, h]);
            let number = |bytes| match self.is_big_endian {
                true => u32::from_be_bytes(bytes),
                false => u32::from_le_bytes(bytes),
            };
            left = left.wrapping_add(number(first)).wrapping_add(right);
            right = right.wrapping_add(number(second)).wrapping_add(left);
        }
        self.values = (left, right);
    }

    fn is(&self, bytes: &[u8]) -> bool {
        number(bytes, 0) == Some(self.values.0) && number(bytes, 4) == Some(self.values.1)
    }
}

/// Reads a number in big-endian order.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
