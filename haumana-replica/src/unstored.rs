//! What was sent to the server although the disk was full. The storage could not note it. So it is
//! kept here until the storage can, or the process ends.

use crate::record::{Local, Pending};
use haumana_sync::id::Key;

/// Records whose pushes were sent without a note. Nothing else has written these records since: a
/// write drops the record here.
#[derive(Debug, Default)]
pub(crate) struct Unstored(Vec<Sent>);

/// One of them. They are ordered by account and key.
#[derive(Debug)]
struct Sent {
    account: String,
    key: Key,
    /// What is pending, with the marks of what was sent.
    pending: Pending,
    /// Whether the server has answered all of it, in a reply for which there was no space either.
    is_answered: bool,
}

impl Unstored {
    /// Where a record is, or should be.
    fn find(&self, account: &str, key: Key) -> Result<usize, usize> {
        self.0.binary_search_by(|sent| (sent.account.as_str(), sent.key).cmp(&(account, key)))
    }

    /// Remembers that what is pending of a record was sent.
    pub(crate) fn note(&mut self, account: &str, local: Local, is_answered: bool) {
        let Local { key, pending, .. } = local;
        let sent = Sent { account: account.to_owned(), key, pending, is_answered };
        self.drop_key(account, key);
        if let Err(at) = self.find(account, key) {
            self.0.insert(at, sent);
        }
    }

    fn get(&self, account: &str, key: Key) -> Option<&Sent> {
        self.0.get(self.find(account, key).ok()?)
    }

    /// Adds the marks that the storage could not note to a record from the storage.
    pub(crate) fn complete(&self, account: &str, local: &mut Local) {
        if let Some(sent) = self.get(account, local.key) {
            local.pending.clone_from(&sent.pending);
        }
    }

    /// Whether none of it needs to be sent until the storage has space for the answer.
    pub(crate) fn is_answered(&self, account: &str, key: Key) -> bool {
        self.get(account, key).is_some_and(|sent| sent.is_answered)
    }

    /// The keys of an account, in order.
    pub(crate) fn keys(&self, account: &str) -> Vec<Key> {
        self.0.iter().filter(|sent| sent.account == account).map(|sent| sent.key).collect()
    }

    /// The record was written, including the marks.
    pub(crate) fn drop_key(&mut self, account: &str, key: Key) {
        if let Ok(at) = self.find(account, key) {
            self.0.remove(at);
        }
    }

    /// All of the account was written, or none of it is kept any more.
    pub(crate) fn drop_account(&mut self, account: &str) {
        self.0.retain(|sent| sent.account != account);
    }
}
