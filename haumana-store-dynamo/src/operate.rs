//! What an operator asks for, of all users together: the only calls that scan tables.

use crate::heads;
use crate::items::{Item, text};
use crate::meter::Direction;
use crate::past;
use crate::requests::{AT_ONCE, Answer};
use crate::retry::Call;
use crate::schema::{HISTORY, PIECES, TableSchema, head_user, history_user};
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::{StreamExt, TryStreamExt};
use haumana_sync::Store;
use haumana_sync::id::UserId;
use haumana_sync::store::{
    Batch, Head, HeadState, Operate, Result, SweepPlace, Swept, head_to_erase,
};
use haumana_sync::time::UnixMillis;

/// LIMIT: how many items one call of a sweep looks at.
const SWEEP_ITEMS: usize = 500;

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

    async fn kept_schema(&self) -> Result<Option<String>> {
        self.read_kept().await
    }

    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()> {
        self.write_kept(expected, next).await
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
        let Some(erased) = journal.read_journal().await? else { return Ok(0) };
        let mut call = self.writing("replay");
        let (mut replayed, mut from) = (0, None);
        loop {
            let answer = self.scan(&mut call, PIECES, from.take(), None).await?;
            for (user, head) in heads_in(&call, &answer)? {
                if erased.has(&user, head.epoch) && head.state != HeadState::Erasing {
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

fn encode_place(key: &Item) -> Option<String> {
    let (partition, sort) = (text(key, HISTORY.partition).ok()?, text(key, HISTORY.sort).ok()?);
    serde_json::to_string(&[partition, sort]).ok()
}

fn decode_place(place: &str) -> Option<Item> {
    let [partition, sort]: [String; 2] = serde_json::from_str(place).ok()?;
    let key = crate::schema::ItemKey { table: HISTORY, partition, sort };
    Some(crate::items::key_item(&key))
}
