//! Every limit of the library, each with one name.
//!
//! kB and MB are decimal. Hosts add limits of their own (bodies); see `haumana-api`.
//!
//! There are three groups: limits of one record and one request, limits of one account, and limits
//! of how much the engine remembers of the past. If a record exceeds a limit, only that record is
//! refused where possible, with a [`Refusal`](crate::engine::Refusal). A server publishes its
//! limits at `GET /limits`.
//!
//! They are constants, not settings, so that all devices and servers agree. A server never refuses
//! an edit for its size after another device accepted it.

/// The content of one record, as stored JSON.
///
/// Fields and unknown keys together.
pub const RECORD_BYTES: usize = 300_000;
/// The texts `lyrics`, `englishTranslation` and `notes`, each.
///
/// It is also the greatest limit that a schema may set for a field of lines.
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
/// How deep the value of an unknown key may be nested. The phones' JSON decoder stops at 512.
pub const UNKNOWN_KEY_DEPTH: usize = 64;
/// The fields of one kind.
///
/// A schema with more is refused.
pub const FIELDS: usize = 128;
/// The values of one list or set.
///
/// It is the greatest limit that a schema may set. If a merge would make a list longer than its
/// limit, the list is decided as a whole.
pub const ELEMENTS: usize = 10_000;
/// The devices that one counter remembers.
///
/// The totals of an installation stay even after it is gone. So a device should keep its name for
/// as long as it exists.
pub const COUNTER_DEVICES: usize = 1_000;
/// `deviceId`.
pub const DEVICE_ID_CHARS: usize = 64;
/// `requestId` of a call that changes something.
pub const REQUEST_ID_CHARS: usize = 64;
/// Records in one request of a phone, which sends all its records.
pub const REQUEST_RECORDS: usize = 200_000;
/// Entries of all lists in one request that imports.
pub const IMPORT_ENTRIES: usize = 500_000;
/// How deep a request may be nested. A value that is nested deeper than [`UNKNOWN_KEY_DEPTH`] is
/// refused by itself. A request beyond this limit is refused as a whole.
pub const REQUEST_DEPTH: usize = 100_000;
/// A name or a text directly in a request, such as a device id, as JSON.
pub const WORD_BYTES: usize = 64_000;
/// One record in a request, as JSON: six bytes for each of [`RECORD_BYTES`], and some room.
pub const RECORD_RAW_BYTES: usize = 2_400_000;
/// Keys of one record in a request.
pub const RECORD_KEYS: usize = 1_000;
/// Refusals in one reply to a phone. The log counts the others.
pub const REFUSALS: usize = 1_000;
/// Pushes in one request of new clients.
///
/// A device with more pushes sends several requests.
pub const PUSHES: usize = 1000;
/// Records that the reply to a rewind names; it counts the others.
pub const REWIND_LISTED: usize = 1000;
/// Records in one page of changes.
///
/// A page may hold fewer, if the reply would be too large.
pub const PAGE_RECORDS: usize = 1000;
/// Records of one user, tombstones included.
///
/// Beyond it, new records are refused; edits of existing records are accepted.
pub const USER_RECORDS: u64 = 200_000;
/// Content of one user's live records.
///
/// Beyond it, only deletes and edits that make records shorter are accepted.
pub const USER_BYTES: u64 = 1_000_000_000;
/// Open conflicts of one user. An edit that would add one more is refused.
pub const USER_CONFLICTS: u64 = 10_000;
/// History of one user. Beyond it, the oldest history is removed.
pub const USER_HISTORY_BYTES: u64 = 1_000_000_000;
/// A record as it is stored: its content, and what is remembered beside it.
///
/// DYNAMODB: an item has at most 400 kB, names included.
pub const STORED_BYTES: usize = 390_000;
/// A cursor.
pub const CURSOR_BYTES: usize = 256;
/// The largest version of a record; 21 bits, so that the phones' numbers stay below 2^53.
pub const VERSION: u32 = (1 << 21) - 1;
/// The largest version that a push may name. The room above it allows many more changes of the
/// version.
pub const VERSION_CLAIMED: u32 = VERSION - (1 << 17);
/// The least number of versions that are skipped for content of another epoch or generation; see
/// ADR 0005.
pub const VERSION_LEAP: u32 = 1024;
/// Up to this many more versions are skipped, chosen at random.
///
/// Two servers that were restored from one backup may give one version number of a record twice.
/// For each version that they make, the chance of that is about one in this number.
pub const VERSION_LEAP_CHANCE: u32 = 1 << 15;
/// How far a number that a phone names may be above the server's: the leaps of several restores and
/// erasures. No server ever gave a number above that.
pub const VERSION_AHEAD: u32 = 1 << 18;
/// Pushes from phones that one record remembers. The oldest are forgotten first.
pub const RECEIPTS: usize = 512;
/// Earlier values of one field that one record remembers by hash.
pub const TRAIL: usize = 128;
/// How often a commit that lost the race is tried again.
///
/// Each try reads and merges again. If so many tries fail in a row, somebody writes without a
/// pause.
pub const COMMIT_TRIES: usize = 64;

/// The key under which exports keep what is stored beside a record's fields. It is reserved: it is
/// ignored in a push, so data from an export is never taken for content.
pub const BESIDE_KEY: &str = "_haumana";
