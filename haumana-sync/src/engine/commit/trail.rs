//! What one request has committed, as long as nobody else committed in between.
//!
//! Each commit is a compare-and-swap on the head before it. So between the first head and the last
//! there are only this request's own commits. The end of the change feed is known without reading
//! it.

use crate::id::Key;
use crate::store::{Batch, Envelope, Head};
use std::collections::BTreeMap;

/// An unbroken run of commits.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The head before the first commit; `None` if the user had nothing.
    pub from: Option<Head>,
    /// The head after the last commit.
    pub head: Option<Head>,
    /// The records in the state in which they were last written.
    records: BTreeMap<Key, Envelope>,
}

impl Trail {
    /// Starts at a head that was read.
    pub(crate) fn starting_at(head: Option<Head>) -> Self {
        Self { from: head.clone(), head, records: BTreeMap::new() }
    }

    /// Whether nothing was committed.
    pub(crate) fn is_at_start(&self) -> bool {
        match (&self.from, &self.head) {
            (Some(from), Some(head)) => from.is_same(head),
            (from, head) => from.is_none() && head.is_none(),
        }
    }

    /// Adds a commit on the last head.
    pub(crate) fn add(&mut self, batch: Batch) {
        self.records.extend(batch.records.into_iter().map(|record| (record.key, record)));
        self.head = Some(batch.head);
    }

    /// Adds commits that were made on the last head.
    pub(crate) fn extend(&mut self, later: Self) {
        self.records.extend(later.records);
        self.head = later.head;
    }

    /// Returns what was written, in the order of the change feed.
    pub(crate) fn into_stream(self) -> Vec<Envelope> {
        let mut records: Vec<Envelope> = self.records.into_values().collect();
        records.sort_by_key(|record| (record.revision, record.key));
        records
    }
}
