//! Checks each entry of the inbox against its record and the value that lost.

use super::records::Records;
use super::{Fault, FaultPlace, Finding};
use crate::engine::commit::{StoredConflict, conflict_id, inbox_hash};
use crate::engine::edit::record::parse;
use crate::engine::{Engine, Result};
use crate::id::UserId;
use crate::store::Envelope;

/// How many entries are read at once.
const PAGE: usize = 100;

impl Engine {
    /// Checks each entry of the inbox.
    pub(super) async fn look_at_inbox(
        &self,
        user: &UserId,
        records: &Records,
        found: &mut Vec<Finding>,
    ) -> Result<()> {
        for keys in records.conflicts.chunks(PAGE) {
            let entries = self.screen.store.read(user, keys).await?;
            for envelope in entries.iter().flatten() {
                if let Some((fault, detail)) = self.fault_in(user, envelope, records).await? {
                    found.push(Finding::new(fault, FaultPlace::Record(envelope.key), detail));
                }
            }
        }
        Ok(())
    }

    async fn fault_in(
        &self,
        user: &UserId,
        envelope: &Envelope,
        records: &Records,
    ) -> Result<Option<(Fault, String)>> {
        let tell = |fault| Ok(Some((fault, String::new())));
        let Ok(stored) = parse::<StoredConflict>(&envelope.content) else {
            return tell(Fault::ConflictUnreadable);
        };
        let Some(version) = records.version(&stored.key) else {
            return tell(Fault::ConflictOfNothing);
        };
        if version < stored.version {
            let detail = format!("of version {}, and the record has {version}", stored.version);
            return Ok(Some((Fault::ConflictName, detail)));
        }
        if envelope.deleted != stored.resolution.is_some() {
            return tell(Fault::ConflictState);
        }
        // Entries of version 0.1 have no hash.
        let is_timed = envelope.hash.bits() == 0 || envelope.hash == inbox_hash(stored.at);
        if !is_timed {
            return tell(Fault::ConflictName);
        }
        let oldest = self.context(self.clock.now()).oldest;
        if envelope.deleted || stored.at < oldest {
            return Ok(None);
        }
        let id = envelope.key.id;
        match self.lost_value(user, id, &stored).await? {
            None => tell(Fault::LoserGone),
            Some(lost) => {
                let field = stored.field.as_deref();
                let is_its_own = conflict_id(stored.key, stored.version, field, &lost) == id;
                if is_its_own { Ok(None) } else { tell(Fault::ConflictName) }
            }
        }
    }
}
