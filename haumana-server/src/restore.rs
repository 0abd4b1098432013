//! `haumana-server restore`.
//!
//! The work is in `haumana-store-sqlite`: one step that either happens or does not. This module
//! writes what an operator reads afterwards. That matters as much: an operator who restores a
//! backup is in a hurry, and wants to know whether tokens stay valid, whether erased people have
//! come back, and what devices will do.
//!
//! The files beside the database stay as they are: user directory, key pair, journal of erasures,
//! audit log. The journal names accounts that were erased after the backup, and they are erased
//! again.

use crate::args::{Args, StoreKind};
use crate::problem::{Problem, chain};
use crate::say::say;
use crate::store::BUSY_TIMEOUT;
use crate::{directory, key_file, private};
use haumana_store_sqlite::{LaterEdits, OpenErrorKind, RestoreErrorKind, Restored};
use haumana_sync::time::UnixMillis;
use std::path::Path;

/// Puts a backup in place of the database, and says what happens next.
///
/// `later_edits` decides about edits that devices made after the backup: they are merged into it,
/// or put into the inbox.
///
/// # Errors
///
/// [`Problem::Restore`]: nothing was changed. It says why.
pub(crate) fn restore(args: &Args, from: &Path, later_edits: LaterEdits) -> Result<(), Problem> {
    if args.store != StoreKind::Sqlite {
        return Err(Problem::NotSqlite);
    }
    let db = args.db.as_path();
    // Beside the file itself, also if the given path is a link.
    let file = std::fs::canonicalize(db).unwrap_or_else(|_| db.into());
    let has_journal = has_bytes(&private::beside(&file, ".erased"));
    let restored = haumana_store_sqlite::restore(from, db, later_edits, BUSY_TIMEOUT);
    let restored = restored.map_err(|error| match error.kind() {
        // A restore cannot repair a backup that is incomplete.
        RestoreErrorKind::Refused(OpenErrorKind::ForeignLog) => Problem::Restore(format!(
            "{from}-wal holds the changes of another database than {from}; move it away if {from} \
             is whole without it",
            from = from.display()
        )),
        _ => Problem::Restore(chain(&error)),
    })?;
    Ok(report(db, from, &restored, has_journal).iter().try_for_each(say)?)
}

/// An empty file, as a copy leaves it that failed, says nothing.
fn has_bytes(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| 0 < meta.len())
}

/// Each line says one fact. The last one says what to do next.
fn report(db: &Path, from: &Path, restored: &Restored, has_journal: bool) -> Vec<String> {
    let (shown, from) = (db.display(), from.display());
    let mut lines = vec![match restored.taken_at {
        Some(at) => {
            let at = UnixMillis::from_secs(at.secs());
            format!("{shown} is now the backup of {at}, from {from}")
        }
        None => format!("{shown} is now a copy of {from}"),
    }];
    lines.push(match &restored.set_aside {
        Some(aside) => format!("what was there before is kept as {}", aside.display()),
        None => "there was no database before".to_owned(),
    });
    lines.push(format!(
        "a new life of the data begins, generation {}; --generation is not needed",
        restored.life.generation.0
    ));
    lines.push(match restored.life.later_edits {
        LaterEdits::Discard => {
            "devices notice at their next sync: the backup wins, and edits made \
             after it are in their inbox; records made after it stay"
                .to_owned()
        }
        LaterEdits::Merge => "devices notice at their next sync: what they wrote after the backup \
             is merged into it; what that replaces, and deletes of what came back, are in their \
             inbox"
            .to_owned(),
    });
    let (users, key) = (directory::beside(db), key_file::beside(db));
    if users.exists() {
        lines.push(format!(
            "{} is as it was: nobody has to sign in again, and it grants nobody anything",
            users.display()
        ));
    }
    if key.exists() {
        lines.push(format!("{} is as it was: tokens stay valid", key.display()));
    }
    lines.push(match restored.erased_again {
        0 if !has_journal => format!(
            "there is no {shown}.erased, so nothing is known of accounts that were erased after the \
             backup: they are back. If there was such a file, put it there and restore again"
        ),
        0 => {
            format!("no account of the backup was erased after it was taken, as {shown}.erased says")
        }
        1 => "one account that was erased after the backup is erased again".to_owned(),
        n => format!("{n} accounts that were erased after the backup are erased again"),
    });
    lines.push("start the server as always".to_owned());
    lines
}
