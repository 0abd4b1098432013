//! The version number that contains the base.
//!
//! | bits | what | given by |
//! |---|---|---|
//! | 32 to 52 | k: the version of the record | the server |
//! | 12 to 31 | n: a random number, fresh for each piece in each reply | the server |
//! | 0 to 11 | steps: how often the piece was practised, or a switch turned | the app |
//!
//! A number below 2^32 was counted up from 1 by the app itself: no reply has given one yet. All
//! numbers are below 2^53, so a reader that uses doubles keeps each digit.

use haumana_sync::limits;
use haumana_sync::store::Version;

/// The number that part 1 of the protocol calls `version`.
///
/// In replies it is `k·2^32 + n·2^12`: k is the record's version, and n is a fresh random 20-bit
/// number for each piece in each reply. The phones' app only ever adds ones to it. So the upper
/// bits of a phone's number name the delivery that it holds, even if it has practised, restarted or
/// lost a reply since.
///
/// ```
/// use haumana_app::WireVersion;
///
/// let given = WireVersion::issue(7, 42);
/// // The app has practised twice since.
/// let sent = WireVersion(given.0 + 2);
/// assert_eq!((7, 42, 2), (sent.version(), sent.n(), sent.steps()));
/// assert_eq!(given.delivery(), sent.delivery());
/// assert!(!WireVersion(1).is_issued());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireVersion(pub u64);

impl WireVersion {
    /// The number of different values of n.
    pub const N_COUNT: u64 = 1 << 20;

    /// Makes the number of one delivery. Only the lower 20 bits of `n` count.
    pub fn issue(version: Version, n: u64) -> Self {
        Self((u64::from(version) << 32) | ((n % Self::N_COUNT) << 12))
    }

    /// Whether this server's scheme made it. Otherwise the app counted it up from 1 by itself.
    pub fn is_issued(self) -> bool {
        (1 << 32) <= self.0
    }

    /// The version k that the device last received.
    pub fn version(self) -> Version {
        // Parsing refuses anything above `limits::VERSION`, so this never saturates.
        Version::try_from(self.0 >> 32).unwrap_or(Version::MAX)
    }

    /// The n of the delivery.
    ///
    /// Two phones that receive one version have different values, except in one case in a million.
    pub fn n(self) -> u64 {
        (self.0 >> 12) % Self::N_COUNT
    }

    /// The delivery: k and n. All numbers that the app made by itself share the delivery 0.
    pub fn delivery(self) -> u64 {
        if self.is_issued() { self.0 >> 12 } else { 0 }
    }

    /// How often the app has counted up since the delivery.
    pub fn steps(self) -> u64 {
        if self.is_issued() { self.0 % (1 << 12) } else { self.0 }
    }

    /// Whether a push may carry it.
    pub fn is_plausible(self) -> bool {
        self.0 >> 32 <= u64::from(limits::VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_number_names_version_and_delivery_whatever_the_app_adds() {
        let issued = WireVersion::issue(7, 0xF_FFFE);

        for steps in [0, 1, 4095] {
            let sent = WireVersion(issued.0 + steps);
            assert_eq!((7, 0xF_FFFE), (sent.version(), sent.n()));
            assert_eq!((issued.delivery(), steps), (sent.delivery(), sent.steps()));
        }
    }

    #[test]
    fn the_largest_number_is_exact_as_a_double() {
        let largest = WireVersion::issue(limits::VERSION, u64::MAX).0 + 4095;

        assert!(largest < 1 << 53, "JSON readers with doubles must keep every digit");
    }
}
