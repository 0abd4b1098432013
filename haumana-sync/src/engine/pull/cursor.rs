//! A client's opaque place in a user's change feed.
//!
//! It contains its format, the user (8 bytes of a hash), the epoch and the generation, and the
//! place, which may be inside a commit. A checksum detects garbled cursors. It is no secret, since
//! a cursor grants no access.

use crate::digest::Digest;
use crate::id::{Key, KindNumber, RecordId, UserId};
use crate::limits;
use crate::store::{Epoch, Generation, Head, Place, Revision};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const FORMAT: u8 = 1;
const LEN: usize = 1 + 8 + 8 + 4 + 8 + 1 + 16 + 8;

/// A place in one user's change feed, in one epoch and generation.
///
/// Devices keep it as text and send it back. A host needs this type only to look into a cursor, for
/// instance to find out whether a device is up to date.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Example { engine, kai, .. } = example();
/// use haumana_sync::engine::Cursor;
///
/// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
/// let text = engine.pull(&kai, None, 10, 1 << 20).await?.cursor.ok_or("a cursor")?;
///
/// let cursor = Cursor::decode(&text).ok_or("what the engine gave can be read")?;
/// assert!(cursor.is_of(&kai));
/// assert_eq!(1, cursor.whole_revision().0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    user: u64,
    epoch: Epoch,
    generation: Generation,
    /// The place.
    pub place: Place,
}

impl Cursor {
    /// Makes a cursor at `place` in the epoch of `head`.
    pub fn new(user: &UserId, head: &Head, generation: Generation, place: Place) -> Self {
        Self { user: user_hash(user), epoch: head.epoch, generation, place }
    }

    /// Whether it is a place of `user` in the epoch of `head` and in `generation`, and not in its
    /// future.
    pub fn fits(&self, user: &UserId, head: &Head, generation: Generation) -> bool {
        self.user == user_hash(user)
            && self.epoch == head.epoch
            && self.generation == generation
            && self.place.revision <= head.revision
    }

    /// Whether it is in the epoch of `head`.
    pub fn is_in_epoch_of(&self, head: &Head) -> bool {
        self.epoch == head.epoch
    }

    /// Whether it is of `user`, in any epoch.
    pub fn is_of(&self, user: &UserId) -> bool {
        self.user == user_hash(user)
    }

    /// Returns the last revision that was read as a whole.
    ///
    /// A cursor inside a commit has not read all of that commit yet.
    pub fn whole_revision(&self) -> Revision {
        match self.place.within {
            None => self.place.revision,
            Some(_) => Revision(self.place.revision.0.saturating_sub(1)),
        }
    }

    /// Writes it as text.
    ///
    /// The text is safe in URLs, and shorter than [`limits::CURSOR_BYTES`].
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.push(FORMAT);
        bytes.extend(self.user.to_be_bytes());
        bytes.extend(self.epoch.0.to_be_bytes());
        bytes.extend(self.generation.0.to_be_bytes());
        bytes.extend(self.place.revision.0.to_be_bytes());
        let (kind, id) = match self.place.within {
            None => (0, 0),
            Some(key) => (1 + key.kind.get(), key.id.bits()),
        };
        bytes.push(kind);
        bytes.extend(id.to_be_bytes());
        let sum = Digest::of([bytes.as_slice()]).short();
        bytes.extend(sum.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text that [`Cursor::encode`] wrote; `None` for any other text.
    pub fn decode(text: &str) -> Option<Self> {
        if limits::CURSOR_BYTES < text.len() {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, sum) = bytes.split_at_checked(LEN - 8)?;
        if Digest::of([body]).short().to_be_bytes() != sum || body.first() != Some(&FORMAT) {
            return None;
        }
        let mut rest = &body[1..];
        let user = u64::from_be_bytes(take(&mut rest)?);
        let epoch = Epoch(u64::from_be_bytes(take(&mut rest)?));
        let generation = Generation(u32::from_be_bytes(take(&mut rest)?));
        let revision = Revision(u64::from_be_bytes(take(&mut rest)?));
        let [kind] = take(&mut rest)?;
        let id = RecordId::from_bits(u128::from_be_bytes(take(&mut rest)?));
        let within = match kind {
            0 => None,
            kind => Some(Key { kind: KindNumber::new(kind - 1), id }),
        };
        Some(Self { user, epoch, generation, place: Place { revision, within } })
    }
}

pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

pub(crate) fn user_hash(user: &UserId) -> u64 {
    Digest::of([user.as_str().as_bytes()]).short()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_any_flipped_bit_is_noticed() {
        let key = Key::session(RecordId::from_bits(42));
        let place = Place { revision: Revision(7), within: Some(key) };
        let cursor = Cursor { user: 1, epoch: Epoch(2), generation: Generation(3), place };
        let text = cursor.encode();

        assert_eq!(Some(cursor), Cursor::decode(&text));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(None, Cursor::decode(&URL_SAFE_NO_PAD.encode(flipped)));
        }
    }
}
