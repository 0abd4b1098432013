//! Deleting: history that is due, and everything of a user.
//!
//! Both kinds of deletion consist of many small requests, and neither is a transaction. They are
//! safe because of their order, and because every step can be repeated.
//!
//! - **Purging**: entries first, then their slip. If a purge stops in between, the slip is left,
//!   and the next purge does the rest.
//! - **Erasing**: the engine has put the head into the state `Erasing` before, so no commit adds
//!   anything. Then all partitions of the user are emptied, the history last. The head stays.

use crate::error::{Class, Failure};
use crate::heads;
use crate::items::{Item, key_item, n};
use crate::listing::{Looks, torn};
use crate::meter::Direction;
use crate::past::{SLIPS, Slip, slips_before};
use crate::requests::{AT_ONCE, Asked, NOT_SO, Order, Range, Through};
use crate::schema::{
    HISTORY, ItemKey, PIECES, SESSIONS, TABLES, TableSchema, head_key, history_key, partition,
};
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::types::{DeleteRequest, ReturnConsumedCapacity, WriteRequest};
use futures_util::{StreamExt, TryStreamExt};
use haumana_sync::id::UserId;
use haumana_sync::store::{HistoryKey, Result};
use haumana_sync::time::UnixMillis;
use std::collections::HashMap;

/// DYNAMODB: one BatchWriteItem has at most 25 requests.
///
/// Four batches are sent at a time.
const BATCH_WRITE: usize = 25;

impl DynamoStore {
    /// Deletes the history that is older than `before`. It finds it by the slips, and reads no
    /// other.
    pub(crate) async fn purge_history(&self, user: &UserId, before: UnixMillis) -> Result<()> {
        let op = "purge";
        let asked = Asked {
            table: HISTORY,
            partition: partition(HISTORY, user),
            through: Through::Table,
            range: Range::Between(SLIPS.to_owned(), slips_before(before)),
            order: Order::Ascending,
            page: None,
            consistent: true,
        };
        let mut slips = Vec::new();
        let take = |item: Item| {
            slips.push(Slip::decode(&item).map_err(corrupt(op))?);
            Ok(())
        };
        self.query_all(&mut self.writing(op), &asked, take).await?;
        for slip in slips {
            self.purge_slip(user, &slip, before).await?;
        }
        Ok(())
    }

    /// Deletes the due entries of a slip, then the slip. Entries that are left keep a slip.
    ///
    /// If some entries are not due yet, a new slip is written, under the time of the oldest of
    /// them, before the old one is deleted.
    async fn purge_slip(&self, user: &UserId, slip: &Slip, before: UnixMillis) -> Result<()> {
        let (due, left): (Vec<_>, Vec<_>) =
            slip.entries.iter().copied().partition(|(_, at)| *at < before);
        let deletes: Vec<_> =
            due.iter().map(|(key, _)| self.delete_if_older(user, *key, before)).collect();
        futures_util::stream::iter(deletes)
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        if !left.is_empty() {
            self.put_slip(user, &Slip { commit: slip.commit, entries: left }).await?;
        }
        self.delete_all("purge", HISTORY, vec![key_item(&slip.key(user))]).await
    }

    /// Deletes an entry, unless it was written again since.
    ///
    /// The condition fails for an entry that was written again, and for one that does not exist. In
    /// both cases there is nothing to delete.
    pub(crate) async fn delete_if_older(
        &self,
        user: &UserId,
        key: HistoryKey,
        before: UnixMillis,
    ) -> Result<()> {
        let mut call = self.writing("purge");
        let key = key_item(&history_key(user, key));
        loop {
            let request = self
                .client
                .delete_item()
                .table_name(self.table(HISTORY))
                .set_key(Some(key.clone()))
                .condition_expression("#at < :before")
                .expression_attribute_names("#at", "_at")
                .expression_attribute_values(":before", n(before.0))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send();
            match call.send_once(request).await {
                Ok(answer) => {
                    self.meter.add(Direction::Write, answer.consumed_capacity.as_slice());
                    return Ok(());
                }
                Err(error) => match Failure::of(&error) {
                    failure if failure.code() == NOT_SO => return Ok(()),
                    failure => call.wait(failure).await?,
                },
            }
        }
    }

    async fn put_slip(&self, user: &UserId, slip: &Slip) -> Result<()> {
        self.put("purge", HISTORY, &slip.encode(user, self.options.history_ttl)).await
    }

    /// Deletes all records and all history, page by page. If a call runs out of time, the next call
    /// deletes the rest.
    pub(crate) async fn erase_user(&self, user: &UserId) -> Result<()> {
        self.wait_until_whole(user).await?;
        self.forget_recent(&head_key(user)).await?;
        for table in TABLES {
            let asked = Asked {
                table,
                partition: partition(table, user),
                through: Through::Table,
                range: Range::All,
                order: Order::Ascending,
                page: None,
                consistent: true,
            };
            let mut call = self.writing("erase");
            let mut from = None;
            loop {
                // Always from the beginning, because deleted items are gone. It ends when a query
                // finds nothing.
                let answer = self.query(&mut call, &asked, from.take()).await?;
                if answer.items.is_empty() {
                    from = answer.next;
                    if from.is_none() {
                        break;
                    }
                    continue;
                }
                let keys = answer.items.into_iter().map(|item| only_key(table, item)).collect();
                self.delete_all("erase", table, keys).await?;
            }
        }
        Ok(())
    }

    /// Waits until queries find all of the last commits, because items that they miss are not
    /// deleted.
    ///
    /// Otherwise an erasure that queries while the last commit is half visible would leave the
    /// other half behind.
    async fn wait_until_whole(&self, user: &UserId) -> Result<()> {
        let (mut call, mut looks) = (self.writing("erase"), Looks::default());
        let mut head = self.stored_head(&mut call, user).await?;
        for table in [PIECES, SESSIONS] {
            while let Some(found) = &head {
                let listed = self.list_behind(&mut call, user, table, Range::All).await?;
                // A record that a person has deleted or damaged by hand is never found.
                if !found.is_missing(table, &listed, |_| true) || looks.are_enough(found) {
                    break;
                }
                call.wait(torn()).await?;
                // Another erasure may have deleted the records and told the head to forget them.
                head = self.stored_head(&mut call, user).await?;
            }
        }
        Ok(())
    }

    /// Makes the head forget the last commits. Otherwise readers would wait for their deleted
    /// records.
    async fn forget_recent(&self, key: &ItemKey) -> Result<()> {
        let mut call = self.writing("erase");
        let update = heads::forget();
        let names: HashMap<String, String> = update.names.into_iter().collect();
        loop {
            let request = self
                .client
                .update_item()
                .table_name(self.table(key.table))
                .set_key(Some(key_item(key)))
                .update_expression(&update.update)
                .condition_expression(&update.condition)
                .set_expression_attribute_names(Some(names.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send();
            match call.send_once(request).await {
                Ok(answer) => {
                    self.meter.add(Direction::Write, answer.consumed_capacity.as_slice());
                    return Ok(());
                }
                Err(error) => match Failure::of(&error) {
                    // There is no head, so there is nothing to forget.
                    failure if failure.code() == NOT_SO => return Ok(()),
                    failure => call.wait(failure).await?,
                },
            }
        }
    }

    /// Deletes items of a table by their keys.
    async fn delete_all(
        &self,
        op: &'static str,
        table: TableSchema,
        keys: Vec<Item>,
    ) -> Result<()> {
        let batches: Vec<_> =
            keys.chunks(BATCH_WRITE).map(|keys| self.delete_batch(op, table, keys)).collect();
        futures_util::stream::iter(batches)
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    /// A deletion is idempotent, so if an answer was lost, the same part is sent again.
    async fn delete_batch(
        &self,
        op: &'static str,
        table: TableSchema,
        keys: &[Item],
    ) -> Result<()> {
        let mut call = self.writing(op);
        let name = self.table(table);
        let delete = |key: &Item| {
            let delete = DeleteRequest::builder().set_key(Some(key.clone())).build().ok()?;
            Some(WriteRequest::builder().delete_request(delete).build())
        };
        let mut left: Vec<WriteRequest> = keys.iter().filter_map(delete).collect();
        while !left.is_empty() {
            let request = || {
                self.client
                    .batch_write_item()
                    .request_items(&name, left.clone())
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
            };
            let answer = call.send(request).await?;
            self.meter.add(Direction::Write, answer.consumed_capacity());
            let unprocessed = answer.unprocessed_items.unwrap_or_default().remove(&name);
            let unprocessed = unprocessed.unwrap_or_default();
            // DYNAMODB: a batch may do only a part and still answer 200.
            let got_on = unprocessed.len() < left.len();
            left = unprocessed;
            if !left.is_empty() && !got_on {
                call.wait(Failure::new(Class::Throttled, "UnprocessedItems")).await?;
            }
        }
        Ok(())
    }
}

/// Returns the key attributes of an item.
fn only_key(table: TableSchema, mut item: Item) -> Item {
    item.retain(|name, _| name == table.partition || name == table.sort);
    item
}
