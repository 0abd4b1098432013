//! The edits that a delete would lose.

use crate::error::{Error, ErrorKind, Result};
use crate::record::{Local, Touch};
use crate::replica::Replica;
use haumana_sync::id::Key;
use haumana_sync::schema::Kind;
use haumana_sync::time::UnixMillis;
use std::sync::Arc;

impl Replica {
    /// Returns the fields of a record whose edits a delete would drop. These edits were never sent
    /// to the server, or the server refused them. So no server can return them. It is empty if the
    /// server's history has, or will have, all edits.
    ///
    /// Nothing is deleted here. Call it before [`Replica::delete`]. If it names a field, ask the
    /// person, or sync first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], [`ErrorKind::NoAccount`] or [`ErrorKind::Storage`].
    pub async fn lost_by_delete(&self, key: Key) -> Result<Vec<String>> {
        let mut inner = self.lock().await;
        let account = inner.account("delete")?;
        let found = inner.read(&account, &[key]).await?.into_iter().flatten().next();
        let kind = inner.kinds.kind(key.kind).ok_or_else(not_found)?;
        found.and_then(|local| lost_by_delete(kind, &local)).ok_or_else(not_found)
    }
}

fn lost_by_delete(kind: &Arc<Kind>, local: &Local) -> Option<Vec<String>> {
    let mut after = local.clone();
    after.delete(kind, UnixMillis(0)).ok()?;
    let waiting = local.pending.touches.iter().filter(|(_, touch)| touch.acked.is_none());
    // A field may return to the value that was sent before.
    let is_kept = |name: &str, touch: &Touch| {
        after.pending.touches.get(name).is_some_and(|kept| kept.at == touch.at)
    };
    let lost = waiting.filter(|(name, touch)| !is_kept(name, touch));
    Some(lost.map(|(name, _)| name.clone()).collect())
}

fn not_found() -> Error {
    Error::new("delete", ErrorKind::NotFound)
}
