//! The mistakes that are planted, each as somebody made it or could make it.

macro_rules! mistakes {
    ($($(#[doc = $text:literal])+ $name:ident)*) => {
        /// One mistake in a backend.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Mistake { $($(#[doc = $text])+ $name,)* }

        impl Mistake {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns what is wrong, in a sentence.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$name => concat!($($text),+).trim_ascii(),)* }
            }

            /// Whether the calls of the backend block their thread and never yield.
            pub(crate) fn blocks(self) -> bool {
                self.text().starts_with("No call yields")
            }
        }
    };
}

mistakes! {
    /// A commit is two transactions: the head, then the records.
    HeadBeforeRecords
    /// A commit is two transactions: the records, then the head.
    RecordsBeforeHead
    /// History is written in a transaction of its own, behind the commit.
    HistoryBehindTheCommit
    /// A commit of more than 500 records is split over several transactions.
    LargeCommitIsSplit
    /// A commit that is dropped leaves its lock behind.
    DroppedCommitKeepsLock
    /// A commit that is dropped half-way leaves half of its records.
    DroppedCommitKeepsHalf
    /// A read that is dropped leaves its lock behind.
    DroppedReadKeepsLock
    /// An erasure that is dropped keeps its lock.
    DroppedEraseKeepsLock
    /// The head is compared before the lock is taken.
    ComparedBeforeLock
    /// The head is not compared at all.
    NotCompared
    /// Heads are compared by revision alone.
    ComparedByRevision
    /// Heads are compared without the commit id.
    ComparedWithoutCommit
    /// Heads are compared without the epoch.
    ComparedWithoutEpoch
    /// Heads are compared as a whole.
    ComparedAsAWhole
    /// A first commit replaces a head that is there.
    FirstCommitReplaces
    /// The identical commit again is a conflict.
    RepeatConflicts
    /// The identical commit again is written again, although another has followed.
    RepeatIsAlwaysOk
    /// A refused commit has written its history.
    RefusedKeepsHistory
    /// A batch one item above the limit is taken.
    OneItemTooMany
    /// A batch of exactly the limit is refused.
    LimitIsRefused
    /// The bytes of a batch are not counted.
    BytesAreNotCounted
    /// A page's head is read behind its records.
    HeadReadLate
    /// A page's head is read before its records, and records beyond it are delivered.
    BeyondTheHead
    /// `more` says nothing follows where exactly one record does.
    MoreMissesOne
    /// `more` is true where nothing follows.
    MoreIsAlwaysTrue
    /// A page holds one record more than asked for.
    OneRecordTooMany
    /// A place within a commit delivers its own record again.
    PlaceIsInclusive
    /// A place within a commit skips the rest of the commit.
    PlaceSkipsTheRest
    /// A place behind a revision delivers its records of later kinds again.
    PlaceForgetsKinds
    /// Records of one commit come in the order in which they were written.
    OrderedAsWritten
    /// Ids are ordered as signed numbers.
    SignedIds
    /// A record that changes keeps its old place in the stream, too.
    OldPlaceStays
    /// A stamp delivers records that carry it.
    StampIsInclusive
    /// A stamp is compared with a second's tolerance, and skips what follows at once.
    StampSkipsASecond
    /// Reads come from a copy that is refreshed every other time.
    StaleReads
    /// The head comes from a cache that forgets to look.
    StaleHead
    /// Reads come in the order of the tables.
    ReadInTableOrder
    /// A key that is asked for twice is answered once.
    ReadDropsDoubles
    /// At most 1,000 records are read at once.
    ReadIsCut
    /// The index ends after 1,000 records.
    IndexIsCut
    /// The index leaves tombstones out.
    IndexWithoutTombstones
    /// Sizes in the index are characters.
    SizesAreCharacters
    /// Content is parsed and printed.
    ContentIsTidied
    /// Content is normalised.
    ContentIsNormalised
    /// Notes end at the first NUL.
    NotesEndAtNul
    /// A head forgets when the account was erased.
    ErasedAtIsLost
    /// Large unsigned numbers wrap.
    NumbersWrap
    /// Users are compared without regard to case.
    UsersWithoutCase
    /// Users are cut to 64 bytes.
    UsersAreCut
    /// A history entry that exists is kept.
    HistoryIsKept
    /// A history entry's time is not replaced with it.
    HistoryKeepsItsTime
    /// History is cut within a version.
    HistorySplitsVersions
    /// History is ordered oldest first.
    HistoryOldestFirst
    /// `before` takes the version itself, too.
    BeforeIsInclusive
    /// A purge takes what was superseded at its very time.
    PurgeIsInclusive
    /// A purge takes the history of all users.
    PurgeTakesAllUsers
    /// An erasure takes the head.
    EraseTakesTheHead
    /// An erasure leaves history.
    EraseLeavesHistory
    /// An erasure leaves tombstones.
    EraseLeavesTombstones
    /// Erasing nobody makes a head.
    EraseMakesAHead
    /// Reads mix a record's content with the version of another commit.
    TornRecord
    /// A commit under load is refused as throttled after it was done.
    ThrottledAfterTheFact
    /// No call yields, and the head is compared and written without a lock.
    ComparedWithoutLock
    /// No call yields, and a file is emptied and then written: readers find half of it.
    HalfAFile
    /// No call yields, and an account is taken out and put back: readers find nobody.
    GoneWhileWritten
    /// No call yields, and the head is stored before the records.
    HeadStoredFirst
    /// No call yields, and a page's head is read behind its records.
    PageInTwoReads
    /// No call yields, and one file of all accounts is written under the lock of one account.
    OneFileForAll
    /// No call yields, and a purge puts back, without a lock, the account that it has read.
    PurgedWithoutLock
    /// No call yields, and an erasure puts back, without a lock, all other accounts that it has read.
    ErasedWithoutLock
}
