//! What the log says of stored records that cannot be read.
//!
//! A record that cannot be read, because somebody edited the database by hand or a disk lied, must
//! not make the whole account unusable. The engine sets it aside, serves the rest, and tells a
//! witness. This witness writes it to the log.

use haumana_auth::CallerKey;
use haumana_sync::engine::{Unreadable, Witness};
use haumana_sync::id::UserId;

/// Writes a line at ERROR for each stored record that cannot be read. The line has its kind, its id
/// and, if there is a key, the hash of its user. It has none of its content.
///
/// A host gives it to its engine, so that an operator hears of records that are set aside:
///
/// Alert on this line. Such a record does not reach devices that did not have it before, and edits
/// of it are refused until an operator has looked.
#[derive(Debug)]
pub struct LogWitness {
    /// Give it the key of the API, so that this line and the lines of requests name a user alike.
    caller_key: Option<CallerKey>,
}

impl LogWitness {
    /// Names users by their hashes under this key. Without a key it names nobody.
    pub fn new(caller_key: Option<CallerKey>) -> Self {
        Self { caller_key }
    }
}

impl Witness for LogWitness {
    fn unreadable(&self, user: &UserId, what: Unreadable) {
        let Unreadable { key, history } = what;
        tracing::error!(
            caller = self.caller_key.as_ref().map(|caller_key| caller_key.hash(user)),
            kind = %key.kind.code(),
            id = %key.id,
            version = history.map(|(version, _)| version),
            side = history.map(|(_, side)| side),
            "unreadable record"
        );
    }
}
