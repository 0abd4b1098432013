//! Rows in memory, which outlive the storage as a browser's do, and can fail.

use async_trait::async_trait;
use haumana_replica::{Error, ErrorKind, Result};
use haumana_web::{Row, RowChange, Rows};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What is kept, shared by all who open it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    rows: Arc<Mutex<BTreeMap<String, String>>>,
    /// Whether the disk is full.
    is_full: Arc<Mutex<bool>>,
}

impl Kept {
    pub(crate) fn fill(&self, is_full: bool) {
        *self.is_full.lock().unwrap() = is_full;
    }

    fn apply(&self, changes: &[RowChange]) {
        let mut rows = self.rows.lock().unwrap();
        for change in changes {
            match change {
                RowChange::Put(key, text) => drop(rows.insert(key.clone(), text.clone())),
                RowChange::Remove(key) => drop(rows.remove(key)),
                RowChange::RemoveAll(start) => rows.retain(|key, _| !key.starts_with(start)),
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.lock().unwrap().len()
    }
}

#[async_trait]
impl Rows for Kept {
    async fn load(&mut self) -> Result<Vec<Row>> {
        Ok(self.rows.lock().unwrap().clone().into_iter().collect())
    }

    async fn write(&mut self, changes: &[RowChange]) -> Result<()> {
        // The call may be dropped here, before the rows are written.
        tokio::task::yield_now().await;
        if *self.is_full.lock().unwrap() {
            return Err(Error::new("write", ErrorKind::NoSpace).caused_by("QuotaExceededError"));
        }
        self.apply(changes);
        // Or here, after they are written.
        tokio::task::yield_now().await;
        Ok(())
    }
}
