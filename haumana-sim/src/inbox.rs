//! The inbox at the end of a run: each entry has its lost value, and restores it.
//!
//! The inbox is the last place of a value that lost. So at the end of a run each entry must still
//! have its value. Restoring it must make it the record's value again, exactly and only once.

use super::judge::{Checked, Violation};
use super::server::wrong;
use super::world::World;
use haumana_sync::engine::{Conflict, Resolution};
use haumana_sync::id::{Key, KindNumber};
use haumana_sync::record::{Content, Value};

/// How many entries are restored in a run. Each restore is an edit of its own.
///
/// More would change the record too much for the checks that follow.
const RESTORED: usize = 3;

impl World<'_> {
    /// Checks that every open conflict has its lost value, that the newest come first, and that a
    /// restored value is in the record again.
    ///
    /// # Errors
    ///
    /// If a value is lost.
    pub(super) async fn check_inbox(&mut self, account: usize) -> Checked {
        let user = self.users[account].clone();
        let (conflicts, has_more) = self.watch.conflicts(&user, usize::MAX).await;
        self.ensure(!has_more, || "a page of everything has another behind it".to_owned())?;
        let is_newest_first = conflicts.is_sorted_by(|a, b| b.at <= a.at);
        self.ensure(is_newest_first, || format!("the inbox is out of order: {conflicts:#?}"))?;
        let is_lost = |conflict: &&Conflict| conflict.field.is_some() && conflict.lost.is_none();
        let lost = conflicts.iter().find(is_lost).filter(|_| !self.profile.ages);
        if let Some(Conflict { key, field, reason, .. }) = lost {
            let text = format!("an entry of the inbox forgot what lost: {field:?}, {reason:?}");
            return Err(Violation::of(key.id, text));
        }
        for conflict in conflicts.into_iter().take(RESTORED) {
            self.check_restored(account, conflict).await?;
        }
        Ok(())
    }

    /// A value that a person restores from the inbox is in the record. The same call again changes
    /// nothing.
    async fn check_restored(&mut self, account: usize, conflict: Conflict) -> Checked {
        let Conflict { id, key, field: Some(field), lost: Some(lost), .. } = conflict else {
            return Ok(());
        };
        if key.kind != KindNumber::PIECE {
            return Ok(());
        }
        let (user, engine) = (self.users[account].clone(), self.watch.engine().clone());
        let resolved = engine.resolve(&user, id, &Resolution::Restore).await;
        if resolved.is_err() {
            return wrong(key.id, format!("{field} cannot be restored: {resolved:?}"));
        }
        let is = self.value_of(account, key, &field).await;
        if is != Some(lost.clone()) {
            let text = format!("{field}: restoring {lost:?} gives {is:?}");
            return Err(Violation::of(key.id, text));
        }
        let before = self.watch.observe(&user).await;
        self.follow_hand(account, key.id, &before);
        let again = engine.resolve(&user, id, &Resolution::Restore).await;
        let is_same = again.is_ok() && before == self.watch.observe(&user).await;
        self.ensure(is_same, || "a resolution that came again changed something".to_owned())
    }

    /// Reads the stored content with the schema, and not from a reply.
    async fn value_of(&self, account: usize, key: Key, field: &str) -> Option<Value> {
        let engine = self.watch.engine();
        let found = engine.store().read(&self.users[account], &[key]).await.ok()?;
        let current = found.into_iter().flatten().next().filter(|current| !current.deleted)?;
        let kind = engine.schema().kind(key.kind)?;
        Some(Content::parse(kind, &current.content)?.get(field))
    }
}
