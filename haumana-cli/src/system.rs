//! The machine's clock, randomness and pauses.

use aws_lc_rs::rand;
use haumana_replica::Sleep;
use haumana_sync::engine::{Clock, Random};
use haumana_sync::time::UnixMillis;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine;

impl Clock for Machine {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is wrong; it counts as 1970.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Random for Machine {
    /// # Panics
    ///
    /// If the machine has no randomness: ids of new pieces must not repeat.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        assert!(rand::fill(&mut bytes).is_ok(), "the machine gives no randomness");
        u64::from_le_bytes(bytes)
    }
}

#[async_trait::async_trait]
impl Sleep for Machine {
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}
