//! Where the backends of histories come from.

use haumana_sim::{Backend, InMemory, Profile};
use std::collections::BTreeMap;
use std::io;

/// Opens backends for the histories of one worker.
#[async_trait::async_trait(?Send)]
pub trait Open {
    /// Returns a backend that holds nothing.
    ///
    /// # Errors
    ///
    /// If there is none to be had. That is no violation: it ends the run.
    async fn open(&self, profile: Profile, seed: u64) -> io::Result<Box<dyn Backend>>;

    /// Clears away what the backends that were opened so far have left. None of them is in use.
    ///
    /// # Errors
    ///
    /// If it cannot be cleared away.
    async fn clear(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the faults of the store's own since it was last asked, by name.
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
