//! What it costs a cluster that commits tell other servers of themselves.
//!
//! `HAUMANA_TELLING_SECS=5 cargo test --release -p haumana-store-postgres --test it telling --
//! --nocapture` prints the table of docs/benchmarks.md: how many commits are done in a second where
//! nobody is told, where the commit notifies, and where a statement behind it does, as the store does.

use crate::support::connect_to;
use haumana_store_postgres::testing::durable;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, NoTls};

/// Clients, each of which is a connection and a user: few in tests, many where it is measured.
const CLIENTS: [i32; 2] = [4, 64];
/// How often each row is measured; the one with the most commits counts, beside which least else was
/// at work.
const ROUNDS: usize = 3;

const TABLES: &str = "
    CREATE TABLE heads (account INTEGER PRIMARY KEY, revision BIGINT, rest BYTEA)
        WITH (fillfactor = 50);
    CREATE TABLE records (account INTEGER, id BIGINT, revision BIGINT, content BYTEA,
        PRIMARY KEY (account, id));
    CREATE INDEX stream ON records (account, revision, id);
    INSERT INTO heads SELECT n, 0, repeat('x', 300)::bytea FROM generate_series(0, 63) n";

/// A head replaced and a record of 1 kB written, as a commit does.
const WRITE: &str = "
    WITH head AS (
        UPDATE heads SET revision = revision + 1 WHERE account = $1 RETURNING account, revision
    ), put AS (
        INSERT INTO records
        SELECT account, revision % 200, revision, repeat('b', 1000)::bytea FROM head
        ON CONFLICT (account, id) DO UPDATE
        SET revision = excluded.revision, content = excluded.content
    )";

/// A topic and a revision; no two are alike, or PostgreSQL would make one of those of a transaction.
const NOTIFY: &str = "pg_notify('told', '0123456789abcdef0123456789abcdef ' || revision)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nobody,
    WithTheCommit,
    BehindIt,
}

const ALL: [(Told, &str); 3] = [
    (Told::Nobody, "nobody is told"),
    (Told::WithTheCommit, "the commit notifies"),
    (Told::BehindIt, "a statement behind it notifies"),
];

/// Commits until the time is over; returns how long each took.
async fn commits(client: &Client, account: i32, time: Duration, told: Told) -> Vec<Duration> {
    let write = match told {
        Told::WithTheCommit => format!("{WRITE} SELECT account, {NOTIFY} FROM head"),
        Told::Nobody | Told::BehindIt => format!("{WRITE} SELECT account FROM head"),
    };
    let write = client.prepare(&write).await.unwrap();
    let tell = format!("SELECT {NOTIFY} FROM heads WHERE account = $1");
    let tell = client.prepare(&tell).await.unwrap();
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let asked = Instant::now();
        match told {
            Told::Nobody | Told::WithTheCommit => {
                client.query(&write, &[&account]).await.unwrap();
            }
            Told::BehindIt => {
                let about: [&(dyn ToSql + Sync); 1] = [&account];
                let sent =
                    tokio::try_join!(client.query(&write, &about), client.query(&tell, &about));
                sent.unwrap();
            }
        }
        times.push(asked.elapsed());
    }
    times
}

/// What is heard over a connection, counted.
async fn listen(url: &str) -> (Client, Arc<AtomicUsize>) {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = heard.clone();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            let is_told = matches!(message, AsyncMessage::Notification(_));
            counted.fetch_add(usize::from(is_told), Ordering::SeqCst);
        }
    });
    client.batch_execute("LISTEN told").await.unwrap();
    (client, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_commit_is_told_of_in_its_statement_or_behind_it() {
    server_or_skip!();
    // One that waits for the disk: that is what is measured.
    let Some(server) = durable() else { return };
    let secs = std::env::var("HAUMANA_TELLING_SECS").ok().and_then(|secs| secs.parse().ok());
    let time = secs.map_or(Duration::from_millis(200), Duration::from_secs_f64);
    let clients = CLIENTS[usize::from(secs.is_some())];
    connect_to(server.url()).await.batch_execute(TABLES).await.unwrap();
    let (_listener, heard) = listen(server.url()).await;
    let mut best = ALL.map(|_| Vec::new());

    for _ in 0..if secs.is_some() { ROUNDS } else { 1 } {
        for ((told, what), best) in ALL.into_iter().zip(&mut best) {
            heard.store(0, Ordering::SeqCst);
            let mut running = JoinSet::new();
            for account in 0..clients {
                let client = connect_to(server.url()).await;
                running.spawn(async move { commits(&client, account, time, told).await });
            }
            let times: Vec<_> = running.join_all().await.into_iter().flatten().collect();
            let due = if told == Told::Nobody { 0 } else { times.len() };
            let all_heard = async {
                while heard.load(Ordering::SeqCst) < due {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let in_time = tokio::time::timeout(Duration::from_secs(60), all_heard).await;
            let n_heard = heard.load(Ordering::SeqCst);
            assert!(in_time.is_ok() && n_heard == due, "{what}: {n_heard} of {due} are heard");
            if best.len() < times.len() {
                *best = times;
            }
        }
    }

    println!("| {clients} clients | commits a second | p50 | p99 |\n|---|---|---|---|");
    for ((_, what), mut times) in ALL.into_iter().zip(best) {
        times.sort_unstable();
        let ms = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
        let rate = times.len() as f64 / time.as_secs_f64();
        println!("| {what} | {rate:.0} | {:.2} ms | {:.2} ms |", ms(50), ms(99));
    }
}
