//! The TypeScript functions as a server: the last push wins, whatever it was based on; what a phone is
//! given is read from one page of its user's partition.
//!
//! These are the rules of `infrastructure/rehearsal/old_functions.py`, and the cut at one page.
//!
//! Two of their properties lose edits. The first is that a push is not compared with what is there.
//! The second is that a query of DynamoDB ends after one page, and they never asked for the next
//! one: of a large repertoire a phone is given the beginning only.

use crate::content::Content;
use crate::ledger::Seen;
use crate::phone::{LocalPiece, Request};
use crate::reply::{Reply, ReplyPiece};
use haumana_sync::id::RecordId;
use std::collections::BTreeMap;

/// DYNAMODB: a query returns 1 MB at most, and where to go on, which the functions did not.
pub const PAGE_BYTES: usize = 1 << 20;

/// The table of pieces, of one user.
///
/// Deletes are not modelled: the app never tells a server of them.
#[derive(Clone, Debug)]
pub struct Functions {
    items: BTreeMap<RecordId, Item>,
    page_bytes: usize,
}

#[derive(Clone, Debug)]
struct Item {
    piece: LocalPiece,
    version: u64,
    synced_secs: i64,
    bytes: usize,
}

impl Functions {
    /// An empty table, of which `page_bytes` are read at once.
    pub fn new(page_bytes: usize) -> Self {
        Self { items: BTreeMap::new(), page_bytes }
    }

    /// Answers `POST /pieces`: puts what is flagged, and returns what was put since.
    ///
    /// Everything is read from the page as it was before the push.
    pub fn answer(&mut self, request: &Request, user: &str, now_ms: i64) -> Reply {
        let synced_secs = now_ms.div_euclid(1000);
        let mut page = self.page();
        let mut updated = Vec::new();
        for sent in request.sent.iter().filter(|sent| sent.flagged) {
            let (piece, version) = (sent.clone(), sent.version + 1);
            let bytes = sent.write(user).to_string().len();
            let item = Item { piece, version, synced_secs, bytes };
            updated.push(item.reply(user));
            self.items.insert(sent.id, item);
            page.remove(&sent.id);
        }
        // Times were compared as text, so that of the second of `lastSyncedAt` nothing came.
        let is_due = |item: &&Item| request.last_secs.is_none_or(|last| last < item.synced_secs);
        let server = page.values().filter(is_due).map(|item| item.reply(user)).collect();
        Reply { server, updated, rejected: Vec::new(), synced_secs }
    }

    /// What the table holds.
    pub fn held(&self) -> BTreeMap<RecordId, Content> {
        self.items.iter().map(|(id, item)| (*id, item.piece.content.clone())).collect()
    }

    /// Items are in the order of ids, as a partition is by its sort key.
    fn page(&self) -> BTreeMap<RecordId, Item> {
        let mut left = self.page_bytes;
        let fitting = self.items.iter().take_while(|(_, item)| {
            let fits = item.bytes <= left;
            left = left.saturating_sub(item.bytes);
            fits
        });
        fitting.map(|(id, item)| (*id, item.clone())).collect()
    }
}

impl Item {
    fn reply(&self, user: &str) -> ReplyPiece {
        ReplyPiece {
            id: self.piece.id,
            user: user.to_owned(),
            content: self.piece.content.clone(),
            created_ms: self.piece.created_secs * 1000,
            modified_ms: self.piece.modified_ms.div_euclid(1000) * 1000,
            version: self.version,
            seen: Seen::default(),
            life: 0,
        }
    }
}
