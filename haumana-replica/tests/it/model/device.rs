//! A device: a replica, what it has under way, and how it is used.

use crate::support::{SeededRandom, SetClock, user};
use haumana_replica::storage::{MemoryStorage, Storage};
use haumana_replica::{Outgoing, Replica, ReplicaConfig};
use haumana_sync::id::Key;
use haumana_sync::id::KindNumber;
use std::sync::Arc;

/// Where a device's sync stands.
#[derive(Debug, Default)]
pub(crate) enum Stage {
    #[default]
    Idle,
    /// The request is on its way.
    Sent(Outgoing),
    /// The reply is on its way.
    Answered(Outgoing, Vec<u8>),
}

#[derive(Debug)]
pub(crate) struct Device {
    pub replica: Replica,
    pub stage: Stage,
    /// Requests that may arrive once more, whenever they like.
    pub late: Vec<Vec<u8>>,
}

impl Device {
    pub(crate) async fn new(name: &str, clock: Arc<SetClock>, random: Arc<SeededRandom>) -> Self {
        let mut storage = MemoryStorage::new();
        storage.device(name).await.unwrap();
        // Narrow pages make everything that happens between pages likely.
        let mut config = ReplicaConfig::usual();
        config.page_records = 1 + random.below(4);
        config.push_records = 1 + random.below(4);
        config.push_bytes = if random.chance(30) { 100 } else { 100_000 };
        let replica = Replica::open(storage, clock, random, config).await.unwrap();
        replica.sign_in(user("kai")).await.unwrap();
        Self { replica, stage: Stage::Idle, late: Vec::new() }
    }

    /// Everything that its user sees, as text.
    pub(crate) async fn visible(&self) -> Vec<(Key, String)> {
        let mut all = self.replica.records(KindNumber::PIECE).await.unwrap();
        all.extend(self.replica.records(KindNumber::SESSION).await.unwrap());
        all.into_iter().map(|view| (view.key, view.content.to_json())).collect()
    }
}
