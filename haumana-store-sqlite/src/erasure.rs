//! Making deleted content leave the files.

use crate::error::before_commit;
use haumana_sync::store::{Error, ErrorKind, Result};
use rusqlite::Connection;

/// Rewrites the file without what was deleted and empties the log.
///
/// `secure_delete` overwrites what is deleted, but not the copies that stayed behind when pages
/// were split or joined, and nothing in the log. Rewriting takes time in proportion to the whole
/// file; accounts are erased rarely, and one byte left is one too many.
pub(crate) fn wipe(connection: &Connection) -> Result<()> {
    let sqlite = |error| before_commit("erase", error);
    connection.execute_batch("VACUUM").map_err(sqlite)?;
    // SQLITE: waits for readers as long as the busy timeout says, and answers 1 if that was not
    // enough: <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>.
    let is_busy = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
        .map_err(sqlite)?;
    if is_busy { Err(Error::new("erase", ErrorKind::Throttled)) } else { Ok(()) }
}
