//! Kinds of runs: what is likely in each.
//!
//! A profile is a set of booleans and rates. Most are [`EVERYDAY`] with one more part of the
//! protocol, so that a failure has few possible causes. [`EVERYTHING`] has most parts at once, for
//! failures that need several of them.
//!
//! Runs of one seed in two profiles begin alike.

/// The settings of a run.
///
/// It is plain data, so a test can make one from another with `..EVERYDAY`.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// The most phones.
    pub phones: usize,
    /// The most pieces at the beginning.
    pub pieces: usize,
    /// The most events.
    pub events: usize,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many of a hundred requests, and of a hundred replies, are lost.
    pub losses: u64,
    /// How many of a thousand calls of the store fail.
    pub faults: u64,
    /// How many of a hundred syncs have another one in their middle, or a rewind if there are any.
    pub crossings: u64,
    /// Whether each field of a piece is edited on one phone only.
    pub owned: bool,
    /// Whether lyrics are made of lines, each of which is edited on one phone only.
    pub by_line: bool,
    /// Whether forms stay open while the phone syncs.
    pub forms: bool,
    /// Whether replies are cut.
    pub small_replies: bool,
    /// Whether backups are restored.
    pub backups: bool,
    /// Whether the retention time passes.
    pub ages: bool,
    /// Whether new clients delete pieces.
    pub deletes: bool,
    /// Whether phones begin with copies from before this server.
    pub legacy: bool,
    /// Whether requests hold records that cannot be accepted.
    pub invalid: bool,
    /// Whether the clocks of phones jump.
    pub clock_jumps: bool,
    /// Whether backups are restored all the time.
    pub restores: bool,
    /// Whether accounts are erased while phones hold pieces of them.
    pub erasures: bool,
    /// Whether the operator forgets to raise the generation after restoring a backup.
    pub forgotten_generations: bool,
    /// Whether phones are set up from backups of others, or restored to earlier backups.
    pub copies: bool,
    /// Whether people restore versions, resolve conflicts and delete, and their calls are repeated.
    pub asks: bool,
    /// Whether accounts are exported, erased and imported again.
    pub imports: bool,
    /// Whether new clients correct and delete sessions, which phones send again.
    pub mends: bool,
    /// Whether accounts go back to an earlier time.
    pub rewinds: bool,
    /// Whether commits of the store are so small that one push may need several.
    pub small_commits: bool,
}

/// Two to four phones, lost requests and replies, edits at any moment.
pub const EVERYDAY: Profile = Profile {
    name: "everyday",
    phones: 4,
    pieces: 3,
    events: 50,
    accounts: 1,
    losses: 20,
    faults: 0,
    crossings: 0,
    owned: false,
    by_line: false,
    forms: true,
    small_replies: false,
    backups: false,
    ages: false,
    deletes: false,
    legacy: false,
    invalid: false,
    clock_jumps: true,
    restores: false,
    erasures: false,
    forgotten_generations: false,
    copies: false,
    asks: false,
    imports: false,
    mends: false,
    rewinds: false,
    small_commits: false,
};

/// Each field has one phone that edits it. Its last value must be everywhere.
pub const OWN_FIELDS: Profile =
    Profile { name: "own_fields", owned: true, forms: false, ..EVERYDAY };

/// Each line of the lyrics has one phone that edits it.
pub const OWN_LINES: Profile =
    Profile { name: "own_lines", by_line: true, pieces: 2, ..OWN_FIELDS };

/// Several server processes on one failing store, which interfere with each other.
pub const STORMY: Profile = Profile { name: "stormy", faults: 60, crossings: 40, ..EVERYDAY };

/// Two accounts on every phone, and tokens of the wrong account.
pub const ACCOUNTS: Profile =
    Profile { name: "accounts", accounts: 2, invalid: true, phones: 3, ..EVERYDAY };

/// Replies that hold a few pieces at a time.
pub const CUT_REPLIES: Profile =
    Profile { name: "cut_replies", small_replies: true, pieces: 8, phones: 3, ..EVERYDAY };

/// The server is restored from a backup.
pub const BACKUPS: Profile = Profile { name: "backups", backups: true, ..EVERYDAY };

/// The retention time passes.
pub const AGES: Profile = Profile { name: "ages", ages: true, ..EVERYDAY };

/// Copies from before this server.
pub const LEGACY: Profile = Profile { name: "legacy", legacy: true, ..EVERYDAY };

/// New clients delete pieces that phones still have.
pub const DELETES: Profile = Profile { name: "deletes", deletes: true, ..EVERYDAY };

/// Phones are copied, and restored to earlier states.
pub const COPIES: Profile = Profile { name: "copies", copies: true, phones: 3, ..EVERYDAY };

/// Like [`COPIES`]; the lines of the lyrics are followed one by one.
pub const COPIED_LINES: Profile =
    Profile { name: "copied_lines", by_line: true, pieces: 2, forms: false, ..COPIES };

/// Several backups. Each is restored more than once, with edits of each life in between.
pub const RESTORES: Profile = Profile { name: "restores", restores: true, phones: 3, ..BACKUPS };

/// Backups are restored, and the operator forgets to raise the generation.
pub const SILENT_RESTORES: Profile =
    Profile { name: "silent_restores", forgotten_generations: true, ..RESTORES };

/// Accounts are erased, and phones that hold pieces of them go on syncing.
pub const ERASURES: Profile =
    Profile { name: "erasures", erasures: true, imports: true, ..EVERYDAY };

/// People make calls besides their phones, and each call may be repeated.
pub const ASKS: Profile =
    Profile { name: "asks", asks: true, deletes: true, pieces: 2, ..EVERYDAY };

/// Sessions are corrected and deleted, and phones send them again.
pub const MENDS: Profile = Profile { name: "mends", mends: true, ..EVERYDAY };

/// Accounts go back to an earlier time, and forward again, while phones sync: before a sync, after
/// it, and in its middle.
pub const REWINDS: Profile = Profile {
    name: "rewinds",
    accounts: 2,
    faults: 30,
    crossings: 30,
    asks: true,
    deletes: true,
    mends: true,
    rewinds: true,
    ..EVERYDAY
};

/// Most parts at once.
pub const EVERYTHING: Profile = Profile {
    name: "everything",
    accounts: 2,
    faults: 30,
    crossings: 20,
    backups: true,
    ages: true,
    deletes: true,
    legacy: true,
    invalid: true,
    asks: true,
    imports: true,
    mends: true,
    ..EVERYDAY
};

impl Profile {
    /// Whether something rare happens all the time in it.
    pub fn is_eventful(&self) -> bool {
        self.copies || self.restores || self.erasures
    }
}

/// All of them.
pub const ALL: [Profile; 19] = [
    EVERYDAY,
    OWN_FIELDS,
    OWN_LINES,
    STORMY,
    ACCOUNTS,
    CUT_REPLIES,
    BACKUPS,
    AGES,
    LEGACY,
    DELETES,
    COPIES,
    COPIED_LINES,
    RESTORES,
    SILENT_RESTORES,
    ERASURES,
    ASKS,
    MENDS,
    REWINDS,
    EVERYTHING,
];
