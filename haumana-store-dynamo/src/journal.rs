//! The journal of erasures, which a restore replays.
//!
//! It is in a partition of its own in the table of the history, whose items there never expire. A
//! restore to a point in time makes new tables and leaves those from before as they are, with their
//! journal: [`DynamoStore::replay_erasures_of`] reads it there.
//!
//! # Items
//!
//! All are in the partition `ERASED` and a tab. `KEY` has the 32 bytes under which lives are
//! hashed. Every other item is one life: its hash is the sort key, and an attribute. None has
//! `_expires`.
//!
//! A note is written before anything is deleted. If the erasure fails then, the account is in the
//! state `Erasing` anyway, and the next try finishes it.

use crate::items::{Item, bits, digest};
use crate::requests::{Asked, Condition, Order, Range, Through};
use crate::schema::{ERASURES, ERASURES_KEY, HISTORY, erasure_key};
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::id::UserId;
use haumana_sync::store::{Epoch, ErasedLives, Result, erased_life};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

const LIFE: &str = "_life";
const KEY: &str = "_key";

impl DynamoStore {
    /// Notes in the journal that this life of an account is erased.
    pub(crate) async fn note_erasure(&self, user: &UserId, epoch: Epoch) -> Result<()> {
        let key = self.journal_key().await?;
        let life = erased_life(&key, user, epoch);
        let mut item = crate::items::key_item(&erasure_key(&format!("{:032x}", life.bits())));
        item.insert(LIFE.to_owned(), bits(life.bits()));
        self.put("erase", HISTORY, &item).await
    }

    /// Returns the key of the journal, which is drawn at the first erasure.
    ///
    /// Two processes that draw at once agree: the condition lets one of them write, and both read
    /// it.
    async fn journal_key(&self) -> Result<[u8; 32]> {
        let at = erasure_key(ERASURES_KEY);
        if let Some(key) = self.get(&mut self.reading("erase"), &at).await?.and_then(read_key) {
            return Ok(key);
        }
        let mut item = crate::items::key_item(&at);
        item.insert(KEY.to_owned(), AttributeValue::B(Blob::new(draw_key())));
        let (text, name) = ("attribute_not_exists(#key)", ("#key", KEY));
        let condition = Condition { text, name, values: Item::new() };
        // If somebody was faster, theirs counts.
        self.put_if("erase", HISTORY, &item, &condition).await?;
        let found = self.get(&mut self.reading("erase"), &at).await?.and_then(read_key);
        found.ok_or_else(|| corrupt("erase")(crate::error::Bad(KEY)))
    }

    /// Reads the journal; `None` if nothing was ever erased.
    pub(crate) async fn read_journal(&self) -> Result<Option<ErasedLives>> {
        let asked = Asked {
            table: HISTORY,
            partition: ERASURES.to_owned(),
            through: Through::Table,
            range: Range::All,
            order: Order::Ascending,
            page: None,
            consistent: true,
        };
        let (mut key, mut lives) = (None, HashSet::new());
        let take = |item: Item| {
            lives.extend(digest(&item, LIFE).ok());
            key = key.or(read_key(item));
            Ok(())
        };
        self.query_all(&mut self.writing("replay"), &asked, take).await?;
        Ok(key.map(|key| ErasedLives::new(key, lives)))
    }
}

fn read_key(item: Item) -> Option<[u8; 32]> {
    crate::items::bytes(&item, KEY).ok()?.try_into().ok()
}

/// The system seeds each of these with bits of its own; what they make of a number tells nobody
/// what they make of another.
///
/// 32 bytes are four hashes under one random seed of the standard library.
fn draw_key() -> [u8; 32] {
    let random = RandomState::new();
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip(0u64..) {
        part.copy_from_slice(&random.hash_one(number).to_be_bytes());
    }
    key
}
