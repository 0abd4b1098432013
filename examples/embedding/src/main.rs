//! Runs the service on 127.0.0.1:8788 with `./embedding.db` and two members.

use embedding::{KEY_HEADER, Member, Members, service};
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = SqliteOptions {
        path: "embedding.db".into(),
        readers: 2,
        busy_timeout: Duration::from_secs(5),
        max_bytes: None,
    };
    let store = SqliteStore::open(&options)?;
    // A backup that was put back begins a new life, and devices notice.
    let generation = store.life().generation;
    let store = Arc::new(store);
    // A real service has these in its database, with keys that nobody can guess.
    let mut members = Members::default();
    members.add("key-of-kai", Member { number: 1, name: "Kai".into() });
    members.add("key-of-uka", Member { number: 2, name: "Uka".into() });

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8788").await?;
    println!("curl http://127.0.0.1:8788/me -H '{KEY_HEADER}: key-of-kai'");
    println!(
        "curl http://127.0.0.1:8788/sync-api/pieces -H '{KEY_HEADER}: key-of-kai' \
         -H 'content-type: application/json' -d '{{}}'"
    );
    Ok(axum::serve(listener, service(members, store, generation)).await?)
}
