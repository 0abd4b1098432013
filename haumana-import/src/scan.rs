//! A live table of the earlier server as a source.
//!
//! A scan is the most expensive way to read a table, and the only one that needs no list of users.
//! Two options keep it from disturbing the functions that still use the table: how many segments
//! are read at the same time, and how many read units a second are used on average.
//!
//! Reads are strongly consistent. So the scan finds what the functions wrote before it came to that
//! part of the table. The next run finds what they write behind the scan.

use crate::error::{Error, ErrorKind, Result};
use crate::item::Table;
use crate::live::{Service, from_sdk};
use crate::source::{Found, Source};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use std::collections::HashMap;
use std::time::Duration;

/// How a table is scanned.
///
/// With one segment and a rate, the time of a scan grows with the table. A scan may be stopped and
/// started again.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// The address of the table.
    pub service: Service,
    /// Its name.
    pub name: String,
    /// How many parts of it are read at once; at least 1.
    pub segments: u16,
    /// The most read units a second, on average; `None`: no limit.
    pub read_units: Option<u32>,
}

/// A scan of one table, strongly consistent. Only the earlier server's tables are ever scanned.
pub struct LiveTable {
    client: Client,
    table: Table,
    options: ScanOptions,
    segments: Vec<Segment>,
    /// Items so far. It is the place of an item in a report, and differs from run to run.
    n_read: u64,
    /// How long the pages so far should have taken.
    owed: Duration,
    /// Set with the first page, if there is a rate.
    started: Option<tokio::time::Instant>,
}

/// One part of the table; DynamoDB decides which items are in it.
struct Segment {
    number: i32,
    /// Where the next page begins; `None` at first.
    after: Option<HashMap<String, AttributeValue>>,
    is_at_end: bool,
}

impl LiveTable {
    /// Prepares the scan; reads nothing yet.
    pub fn new(table: Table, options: ScanOptions) -> Self {
        let segments = (0..i32::from(options.segments.max(1)))
            .map(|number| Segment { number, after: None, is_at_end: false })
            .collect();
        Self {
            client: options.service.client(),
            table,
            options,
            segments,
            n_read: 0,
            owed: Duration::ZERO,
            started: None,
        }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Source`] with the name of the table, after the retries of the client.
    async fn page(&self, segment: &Segment) -> Result<ScanOutput> {
        let request = self
            .client
            .scan()
            .table_name(&self.options.name)
            .consistent_read(true)
            .segment(segment.number)
            .total_segments(i32::from(self.options.segments.max(1)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_exclusive_start_key(segment.after.clone());
        request.send().await.map_err(|error| {
            let what = format!("the table {} cannot be read", self.options.name);
            Error::new(ErrorKind::Source, what).because(error.into_service_error())
        })
    }

    /// Waits until the consumption so far is within the rate.
    ///
    /// It waits after the fact: a page may exceed the rate, and the wait before the next one is
    /// longer.
    async fn pace(&mut self, consumed_units: f64) {
        let Some(rate) = self.options.read_units else { return };
        let started = *self.started.get_or_insert_with(tokio::time::Instant::now);
        self.owed += Duration::from_secs_f64(consumed_units.max(0.0) / f64::from(rate.max(1)));
        tokio::time::sleep_until(started + self.owed).await;
    }
}

#[async_trait::async_trait]
impl Source for LiveTable {
    async fn next(&mut self) -> Result<Option<Vec<Found>>> {
        let open = self.segments.iter().filter(|segment| !segment.is_at_end);
        let pages = futures_util::future::join_all(
            open.map(async |segment| Ok::<_, Error>((segment.number, self.page(segment).await?))),
        );
        let pages = pages.await;
        if pages.is_empty() {
            return Ok(None);
        }
        let (mut found, mut units) = (Vec::new(), 0.0);
        for page in pages {
            let (number, page) = page?;
            units += page.consumed_capacity().and_then(|used| used.capacity_units()).unwrap_or(0.0);
            for item in page.items.unwrap_or_default() {
                self.n_read += 1;
                let place = format!("{}:{}", self.options.name, self.n_read);
                found.push(Found { table: self.table, place, item: Some(from_sdk(item)) });
            }
            // DYNAMODB: an empty page need not be the last. Only a missing key says that it is.
            for segment in self.segments.iter_mut().filter(|segment| segment.number == number) {
                segment.is_at_end = page.last_evaluated_key.is_none();
                segment.after.clone_from(&page.last_evaluated_key);
            }
        }
        self.pace(units).await;
        Ok(Some(found))
    }
}
