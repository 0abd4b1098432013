//! Content that somebody has changed by hand in the store, as an ordinary later version.

use crate::engine::commit::Draft;
use crate::engine::edit::Edit;
use crate::engine::edit::apply::parts::apply_within;
use crate::engine::edit::bases::needed;
use crate::engine::edit::meta::{Meta, Touch};
use crate::engine::edit::record::{Record, to_json};
use crate::engine::history::restore::Restored;
use crate::engine::{Engine, Error, ErrorKind, Result};
use crate::id::{Key, UserId};
use crate::store::{Envelope, Version};
use crate::time::UnixMillis;

impl Engine {
    /// Accepts the content of a record that was changed by hand, as a later version that an edit of
    /// now has made: devices are given it. A record that is as it was written stays as it is.
    ///
    /// Nobody knows which fields were changed, so all count as edited. What a device has edited
    /// meanwhile is weighed by time, and what loses is in the inbox.
    ///
    /// It is for an operator who has mended a record with the database's own tools.
    /// [`Engine::verify`] finds such records, and [`Engine::repair`] accepts all of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such record; [`ErrorKind::Unreadable`] if what it holds
    /// cannot be read; else as [`Engine::restore_record`].
    pub async fn accept_record(&self, user: &UserId, key: Key) -> Result<Restored> {
        let mut attempts = self.attempts(user);
        loop {
            let transaction = attempts.next().await?;
            let context = transaction.context();
            let (envelope, record) = transaction.open_one(key).await?;
            let version = record.version;
            if is_as_written(&envelope, &record) {
                return Ok(Restored { version, is_unchanged: true });
            }
            let edit = Edit { base: Some(version), above: Some(version), ..Edit::default() };
            let keys = needed(Some(&record), &edit).into_iter().collect();
            let bases = self.read_bases(user, keys, context.oldest).await?;
            let (target, old) = ((&record.kind, record.id), Some((&envelope, &record)));
            let limits = self.store.batch_limits();
            let refused = |_| Error::new(ErrorKind::Invalid, "the record cannot take this");
            let mut applied =
                apply_within(target, old, &edit, &bases, (context, limits)).map_err(refused)?;
            let accepted = applied.record.version;
            touch_all(&mut applied.record, accepted, context.now);
            applied.envelope.meta = to_json(&applied.record.meta);
            let drafts = Draft::all_of(applied, Some(&envelope), context.now).map_err(refused)?;
            let committed = self.commit(user, transaction.into_head(), drafts).await;
            match committed.stopped_whole() {
                None => return Ok(Restored { version: accepted, is_unchanged: false }),
                Some(stopped) => attempts.start_over(stopped)?,
            }
        }
    }
}

/// Whether the content has the hash that was stored with it.
pub(crate) fn is_as_written(envelope: &Envelope, record: &Record) -> bool {
    let content = record.content.as_ref();
    content
        .is_none_or(|content| content.content_hash(record.id, &content.to_json()) == envelope.hash)
}

/// Every field counts as edited now, and of no earlier value the hash is known.
fn touch_all(record: &mut Record, version: Version, now: UnixMillis) {
    let names = record.content.iter().flat_map(|content| content.names());
    let touch = Touch { version, edited_at: now, claimed_at: now, device: None };
    let touched = names.map(|name| (name.to_owned(), touch.clone())).collect();
    let changed = record.content.iter().flat_map(|content| content.all_names());
    let changed = changed.map(str::to_owned).collect();
    record.meta = Meta {
        touched,
        changed,
        past: Default::default(),
        adds: Default::default(),
        ..std::mem::take(&mut record.meta)
    };
}
