//! Writes rows of the file, each within a transaction.

use super::State;
use super::rows::{signed, unreadable};
use super::schema::kind_number;
use crate::record::{Agreed, Local};
use rusqlite::{Connection, Transaction, params};

/// Whether anything of an account is pending.
pub(super) fn has_pending(connection: &Connection, account: i64) -> rusqlite::Result<bool> {
    let mut find = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM pending WHERE account = ?1 LIMIT 1)")?;
    find.query_row([account], |row| row.get(0))
}

/// Writes an account's state. Makes the account if it does not exist. Returns its number.
pub(super) fn write_state(
    write: &Transaction<'_>,
    name: &str,
    state: Option<&State>,
) -> rusqlite::Result<i64> {
    let fresh = State::default();
    let sql = match state {
        Some(_) => {
            "INSERT INTO accounts
             (name, cursor, mark, listing, digest, erased, probe, other_life, unanswered,
              open_conflicts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (name) DO UPDATE SET
             cursor = ?2, mark = ?3, listing = ?4, digest = ?5, erased = ?6, probe = ?7,
             other_life = ?8, unanswered = ?9, open_conflicts = ?10"
        }
        None => {
            "INSERT INTO accounts
             (name, cursor, mark, listing, digest, erased, probe, other_life, unanswered,
              open_conflicts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (name) DO NOTHING"
        }
    };
    let state = state.unwrap_or(&fresh);
    write.prepare_cached(sql)?.execute(params![
        name,
        state.cursor,
        signed(state.mark),
        state.is_listing,
        state.digest.bits().to_be_bytes(),
        state.is_erased,
        state.probe,
        state.is_other_life,
        state.unanswered.as_ref().and_then(|call| serde_json::to_string(call).ok()),
        state.open_conflicts.map(signed),
    ])?;
    let mut find = write.prepare_cached("SELECT account FROM accounts WHERE name = ?1")?;
    find.query_row([name], |row| row.get(0))
}

pub(super) fn write_records(
    write: &Transaction<'_>,
    account: i64,
    records: &[Local],
) -> rusqlite::Result<()> {
    let mut put = write.prepare_cached(
        "INSERT INTO records (account, kind, id, version, modified_at, mark, value)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (account, kind, id) DO UPDATE SET
         version = ?4, modified_at = ?5, mark = ?6, value = ?7",
    )?;
    let mut put_pending = write.prepare_cached(
        "INSERT OR REPLACE INTO pending (account, kind, id, open, due, refused, json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut remove =
        write.prepare_cached("DELETE FROM records WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let mut remove_pending =
        write.prepare_cached("DELETE FROM pending WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let mut has_pending = has_pending(write, account)?;
    for local in records {
        let (kind, id) = (kind_number(local.key.kind), local.key.id.bits().to_be_bytes());
        match &local.agreed {
            Some(agreed) => {
                let Agreed { version, modified_at, value, mark } = agreed;
                let mark = signed(*mark);
                put.execute(params![account, kind, id, version, modified_at.0, mark, value])?;
            }
            None => {
                remove.execute(params![account, kind, id])?;
            }
        }
        let pending = &local.pending;
        if pending.is_empty() {
            if has_pending {
                remove_pending.execute(params![account, kind, id])?;
            }
        } else {
            has_pending = true;
            let json = serde_json::to_string(pending).map_err(|_| unreadable())?;
            let (open, due) = (pending.is_open(), pending.is_due());
            let refused = pending.refused.is_some();
            put_pending.execute(params![account, kind, id, open, due, refused, json])?;
        }
    }
    Ok(())
}
