//! A directory in memory: for tests, and as the shortest model of what an implementation has to do.
//!
//! It keeps nothing over a restart. All laws of a directory are run on it, as on the others.

use super::{DirectoryError, Profile, UserDirectory};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A directory in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    entries: Mutex<BTreeMap<String, Profile>>,
}

impl MemoryDirectory {
    /// Makes an empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the entry with this name.
    pub fn entry(&self, username: &str) -> Option<Profile> {
        self.entries().get(username).cloned()
    }

    /// Returns every name.
    pub fn usernames(&self) -> Vec<String> {
        self.entries().keys().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Profile>> {
        // Each change is one call of the map, so a panic leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl UserDirectory for MemoryDirectory {
    async fn put(&self, username: &str, profile: &Profile) -> Result<(), DirectoryError> {
        let mut entries = self.entries();
        let entry = entries.entry(username.to_owned()).or_insert_with(|| profile.clone());
        entry.email.clone_from(&profile.email);
        entry.name = profile.name.clone().or(entry.name.take());
        entry.picture = profile.picture.clone().or(entry.picture.take());
        Ok(())
    }

    async fn remove(&self, username: &str) -> Result<(), DirectoryError> {
        self.entries().remove(username);
        Ok(())
    }
}
