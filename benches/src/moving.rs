//! How quickly an earlier server's table is taken over.

use crate::piece;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use haumana_api::{SystemClock, SystemRandom};
use haumana_import::{
    Attribute, Counts, ExportFolder, FolderSink, Item, LiveTable, LiveTables, Report, ScanOptions,
    Service, Sink, Source, Table, Watch, import,
};
use haumana_store_dynamo::testing::{Tables, client, http};
use haumana_sync::Store;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::Generation;
use serde_json::Value;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many users the earlier server's table has.
pub const USERS: usize = 50;

type Done<T> = Result<T, Box<dyn Error>>;

/// An earlier server's table of pieces, on disk as an export and live on the emulator.
#[derive(Debug)]
pub struct OldTable {
    folder: PathBuf,
    name: String,
    service: Service,
}

/// What one import did, and in which time.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many items became what.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
}

impl Run {
    /// Items a second.
    pub fn a_second(&self) -> f64 {
        self.counts.read as f64 / self.took.as_secs_f64()
    }
}

impl OldTable {
    /// Makes both, with `each` pieces of about 1 kB for each of [`USERS`]. There must be no
    /// `folder`; it is made.
    ///
    /// # Errors
    ///
    /// If the folder or the table cannot be made.
    pub async fn create(folder: &Path, each: usize) -> Done<Self> {
        let tables = Tables::named();
        let name = format!("{}old-pieces", tables.prefix());
        create_table(&tables, &name).await?;
        let options = tables.options();
        let service = Service {
            region: options.region,
            endpoint: options.endpoint,
            credentials: options.credentials,
            http: Some(http()),
        };
        let mut live = LiveTables::new(&service, &name, "none");
        let mut export = FolderSink::create(folder)?;
        // As DynamoDB has them: a user's items stand together.
        for user in 0..USERS {
            let items: Vec<Item> = (0..each).map(|n| old_item(user, n)).collect();
            export.put(Table::Pieces, items.clone()).await?;
            live.put(Table::Pieces, items).await?;
        }
        export.finish().await?;
        let folder = folder.join(Table::Pieces.as_str());
        Ok(Self { folder, name, service })
    }

    /// The export on disk.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn export(&self) -> Done<Box<dyn Source>> {
        Ok(Box::new(ExportFolder::open(Table::Pieces, &self.folder)?))
    }

    /// The live table, read in four parts at once.
    pub fn live(&self) -> Box<dyn Source> {
        let (service, name) = (self.service.clone(), self.name.clone());
        let options = ScanOptions { service, name, segments: 4, read_units: None };
        Box::new(LiveTable::new(Table::Pieces, options))
    }
}

/// Imports everything that `source` gives into `store`.
///
/// # Errors
///
/// If the source or the store fails.
pub async fn take_over(store: &Arc<dyn Store>, source: &mut dyn Source) -> Done<Run> {
    let config = EngineConfig::new(Generation(0));
    let engine = Engine::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom), config);
    let mut report = Report::new(None);
    let started = Instant::now();
    import(&engine, source, &mut report, &mut Nobody).await?;
    Ok(Run { counts: report.counts, took: started.elapsed() })
}

struct Nobody;

impl Watch for Nobody {
    fn page_done(&mut self, _counts: &Counts) {}
}

/// An item as the functions stored what a phone had sent.
fn old_item(user: usize, n: usize) -> Item {
    let attribute = |value: &Value| match value {
        Value::String(text) => Attribute::S(text.clone()),
        Value::Bool(flag) => Attribute::Bool(*flag),
        number => Attribute::N(number.to_string()),
    };
    let piece = piece(user * 1_000_000 + n);
    let sent = piece.as_object().into_iter().flatten();
    let mut item: Item = sent.map(|(name, value)| (name.clone(), attribute(value))).collect();
    let synced_at = "2026-11-22T00:00:01.000Z".to_owned();
    item.insert("userId".to_owned(), Attribute::S(format!("1{user:020}")));
    item.insert("lastSyncedAt".to_owned(), Attribute::S(synced_at));
    item
}

async fn create_table(tables: &Tables, name: &str) -> Done<()> {
    let mut request = client(&tables.options())
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (key, kind) in Table::Pieces.key_names().into_iter().zip([KeyType::Hash, KeyType::Range]) {
        let element = KeySchemaElement::builder().attribute_name(key).key_type(kind);
        let attribute = AttributeDefinition::builder().attribute_name(key);
        request = request
            .key_schema(element.build()?)
            .attribute_definitions(attribute.attribute_type(ScalarAttributeType::S).build()?);
    }
    request.send().await?;
    Ok(())
}
