//! 128-bit digests that can be added up, so that the head is updated without reading all records.
//!
//! Digests find differences; they are not for security. They contain no secret, and no access
//! depends on them.
//!
//! Such sums compare three things: a device's records with the server's (the digest of versions),
//! the content that clients without versions hold (the digest of content), and stored data when an
//! operator verifies it.

use crate::id::{RecordId, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The first 16 bytes (big-endian) of a SHA-256, or a sum of such values modulo 2^128.
///
/// A sum does not depend on the order of its terms. So two sides compare all records by one number,
/// and an edit of one record costs one subtraction and one addition. If a record is changed and
/// then changed back, the sum is the same as before.
///
/// It prints and serializes as 32 hexadecimal digits.
///
/// ```
/// use haumana_sync::digest::Digest;
///
/// let (a, b) = (Digest::of([b"a".as_slice()]), Digest::of([b"b".as_slice()]));
///
/// assert_eq!(a.plus(b), b.plus(a));
/// assert_eq!(a, a.plus(b).minus(b));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(u128);

impl Digest {
    /// Makes a digest of its 128 bits, as stores keep them.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Returns its 128 bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Hashes `parts` one after the other.
    ///
    /// Nothing is put between the parts. If the end of a part could also be the beginning of the
    /// next one, add a separator or a length.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self::finish(hasher)
    }

    pub(crate) fn finish(hasher: Sha256) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&hasher.finalize()[..16]);
        Self(u128::from_be_bytes(first))
    }

    /// Returns the term of one record in the digest of versions.
    ///
    /// It is the digest of `kind \0 ID \0 k \0 d`: the kind's name as on the wire, the id in upper
    /// case, the version, and `1` for a tombstone, else `0`.
    ///
    /// A client that keeps its records' versions adds up these terms, and compares the sum with the
    /// `digest` of a reply.
    ///
    /// ```
    /// use haumana_sync::digest::Digest;
    /// use haumana_sync::id::RecordId;
    ///
    /// let id = RecordId::from_bits(1);
    /// let before = Digest::of_version("song", id, 1, false);
    /// // The record is edited: the term of version 1 goes out, that of version 2 comes in.
    /// let after = before.minus(before).plus(Digest::of_version("song", id, 2, false));
    ///
    /// assert_eq!(Digest::of_version("song", id, 2, false), after);
    /// assert_ne!(after, Digest::of_version("song", id, 2, true), "a tombstone has another term");
    /// ```
    pub fn of_version(kind: &str, id: RecordId, version: Version, deleted: bool) -> Self {
        let text = format!("{kind}\0{id}\0{version}\0{}", u8::from(deleted));
        Self::of([text.as_bytes()])
    }

    /// Returns the digest as a record id.
    ///
    /// An id that is derived in this way is the same on every device and in every retry.
    pub fn into_id(self) -> RecordId {
        RecordId::from_bits(self.0)
    }

    /// Adds `other` modulo 2^128.
    #[must_use]
    pub fn plus(self, other: Digest) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// Subtracts `other` modulo 2^128.
    #[must_use]
    pub fn minus(self, other: Digest) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// Returns the first 64 bits.
    ///
    /// Use it where a collision could only harm the user who caused it. Do not use it where
    /// somebody else could gain from a collision.
    pub fn short(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bits = u128::from_str_radix(&text, 16);
        bits.map(Self).map_err(|_| "not a digest")
    }
}
