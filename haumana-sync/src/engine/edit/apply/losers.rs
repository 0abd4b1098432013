//! Keeps every value that lost, in the commit that made it lose.

use super::Work;
use crate::engine::edit::bases::apart;
use crate::engine::edit::record::{HistoryMeta, to_json};
use crate::engine::edit::{Edit, Lost};
use crate::merge::Reason;
use crate::record::Value;
use crate::store::{HistoryEntry, HistoryKey};
use std::collections::BTreeMap;

impl Work {
    /// Keeps the losing values that are neither in the version that this commit supersedes nor in
    /// the side of the push: what a tombstone had forgotten, and what an old form saved. An older
    /// history entry may have them too, but its retention time is already running.
    pub(crate) fn keep_losers(&mut self, edit: &Edit, history: &mut Vec<HistoryEntry>) {
        loop {
            let mut values: BTreeMap<String, Value> = BTreeMap::new();
            let mut reasons = Vec::new();
            let side = self.record.meta.sides + 1;
            let key = HistoryKey { key: self.record.key(), version: self.record.version, side };
            for lost in self.lost.iter_mut().filter(|lost| lost.at.is_none()) {
                let Some(field) = lost.field.clone() else { continue };
                // One side cannot hold two values of one field.
                if values.contains_key(&field) {
                    continue;
                }
                // The record's value is in the history, as a value that a version replaced.
                if lost.reason == Reason::StaleForm {
                    let fields = self.record.kind.fields_of(&field).into_iter();
                    reasons.extend(fields.map(|name| (name.to_owned(), lost.reason)));
                }
                values.insert(field, lost.lost.clone());
                lost.at = Some(key);
            }
            if values.is_empty() {
                break;
            }
            crate::mark::hit!(loser_that_no_version_has_is_kept_aside);
            self.record.meta.sides = side;
            self.noted = true;
            history.push(self.loser_side(key, edit, &values, reasons));
        }
        // INVARIANT: an entry of the inbox finds its lost value in the history of its own commit.
        let is_kept = |lost: &Lost| {
            lost.field.is_none()
                || lost.at.is_some_and(|at| history.iter().any(|entry| entry.key == at))
        };
        assert!(self.lost.iter().all(is_kept), "a value that lost is kept by its commit");
    }

    fn loser_side(
        &self,
        key: HistoryKey,
        edit: &Edit,
        values: &BTreeMap<String, Value>,
        lost: Vec<(String, Reason)>,
    ) -> HistoryEntry {
        let values = apart(values);
        let meta = HistoryMeta {
            at: self.context.now,
            device: edit.device.clone(),
            changed: values.keys().map(|name| (*name).to_owned()).collect(),
            lost,
            ..HistoryMeta::default()
        };
        let (content, meta) = (to_json(&values), to_json(&meta));
        HistoryEntry { key, at: self.context.now, content, meta }
    }
}
