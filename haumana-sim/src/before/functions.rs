//! The TypeScript functions as a server. The last push wins, whatever its base was. A phone gets
//! what is on one page of its user's partition.
//!
//! These are the rules of `infrastructure/rehearsal/old_functions.py`, with the cut at one page.
//!
//! Two of their properties lose edits. First, a push is not compared with the stored piece. Second,
//! a query of DynamoDB ends after one page, and the functions never asked for the next one. So of a
//! large repertoire a phone gets only the beginning.

use crate::content::Content;
use crate::ledger::Seen;
use crate::phone::{LocalPiece, Request};
use crate::reply::{Reply, ReplyPiece};
use haumana_sync::id::RecordId;
use std::collections::BTreeMap;

/// DYNAMODB: a query returns 1 MB at most, and where to continue. The functions did not continue.
pub const PAGE_BYTES: usize = 1 << 20;

/// The table of pieces, of one user.
///
/// Deletes are not modelled: the app never sends them to a server.
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
    /// An empty table. A read returns at most `page_bytes`.
    pub fn new(page_bytes: usize) -> Self {
        Self { items: BTreeMap::new(), page_bytes }
    }

    /// Answers `POST /pieces`: stores flagged pieces, and returns pieces that were stored since.
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
        // Times were compared as text, so pieces from the very second of `lastSyncedAt` did not
        // come.
        let is_due = |item: &&Item| request.last_secs.is_none_or(|last| last < item.synced_secs);
        let server = page.values().filter(is_due).map(|item| item.reply(user)).collect();
        Reply { server, updated, rejected: Vec::new(), synced_secs }
    }

    /// The content of the table.
    pub fn held(&self) -> BTreeMap<RecordId, Content> {
        self.items.iter().map(|(id, item)| (*id, item.piece.content.clone())).collect()
    }

    /// Items are in the order of ids, like a partition in the order of its sort key.
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
