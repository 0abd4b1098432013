//! How the server finds what it is asked for.

use crate::support::{connect, open};
use haumana_sync::Store;
use haumana_sync::conformance::sample::{Author, piece, record, user};
use tokio_postgres::Client;

async fn plan(client: &Client, statement: &str) -> String {
    let rows =
        client.simple_query(&format!("EXPLAIN (ANALYZE, BUFFERS) {statement}")).await.unwrap();
    let line = |message: &tokio_postgres::SimpleQueryMessage| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    rows.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_head_is_read_by_its_primary_key_however_many_records_there_are() {
    let server = server_or_skip!();
    let options = server.empty();
    let (store, schema) = (open(&options).await, &options.schema);
    for name in 0..200 {
        Author::new(&store, &format!("user {name}")).put(vec![record(piece(1), 1, "Hula")]).await;
    }
    let records = (0..5_000).map(|number| record(piece(number), 1, "Hula")).collect();
    Author::new(&store, "kai").put_many(records).await;
    let client = connect(server).await;
    client
        .batch_execute(&format!("ANALYZE {schema}.heads; ANALYZE {schema}.records"))
        .await
        .unwrap();

    let head = plan(&client, &format!("SELECT * FROM {schema}.heads WHERE subject = 'kai'")).await;
    let page = plan(
        &client,
        &format!(
            "SELECT kind, id FROM {schema}.records
             WHERE account = 201 AND (revision, kind, id) > (0, -1, '{}')
             ORDER BY revision, kind, id LIMIT 10",
            uuid::Uuid::nil()
        ),
    )
    .await;

    assert!(head.contains("Index Scan using heads_pkey"), "{head}");
    assert!(page.contains("using stream"), "{page}");
    assert!(!page.contains("Sort"), "nothing is sorted: {page}");
    assert!(store.head(&user("kai")).await.unwrap().is_some());
}
