//! Where erased content may still be, and where not.

use crate::support::{connect, open};
use haumana_sync::Store;
use haumana_sync::conformance::sample::{Author, entry, piece, record, user};
use haumana_sync::store::HistoryEntry;
use std::path::Path;

/// Not to be compressed, and nowhere else.
const SECRET: &str = "kaulana-na-pua-73a1c9";

#[tokio::test]
async fn erased_content_is_out_of_the_files_of_the_tables_once_they_are_rewritten() {
    let server = server_or_skip!();
    let Some(data) = server.data() else { return };
    let options = server.empty();
    let (store, client) = (open(&options).await, connect(server).await);
    let old =
        HistoryEntry { content: format!(r#"{{"t":"{SECRET}"}}"#), ..entry(piece(1), 1, 0, 5) };
    Author::new(&store, "kai").put_with_history(vec![record(piece(1), 1, SECRET)], vec![old]).await;
    client.batch_execute("CHECKPOINT").await.unwrap();
    assert_eq!(2, files_with_secret(&data.join("base")), "records and history hold it");

    store.erase(&user("kai")).await.unwrap();
    let vacuum = |table: &str| format!("VACUUM FULL {}.{table}", options.schema);
    client.batch_execute(&vacuum("records")).await.unwrap();
    client.batch_execute(&vacuum("history")).await.unwrap();
    client.batch_execute("CHECKPOINT").await.unwrap();

    assert_eq!(0, files_with_secret(&data.join("base")), "no file of a table holds it");
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
