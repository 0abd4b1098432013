//! Single requests, each metered and sent again as [`Call`] decides.
//!
//! Requests for records and history go through here, or through a `send_once` of their caller. So
//! each is metered, each stays within the time of its call, and a batch that was done in part is
//! continued. Packed copies and spent allowances may fail without harm. Their own modules send
//! these requests once, within the time of the call.

use crate::error::{Class, Failure};
use crate::items::{Item, key_item};
use crate::meter::Direction;
use crate::retry::Call;
use crate::schema::{INDEX, ItemKey, TableSchema};
use crate::store::DynamoStore;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use futures_util::{StreamExt, TryStreamExt};
use haumana_sync::store::Result;
use std::collections::HashMap;

/// DYNAMODB: one BatchGetItem names at most 100 items.
const BATCH_GET: usize = 100;
/// The code of a failed condition.
pub(crate) const NOT_SO: &str = "ConditionalCheckFailedException";
/// How many requests of one call are in progress at the same time.
pub(crate) const AT_ONCE: usize = 4;

/// Which items of one partition a query asks for.
///
/// It has no limit except that of a page: a caller that wants fewer stops asking.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub table: TableSchema,
    pub partition: String,
    /// Whether it reads the index, in the order of places, or the table.
    pub through: Through,
    pub range: Range,
    pub order: Order,
    /// How many items one page has at most.
    pub page: Option<i32>,
    /// Whether all earlier writes must be visible. Otherwise it costs half, and an item may be
    /// missing or old: the caller must be able to notice that.
    pub consistent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    Index,
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// A condition on the sort key.
///
/// DynamoDB accepts one condition on the sort key. `Between` includes both ends, so callers choose
/// ends that cannot be keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    All,
    Behind(String),
    /// From the first to the second, both included.
    Between(String, String),
}

/// A condition on the stored item.
#[derive(Debug)]
pub(crate) struct Condition {
    pub text: &'static str,
    /// The one alias in it, and its attribute.
    pub name: (&'static str, &'static str),
    /// The values that it compares with.
    pub values: Item,
}

/// One page of a query.
#[derive(Debug)]
pub(crate) struct Answer {
    pub items: Vec<Item>,
    /// The start of the next page; `None`: this was the last.
    pub next: Option<Item>,
}

impl DynamoStore {
    /// Reads one item, strongly consistent.
    pub(crate) async fn get(&self, call: &mut Call, key: &ItemKey) -> Result<Option<Item>> {
        let request = || {
            self.client
                .get_item()
                .table_name(self.table(key.table))
                .set_key(Some(key_item(key)))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        let answer = call.send(request).await?;
        self.meter.add(Direction::Read, answer.consumed_capacity.as_slice());
        Ok(answer.item)
    }

    /// Puts one item, without a condition.
    pub(crate) async fn put(
        &self,
        op: &'static str,
        table: TableSchema,
        item: &Item,
    ) -> Result<()> {
        let request = || {
            self.client
                .put_item()
                .table_name(self.table(table))
                .set_item(Some(item.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        let answer = self.writing(op).send(request).await?;
        self.meter.add(Direction::Write, answer.consumed_capacity.as_slice());
        Ok(())
    }

    /// Puts one item if a condition on the stored item holds. Returns whether it did.
    ///
    /// A failed condition is an answer and not an error, so it is not retried. If the answer of a
    /// write was lost, the second try may find its own item and return `false`. Callers must be
    /// prepared for that.
    pub(crate) async fn put_if(
        &self,
        op: &'static str,
        table: TableSchema,
        item: &Item,
        condition: &Condition,
    ) -> Result<bool> {
        let (name, attribute) = condition.name;
        // DYNAMODB: an empty map of values is refused.
        let values = Some(&condition.values).filter(|values| !values.is_empty());
        let request = || async {
            let put = self
                .client
                .put_item()
                .table_name(self.table(table))
                .set_item(Some(item.clone()))
                .condition_expression(condition.text)
                .expression_attribute_names(name, attribute)
                .set_expression_attribute_values(values.cloned())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            match put {
                Err(error) if error.code() == Some(NOT_SO) => Ok(None),
                put => put.map(|put| Some(put.consumed_capacity)),
            }
        };
        let written = self.writing(op).send(request).await?;
        let Some(capacity) = written else { return Ok(false) };
        self.meter.add(Direction::Write, capacity.as_slice());
        Ok(true)
    }

    /// Reads any number of items, for half of the price if not `consistent`. Missing items are not
    /// in the answer, which has no order. No key may be given twice.
    pub(crate) async fn get_many(
        &self,
        op: &'static str,
        keys: &[ItemKey],
        consistent: bool,
    ) -> Result<Vec<(TableSchema, Item)>> {
        let batches: Vec<_> =
            keys.chunks(BATCH_GET).map(|keys| self.get_batch(op, keys, consistent)).collect();
        let found: Vec<Vec<_>> =
            futures_util::stream::iter(batches).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Unprocessed keys are requested again at once, as long as each answer has some items.
    async fn get_batch(
        &self,
        op: &'static str,
        keys: &[ItemKey],
        consistent: bool,
    ) -> Result<Vec<(TableSchema, Item)>> {
        let mut call = self.reading(op);
        let mut left = self.keys_by_table(keys, consistent);
        let mut found = Vec::new();
        while !left.is_empty() {
            let request = || {
                self.client
                    .batch_get_item()
                    .set_request_items(Some(left.clone()))
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
            };
            let answer = call.send(request).await?;
            self.meter.add(Direction::Read, answer.consumed_capacity());
            for (name, items) in answer.responses.unwrap_or_default() {
                let table = crate::schema::TABLES.into_iter().find(|t| self.table(*t) == name);
                found.extend(items.into_iter().filter_map(|item| Some((table?, item))));
            }
            let n_left = count(&left);
            left = answer.unprocessed_keys.unwrap_or_default();
            left.retain(|_, keys| !keys.keys.is_empty());
            // DYNAMODB: a batch may answer only a part, because of 16 MB or of throttling. If it
            // made progress, it continues at once; otherwise it waits.
            if !left.is_empty() && n_left <= count(&left) {
                call.wait(Failure::new(Class::Throttled, "UnprocessedKeys")).await?;
            }
        }
        Ok(found)
    }

    fn keys_by_table(
        &self,
        keys: &[ItemKey],
        consistent: bool,
    ) -> HashMap<String, KeysAndAttributes> {
        let mut by_table: HashMap<String, Vec<Item>> = HashMap::new();
        for key in keys {
            by_table.entry(self.table(key.table)).or_default().push(key_item(key));
        }
        let asked = |(table, keys)| {
            let asked =
                KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent);
            // Building fails only without keys.
            Some((table, asked.build().ok()?))
        };
        by_table.into_iter().filter_map(asked).collect()
    }

    /// Reads one page of a partition.
    ///
    /// `from` is the `next` of the page before.
    pub(crate) async fn query(
        &self,
        call: &mut Call,
        asked: &Asked,
        from: Option<Item>,
    ) -> Result<Answer> {
        let sort = match asked.through {
            Through::Index => asked.table.place.unwrap_or(asked.table.sort),
            Through::Table => asked.table.sort,
        };
        let text = |text: &String| AttributeValue::S(text.clone());
        let request = || {
            let query = self
                .client
                .query()
                .table_name(self.table(asked.table))
                .consistent_read(asked.consistent)
                .scan_index_forward(asked.order == Order::Ascending)
                .set_limit(asked.page)
                .set_index_name((asked.through == Through::Index).then(|| INDEX.to_owned()))
                .set_exclusive_start_key(from.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .expression_attribute_names("#partition", asked.table.partition)
                .expression_attribute_values(":partition", text(&asked.partition));
            let query = match &asked.range {
                Range::All => query.key_condition_expression("#partition = :partition"),
                Range::Behind(low) => query
                    .key_condition_expression("#partition = :partition AND #sort > :low")
                    .expression_attribute_values(":low", text(low)),
                Range::Between(low, high) => query
                    .key_condition_expression(
                        "#partition = :partition AND #sort BETWEEN :low AND :high",
                    )
                    .expression_attribute_values(":low", text(low))
                    .expression_attribute_values(":high", text(high)),
            };
            match asked.range {
                Range::All => query,
                _ => query.expression_attribute_names("#sort", sort),
            }
            .send()
        };
        let answer = call.send(request).await?;
        self.meter.add(Direction::Read, answer.consumed_capacity.as_slice());
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(Answer { items: answer.items.unwrap_or_default(), next })
    }

    /// Reads every page of a partition and passes each item to `take`.
    pub(crate) async fn query_all(
        &self,
        call: &mut Call,
        asked: &Asked,
        mut take: impl FnMut(Item) -> Result<()>,
    ) -> Result<()> {
        let mut from = None;
        loop {
            // DYNAMODB: a page may be empty although more follow. Only `next` says that.
            let answer = self.query(call, asked, from).await?;
            answer.items.into_iter().try_for_each(&mut take)?;
            from = answer.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }
}

fn count(keys: &HashMap<String, KeysAndAttributes>) -> usize {
    keys.values().map(|keys| keys.keys.len()).sum()
}
