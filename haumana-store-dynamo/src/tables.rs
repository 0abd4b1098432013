//! Making the tables, and checking existing ones.
//!
//! The definitions are in `schema.rs`. A deployment makes the tables from `tables.json`. This
//! module makes them for development and tests, and compares existing tables with the definitions.

use crate::error::Failure;
use crate::retry::Call;
use crate::schema::{INDEX, PROJECTED, TABLES, TableSchema};
use crate::store::DynamoStore;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
    TimeToLiveStatus,
};
use haumana_sync::store::{Error, ErrorKind, Result};
use std::collections::BTreeSet;

/// What is wrong with a table.
///
/// It names the table and the setting, so that an operator knows what to change.
#[derive(Debug, thiserror::Error)]
#[error("{table}: {what}")]
struct Difference {
    table: String,
    what: String,
}

impl DynamoStore {
    /// Makes the missing tables, for development and tests, and waits until they can be used.
    /// Existing tables are not changed; see [`DynamoStore::check_tables`].
    ///
    /// They are billed by request, without reserved capacity. In production let the deployment make
    /// them, from [`definitions`](crate::definitions), with backups to a point in time and
    /// protection from deletion.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the service refuses or does not answer.
    pub async fn create_tables(&self) -> Result<()> {
        for table in TABLES {
            let mut call = self.writing("create_tables");
            self.create(&mut call, table).await?;
            while !self.is_active(&mut call, table).await? {
                call.wait(Failure::new(crate::error::Class::Throttled, "not active yet")).await?;
            }
            if let Some(attribute) = table.expires {
                self.expire_by(&mut call, table, attribute).await?;
            }
        }
        Ok(())
    }

    /// Checks that the tables are as this program needs them.
    ///
    /// Call it when a server starts, or after a deployment. It checks keys, the index and the time
    /// to live, not the stored data.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with a source that says which table differs and how, without any data.
    pub async fn check_tables(&self) -> Result<()> {
        for table in TABLES {
            let mut call = self.reading("check_tables");
            let described = self.describe(&mut call, table).await?;
            let what = match described {
                None => Some("it does not exist".to_owned()),
                Some(found) => difference(table, &found),
            };
            let what = match (what, table.expires) {
                (Some(what), _) => Some(what),
                (None, Some(attribute)) => self.ttl_difference(&mut call, table, attribute).await?,
                (None, None) => None,
            };
            if let Some(what) = what {
                let source = Difference { table: self.table(table), what };
                return Err(Error::with_source("check_tables", ErrorKind::Unavailable, source));
            }
        }
        Ok(())
    }

    /// Returns how many bytes the tables hold, indexes included. The service counts them about
    /// every six hours.
    ///
    /// It is for a metric of storage costs.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the service refuses or does not answer.
    pub async fn stored_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for table in TABLES {
            let mut call = self.reading("stored_bytes");
            let found = self.describe(&mut call, table).await?;
            let size = found.and_then(|found| found.table_size_bytes).unwrap_or(0);
            bytes += u64::try_from(size).unwrap_or(0);
        }
        Ok(bytes)
    }

    /// A table that exists, or that another process is making, is not changed.
    async fn create(&self, call: &mut Call, table: TableSchema) -> Result<()> {
        loop {
            let request = self
                .client
                .create_table()
                .table_name(self.table(table))
                .billing_mode(BillingMode::PayPerRequest)
                .set_attribute_definitions(Some(
                    table.key_attributes().filter_map(attribute).collect(),
                ))
                .set_key_schema(Some(keys(table, table.sort)))
                .set_local_secondary_indexes(table.place.map(|place| index(table, place)))
                .send();
            match call.send_once(request).await {
                Ok(_) => return Ok(()),
                Err(error) => match Failure::of(&error) {
                    failure if failure.code() == "ResourceInUseException" => return Ok(()),
                    failure => call.wait(failure).await?,
                },
            }
        }
    }

    async fn expire_by(&self, call: &mut Call, table: TableSchema, attribute: &str) -> Result<()> {
        if self.ttl_difference(call, table, attribute).await?.is_none() {
            return Ok(());
        }
        let request = || {
            let by = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true);
            self.client
                .update_time_to_live()
                .table_name(self.table(table))
                // Building fails only without the two.
                .set_time_to_live_specification(by.build().ok())
                .send()
        };
        call.send(request).await?;
        Ok(())
    }

    async fn is_active(&self, call: &mut Call, table: TableSchema) -> Result<bool> {
        let found = self.describe(call, table).await?;
        Ok(found.is_some_and(|found| found.table_status == Some(TableStatus::Active)))
    }

    async fn describe(
        &self,
        call: &mut Call,
        table: TableSchema,
    ) -> Result<Option<TableDescription>> {
        loop {
            let request = self.client.describe_table().table_name(self.table(table)).send();
            match call.send_once(request).await {
                Ok(answer) => return Ok(answer.table),
                Err(error) => match Failure::of(&error) {
                    failure if failure.code() == "ResourceNotFoundException" => return Ok(None),
                    failure => call.wait(failure).await?,
                },
            }
        }
    }

    async fn ttl_difference(
        &self,
        call: &mut Call,
        table: TableSchema,
        attribute: &str,
    ) -> Result<Option<String>> {
        let request = || self.client.describe_time_to_live().table_name(self.table(table)).send();
        let found = call.send(request).await?.time_to_live_description;
        let is_on = found.is_some_and(|found| {
            let status = found.time_to_live_status;
            found.attribute_name.as_deref() == Some(attribute)
                && matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        Ok((!is_on).then(|| format!("its items do not expire by {attribute}")))
    }
}

/// The first difference of a table from its definition.
///
/// `None` if there is none. An index with more attributes than needed is no difference; it only
/// costs more.
fn difference(table: TableSchema, found: &TableDescription) -> Option<String> {
    let expected = keys(table, table.sort);
    if found.key_schema() != expected {
        let names: Vec<_> = found.key_schema().iter().map(|key| &key.attribute_name).collect();
        return Some(format!("its key is {names:?}, not {:?}", [table.partition, table.sort]));
    }
    let is_text = |name: &str| {
        let mut of_name = found.attribute_definitions().iter().filter(|a| a.attribute_name == name);
        of_name.all(|a| a.attribute_type == ScalarAttributeType::S)
    };
    if let Some(name) = table.key_attributes().find(|name| !is_text(name)) {
        return Some(format!("its key attribute {name} is no string"));
    }
    let place = table.place?;
    let mut indexes = found.local_secondary_indexes().iter();
    let Some(index) = indexes.find(|index| index.index_name.as_deref() == Some(INDEX)) else {
        return Some(format!("it has no local secondary index {INDEX}"));
    };
    if index.key_schema() != keys(table, place) {
        return Some(format!("its index {INDEX} is not sorted by {place}"));
    }
    let projection = index.projection.as_ref();
    let is_all = projection.and_then(|p| p.projection_type.as_ref()) == Some(&ProjectionType::All);
    let held: BTreeSet<&str> =
        projection.iter().flat_map(|p| p.non_key_attributes()).map(String::as_str).collect();
    let missing = PROJECTED.iter().find(|name| !is_all && !held.contains(*name));
    missing.map(|name| format!("its index {INDEX} does not hold {name}"))
}

// The builders below fail only if a required member is missing, and all are given.

fn attribute(name: &str) -> Option<AttributeDefinition> {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    attribute.attribute_type(ScalarAttributeType::S).build().ok()
}

fn keys(table: TableSchema, sort: &str) -> Vec<KeySchemaElement> {
    let key =
        |(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().ok();
    [(table.partition, KeyType::Hash), (sort, KeyType::Range)].into_iter().filter_map(key).collect()
}

fn index(table: TableSchema, place: &str) -> Vec<LocalSecondaryIndex> {
    let projected = PROJECTED.map(str::to_owned).to_vec();
    let projection = Projection::builder()
        .projection_type(ProjectionType::Include)
        .set_non_key_attributes(Some(projected))
        .build();
    let index = LocalSecondaryIndex::builder()
        .index_name(INDEX)
        .set_key_schema(Some(keys(table, place)))
        .projection(projection)
        .build();
    index.into_iter().collect()
}
