//! Limits of what a server can make this device read. The server is trusted with the account's
//! records, but not with the device's memory, disk or time.

use crate::error::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

/// LIMIT: a reply that is slower than this after its patience is over is given up.
const SLOWEST_BYTES_PER_SEC: u64 = 1_000;

/// How much of one reply is read, and for how long.
#[derive(Debug)]
pub(super) struct Budget {
    op: &'static str,
    most: u64,
    patience: Duration,
    begun: Instant,
    read: u64,
}

impl Budget {
    /// Begins to read a reply of at most `most` bytes.
    pub(super) fn of(op: &'static str, most: u64, patience: Duration) -> Self {
        Self { op, most, patience, begun: Instant::now(), read: 0 }
    }

    /// Counts a part that has arrived, decompressed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if the reply is too long, [`ErrorKind::Offline`] if it is too slow.
    pub(super) fn take(&mut self, part: &[u8]) -> Result<()> {
        self.take_at(part.len() as u64, self.begun.elapsed())
    }

    fn take_at(&mut self, bytes: u64, elapsed: Duration) -> Result<()> {
        self.read = self.read.saturating_add(bytes);
        if self.most < self.read {
            let why = format!("the reply is longer than {} bytes", self.most);
            return Err(Error::new(self.op, ErrorKind::Protocol).caused_by(why));
        }
        if self.patience < elapsed && self.read < SLOWEST_BYTES_PER_SEC * elapsed.as_secs().max(1) {
            let why =
                format!("the reply comes at less than {SLOWEST_BYTES_PER_SEC} bytes a second");
            return Err(Error::new(self.op, ErrorKind::Offline).caused_by(why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::of("sync", 10_000, Duration::from_secs(60))
    }

    #[test]
    fn a_reply_of_just_the_limit_is_read_and_one_byte_more_is_not() {
        let mut budget = budget();

        assert!(budget.take_at(9_999, Duration::ZERO).is_ok());
        assert!(budget.take_at(1, Duration::ZERO).is_ok());
        let error = budget.take_at(1, Duration::ZERO).unwrap_err();

        assert_eq!(ErrorKind::Protocol, error.kind());
    }

    #[test]
    fn what_trickles_is_given_up_when_patience_is_over_and_not_before() {
        let (mut slow, mut fast) = (budget(), budget());

        assert!(slow.take_at(1, Duration::from_secs(60)).is_ok());
        let error = slow.take_at(1, Duration::from_secs(61)).unwrap_err();
        assert_eq!(ErrorKind::Offline, error.kind());
        fast.most = 100_000;
        assert!(fast.take_at(61_000, Duration::from_secs(61)).is_ok());
    }
}
