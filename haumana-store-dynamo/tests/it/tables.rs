//! Making tables, and checking live ones.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType,
};
use haumana_store_dynamo::testing::{Tables, client};
use haumana_sync::store::ErrorKind;
use std::error::Error as _;

#[tokio::test]
async fn tables_that_were_made_pass_the_check_and_are_made_once() {
    let tables = Tables::create().await;
    let store = tables.store();

    store.create_tables().await.unwrap();

    store.check_tables().await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_missing_is_named() {
    let tables = Tables::named();

    check(&tables, "pieces: it does not exist").await;
}

#[tokio::test]
async fn a_table_without_the_index_is_told() {
    let tables = Tables::named();
    Made::new("pieces", ["userId", "pieceId"]).create(&tables).await;

    check(&tables, "pieces: it has no local secondary index by-revision").await;
}

#[tokio::test]
async fn an_index_with_another_order_or_without_an_attribute_is_told() {
    let pieces = Made::new("pieces", ["userId", "pieceId"]);
    let cases = [
        (pieces.with_index("title", &["_k", "_d", "_s", "_h", "_t"]), "is not sorted by _p"),
        (pieces.with_index("_p", &["_k", "_d", "_s", "_t", "title"]), "does not hold _h"),
    ];
    for (made, what) in cases {
        let tables = Tables::named();
        made.create(&tables).await;

        check(&tables, &format!("pieces: its index by-revision {what}")).await;
    }
}

#[tokio::test]
async fn a_history_that_never_expires_is_told() {
    let tables = Tables::named();
    Made::new("history", ["pk", "sk"]).create(&tables).await;
    for (name, keys) in [("pieces", ["userId", "pieceId"]), ("sessions", ["pk", "sk"])] {
        let made = Made::new(name, keys).with_index("_p", &["_k", "_d", "_s", "_h", "_t"]);
        made.create(&tables).await;
    }

    check(&tables, "history: its items do not expire by _expires").await;

    tables.store().create_tables().await.unwrap();
    tables.store().check_tables().await.unwrap();
}

#[tokio::test]
async fn a_table_with_another_key_is_told() {
    let tables = Tables::named();
    Made::new("pieces", ["userId", "startedAt"]).create(&tables).await;

    check(&tables, r#"pieces: its key is ["userId", "startedAt"], not ["userId", "pieceId"]"#)
        .await;
}

async fn check(tables: &Tables, what: &str) {
    let error = tables.store().check_tables().await.unwrap_err();

    assert_eq!(ErrorKind::Unavailable, error.kind());
    assert_eq!(format!("{}{what}", tables.prefix()), error.source().unwrap().to_string());
}

/// A table made by somebody else.
#[derive(Clone, Copy)]
struct Made<'a> {
    name: &'a str,
    keys: [&'a str; 2],
    index: Option<(&'a str, &'a [&'a str])>,
}

impl<'a> Made<'a> {
    fn new(name: &'a str, keys: [&'a str; 2]) -> Self {
        Self { name, keys, index: None }
    }

    fn with_index(self, sort: &'a str, held: &'a [&'a str]) -> Self {
        Self { index: Some((sort, held)), ..self }
    }

    async fn create(self, tables: &Tables) {
        let [partition, sort] = self.keys;
        let mut made = client(&tables.options())
            .create_table()
            .table_name(format!("{}{}", tables.prefix(), self.name))
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(text(partition))
            .attribute_definitions(text(sort))
            .set_key_schema(Some(keys(partition, sort)));
        if let Some((place, held)) = self.index {
            let held = held.iter().map(|name| (*name).to_owned()).collect();
            let projection = Projection::builder()
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(held));
            let index = LocalSecondaryIndex::builder()
                .index_name("by-revision")
                .set_key_schema(Some(keys(partition, place)))
                .projection(projection.build());
            made = made
                .attribute_definitions(text(place))
                .local_secondary_indexes(index.build().unwrap());
        }
        made.send().await.unwrap();
    }
}

fn keys(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    vec![key(partition, KeyType::Hash), key(sort, KeyType::Range)]
}

fn text(name: &str) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
}
