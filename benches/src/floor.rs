//! The raw floor: what the database alone needs for a no-op sync and for a push of ten pieces.
//!
//! The statements are those of the stores in what they read, write and wait for: one small row by its
//! key; ten records of 1 kB replaced, ten entries of the history, one head, durable at the end.

use crate::process::timed;
use rusqlite::{Connection, params};
use std::io::{Error, Result};
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

const RECORDS: i64 = 10;
const BYTES: usize = 1_000;

/// Prints the rows of SQLite, on a file in `folder`.
///
/// # Errors
///
/// If SQLite fails.
pub fn sqlite(folder: &str, rounds: usize) -> Result<()> {
    let fill = "
        PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE heads (user INTEGER PRIMARY KEY, revision INTEGER, rest BLOB);
        CREATE TABLE records (user INTEGER, id INTEGER, revision INTEGER, stamp INTEGER,
                              content TEXT, PRIMARY KEY (user, id)) WITHOUT ROWID;
        CREATE UNIQUE INDEX stream ON records (user, revision, id);
        CREATE INDEX stamps ON records (user, stamp, revision);
        CREATE TABLE history (user INTEGER, id INTEGER, version INTEGER, content TEXT,
                              PRIMARY KEY (user, id, version));
        INSERT INTO heads VALUES (1, 0, zeroblob(300));
        WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000)
        INSERT INTO records SELECT 1, id, 0, 0, printf('%.*c', 1000, 'a') FROM n;";
    let mut file = Connection::open(format!("{folder}/floor.db")).map_err(Error::other)?;
    // The first answers with a row.
    file.execute_batch(fill).map_err(Error::other)?;
    let read = timed(rounds, |_| {
        let start = Instant::now();
        let head = "SELECT revision, rest FROM heads WHERE user = 1";
        let head = file.prepare_cached(head).and_then(|mut head| {
            head.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
        });
        head.map_err(Error::other)?;
        Ok(start.elapsed())
    })?;
    let text = "b".repeat(BYTES);
    let write = timed(rounds, |n| write_sqlite(&mut file, n as i64, &text).map_err(Error::other))?;
    print(&read, &write);
    Ok(())
}

fn write_sqlite(file: &mut Connection, n: i64, text: &str) -> rusqlite::Result<Duration> {
    let start = Instant::now();
    let change = file.transaction()?;
    change.execute("UPDATE heads SET revision = ?1 WHERE user = 1", [n + 1])?;
    for id in 1..=RECORDS {
        change
            .prepare_cached(
                "INSERT INTO history
                 SELECT user, id, ?2, content FROM records WHERE user = 1 AND id = ?1",
            )?
            .execute([id, n])?;
        let put =
            "UPDATE records SET revision = ?2, stamp = ?2, content = ?3 WHERE user = 1 AND id = ?1";
        change.prepare_cached(put)?.execute(params![id, n + 1, text])?;
    }
    change.commit()?;
    Ok(start.elapsed())
}

/// Prints the rows of the PostgreSQL at `url`, in a schema of its own.
///
/// # Errors
///
/// If PostgreSQL fails.
pub fn postgres(url: &str, rounds: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let fill = "
        DROP SCHEMA IF EXISTS haumana_floor CASCADE;
        CREATE SCHEMA haumana_floor; SET search_path = haumana_floor;
        CREATE TABLE heads (subject TEXT PRIMARY KEY, revision BIGINT, rest BYTEA) WITH (fillfactor = 50);
        CREATE TABLE records (account BIGINT, id BIGINT, revision BIGINT, stamp BIGINT, content BYTEA,
                              PRIMARY KEY (account, id));
        CREATE INDEX stream ON records (account, revision, id);
        CREATE INDEX stamps ON records (account, stamp, revision);
        CREATE TABLE history (account BIGINT, id BIGINT, version BIGINT, content BYTEA,
                              PRIMARY KEY (account, id, version));
        INSERT INTO heads VALUES ('kai', 0, decode(repeat('00', 300), 'hex'));
        INSERT INTO records SELECT 1, n, 0, 0, decode(repeat('61', 1000), 'hex')
        FROM generate_series(1, 1000) n;";
    let write = "
        WITH head AS (UPDATE heads SET revision = $1 WHERE subject = 'kai' RETURNING revision),
        put_history AS (INSERT INTO history SELECT 1, id, $1, content FROM unnest($2::bigint[],
                        $3::bytea[]) AS a(id, content), head),
        put AS (INSERT INTO records SELECT 1, id, $1, $1, content FROM unnest($2::bigint[], $3::bytea[])
                AS a(id, content), head ON CONFLICT (account, id) DO UPDATE
                SET revision = excluded.revision, stamp = excluded.stamp, content = excluded.content)
        SELECT revision FROM head";
    let connect = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(fill).await?;
        let read = client.prepare("SELECT revision, rest FROM heads WHERE subject = $1").await?;
        let write = client.prepare(write).await?;
        Ok::<_, tokio_postgres::Error>((client, read, write))
    };
    let (client, read, write) = runtime.block_on(connect).map_err(Error::other)?;
    let read = timed(rounds, |_| {
        let start = Instant::now();
        let head = async { client.query_one(&read, &[&"kai"]).await };
        runtime.block_on(head).map_err(Error::other)?;
        Ok(start.elapsed())
    })?;
    let ids: Vec<i64> = (1..=RECORDS).collect();
    let contents: Vec<Vec<u8>> = ids.iter().map(|_| vec![b'b'; BYTES]).collect();
    let write = timed(rounds, |n| {
        let start = Instant::now();
        let revision = n as i64 + 1;
        let done = async { client.query_one(&write, &[&revision, &ids, &contents]).await };
        runtime.block_on(done).map_err(Error::other)?;
        Ok(start.elapsed())
    })?;
    print(&read, &write);
    Ok(())
}

fn print(read: &str, write: &str) {
    println!("| floor: the head read by its key | {read} |");
    println!("| floor: ten records of 1 kB, their history and the head written | {write} |");
}
