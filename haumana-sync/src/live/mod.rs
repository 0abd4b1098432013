//! Who hears of commits: the seam between a store and what tells connected devices of them.
//!
//! ```text
//!  Engine ──commit──▶ store ──Pokes──▶ Hearer ──▶ devices of that account, which then sync
//! ```
//! A poke says which account has changed, and its revision. It never says what changed. A lost poke
//! costs nothing but time, since a device asks now and then anyway.
//!
//! There are two sources of pokes: [`PokingStore`], for one process on its data, and stores that hear
//! of other servers' commits themselves, such as the one on PostgreSQL. A host without a source, such
//! as a Lambda function, tells its clients so, and they ask.

mod poking;

pub use poking::PokingStore;

use crate::digest::Digest;
use crate::id::UserId;
use crate::store::Revision;
use std::fmt::{self, Debug};
use std::sync::Arc;

/// The name under which an account's pokes travel. It tells nobody whose account it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(u128);

impl Topic {
    /// The topic of an account, under a key. Where pokes leave the process, the key is a secret of
    /// the servers that share the data; then nobody else can find out whose topic it is.
    pub fn of(key: &[u8], user: &UserId) -> Self {
        // No key begins where another one ends.
        let length = (key.len() as u64).to_be_bytes();
        Self(Digest::of([b"haumana live", length.as_slice(), key, user.as_str().as_bytes()]).bits())
    }

    /// Reads what `Display` writes.
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
    /// Shows no more than that there is one: without a key, who knows a user finds the topic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Topic(..)")
    }
}

/// Where commits are heard of.
///
/// # Guarantees
///
/// - After [`Pokes::tell`], each commit that is acknowledged leads to a poke, or to
///   [`Hearer::ask_again`] if one may have been missed.
/// - A poke may come twice, late, or for a commit that has failed. It never comes for nothing but
///   these.
pub trait Pokes: Debug + Send + Sync + 'static {
    /// The name under which pokes of this account come.
    fn topic(&self, user: &UserId) -> Topic;

    /// Tells `hearer` from now on. Is called once; a later hearer is ignored.
    fn tell(&self, hearer: Arc<dyn Hearer>);
}

/// Who is told of commits.
#[async_trait::async_trait]
pub trait Hearer: Debug + Send + Sync + 'static {
    /// An account has this revision now. Is called by commits, so it must not wait for anything.
    fn poke(&self, topic: Topic, revision: Revision);

    /// Pokes may have been missed, of any account: looks at each account that somebody follows.
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
