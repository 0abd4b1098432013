//! The least that any server of this kind does: the same HTTP, the same JSON parsed, the same bytes
//! written to SQLite in one durable transaction, and read from it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use rusqlite::{Connection, params};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::path::Path;
use std::sync::{Arc, Mutex};

type Shared = Arc<Mutex<Connection>>;

/// A server with `POST /up` and `POST /down`; it lives as long as the program.
#[derive(Debug)]
pub struct Floor {
    /// Where it listens.
    pub url: String,
}

impl Floor {
    /// Starts it on a free port, with a database in `folder`, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// If the database or the port cannot be had.
    pub async fn start(folder: &Path) -> Result<Self> {
        let connection = Connection::open(folder.join("floor.db")).map_err(Error::other)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE record (id TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;",
            )
            .map_err(Error::other)?;
        let router = Router::new()
            .route("/up", post(up))
            .route("/down", post(down))
            .layer(DefaultBodyLimit::max(1 << 30))
            .with_state(Arc::new(Mutex::new(connection)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url })
    }
}

/// Parses the pieces of a body, each with its fields, and writes them in one transaction.
async fn up(State(shared): State<Shared>, body: Bytes) -> std::result::Result<String, StatusCode> {
    let written = tokio::task::spawn_blocking(move || write(&shared, &body)).await;
    let written = written.ok().flatten().ok_or(StatusCode::BAD_REQUEST)?;
    Ok(format!(r#"{{"written":{written}}}"#))
}

fn write(shared: &Shared, body: &[u8]) -> Option<usize> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        pieces: Vec<&'a RawValue>,
    }
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    let mut connection = shared.lock().ok()?;
    let transaction = connection.transaction().ok()?;
    {
        let sql = "INSERT OR REPLACE INTO record (id, content) VALUES (?1, ?2)";
        let mut insert = transaction.prepare_cached(sql).ok()?;
        for piece in &body.pieces {
            let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(piece.get()).ok()?;
            insert.execute(params![fields.get("pieceId")?.get(), piece.get()]).ok()?;
        }
    }
    transaction.commit().ok()?;
    Some(body.pieces.len())
}

/// Sends every record, as it is stored.
async fn down(State(shared): State<Shared>) -> std::result::Result<String, StatusCode> {
    let read = tokio::task::spawn_blocking(move || read(&shared)).await;
    read.ok().flatten().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn read(shared: &Shared) -> Option<String> {
    let connection = shared.lock().ok()?;
    let mut select = connection.prepare_cached("SELECT content FROM record ORDER BY id").ok()?;
    let mut rows = select.query([]).ok()?;
    let mut reply = String::from("[");
    while let Some(row) = rows.next().ok()? {
        if 1 < reply.len() {
            reply.push(',');
        }
        reply.push_str(row.get_ref(0).ok()?.as_str().ok()?);
    }
    reply.push(']');
    Some(reply)
}
