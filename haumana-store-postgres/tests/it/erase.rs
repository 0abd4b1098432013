//! Where erased content may still be, and where not.

use crate::support::{connect, connect_to, open};
use haumana_store_postgres::PostgresOptions;
use haumana_sync::Store;
use haumana_sync::conformance::sample::{Author, entry, piece, record, user};
use haumana_sync::store::HistoryEntry;
use std::path::Path;
use tokio_postgres::Client;

/// Not to be compressed, and nowhere else.
const SECRET: &str = "kaulana-na-pua-73a1c9";

#[tokio::test]
async fn erased_content_is_out_of_the_files_of_the_tables_once_they_are_rewritten() {
    let server = server_or_skip!();
    let Some(data) = server.data() else { return };
    // A database of its own: no transaction of another test may keep the rows.
    let options = database_of_its_own(server.empty(), &connect(server).await).await;
    let (store, client) = (open(&options).await, connect_to(&options.url).await);
    let old =
        HistoryEntry { content: format!(r#"{{"t":"{SECRET}"}}"#), ..entry(piece(1), 1, 0, 5) };
    Author::new(&store, "kai").put_with_history(vec![record(piece(1), 1, SECRET)], vec![old]).await;
    client.batch_execute("CHECKPOINT").await.unwrap();
    assert_eq!(2, files_with_secret(&data.join("base")), "records and history hold it");
    let reader = connect_to(&options.url).await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();

    store.erase(&user("kai")).await.unwrap();
    rewrite(&client, &options.schema).await;

    let kept = "for the transaction that began before";
    assert_eq!(2, files_with_secret(&data.join("base")), "{kept}");
    reader.batch_execute("COMMIT").await.unwrap();
    rewrite(&client, &options.schema).await;
    assert_eq!(0, files_with_secret(&data.join("base")), "no file of a table holds it");
}

/// Makes a database beside the one of the options, and returns options for the same schema in it.
async fn database_of_its_own(options: PostgresOptions, client: &Client) -> PostgresOptions {
    let name = format!("own_{}", options.schema);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let (server, _) = options.url.rsplit_once('/').unwrap();
    PostgresOptions { url: format!("{server}/{name}"), ..options }
}

/// Rewrites the tables that hold content, and writes everything to the files.
async fn rewrite(client: &Client, schema: &str) {
    for table in ["records", "history"] {
        client.batch_execute(&format!("VACUUM FULL {schema}.{table}")).await.unwrap();
    }
    client.batch_execute("CHECKPOINT").await.unwrap();
}

fn files_with_secret(folder: &Path) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found += files_with_secret(&path);
        } else {
            // A file that the server has just deleted holds nothing.
            let bytes = std::fs::read(&path).unwrap_or_default();
            let has = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            found += usize::from(has);
        }
    }
    found
}
