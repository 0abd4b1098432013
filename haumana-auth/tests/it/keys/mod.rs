//! Keys of issuers: when they are fetched, and over what.

mod cache;
mod fetching;
mod issuers;
mod server;

use haumana_sync::engine::Clock;
use haumana_sync::time::UnixMillis;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that stands until a test moves it.
#[derive(Debug)]
pub(crate) struct Still(AtomicI64);

impl Still {
    pub(crate) fn at(secs: i64) -> Self {
        Self(AtomicI64::new(secs))
    }

    /// Moves it, also back.
    pub(crate) fn pass_secs(&self, secs: i64) {
        self.0.fetch_add(secs, Ordering::Relaxed);
    }
}

impl Clock for Still {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_secs(self.0.load(Ordering::Relaxed))
    }
}
