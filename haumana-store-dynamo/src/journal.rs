//! The journal of erasures, which a restore replays.
//!
//! It is in a partition of its own in the table of the history, whose items there never expire.
//! Restoring to a point in time makes new tables and leaves the old ones unchanged, with their
//! journal. [`DynamoStore::replay_erasures_of`] reads it there.
//!
//! # Items
//!
//! All are in the partition `ERASED`, followed by a tab. None has `_expires`.
//!
//! | sort key | what it holds |
//! |---|---|
//! | `KEY` | the 32 bytes under which lives and users are hashed |
//! | `KEY.` and a hash | the key of another journal whose users were copied to this one |
//! | a hash | an erased life; the hash is an attribute too |
//! | `USER.` and a hash | a user, with the largest version that was ever erased |
//!
//! Earlier programs wrote no users, so there are lives without a number.
//!
//! A note is written before anything is deleted. If the erasure then fails, the account is in the
//! state `Erasing` anyway, and the next try finishes it.

use crate::items::{Item, bits, digest, n, number};
use crate::requests::{Asked, Condition, Order, Range, Through};
use crate::schema::{ERASURES, ERASURES_KEY, HISTORY, ItemKey, erasure_key};
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::digest::Digest;
use haumana_sync::id::UserId;
use haumana_sync::store::{ErasedLives, Head, Result, Version, erased_life, erased_user};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

const LIFE: &str = "_life";
const KEY: &str = "_key";
const USER: &str = "_user";
const FLOOR: &str = "_floor";

impl DynamoStore {
    /// Notes in the journal that the present life of an account is erased.
    pub(crate) async fn note_erasure(&self, user: &UserId, head: &Head) -> Result<()> {
        let key = self.journal_key().await?;
        // The number is written first: a life without one would count as a life of an earlier
        // program.
        self.note_floor(erased_user(&key, user), head.max_version).await?;
        let life = erased_life(&key, user, head.epoch);
        let mut item = crate::items::key_item(&erasure_key(&format!("{:032x}", life.bits())));
        item.insert(LIFE.to_owned(), bits(life.bits()));
        self.put("erase", HISTORY, &item).await
    }

    /// If a larger number is stored already, it stays.
    async fn note_floor(&self, user: Digest, floor: Version) -> Result<()> {
        let mut item = crate::items::key_item(&floor_key(user));
        item.insert(USER.to_owned(), bits(user.bits()));
        item.insert(FLOOR.to_owned(), n(floor));
        let text = "attribute_not_exists(#floor) OR #floor < :floor";
        let values = Item::from([(":floor".to_owned(), n(floor))]);
        let condition = Condition { text, name: ("#floor", FLOOR), values };
        self.put_if("erase", HISTORY, &item, &condition).await.map(drop)
    }

    /// Returns the largest version that was ever erased of a user.
    pub(crate) async fn read_floor(&self, user: &UserId) -> Result<Option<Version>> {
        // No other sort key is between these.
        let keys = Range::Between(ERASURES_KEY.to_owned(), format!("{ERASURES_KEY}~"));
        let (mut call, mut hashes) = (self.reading("erased_floor"), Vec::new());
        let take = |item: Item| {
            hashes.extend(read_key(&item).map(|key| erased_user(&key, user)));
            Ok(())
        };
        self.query_all(&mut call, &asked(keys), take).await?;
        let mut floor = None;
        for hash in hashes {
            if let Some(item) = self.get(&mut call, &floor_key(hash)).await? {
                let found = number(&item, FLOOR).map_err(corrupt("erased_floor"))?;
                floor = floor.max(Some(found));
            }
        }
        Ok(floor)
    }

    /// Copies the largest erased version of each user from the journal of other tables.
    ///
    /// It is noted even if these tables know nothing of the user. Restored tables have the key of
    /// the earlier ones, or none yet. If they have drawn another key, the earlier key is copied
    /// with the users.
    pub(crate) async fn carry(&self, other: &Journaled) -> Result<()> {
        let absent = |name| Condition {
            text: "attribute_not_exists(#key)",
            name: ("#key", name),
            values: Item::new(),
        };
        let item_of = |sort: &str, key: [u8; 32]| {
            let mut item = crate::items::key_item(&erasure_key(sort));
            item.insert(KEY.to_owned(), AttributeValue::B(Blob::new(key)));
            item
        };
        for key in &other.keys {
            let first = item_of(ERASURES_KEY, *key);
            self.put_if("replay", HISTORY, &first, &absent(KEY)).await?;
            if self.journal_key().await? != *key {
                let name = format!("{ERASURES_KEY}.{:032x}", Digest::of([&key[..]]).bits());
                self.put("replay", HISTORY, &item_of(&name, *key)).await?;
            }
        }
        for (user, floor) in other.lives.floors() {
            self.note_floor(*user, *floor).await?;
        }
        Ok(())
    }

    /// Returns the key of the journal, which is drawn at the first erasure.
    ///
    /// If two processes draw one at once, the condition lets one of them write, and both read that
    /// key.
    async fn journal_key(&self) -> Result<[u8; 32]> {
        let at = erasure_key(ERASURES_KEY);
        if let Some(key) =
            self.get(&mut self.reading("erase"), &at).await?.as_ref().and_then(read_key)
        {
            return Ok(key);
        }
        let mut item = crate::items::key_item(&at);
        item.insert(KEY.to_owned(), AttributeValue::B(Blob::new(draw_key())));
        let (text, name) = ("attribute_not_exists(#key)", ("#key", KEY));
        let condition = Condition { text, name, values: Item::new() };
        // If another process was faster, its key counts.
        self.put_if("erase", HISTORY, &item, &condition).await?;
        let found = self.get(&mut self.reading("erase"), &at).await?.as_ref().and_then(read_key);
        found.ok_or_else(|| corrupt("erase")(crate::error::Bad(KEY)))
    }

    /// Reads the journal; `None` if nothing was ever erased.
    pub(crate) async fn read_journal(&self) -> Result<Option<Journaled>> {
        let (mut keys, mut lives, mut floors) = (Vec::new(), HashSet::new(), HashMap::new());
        let take = |item: Item| {
            lives.extend(digest(&item, LIFE).ok());
            floors.extend(digest(&item, USER).ok().zip(number(&item, FLOOR).ok()));
            // The journal's own key comes first.
            keys.extend(read_key(&item));
            Ok(())
        };
        self.query_all(&mut self.writing("replay"), &asked(Range::All), take).await?;
        let Some(key) = keys.first().copied() else { return Ok(None) };
        Ok(Some(Journaled { keys, lives: ErasedLives::new(key, lives).with_floors(floors) }))
    }
}

/// The content of a journal.
pub(crate) struct Journaled {
    /// Its own key first, then those of copied users.
    keys: Vec<[u8; 32]>,
    pub(crate) lives: ErasedLives,
}

fn asked(range: Range) -> Asked {
    Asked {
        table: HISTORY,
        partition: ERASURES.to_owned(),
        through: Through::Table,
        range,
        order: Order::Ascending,
        page: None,
        consistent: true,
    }
}

fn floor_key(user: Digest) -> ItemKey {
    erasure_key(&format!("USER.{:032x}", user.bits()))
}

fn read_key(item: &Item) -> Option<[u8; 32]> {
    crate::items::bytes(item, KEY).ok()?.try_into().ok()
}

/// The standard library gets a random seed from the system. The hash of one number under that seed
/// does not reveal the hash of another.
///
/// The 32 bytes are four hashes under one seed.
fn draw_key() -> [u8; 32] {
    let random = RandomState::new();
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip(0u64..) {
        part.copy_from_slice(&random.hash_one(number).to_be_bytes());
    }
    key
}
