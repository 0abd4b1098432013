//! Where the backends of histories come from.

use haumana_sim::{Backend, InMemory, Profile};
use std::collections::BTreeMap;

/// Opens backends for the histories of one worker.
#[async_trait::async_trait(?Send)]
pub trait Open {
    /// Returns a backend that holds nothing of the users of this history.
    async fn open(&self, profile: Profile, seed: u64) -> Box<dyn Backend>;

    /// Returns a backend that holds nothing at all, to repeat a history alone.
    async fn open_empty(&self, profile: Profile, seed: u64) -> Box<dyn Backend> {
        self.open(profile, seed).await
    }

    /// Clears away what a history has left.
    async fn clear(&self, _profile: Profile, _seed: u64) {}

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
    async fn open(&self, _profile: Profile, _seed: u64) -> Box<dyn Backend> {
        Box::<InMemory>::default()
    }
}
