//! A sink that writes live tables of the earlier server's form.
//!
//! It writes in batches, because an account may have 200,000 records. A batch can fail in two ways.
//! A part of it may be unprocessed, because the table is busy. That part is sent again, with
//! growing pauses. Or one item may be invalid, and DynamoDB refuses the whole batch. Then each item
//! is sent alone, and only the bad one is refused.
//!
//! Each write puts a whole item without a condition. Repeating it is harmless, and a run that was
//! stopped is repeated with `--again`.

use crate::attribute::Item;
use crate::error::{Error, ErrorKind, Result};
use crate::item::{Refused, Table};
use crate::legacy::Sink;
use crate::live::{Service, to_sdk};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use std::time::Duration;

/// DYNAMODB: a batch has at most 25 items and 16 MB; 25 records have at most 10 MB.
const BATCH_ITEMS: usize = 25;
/// How often unprocessed items are sent again without any progress.
const TRIES: u32 = 12;
/// The first pause. It doubles up to five seconds.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// Two tables that the earlier server's functions read.
pub struct LiveTables {
    client: Client,
    pieces: String,
    sessions: String,
}

impl LiveTables {
    /// Names the tables; opens no connection.
    pub fn new(service: &Service, pieces: &str, sessions: &str) -> Self {
        Self { client: service.client(), pieces: pieces.to_owned(), sessions: sessions.to_owned() }
    }

    fn name(&self, table: Table) -> &str {
        match table {
            Table::Pieces => &self.pieces,
            Table::Sessions => &self.sessions,
        }
    }

    /// Checks that both tables are empty. An item that is there under the same id in another case,
    /// or of a piece that is deleted here, would otherwise stay.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Target`] if one has items or cannot be read.
    pub async fn check_empty(&self) -> Result<()> {
        for table in [Table::Pieces, Table::Sessions] {
            let name = self.name(table);
            let found = self.client.scan().table_name(name).limit(1).consistent_read(true);
            let found = found.send().await.map_err(|error| {
                let what = format!("the table {name} cannot be read");
                Error::new(ErrorKind::Target, what).because(error.into_service_error())
            })?;
            if 0 < found.count() {
                let what = format!("the table {name} is not empty");
                return Err(Error::new(ErrorKind::Target, what));
            }
        }
        Ok(())
    }

    /// Sends one batch until all its items are processed.
    ///
    /// INVARIANT: `left` shrinks, or `tries` grows; this loop cannot spin.
    async fn put_batch(&self, name: &str, items: &[Item]) -> Result<()> {
        let mut left: Vec<WriteRequest> = items.iter().map(put).collect();
        let (mut tries, mut wait) = (0, FIRST_WAIT);
        while !left.is_empty() {
            let n_left = left.len();
            let request = self.client.batch_write_item().request_items(name, left);
            let answer = request
                .send()
                .await
                .map_err(|error| unwritten(name).because(error.into_service_error()))?;
            // DYNAMODB: it may take a part of the batch and still answer 200.
            left =
                answer.unprocessed_items.and_then(|mut all| all.remove(name)).unwrap_or_default();
            if left.is_empty() {
                break;
            }
            tries = if left.len() < n_left { 0 } else { tries + 1 };
            if TRIES < tries {
                return Err(unwritten(name).because("it does not process what is sent"));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
        Ok(())
    }

    /// Puts one item; `Some` if the table refuses it.
    async fn put_one(&self, name: &str, item: &Item) -> Result<Option<Refused>> {
        let put = self.client.put_item().table_name(name).set_item(Some(to_sdk(item.clone())));
        match put.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Ok(None),
            Err(error) if is_invalid(error.meta().code()) => {
                Ok(Some(Refused::new("invalid_field", "DynamoDB does not take the item")))
            }
            Err(error) => Err(unwritten(name).because(error)),
        }
    }
}

#[async_trait::async_trait]
impl Sink for LiveTables {
    async fn put(&mut self, table: Table, items: Vec<Item>) -> Result<Vec<(Item, Refused)>> {
        let name = self.name(table);
        let mut refused = Vec::new();
        for batch in items.chunks(BATCH_ITEMS) {
            let Err(error) = self.put_batch(name, batch).await else { continue };
            let source = std::error::Error::source(&error);
            let service = source.and_then(|source| source.downcast_ref::<BatchWriteItemError>());
            if !service.is_some_and(|error| is_invalid(error.meta().code())) {
                return Err(error);
            }
            // One bad item makes its whole batch fail. Sent alone, only the bad item fails.
            for item in batch {
                if let Some(why) = self.put_one(name, item).await? {
                    refused.push((item.clone(), why));
                }
            }
        }
        Ok(refused)
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

fn put(item: &Item) -> WriteRequest {
    let item = PutRequest::builder().set_item(Some(to_sdk(item.clone()))).build();
    // The builder only requires an item, and has one.
    WriteRequest::builder().set_put_request(item.ok()).build()
}

/// DynamoDB has one code for everything that is wrong with an item.
fn is_invalid(code: Option<&str>) -> bool {
    code == Some("ValidationException")
}

fn unwritten(name: &str) -> Error {
    Error::new(ErrorKind::Target, format!("the table {name} cannot be written"))
}
