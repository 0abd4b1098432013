//! Live updates: how connected devices learn of each other's commits.
//!
//! ```text
//!  Engine ──commit──▶ store ──Pokes──▶ Hearer ──▶ devices of that account, which then sync
//! ```
//! A poke says which account has changed, and its revision. It never says what changed. A lost poke
//! costs only time, because devices also poll from time to time.
//!
//! There are two sources of pokes. [`PokingStore`] wraps the store of a server that is alone on its
//! data. Stores such as the one on PostgreSQL also learn of other servers' commits. A host without
//! a source, such as a Lambda function, says so to its clients, and they poll.
//!
//! Use live updates where a person looks at two devices at once, or where several people share an
//! account. Everything works without them; devices then learn of an edit at their next sync.

mod poking;

pub use poking::PokingStore;

use crate::digest::Digest;
use crate::id::UserId;
use crate::store::Revision;
use std::fmt::{self, Debug};
use std::sync::Arc;

/// The name under which the pokes of an account are sent. It does not reveal whose account it is.
///
/// It is 128 bits of a keyed hash. So two accounts do not share a topic, and a database that
/// carries pokes learns no names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(u128);

impl Topic {
    /// Returns the topic of an account, under a key.
    ///
    /// If pokes leave the process, the key must be a secret of the servers that share the data.
    /// Then nobody else can find out whose topic it is.
    pub fn of(key: &[u8], user: &UserId) -> Self {
        // The length keeps keys apart: no key is the beginning of another one.
        let length = (key.len() as u64).to_be_bytes();
        Self(Digest::of([b"haumana live", length.as_slice(), key, user.as_str().as_bytes()]).bits())
    }

    /// Reads the text that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Debug for Topic {
    /// Prints no topic. Without a secret key, anybody who knows a user could compute the topic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Topic(..)")
    }
}

/// A source of pokes.
///
/// A host has at most one source. It gives the source to the part that keeps connections, such as
/// `Api::with_live` of `haumana-api`.
///
/// ```
/// use haumana_sync::Store;
/// use haumana_sync::conformance::sample::{next_batch, user};
/// use haumana_sync::live::{Hearer, Pokes, PokingStore, Topic};
/// use haumana_sync::store::{MemoryStore, Revision};
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Debug, Default)]
/// struct Heard(Mutex<Vec<Revision>>);
///
/// #[async_trait::async_trait]
/// impl Hearer for Heard {
///     fn poke(&self, _topic: Topic, revision: Revision) {
///         self.0.lock().unwrap().push(revision);
///     }
///
///     async fn ask_again(&self) {}
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (store, heard) = (PokingStore::new(MemoryStore::new()), Arc::new(Heard::default()));
/// store.tell(heard.clone());
/// store.commit(&user("kai"), None, &next_batch(None, Vec::new(), Vec::new())).await?;
///
/// assert_eq!([Revision(1)], heard.0.lock().unwrap()[..]);
/// # Ok::<(), haumana_sync::store::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Guarantees
///
/// - After [`Pokes::tell`], each commit that is acknowledged leads to a poke, or to
///   [`Hearer::ask_again`] if one may have been missed.
/// - A poke may come twice, late, or for a commit that has failed. Otherwise there is one only after
///   a commit.
pub trait Pokes: Debug + Send + Sync + 'static {
    /// Returns the topic under which pokes of this account are sent.
    fn topic(&self, user: &UserId) -> Topic;

    /// Sends pokes to `hearer` from now on. It is called once; a later hearer is ignored.
    fn tell(&self, hearer: Arc<dyn Hearer>);
}

/// The receiver of pokes.
///
/// It decides what a poke does: usually it tells the connected devices of that topic, and ignores
/// pokes of other topics.
#[async_trait::async_trait]
pub trait Hearer: Debug + Send + Sync + 'static {
    /// An account has this revision now. Commits call this, so it must not block.
    ///
    /// A revision may come twice, and a lower one after a higher one.
    fn poke(&self, topic: Topic, revision: Revision);

    /// Pokes of any account may have been missed: check each account that a device follows.
    async fn ask_again(&self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_written_and_read_and_differs_by_key_and_by_user() {
        let user = |name| UserId::verified_by_caller(name).unwrap();
        let topic = Topic::of(b"key", &user("kai"));

        assert_eq!(Some(topic), Topic::parse(&topic.to_string()));
        assert_ne!(topic, Topic::of(b"key", &user("noe")));
        assert_ne!(topic, Topic::of(b"other", &user("kai")));
        assert_ne!(Topic::of(b"ke", &user("ykai")), topic);
    }

    #[test]
    fn what_is_no_topic_is_not_read() {
        for text in ["", "0", "+0000000000000000000000000000001", &"g".repeat(32), &"0".repeat(33)]
        {
            assert_eq!(None, Topic::parse(text), "{text}");
        }
    }
}
