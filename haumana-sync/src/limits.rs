//! Every limit of the library, each with one name.
//!
//! kB and MB are decimal. Hosts add limits of their own (bodies); see `haumana-api`.
//!
//! Three sorts stand here: what one record and one request may hold, what one account may hold, and
//! how much the engine remembers of the past. What is refused when one is reached is a
//! [`Refusal`](crate::engine::Refusal) of one record, wherever that is possible. A server publishes
//! its limits at `GET /limits`.
//!
//! They are constants, not settings: devices and servers of any two hosts agree on them, so an edit
//! that one device accepts is not refused by a server for its size.

/// The content of one record, as stored JSON.
///
/// Fields and unknown keys together.
pub const RECORD_BYTES: usize = 300_000;
/// `lyrics`, `englishTranslation`, `notes`, each.
///
/// It is also the greatest limit that a schema may give a field of lines.
pub const LONG_TEXT_BYTES: usize = 200_000;
/// `title`.
pub const TITLE_CHARS: usize = 4096;
/// `author`.
pub const AUTHOR_CHARS: usize = 1024;
/// `sourceUrl`.
pub const SOURCE_URL_CHARS: usize = 2048;
/// `category` and `language`, each.
pub const WORD_CHARS: usize = 64;
/// The name of a key that this server does not know.
pub const UNKNOWN_KEY_BYTES: usize = 256;
/// How deep the value of an unknown key may be nested; the phones' JSON decoder stops at 512.
pub const UNKNOWN_KEY_DEPTH: usize = 64;
/// Fields of one kind.
///
/// A schema with more is refused.
pub const FIELDS: usize = 128;
/// Values of one list or set.
///
/// It is the greatest limit that a schema may give. A list that a merge would make longer is
/// decided as a whole.
pub const ELEMENTS: usize = 10_000;
/// Devices that one counter remembers.
///
/// An installation that is gone keeps its totals, so a device should keep its name for life.
pub const COUNTER_DEVICES: usize = 1_000;
/// `deviceId`.
pub const DEVICE_ID_CHARS: usize = 64;
/// `requestId` of a call that changes something.
pub const REQUEST_ID_CHARS: usize = 64;
/// Records in one request of a phone, which sends all that it has.
pub const REQUEST_RECORDS: usize = 200_000;
/// Entries of all lists in one request that imports.
pub const IMPORT_ENTRIES: usize = 500_000;
/// How deep a request may be nested. Values that are nested deeper than
/// [`UNKNOWN_KEY_DEPTH`] are refused one by one; beyond this nobody means it.
pub const REQUEST_DEPTH: usize = 100_000;
/// A name or a text that stands directly in a request, such as a device id; in JSON.
pub const WORD_BYTES: usize = 64_000;
/// One record in a request, in JSON: six bytes for each of [`RECORD_BYTES`], and room beside them.
pub const RECORD_RAW_BYTES: usize = 2_400_000;
/// Keys of one record in a request.
pub const RECORD_KEYS: usize = 1_000;
/// Refusals in one reply to a phone; what else was refused is counted in the log.
pub const REFUSALS: usize = 1_000;
/// Pushes in one request of new clients.
///
/// A device with more sends them in several requests.
pub const PUSHES: usize = 1000;
/// Records that the reply to a rewind names; the others are counted.
pub const REWIND_LISTED: usize = 1000;
/// Records in one page of changes.
///
/// A page may hold fewer, if the reply would be too large.
pub const PAGE_RECORDS: usize = 1000;
/// Records of one user, tombstones included.
///
/// A record that would be one more is refused; edits of those that are there go through.
pub const USER_RECORDS: u64 = 200_000;
/// Content of one user's live records.
///
/// Beyond it, edits that make records shorter and deletes still go through.
pub const USER_BYTES: u64 = 1_000_000_000;
/// Values of one user that lost and wait for a person; an edit that would add one to them is refused.
pub const USER_CONFLICTS: u64 = 10_000;
/// History of one user; beyond it the oldest gives way.
pub const USER_HISTORY_BYTES: u64 = 1_000_000_000;
/// A record as it is stored: its content, and what is remembered beside it.
///
/// DYNAMODB: an item has at most 400 kB, names included.
pub const STORED_BYTES: usize = 390_000;
/// A cursor.
pub const CURSOR_BYTES: usize = 256;
/// The largest version k of a record; 21 bits, so that the phones' numbers stay below 2^53.
pub const VERSION: u32 = (1 << 21) - 1;
/// The largest version that a push may name: room is left above it to raise k many times.
pub const VERSION_CLAIMED: u32 = VERSION - (1 << 17);
/// The least number of versions skipped when content of another life of the server is met; see
/// ADR 0005.
pub const VERSION_LEAP: u32 = 1024;
/// Up to so many more are skipped, by chance: two lives that began with one backup give the same
/// version of one record twice in about one case of this number for each version they make.
pub const VERSION_LEAP_CHANCE: u32 = 1 << 15;
/// How far above what the server has a number may be that a phone names: the leaps of several
/// lives. Anything above was never given.
pub const VERSION_AHEAD: u32 = 1 << 18;
/// Pushes from phones that one record remembers; the oldest are forgotten first.
pub const RECEIPTS: usize = 512;
/// Earlier values of one field that one record remembers by hash.
pub const TRAIL: usize = 128;
/// How often a commit that lost the race is tried again.
///
/// A try that loses reads and merges anew. So many in a row mean that somebody writes without a
/// pause.
pub const COMMIT_TRIES: usize = 64;

/// The key under which exports keep what stands beside a record's fields. It is nobody else's: what
/// an export held is ignored when it comes back in a push, so that it is never taken for content.
pub const BESIDE_KEY: &str = "_haumana";
