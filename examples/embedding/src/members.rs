//! The people of this service, and how they prove who they are.

use haumana_sync::id::{NumberedUsers, UserId};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// One person of this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The number that this service knows them by.
    pub number: u64,
    /// What they are called.
    pub name: String,
}

impl Member {
    /// Returns the user whose repertoire this member syncs.
    ///
    /// The number is this service's own and never changes; a name or an address might.
    pub fn sync_user(&self) -> UserId {
        MEMBERS.verified_by_caller(self.number)
    }
}

/// The prefix keeps members apart from users of other origin, should there ever be some in the same
/// store.
const MEMBERS: NumberedUsers = NumberedUsers::under("member-");

/// All members, by the hash of their API key; the keys themselves are kept nowhere.
#[derive(Debug, Default)]
pub struct Members(HashMap<[u8; 32], Member>);

impl Members {
    /// Lets a member in with `key`.
    pub fn add(&mut self, key: &str, member: Member) {
        self.0.insert(Sha256::digest(key).into(), member);
    }

    /// Returns the member with this key.
    pub fn find(&self, key: &str) -> Option<&Member> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        self.0.get(&hash)
    }
}
