//! An operator's calls, for all users together. Only these calls scan tables.
//!
//! DynamoDB has no list of users. A scan reads a whole table and is billed for all of it, so these
//! calls are for operators and not for requests. They go page by page; a place is the key at which
//! the last page ended.
//!
//! Heads are found by the prefix of their partition, in the table of pieces. Other items of that
//! table are skipped.

use crate::heads;
use crate::items::{Item, text};
use crate::meter::Direction;
use crate::past;
use crate::requests::{AT_ONCE, Answer, Asked, Order, Range, Through};
use crate::retry::Call;
use crate::schema::{HISTORY, PIECES, TableSchema, head_user, history_user, partition};
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::{StreamExt, TryStreamExt};
use haumana_sync::Store;
use haumana_sync::id::UserId;
use haumana_sync::store::{
    Batch, Head, HeadState, HistoryPart, Operate, Result, ScanPlace, SweepPlace, Swept, UserPage,
};
use haumana_sync::time::UnixMillis;

/// LIMIT: how many items one call of a sweep looks at.
///
/// A call costs as much as the items that it looks at, even if none of them is due.
const SWEEP_ITEMS: usize = 500;

#[async_trait::async_trait]
impl Operate for DynamoStore {
    /// DynamoDB deletes expired history by itself, some days later. This call is for a retention
    /// that was shortened: stored items still have their old time of expiry.
    async fn sweep(
        &self,
        before: UnixMillis,
        place: Option<&SweepPlace>,
        limit: usize,
    ) -> Result<Swept> {
        let from = place.and_then(|place| decode_place(HISTORY, &place.0));
        let mut call = self.writing("sweep");
        let items = i32::try_from(limit.clamp(1, SWEEP_ITEMS)).unwrap_or(1);
        let answer = self.scan(&mut call, HISTORY, from, Some(items)).await?;
        let mut due = Vec::new();
        for item in &answer.items {
            // Slips and the journal are not entries.
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
        let next = answer.next.as_ref().and_then(|key| encode_place(HISTORY, key)).map(SweepPlace);
        Ok(Swept { deleted: due.len(), next })
    }

    async fn replay_erasures(&self) -> Result<usize> {
        self.replay_erasures_of(self).await
    }

    async fn erasing(&self, limit: usize) -> Result<Vec<UserId>> {
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            // A call for each page: the whole table takes longer than one may.
            let mut call = self.writing("erasing");
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

    async fn users(&self, place: Option<&ScanPlace>, limit: usize) -> Result<UserPage> {
        let mut from = place.and_then(|place| decode_place(PIECES, &place.0));
        let limit = limit.max(1);
        loop {
            let mut call = self.writing("users");
            let answer = self.scan(&mut call, PIECES, from.take(), None).await?;
            let user = |item: &Item| head_user(text(item, PIECES.partition).ok()?);
            let heads = answer.items.iter().filter_map(|item| Some((user(item)?, item)));
            let heads: Vec<(UserId, &Item)> = heads.collect();
            let n_heads = heads.len();
            // Behind the last returned user, if the page has more.
            let last = heads.get(limit - 1).filter(|_| limit < n_heads).map(|(_, item)| *item);
            let next = last.or(answer.next.as_ref());
            let next = next.and_then(|item| encode_place(PIECES, item)).map(ScanPlace);
            if n_heads != 0 || next.is_none() {
                let users = heads.into_iter().map(|(user, _)| user).take(limit).collect();
                return Ok(UserPage { users, next });
            }
            from = answer.next;
        }
    }

    async fn user_history(
        &self,
        user: &UserId,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<HistoryPart> {
        let range = place.map_or(Range::All, |place| Range::Behind(place.0.clone()));
        let asked = Asked {
            table: HISTORY,
            partition: partition(HISTORY, user),
            through: Through::Table,
            range,
            order: Order::Ascending,
            page: Some(i32::try_from(limit.max(1)).unwrap_or(i32::MAX)),
            consistent: true,
        };
        let answer = self.query(&mut self.writing("user_history"), &asked, None).await?;
        // Slips and other items are not entries.
        let entries = answer.items.iter().filter_map(past::read).collect();
        let sort = |item: &Item| text(item, HISTORY.sort).ok().map(str::to_owned);
        Ok(HistoryPart { entries, next: answer.next.as_ref().and_then(sort).map(ScanPlace) })
    }

    async fn kept_schema(&self) -> Result<Option<String>> {
        self.read_kept().await
    }

    async fn keep_schema(&self, expected: Option<&str>, next: &str) -> Result<()> {
        self.write_kept(expected, next).await
    }
}

impl DynamoStore {
    /// Does what [`Operate::replay_erasures`] does, with the journal of other tables: those that
    /// were in use before these were restored.
    ///
    /// Call it on the restored tables before they serve anybody.
    ///
    /// # Errors
    ///
    /// Those of [`Operate::replay_erasures`]. The same call again continues.
    pub async fn replay_erasures_of(&self, journal: &DynamoStore) -> Result<usize> {
        let Some(journaled) = journal.read_journal().await? else { return Ok(0) };
        if !std::ptr::eq(self, journal) {
            self.carry(&journaled).await?;
        }
        let (mut replayed, mut from) = (0, None);
        loop {
            let mut call = self.writing("replay");
            let answer = self.scan(&mut call, PIECES, from.take(), None).await?;
            for (user, head) in heads_in(&call, &answer)? {
                if let Some(next) = journaled.lives.head_to_erase(&user, &head) {
                    self.erase_again(&user, &head, next).await?;
                    replayed += usize::from(head.state != HeadState::Erasing);
                }
            }
            from = answer.next;
            if from.is_none() {
                return Ok(replayed);
            }
        }
    }

    /// The head is advanced first, so that devices learn of it, and then the account is emptied.
    async fn erase_again(&self, user: &UserId, head: &Head, next: Head) -> Result<()> {
        let batch = Batch { head: next, records: Vec::new(), history: Vec::new() };
        // Nothing is served from tables that are being restored, so nobody else commits.
        self.commit(user, Some(head), &batch).await?;
        self.erase(user).await.map(|_| ())
    }

    /// Reads one page of a table, of all users.
    ///
    /// It is strongly consistent: it finds an account that was made a moment ago.
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

/// A JSON array of the two parts of the key. Only this store reads it.
fn encode_place(table: TableSchema, key: &Item) -> Option<String> {
    let (partition, sort) = (text(key, table.partition).ok()?, text(key, table.sort).ok()?);
    serde_json::to_string(&[partition, sort]).ok()
}

fn decode_place(table: TableSchema, place: &str) -> Option<Item> {
    let [partition, sort]: [String; 2] = serde_json::from_str(place).ok()?;
    let key = crate::schema::ItemKey { table, partition, sort };
    Some(crate::items::key_item(&key))
}
