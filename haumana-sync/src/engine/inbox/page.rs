//! Pages of the inbox, limited in bytes, and what a resolution needs to know before.

use crate::engine::commit::StoredConflict;
use crate::engine::edit::record::parse;
use crate::engine::{Conflict, ConflictPlace, Engine, Error, ErrorKind, Result, check_state};
use crate::id::{Key, RecordId, UserId};
use crate::record::Value;
use crate::store::StoreExt;
use serde_json::value::RawValue;

impl Engine {
    /// Lists open conflicts behind `after`, newest first: at most `limit`, of about `limit_bytes`
    /// together. It lists at least one if there is one. Also returns where the next page starts.
    ///
    /// Each entry is read by itself, with the record and the value that lost. So a page costs about
    /// three reads for each entry: show one page at a time. The call also reads the index of the
    /// inbox, which has all entries that were ever opened. An account has at most
    /// [`limits::USER_CONFLICTS`](crate::limits::USER_CONFLICTS) open entries.
    ///
    /// Entries stay until somebody closes them. The lost value is there as long as the history
    /// keeps it. After that [`Conflict::lost`] is `None`, and the entry can only be kept or set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store cannot answer; [`ErrorKind::Importing`] and
    /// [`ErrorKind::Erasing`] while the account is not whole.
    pub async fn conflict_page(
        &self,
        user: &UserId,
        after: Option<ConflictPlace>,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<(Vec<Conflict>, Option<ConflictPlace>)> {
        let places = self.open_places(user, after).await?;
        let (mut conflicts, mut left, mut done) = (Vec::new(), limit_bytes, 0);
        for (_, id) in places.iter().take(limit) {
            let found = self.store.read_one(user, Key::conflict(*id)).await?;
            if let Some(envelope) = found.filter(|entry| !entry.deleted && !entry.is_unreadable()) {
                let conflict = self.open_conflict(user, &envelope).await?;
                let bytes = conflict_bytes(&conflict);
                if left < bytes && !conflicts.is_empty() {
                    break;
                }
                left = left.saturating_sub(bytes);
                conflicts.push(conflict);
            }
            done += 1;
        }
        let next = (done < places.len()).then(|| places.get(done.wrapping_sub(1)).copied());
        Ok((conflicts, next.flatten()))
    }

    /// Reads a value for the field of a conflict, open or closed. Returns `None` if the field
    /// cannot hold it, or if a delete was involved.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no conflict with that id; others as
    /// [`Engine::conflict_page`].
    pub async fn conflict_value(
        &self,
        user: &UserId,
        id: RecordId,
        raw: &RawValue,
    ) -> Result<Option<Value>> {
        check_state(self.store.head(user).await?.as_ref())?;
        let Some(envelope) = self.store.read_one(user, Key::conflict(id)).await? else {
            return Err(Error::new(ErrorKind::NotFound, "there is no such conflict"));
        };
        let stored: StoredConflict = parse(&envelope.content)?;
        let kind = self.schema().kind(stored.key.kind);
        Ok(kind.zip(stored.field).and_then(|(kind, field)| kind.read_unit(&field, raw)))
    }
}

/// An upper bound of the bytes that a conflict takes in a reply.
pub(crate) fn conflict_bytes(conflict: &Conflict) -> usize {
    // An escaped character takes at most six bytes.
    let (_, kept) = conflict.kept.canonical();
    let lost = conflict.lost.as_ref().map_or(0, |lost| lost.canonical().1.len());
    6 * (kept.len() + lost) + 512
}
