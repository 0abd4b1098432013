//! Rows of the file, as values.

use super::State;
use crate::record::{Agreed, Local, Pending};
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::time::UnixMillis;
use rusqlite::Row;
use rusqlite::types::Type;

pub(super) fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    Ok(State {
        cursor: row.get(0)?,
        mark: row.get::<_, i64>(1)?.unsigned_abs(),
        is_listing: row.get(2)?,
        digest: Digest::from_bits(u128::from_be_bytes(row.get(3)?)),
        is_erased: row.get(4)?,
        probe: row.get(5)?,
        is_other_life: row.get(6)?,
        unanswered: row
            .get::<_, Option<String>>(7)?
            .map(|json| serde_json::from_str(&json).map_err(|_| unreadable()))
            .transpose()?,
        open_conflicts: row.get::<_, Option<i64>>(8)?.map(i64::unsigned_abs),
    })
}

pub(super) fn local(row: &Row<'_>) -> rusqlite::Result<Local> {
    let kind = read_kind(row, 0)?;
    let key = Key { kind, id: RecordId::from_bits(u128::from_be_bytes(row.get(1)?)) };
    let agreed = match row.get::<_, Option<u32>>(2)? {
        Some(version) => Some(Agreed {
            version,
            modified_at: UnixMillis(row.get(3)?),
            value: row.get(4)?,
            mark: row.get::<_, i64>(5)?.unsigned_abs(),
        }),
        None => None,
    };
    let json: Option<String> = row.get(6)?;
    let pending = json.map(|json| parse_pending(&json)).transpose()?.unwrap_or_default();
    Ok(Local { key, agreed, pending })
}

pub(super) fn read_kind(row: &Row<'_>, at: usize) -> rusqlite::Result<KindNumber> {
    let number = u8::try_from(row.get::<_, i64>(at)?).map_err(|_| unreadable())?;
    Ok(KindNumber::new(number))
}

pub(super) fn pending_of(row: &Row<'_>) -> rusqlite::Result<Pending> {
    parse_pending(row.get_ref(0)?.as_str()?)
}

pub(super) fn parse_pending(json: &str) -> rusqlite::Result<Pending> {
    serde_json::from_str(json).map_err(|_| unreadable())
}

/// SQLITE: integers are signed; a device never makes 2^63 full listings.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unreadable() -> rusqlite::Error {
    let why = "a row is not as this program writes it";
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, why.into())
}
