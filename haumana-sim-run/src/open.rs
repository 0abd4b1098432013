//! The source of backends for histories.

use haumana_sim::{Backend, InMemory, Profile};
use std::collections::BTreeMap;
use std::io;

/// Opens backends for the histories of one worker.
#[async_trait::async_trait(?Send)]
pub trait Open {
    /// Returns an empty backend.
    ///
    /// # Errors
    ///
    /// If none can be opened. That is not a violation: it ends the run.
    async fn open(&self, profile: Profile, seed: u64) -> io::Result<Box<dyn Backend>>;

    /// Removes what earlier backends have left. None of them is in use.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    async fn clear(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the store's own faults since the last call, by name.
    fn faults(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// The store in memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory;

#[async_trait::async_trait(?Send)]
impl Open for Memory {
    async fn open(&self, _profile: Profile, _seed: u64) -> io::Result<Box<dyn Backend>> {
        Ok(Box::<InMemory>::default())
    }
}
