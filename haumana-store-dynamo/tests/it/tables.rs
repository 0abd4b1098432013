//! Making tables, and checking live ones.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
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
async fn tables_without_the_index_and_the_expiry_are_told_apart() {
    let tables = Tables::named();
    for (name, sort) in [("pieces", "pieceId"), ("sessions", "sk"), ("history", "sk")] {
        let partition = if name == "pieces" { "userId" } else { "pk" };
        plain_table(&tables, name, partition, sort).await;
    }

    check(&tables, "pieces: it has no local secondary index by-revision").await;
    drop_table(&tables, "pieces").await;
    drop_table(&tables, "sessions").await;
    tables.store().create_tables().await.unwrap();
    tables.store().check_tables().await.unwrap();
}

#[tokio::test]
async fn a_table_with_another_key_is_told() {
    let tables = Tables::named();
    plain_table(&tables, "pieces", "userId", "startedAt").await;

    check(&tables, r#"pieces: its key is ["userId", "startedAt"], not ["userId", "pieceId"]"#)
        .await;
}

async fn check(tables: &Tables, what: &str) {
    let error = tables.store().check_tables().await.unwrap_err();

    assert_eq!(ErrorKind::Unavailable, error.kind());
    assert_eq!(format!("{}{what}", tables.prefix()), error.source().unwrap().to_string());
}

async fn plain_table(tables: &Tables, name: &str, partition: &str, sort: &str) {
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let text = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let made = client(&tables.options())
        .create_table()
        .table_name(format!("{}{name}", tables.prefix()))
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text(partition))
        .attribute_definitions(text(sort))
        .key_schema(key(partition, KeyType::Hash))
        .key_schema(key(sort, KeyType::Range));
    made.send().await.unwrap();
}

async fn drop_table(tables: &Tables, name: &str) {
    let name = format!("{}{name}", tables.prefix());
    client(&tables.options()).delete_table().table_name(name).send().await.unwrap();
}
