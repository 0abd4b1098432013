//! Lives: they distinguish the time after a restore from the time before it.
//!
//! # Why
//!
//! Devices remember versions and deletes. After a restore the same numbers mean other content, so
//! what a device remembers must be ignored. Its next sync finds another generation, and it starts
//! over. The danger is a restore that nobody notices. Each case shows in another way:
//!
//! | what happened | how it is noticed |
//! |---|---|
//! | a backup was opened | the backup has a mark |
//! | an older copy of the file was restored | the sidecar has seen more transactions of this life |
//! | a copy from an earlier life was restored | the sidecar has seen a later life of the file |
//! | another database, or none, was in its place | the sidecar has last seen another file |
//! | the operator says so | a generation that is higher than any asked for before |
//!
//! # How a new life begins
//!
//! [`Identity::read`] gets the row of the table `life` and three random numbers from SQLite.
//! [`Identity::judge`] compares it with [`Known`], which comes from outside the file.
//! [`Identity::begin`] picks a new tag and a generation above all known ones, and
//! [`Identity::write`] stores both in one statement. Everything but reading and writing is pure,
//! and tested without files.

use crate::chain::Chain;
use haumana_sync::store::Generation;
use haumana_sync::time::UnixMillis;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

/// LIMIT: how far the generation of a new life may be above all earlier ones.
///
/// It leaps instead of counting, because a backup that is restored twice, on two machines, must not
/// begin two lives with one number. The price is that a file has room for a few hundred restores;
/// when little room is left, the leaps become shorter.
const LEAP: u32 = 1 << 24;

/// The heads' generations count, too: a file from before the table `life` has its number only in
/// them.
const READ: &str = "
    SELECT file, tag, generation, asked, discard_later, backup_at, chain, random(), random(),
           random(), (SELECT coalesce(max(generation), 0) FROM heads), EXISTS (SELECT * FROM heads)
    FROM life";

const WRITE: &str = "
    UPDATE life SET tag = ?1, generation = ?2, asked = ?3, discard_later = ?4, backup_at = ?5,
                    chain = ?6";

const NOW_MS: &str = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// One life of the data: the time from one restore to the next.
///
/// Versions and deletes that a device remembers of another life say nothing about this one. Give
/// the engine the generation of the life that its store is in.
///
/// Log it with [`NewLife`] after each start. Give [`Life::later_edits`] to the engine as
/// `OtherLife`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Life {
    /// Above the generations of all earlier lives of the file. How far above is drawn at random. So
    /// a backup that is restored twice begins two lives with different numbers; they are equal once
    /// in 16 million times.
    pub generation: Generation,
    /// Drawn at random for each life.
    pub tag: u64,
    /// What happens to edits that devices made after the backup that this life began with.
    pub later_edits: LaterEdits,
}

/// What happens to edits that devices made after a backup, once that backup is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaterEdits {
    /// They are merged: the later edit wins, and what it replaces is in the inbox.
    ///
    /// Choose it after a disk has failed, if devices have edits that the backup lacks.
    Merge,
    /// The backup wins, and they are in the inbox.
    ///
    /// Choose it if the backup is to undo what devices did.
    Discard,
}

/// Why a new life began when a file was opened.
///
/// Devices then start over and offer what they hold. That costs each of them one full sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewLife {
    /// The file is a backup that was not opened before.
    Backup {
        /// When the backup was taken.
        taken_at: UnixMillis,
    },
    /// The file is older than the one that was last seen under its name: an earlier copy was
    /// restored.
    ///
    /// The file beside the database remembers that it had come further.
    PutBack,
    /// The file is new, and another one was used under its name before.
    ///
    /// Somebody has deleted the database, or moved it away.
    StartedAfresh,
    /// Another file was last used under this name.
    Replaced,
    /// The operator asked for a higher generation than ever before.
    ///
    /// See [`SqliteStore::open_asking`](crate::SqliteStore::open_asking).
    Asked,
}

/// How far a life of a file had come.
///
/// The sidecar keeps one of these for each file that was ever used under the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) tag: i64,
    pub(crate) generation: u32,
    /// How many transactions were durable.
    pub(crate) commits: u64,
    /// The highest generation that an operator had asked for.
    pub(crate) asked: u32,
}

/// What is known from outside the file.
///
/// If nothing was ever used under the name, only the mark of a backup and the operator's request
/// count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// How far the file had come when it was last seen.
    pub(crate) seen: Option<Seen>,
    /// The highest generation of any file seen under the name.
    pub(crate) highest: u32,
    /// Whether another file was last used under the name.
    pub(crate) is_another: bool,
    /// The highest generation that the operator asks for now.
    pub(crate) asked: u32,
}

impl Known {
    /// The number that is asked for, if it is one.
    fn number(&self) -> u32 {
        if self.asked == Generation::ANEW.0 { 0 } else { self.asked }
    }
}

/// The content of the table `life`.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Drawn once for all lives of the data.
    pub(crate) file: [u8; 16],
    tag: i64,
    /// The highest generation that was used.
    generation: u32,
    /// The highest generation that an operator has asked for.
    asked: u32,
    later_edits: LaterEdits,
    backup_at: Option<UnixMillis>,
    chain: Chain,
    /// Whether there are no heads. Devices can remember nothing of an empty file.
    is_empty: bool,
    random: Random,
}

/// Random numbers from the system.
///
/// Drawn in the statement that reads the row, so the library needs no source of its own.
#[derive(Debug)]
struct Random {
    tag: i64,
    link: u64,
    leap: u64,
}

impl Identity {
    /// Reads the identity of the file.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row(READ, [], Self::of)
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let chain: Vec<u8> = row.get(6)?;
        let not_a_chain = || rusqlite::Error::InvalidColumnType(6, "chain".into(), Type::Blob);
        let chain = Chain::decode(&chain).ok_or_else(not_a_chain)?;
        let of_heads: u32 = row.get(10)?;
        let unsigned = |column| row.get(column).map(i64::cast_unsigned);
        Ok(Self {
            file: row.get(0)?,
            tag: row.get(1)?,
            generation: row.get::<_, u32>(2)?.max(of_heads),
            asked: row.get(3)?,
            later_edits: if row.get(4)? { LaterEdits::Discard } else { LaterEdits::Merge },
            backup_at: row.get::<_, Option<i64>>(5)?.map(UnixMillis),
            chain,
            is_empty: !row.get::<_, bool>(11)?,
            random: Random { tag: row.get(7)?, link: unsigned(8)?, leap: unsigned(9)? },
        })
    }

    /// Returns the life that the file is in.
    pub(crate) fn life(&self) -> Life {
        Life {
            generation: Generation(self.generation),
            tag: self.tag.cast_unsigned(),
            later_edits: self.later_edits,
        }
    }

    /// Returns when the backup was taken, if the file is a backup that was not opened yet.
    pub(crate) fn backup_at(&self) -> Option<UnixMillis> {
        self.backup_at
    }

    /// Returns the tag of the life in the form of SQLite.
    pub(crate) fn tag(&self) -> i64 {
        self.tag
    }

    /// Returns how far the file has come.
    pub(crate) fn seen(&self) -> Seen {
        let (tag, generation, asked) = (self.tag, self.generation, self.asked);
        Seen { tag, generation, commits: self.chain.commits, asked }
    }

    /// Says whether a new life must begin, and why.
    ///
    /// The order matters. A backup is always reported as a backup. A file that went back is
    /// reported as that, even if the operator asks for a higher generation at the same time.
    pub(crate) fn judge(&self, known: &Known) -> Option<NewLife> {
        if let Some(taken_at) = self.backup_at {
            return Some(NewLife::Backup { taken_at });
        }
        match known.seen {
            Some(seen) if self.is_older_than(seen) => Some(NewLife::PutBack),
            _ if known.is_another && self.is_empty => Some(NewLife::StartedAfresh),
            _ if known.is_another => Some(NewLife::Replaced),
            _ => (self.is_raised(known) && !self.is_empty).then_some(NewLife::Asked),
        }
    }

    /// Whether the operator asks for a higher generation than ever before.
    pub(crate) fn is_raised(&self, known: &Known) -> bool {
        let before = self.asked.max(known.seen.map_or(0, |seen| seen.asked));
        known.asked == Generation::ANEW.0 || before < known.asked
    }

    /// Equal generations with different tags are two lives, and neither continues the other.
    fn is_older_than(&self, seen: Seen) -> bool {
        if self.tag == seen.tag {
            self.chain.commits < seen.commits
        } else {
            // The lives of a file have rising numbers.
            self.generation <= seen.generation
        }
    }

    /// Begins a new life; `None` if no generation is left above the used ones.
    pub(crate) fn begin(mut self, known: &Known, later_edits: LaterEdits) -> Option<Self> {
        let used = self.generation.max(known.highest).max(known.number());
        self.generation = generation_above(used, self.random.leap)?;
        self.tag = self.random.tag;
        self.later_edits = later_edits;
        self.backup_at = None;
        Some(self.ask(known))
    }

    /// Remembers which generation the operator asked for. If there is no data yet, it becomes the
    /// generation.
    pub(crate) fn ask(mut self, known: &Known) -> Self {
        self.asked = self.asked.max(known.number()).max(known.seen.map_or(0, |seen| seen.asked));
        if self.is_empty {
            self.generation = self.generation.max(known.number());
        }
        self
    }

    /// Marks the file as a backup. A backup of a backup keeps the time of the first.
    ///
    /// The time is SQLite's, in milliseconds.
    pub(crate) fn mark(mut self, connection: &Connection) -> rusqlite::Result<Self> {
        let now: i64 = connection.query_row(NOW_MS, [], |row| row.get(0))?;
        self.backup_at = self.backup_at.or(Some(UnixMillis(now)));
        Ok(self)
    }

    /// Writes the identity, in one statement and so in one transaction.
    ///
    /// It adds a link to the chain, as every transaction does.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let parameters = params![
            self.tag,
            self.generation,
            self.asked,
            self.later_edits == LaterEdits::Discard,
            self.backup_at.map(|at| at.0),
            self.chain.and(self.random.link).encode(),
        ];
        connection.execute(WRITE, parameters).map(|_| ())
    }
}

/// Returns a generation above all used ones.
fn generation_above(used: u32, random: u64) -> Option<u32> {
    let room = u32::MAX - used;
    // Near the end the leaps become shorter, so that there is room for a few more restores.
    let leap = u64::from((room / 2).min(LEAP));
    let further = u32::try_from(random.checked_rem(leap)?).ok()?;
    used.checked_add(1)?.checked_add(further)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use std::path::Path;

    fn identity(change: &str) -> Identity {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection, Path::new(":memory:")).unwrap();
        connection.execute_batch(change).unwrap();
        Identity::read(&connection).unwrap()
    }

    const HEAD: &str = "INSERT INTO heads
        (user, subject, epoch, revision, stamp, generation, versions, content, records, bytes,
         max_version, commit_id, state, erased_at, purged_at)
        VALUES
        (1, 'kai', 1, 1, 1, 4, x'00', x'00', 0, 0, 0, x'00', 0, NULL, 0);";

    #[test]
    fn a_generation_is_above_all_before_and_never_runs_over() {
        for random in [0, 1, 1 << 23, u64::MAX] {
            for used in [0, 1, 5_000_000, u32::MAX - 1_000, u32::MAX - 2] {
                let next = generation_above(used, random).unwrap();
                assert!(used < next && next - used <= LEAP, "{used} {next}");
            }
            assert_eq!(None, generation_above(u32::MAX - 1, random));
            assert_eq!(None, generation_above(u32::MAX, random));
        }
    }

    #[test]
    fn a_file_that_goes_on_stays_in_its_life() {
        let known = |seen| Known { seen: Some(seen), asked: 4, ..Known::default() };
        let file = identity(&format!("{HEAD} UPDATE life SET asked = 4"));
        let seen = file.seen();

        assert_eq!(None, file.judge(&known(seen)));
        assert_eq!(None, file.judge(&Known { asked: 4, ..Known::default() }), "nothing is known");
        let earlier = Seen { tag: 77, generation: 3, commits: 99, asked: 0 };
        assert_eq!(None, file.judge(&known(earlier)), "an earlier life was seen");
    }

    #[test]
    fn a_file_that_is_older_than_what_was_seen_begins_a_new_life() {
        let file = identity(HEAD);
        let seen = file.seen();
        let further = Seen { commits: seen.commits + 1, ..seen };
        let later_life = Seen { tag: 77, generation: 9, ..seen };
        let same_number = Seen { tag: 77, ..seen };

        for seen in [further, later_life, same_number] {
            let known = Known { seen: Some(seen), ..Known::default() };
            assert_eq!(Some(NewLife::PutBack), file.judge(&known), "{seen:?}");
        }
    }

    #[test]
    fn only_a_higher_generation_than_ever_asked_for_begins_a_new_life() {
        let file = identity(&format!("{HEAD} UPDATE life SET asked = 1, generation = 8000000"));

        let asked = |asked| file.judge(&Known { asked, ..Known::default() });

        assert_eq!(None, asked(0));
        assert_eq!(None, asked(1));
        assert_eq!(Some(NewLife::Asked), asked(2), "although the number in force is higher");
        let known = Known { seen: Some(Seen { asked: 2, ..file.seen() }), ..Known::default() };
        assert_eq!(None, file.judge(&Known { asked: 2, ..known }), "it was asked for before");
    }

    #[test]
    fn a_new_file_has_the_generation_asked_for_unless_there_was_another_file() {
        let first = Known { asked: 3, ..Known::default() };
        let after_another = Known { highest: 50, is_another: true, ..first };

        let file = identity("");
        assert_eq!(None, file.judge(&first));
        assert_eq!(Some(NewLife::StartedAfresh), file.judge(&after_another));
        assert_eq!(Generation(3), file.ask(&first).life().generation);
        let afresh = identity("").begin(&after_another, LaterEdits::Merge).unwrap();
        assert!(Generation(50) < afresh.life().generation);
    }

    #[test]
    fn a_file_in_place_of_another_begins_a_new_life() {
        let file = identity(HEAD);
        let known = Known { is_another: true, ..Known::default() };

        assert_eq!(Some(NewLife::Replaced), file.judge(&known));
        let back = Known { seen: Some(file.seen()), ..known };
        assert_eq!(Some(NewLife::Replaced), file.judge(&back), "also one that was used before");
    }

    #[test]
    fn a_new_life_is_above_the_file_the_users_what_was_seen_and_what_was_asked_for() {
        for (change, highest, asked, above) in [
            ("UPDATE life SET generation = 9", 0, 0, 9),
            (HEAD, 0, 0, 4),
            (HEAD, 30, 0, 30),
            (HEAD, 30, 40, 40),
        ] {
            let known = Known { highest, asked, ..Known::default() };
            let begun = identity(change).begin(&known, LaterEdits::Discard).unwrap();
            let life = begun.life();
            assert!(Generation(above) < life.generation, "{change} {highest} {asked}");
            assert_eq!(LaterEdits::Discard, life.later_edits);
        }
    }

    #[test]
    fn one_backup_restored_twice_begins_two_lives() {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection, Path::new(":memory:")).unwrap();
        let begin = || {
            let file = Identity::read(&connection).unwrap();
            file.begin(&Known::default(), LaterEdits::Merge).unwrap().life()
        };

        let lives: Vec<Life> = (0..4).map(|_| begin()).collect();

        for (at, life) in lives.iter().enumerate() {
            for other in &lives[at + 1..] {
                assert_ne!((life.tag, life.generation), (other.tag, other.generation));
                assert_ne!(life.tag, other.tag);
            }
        }
    }
}
