//! The faults in runs, by kind, and how often each happened.
//!
//! Long runs report them, so that a reader of "no violation" can see how many faults there were.
//! Each fault counts when it happens, not when it is drawn.

/// A fault.
///
/// Long runs report the counts under these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum FaultKind {
    /// A request never reaches the server.
    RequestLost,
    /// A request is done, but its reply never reaches the device.
    ReplyLost,
    /// A request is repeated at once.
    RequestRepeated,
    /// A request arrives long after it was sent, again or for the first time.
    RequestLate,
    /// Another request is done in the middle of one.
    RequestCrossed,
    /// A reply has only a part of what the phone lacks.
    ReplyCut,
    /// A call of the store is throttled.
    StoreThrottled,
    /// A call of the store fails without having done anything, and does not say that.
    StoreUnknown,
    /// A call of the store is refused as if somebody else had been faster.
    StoreConflict,
    /// A call of the store is done, and its answer is lost.
    StoreAnswerLost,
    /// A request fails because of the store.
    RequestFailed,
    /// A phone is restarted.
    PhoneRestarted,
    /// The clock of a phone jumps.
    ClockJumped,
    /// A phone's token and its app belong to different accounts.
    AccountSwitched,
    /// A request holds records that cannot be accepted.
    RecordInvalid,
    /// A phone is restored from a backup, its own or another phone's.
    PhoneCopied,
    /// The server is restored from a backup.
    BackupRestored,
    /// The server is restored from a backup and keeps its generation.
    RestoreSilent,
    /// The retention time passes.
    RetentionPassed,
    /// An account is erased.
    AccountErased,
    /// A record is deleted by a client of `/sync` while phones hold it.
    RecordDeleted,
}

impl FaultKind {
    /// All of them, in order.
    pub const ALL: [FaultKind; 21] = [
        FaultKind::RequestLost,
        FaultKind::ReplyLost,
        FaultKind::RequestRepeated,
        FaultKind::RequestLate,
        FaultKind::RequestCrossed,
        FaultKind::ReplyCut,
        FaultKind::StoreThrottled,
        FaultKind::StoreUnknown,
        FaultKind::StoreConflict,
        FaultKind::StoreAnswerLost,
        FaultKind::RequestFailed,
        FaultKind::PhoneRestarted,
        FaultKind::ClockJumped,
        FaultKind::AccountSwitched,
        FaultKind::RecordInvalid,
        FaultKind::PhoneCopied,
        FaultKind::BackupRestored,
        FaultKind::RestoreSilent,
        FaultKind::RetentionPassed,
        FaultKind::AccountErased,
        FaultKind::RecordDeleted,
    ];
}

/// How often each kind of fault happened.
///
/// A plain array, so that a tally can be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultKind::ALL.len()]);

impl FaultCounts {
    /// Counts one.
    pub fn note(&mut self, kind: FaultKind) {
        self.note_many(kind, 1);
    }

    /// Counts several.
    pub fn note_many(&mut self, kind: FaultKind, n: u64) {
        self.0[kind as usize] += n;
    }

    /// How often this kind happened.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0[kind as usize]
    }
}
