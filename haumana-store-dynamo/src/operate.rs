//! What an operator asks for, of all users together: the only calls that scan tables.
//!
//! The journal of erasures is in a partition of its own in the table of the history, whose items
//! there never expire. A restore to a point in time makes new tables and leaves those from before
//! as they are, with their journal: [`DynamoStore::replay_erasures_of`] reads it there.

use crate::heads;
use crate::items::{Item, bits, digest, text};
use crate::meter::Direction;
use crate::past;
use crate::requests::{AT_ONCE, Answer, Asked, Order, Range, Through};
use crate::retry::Call;
use crate::schema::{
    ERASURES, ERASURES_KEY, HISTORY, PIECES, TableSchema, erasure_key, head_user, history_user,
};
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use futures_util::{StreamExt, TryStreamExt};
use haumana_sync::Store;
use haumana_sync::digest::Digest;
use haumana_sync::id::UserId;
use haumana_sync::store::{
    Batch, Epoch, Head, HeadState, Operate, Result, SweepPlace, Swept, erased_life, head_to_erase,
};
use haumana_sync::time::UnixMillis;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// LIMIT: how many items one call of a sweep looks at.
const SWEEP_ITEMS: usize = 500;

const LIFE: &str = "_life";
const KEY: &str = "_key";

#[async_trait::async_trait]
impl Operate for DynamoStore {
    /// DynamoDB deletes expired history by itself, some days later. This is for a retention that
    /// was made shorter, whose items expire as they were told before.
    async fn sweep(
        &self,
        before: UnixMillis,
        place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept> {
        let from = place.and_then(|place| decode_place(&place.0));
        let mut call = self.writing("sweep");
        let items = i32::try_from(limit.clamp(1, SWEEP_ITEMS)).unwrap_or(1);
        let answer = self.scan(&mut call, HISTORY, from, Some(items)).await?;
        let mut due = Vec::new();
        for item in &answer.items {
            // Slips and the journal are no entries.
            let partition = text(item, HISTORY.partition).ok();
            let Some(user) = partition.and_then(history_user) else { continue };
            let Ok(entry) = past::decode(item) else { continue };
            if entry.at < before {
                due.push((user, entry.key));
            }
        }
        let deletes: Vec<_> =
            due.iter().map(|(user, key)| self.delete_if_older(user, *key, before)).collect();
        futures_util::stream::iter(deletes)
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        let next = answer.next.as_ref().and_then(encode_place).map(SweepPlace);
        Ok(Swept { deleted: due.len(), next })
    }

    async fn replay_erasures(&self) -> Result<usize> {
        self.replay_erasures_of(self).await
    }

    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>> {
        let mut call = self.writing("erasing");
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let answer = self.scan(&mut call, PIECES, from.take(), None).await?;
            let heads = heads_in(&call, &answer)?;
            let erasing = heads.into_iter().filter(|(_, head)| head.state == HeadState::Erasing);
            found.extend(erasing.map(|(user, _)| user));
            from = answer.next;
            if limit <= found.len() || from.is_none() {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }
}

impl DynamoStore {
    /// Does what [`Operate::replay_erasures`] does, by the journal of other tables: those that were
    /// in use until these were restored.
    ///
    /// # Errors
    ///
    /// As [`Operate::replay_erasures`]. The same call again goes on.
    pub async fn replay_erasures_of(&self, journal: &DynamoStore) -> Result<usize> {
        let Some((key, lives)) = journal.read_journal().await? else { return Ok(0) };
        let mut call = self.writing("replay");
        let (mut replayed, mut from) = (0, None);
        loop {
            let answer = self.scan(&mut call, PIECES, from.take(), None).await?;
            for (user, head) in heads_in(&call, &answer)? {
                let is_erased = lives.contains(&erased_life(&key, &user, head.epoch));
                if is_erased && head.state != HeadState::Erasing {
                    self.erase_again(&user, &head).await?;
                    replayed += 1;
                }
            }
            from = answer.next;
            if from.is_none() {
                return Ok(replayed);
            }
        }
    }

    async fn erase_again(&self, user: &UserId, head: &Head) -> Result<()> {
        let next = head_to_erase(head);
        let batch = Batch { head: next, records: Vec::new(), history: Vec::new() };
        // Nothing is served from tables that are being restored, so nobody is faster.
        self.commit(user, Some(head), &batch).await?;
        self.erase(user).await.map(|_| ())
    }

    /// Notes in the journal that this life of an account is erased.
    pub(crate) async fn note_erasure(&self, user: &UserId, epoch: Epoch) -> Result<()> {
        let key = self.journal_key().await?;
        let life = erased_life(&key, user, epoch);
        let mut item = crate::items::key_item(&erasure_key(&format!("{:032x}", life.bits())));
        item.insert(LIFE.to_owned(), bits(life.bits()));
        let request = || {
            self.client
                .put_item()
                .table_name(self.table(HISTORY))
                .set_item(Some(item.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        let put = self.writing("erase").send(request).await?;
        self.meter.add(Direction::Write, put.consumed_capacity.as_slice());
        Ok(())
    }

    /// Returns the key of the journal, which is drawn at the first erasure.
    async fn journal_key(&self) -> Result<[u8; 32]> {
        let at = erasure_key(ERASURES_KEY);
        if let Some(key) = self.get(&mut self.reading("erase"), &at).await?.and_then(read_key) {
            return Ok(key);
        }
        let mut item = crate::items::key_item(&at);
        item.insert(KEY.to_owned(), AttributeValue::B(Blob::new(draw_key())));
        let request = || async {
            let put = self
                .client
                .put_item()
                .table_name(self.table(HISTORY))
                .set_item(Some(item.clone()))
                .condition_expression("attribute_not_exists(#key)")
                .expression_attribute_names("#key", KEY)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            match put {
                // Somebody was faster; theirs counts.
                Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(None),
                put => put.map(|put| put.consumed_capacity),
            }
        };
        let capacity = self.writing("erase").send(request).await?;
        self.meter.add(Direction::Write, capacity.as_slice());
        let found = self.get(&mut self.reading("erase"), &at).await?.and_then(read_key);
        found.ok_or_else(|| corrupt("erase")(crate::error::Bad(KEY)))
    }

    /// Reads the journal; `None` if nothing was ever erased.
    async fn read_journal(&self) -> Result<Option<([u8; 32], HashSet<Digest>)>> {
        let asked = Asked {
            table: HISTORY,
            partition: ERASURES.to_owned(),
            through: Through::Table,
            range: Range::All,
            order: Order::Ascending,
            page: None,
        };
        let (mut key, mut lives) = (None, HashSet::new());
        let take = |item: Item| {
            lives.extend(digest(&item, LIFE).ok());
            key = key.or(read_key(item));
            Ok(())
        };
        self.query_all(&mut self.writing("replay"), &asked, take).await?;
        Ok(key.map(|key| (key, lives)))
    }

    /// Reads one page of a table, of all users.
    async fn scan(
        &self,
        call: &mut Call,
        table: TableSchema,
        from: Option<Item>,
        limit: Option<i32>,
    ) -> Result<Answer> {
        let request = || {
            self.client
                .scan()
                .table_name(self.table(table))
                .consistent_read(true)
                .set_limit(limit)
                .set_exclusive_start_key(from.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        let answer = call.send(request).await?;
        self.meter.add(Direction::Read, answer.consumed_capacity.as_slice());
        Ok(Answer { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }
}

fn heads_in(call: &Call, answer: &Answer) -> Result<Vec<(UserId, Head)>> {
    let user = |item| head_user(text(item, PIECES.partition).ok()?);
    let heads = answer.items.iter().filter_map(|item| Some((user(item)?, item)));
    let head = |(user, item): (UserId, &Item)| {
        heads::decode(item).map(|stored| (user, stored.head)).map_err(corrupt(call.op()))
    };
    heads.map(head).collect()
}

fn read_key(item: Item) -> Option<[u8; 32]> {
    crate::items::bytes(&item, KEY).ok()?.try_into().ok()
}

/// The system seeds each of these with bits of its own; what they make of a number tells nobody
/// what they make of another.
fn draw_key() -> [u8; 32] {
    let random = RandomState::new();
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip(0u64..) {
        part.copy_from_slice(&random.hash_one(number).to_be_bytes());
    }
    key
}

fn encode_place(key: &Item) -> Option<String> {
    let (partition, sort) = (text(key, HISTORY.partition).ok()?, text(key, HISTORY.sort).ok()?);
    serde_json::to_string(&[partition, sort]).ok()
}

fn decode_place(place: &str) -> Option<Item> {
    let [partition, sort]: [String; 2] = serde_json::from_str(place).ok()?;
    let key = crate::schema::ItemKey { table: HISTORY, partition, sort };
    Some(crate::items::key_item(&key))
}
