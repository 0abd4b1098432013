//! Writing a batch: one transaction over all tables.
//!
//! # What a refusal means
//!
//! | DynamoDB says | meaning | answer |
//! |---|---|---|
//! | the head failed its condition | the batch is stored, or somebody was faster | `Ok` or `Conflict` |
//! | the token was used for another request | as above; the head is read | `Ok` or `Conflict` |
//! | another transaction uses one of the items | nothing was done | tried again |
//! | the partition is full | nothing was done | `Full` |
//! | no answer | it may be done | tried again with the same token, at last `Unknown` |
//!
//! # Limits that are checked before
//!
//! Each item may have 400 kB. All items together may have as much as a transaction, less one item
//! for the head. The revision must fit into a place. Otherwise the batch is `TooLarge`, and nothing
//! is sent.

use crate::allowance::Payment;
use crate::error::{Class, Failure, class_of};
use crate::heads::{self, Update};
use crate::items::{Item, key_item};
use crate::meter::Direction;
use crate::past::{self, Slip};
use crate::records;
use crate::retry::Call;
use crate::rules;
use crate::schema::{HISTORY, ItemKey, LAST_REVISION, TableSchema, head_key, table_of};
use crate::spending;
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update as SdkUpdate,
};
use haumana_sync::digest::Digest;
use haumana_sync::id::UserId;
use haumana_sync::store::{Batch, Error, ErrorKind, Head, Result};

/// DYNAMODB: an item has at most 400 kB, names included.
const ITEM_BYTES: usize = 400 << 10;
/// DYNAMODB: a transaction has at most 4 MB.
const TRANSACTION_BYTES: usize = 4 << 20;

impl DynamoStore {
    /// The update of the head also writes the bucket of the account, so that costs no request.
    pub(crate) async fn write_batch(
        &self,
        user: &UserId,
        expected: Option<&Head>,
        batch: &Batch,
    ) -> Result<()> {
        let mut call = self.writing("commit");
        let payment = self.payment(user);
        let writes = self.writes(user, expected, batch, payment)?;
        let token = self.token(batch);
        loop {
            let request = self
                .client
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(writes.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send();
            match call.send_once(request).await {
                Ok(answer) => {
                    // DYNAMODB: if a token was seen in the last ten minutes, the request succeeds
                    // without doing anything: it was an earlier try of this call.
                    self.meter.add(Direction::Write, answer.consumed_capacity());
                    self.paid(user, payment);
                    return Ok(());
                }
                Err(error) => match read_refusal(&error) {
                    Refusal::HeadIs(Some(item)) => {
                        let head = heads::decode(&item).map_err(corrupt("commit"))?;
                        return is_in(Some(&head.head), batch);
                    }
                    Refusal::HeadIs(None) => return self.settle(&mut call, user, batch).await,
                    Refusal::Other(failure) => call.wait(failure).await?,
                },
            }
        }
    }

    /// Finds out whether this batch was the last to write the head.
    async fn settle(&self, call: &mut Call, user: &UserId, batch: &Batch) -> Result<()> {
        let stored = self.stored_head(call, user).await?;
        is_in(stored.as_ref().map(|stored| &stored.head), batch)
    }

    /// Names one call to DynamoDB. All tries of the call have the same token. So if the answer of a
    /// try was lost, the next try is recognised, even if others have committed since. The same
    /// commit in another call has another token: there the head decides, as [`Store::commit`]
    /// promises.
    ///
    /// [`Store::commit`]: haumana_sync::Store::commit
    fn token(&self, batch: &Batch) -> String {
        let commit = batch.head.commit.0.to_be_bytes();
        Digest::of([&commit[..], &self.next_nonce().to_be_bytes()]).into_id().to_string()
    }

    /// The head is the first item of the transaction. The reasons of a refusal come in the same
    /// order.
    fn writes(
        &self,
        user: &UserId,
        expected: Option<&Head>,
        batch: &Batch,
        payment: Option<Payment>,
    ) -> Result<Vec<TransactWriteItem>> {
        let (columns, ttl) = (&self.options.columns, self.options.history_ttl);
        let records = batch
            .records
            .iter()
            .map(|record| (table_of(record.key.kind), records::encode(user, record, columns)));
        let history = batch.history.iter().map(|entry| (HISTORY, past::encode(user, entry, ttl)));
        let slip = Slip::of(batch.head.commit, &batch.history);
        let slip = slip.iter().map(|slip| (HISTORY, slip.encode(user, ttl)));
        let puts: Vec<(TableSchema, Item)> = records.chain(history).chain(slip).collect();

        let sizes: Vec<usize> = puts.iter().map(|(_, item)| rules::item_bytes(item)).collect();
        // DYNAMODB: the limit is for an item together with its entry in a local index,
        // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html.
        let entry = |(table, item): &(TableSchema, Item)| rules::entry_bytes(*table, item);
        let entries = puts.iter().map(|put| entry(put).unwrap_or_default());
        let fits = sizes.iter().zip(entries).all(|(size, entry)| size + entry <= ITEM_BYTES)
            && sizes.iter().sum::<usize>() <= TRANSACTION_BYTES - ITEM_BYTES
            && batch.head.revision.0 <= LAST_REVISION;
        if !fits {
            return Err(Error::new("commit", ErrorKind::TooLarge));
        }
        let mut advance = heads::advance(expected, batch);
        spending::pay(&mut advance, payment);
        let head = self.update(&head_key(user), advance)?;
        let puts = puts.into_iter().map(|(table, item)| {
            let put = Put::builder().table_name(self.table(table)).set_item(Some(item)).build();
            Ok(TransactWriteItem::builder().put(put.map_err(unbuilt)?).build())
        });
        std::iter::once(Ok(TransactWriteItem::builder().update(head).build())).chain(puts).collect()
    }

    /// With `AllOld` a refusal contains the stored head, which saves a read.
    fn update(&self, key: &ItemKey, update: Update) -> Result<SdkUpdate> {
        SdkUpdate::builder()
            .table_name(self.table(key.table))
            .set_key(Some(key_item(key)))
            .update_expression(update.update)
            .condition_expression(update.condition)
            .set_expression_attribute_names(Some(update.names.into_iter().collect()))
            .set_expression_attribute_values(Some(update.values.into_iter().collect()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuilt)
    }
}

/// `Ok` if the head is the one that the batch wrote.
fn is_in(head: Option<&Head>, batch: &Batch) -> Result<()> {
    if head.is_some_and(|head| head.is_same(&batch.head)) {
        return Ok(());
    }
    Err(Error::new("commit", ErrorKind::Conflict))
}

/// Why a transaction was not done.
///
/// It decides whether the call is over or tries again.
enum Refusal {
    /// The head is another one. If the service has returned it, this is it.
    HeadIs(Option<Item>),
    /// Anything else.
    Other(Failure),
}

fn read_refusal(
    error: &SdkError<
        TransactWriteItemsError,
        aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    >,
) -> Refusal {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            read_reasons(cancelled.cancellation_reasons())
        }
        // DYNAMODB: the token was used for another request, so the commit id is not new. Nothing of
        // this batch was done, unless the head says otherwise.
        Some(TransactWriteItemsError::IdempotentParameterMismatchException(_)) => {
            Refusal::HeadIs(None)
        }
        _ => Refusal::Other(Failure::of(error)),
    }
}

/// DYNAMODB: there is one reason for each item, `None` if the item was not the cause. The head is
/// the first, and the only one with a condition.
fn read_reasons(reasons: &[CancellationReason]) -> Refusal {
    let codes =
        || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
    // If the head failed its condition, waiting for other items does not help.
    if codes().any(|code| code == "ConditionalCheckFailed") {
        let item = reasons.first().and_then(CancellationReason::item);
        return Refusal::HeadIs(item.filter(|item| !item.is_empty()).cloned());
    }
    let refused = codes().find(|code| matches!(class_of(code, 400), Class::Refused(_)));
    match refused.or_else(|| codes().next()) {
        Some(code) => Refusal::Other(Failure::new(class_of(code, 400), code)),
        None => Refusal::Other(Failure::new(Class::Throttled, "TransactionCanceledException")),
    }
}

fn unbuilt(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::with_source("commit", ErrorKind::Unavailable, error)
}
