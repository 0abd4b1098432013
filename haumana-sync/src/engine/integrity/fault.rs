//! What can be wrong with a stored account, where, and how it is repaired.

use crate::id::Key;
use crate::store::HistoryKey;
use std::fmt;

/// One contradiction within the stored data of an account.
///
/// It contains no person's content, so it can go into a log or a ticket as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// Where it is wrong.
    pub place: FaultPlace,
    /// What is stored there and what should be, in numbers and names of fields.
    ///
    /// It is empty if the fault and the place say everything.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(fault: Fault, place: FaultPlace, detail: impl Into<String>) -> Self {
        Self { fault, place, detail: detail.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.fault.code(), self.place, self.fault.what())?;
        match self.detail.as_str() {
            "" => Ok(()),
            detail => write!(f, " ({detail})"),
        }
    }
}

/// Where a fault is.
///
/// Findings are listed in this order of places: the head, then records, then the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultPlace {
    /// The head.
    Head,
    /// The current state of a record, or of an entry of the inbox.
    Record(Key),
    /// An entry of the history.
    History(HistoryKey),
}

impl fmt::Display for FaultPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("the head"),
            Self::Record(key) if key.kind.is_inbox() => write!(f, "conflict {}", key.id),
            Self::Record(key) => write!(f, "{} {}", key.kind.code(), key.id),
            Self::History(HistoryKey { key, version, side: 0 }) => {
                write!(f, "{} {} version {version}", key.kind.code(), key.id)
            }
            Self::History(HistoryKey { key, version, side }) => {
                write!(f, "{} {} version {version} side {side}", key.kind.code(), key.id)
            }
        }
    }
}

/// How a fault is repaired.
///
/// ```
/// use haumana_sync::engine::Fault;
///
/// // What an operator has to decide about, in a table of reports.
/// let for_a_person = Fault::ALL.iter().filter(|fault| !fault.remedy().is_automatic());
///
/// assert!(for_a_person.clone().any(|fault| fault.code() == "unreadable"));
/// assert!(!for_a_person.clone().any(|fault| fault.code() == "versions_digest"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// [`Engine::repair`](crate::Engine::repair) does it: the right value follows from the rest.
    Derive,
    /// [`Engine::repair`](crate::Engine::repair) does it: content that somebody has changed by hand
    /// becomes an ordinary later version.
    Accept,
    /// [`Engine::repair`](crate::Engine::repair) does it: it finishes the erasure.
    Erase,
    /// A person does it: they restore a version of the record that can be read, or a backup.
    Person,
}

impl Remedy {
    /// Whether [`Engine::repair`](crate::Engine::repair) does it.
    pub fn is_automatic(self) -> bool {
        self != Self::Person
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])+ $fault:ident $code:literal $remedy:ident $what:literal)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])+ $fault,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Fault] = &[$(Self::$fault,)*];

            /// Returns its name in reports. The name never changes.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$fault => $code,)*
                }
            }

            /// Returns in a few words what is wrong.
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$fault => $what,)*
                }
            }

            /// Returns how it is repaired.
            pub fn remedy(self) -> Remedy {
                match self {
                    $(Self::$fault => Remedy::$remedy,)*
                }
            }
        }
    };
}

faults! {
    /// The head cannot be read, so nothing of the account is served.
    HeadUnreadable "head_unreadable" Person "the head cannot be read"
    /// This program cannot read the notes in the head.
    NotesUnreadable "notes_unreadable" Person "the notes of the head cannot be read"
    /// There are records, but no head.
    HeadMissing "head_missing" Person "there are records and no head"
    /// The digest of versions does not match the records.
    VersionsDigest "versions_digest" Derive "the digest of versions is not that of the records"
    /// The digest of content does not match the records.
    ContentDigest "content_digest" Derive "the digest of content is not that of the records"
    /// The number of records in the head is wrong.
    RecordCount "record_count" Derive "the head counts another number of records"
    /// The number of bytes in the head is wrong.
    ByteCount "byte_count" Derive "the head counts another number of bytes"
    /// The largest version in the head is not that of the records.
    MaxVersion "max_version" Derive "the head's largest version is not that of the records"
    /// The number of open conflicts in the head is wrong.
    OpenCount "open_count" Derive "the head counts another number of open conflicts"
    /// The head says that nothing changed after a revision, but a record did. A device that has
    /// read up to that revision would miss the record.
    QuietSince "quiet_since" Derive "the head says that nothing has changed where a record has"
    /// The head says that a record cannot be read, but all can.
    NothingAside "nothing_aside" Derive "the head says that a record cannot be read, and all can"
    /// An erasure was begun and is not finished.
    Erasing "erasing" Erase "an erasure is not finished"
    /// An import was begun and is not finished. The rest of it has to be sent again.
    Importing "importing" Person "an import is not finished"
    /// The account was erased, but some of its data is there.
    NotErased "not_erased" Erase "the account was erased and something of it is there"
    /// A record cannot be read.
    Unreadable "unreadable" Person "the record cannot be read"
    /// A record was written by a newer program.
    Newer "newer" Person "the record was written by a newer program"
    /// The content of a record does not have the hash that was stored with it.
    ChangedByHand "changed_by_hand" Accept "the content is not what was written"
    /// A tombstone has content, or the hash of content.
    TombstoneContent "tombstone_content" Derive "a tombstone has content"
    /// A record has a version outside the valid range.
    VersionRange "version_range" Person "the version is none that a record can have"
    /// The revision of a record is 0, or the head has not reached it.
    RevisionRange "revision_range" Person "the commit that wrote it never was"
    /// What is remembered of the fields names impossible versions, or is in the wrong order.
    FieldVersions "field_versions" Person "what is remembered of a field names versions that never were"
    /// The index and the record differ.
    IndexDiffers "index_differs" Person "the index does not say what the record says"
    /// A record is in the change feed and not in the index.
    NotInIndex "not_in_index" Person "the record is not in the index"
    /// A record is in the index and not in the change feed. So no device gets it.
    NotInStream "not_in_stream" Person "the record is not in the stream"
    /// A record is in the change feed twice.
    TwiceInStream "twice_in_stream" Person "the record is twice in the stream"
    /// An entry of the history cannot be read.
    HistoryUnreadable "history_unreadable" Person "the version cannot be read"
    /// The record of a history entry does not exist.
    HistoryOfNothing "history_of_nothing" Person "the record of the version is not there"
    /// A history entry has a version that its record has not had.
    HistoryRange "history_range" Person "the record has not had this version"
    /// A value in the history is not the one that the record had.
    HistoryChanged "history_changed" Person "a value is not the one that the record had"
    /// An entry of the inbox cannot be read.
    ConflictUnreadable "conflict_unreadable" Person "the conflict cannot be read"
    /// The record of an inbox entry does not exist.
    ConflictOfNothing "conflict_of_nothing" Person "the record of the conflict is not there"
    /// An entry of the inbox is closed and not resolved, or resolved and not closed.
    ConflictState "conflict_state" Person "the conflict is closed and not resolved, or resolved and open"
    /// The value of an open entry of the inbox is not where it should be.
    LoserGone "loser_gone" Person "the value that lost is not in the history"
    /// The id or the time of an inbox entry is not its own.
    ConflictName "conflict_name" Person "the conflict is not the one that it is named after"
}
