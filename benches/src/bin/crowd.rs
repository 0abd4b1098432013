//! Measures a server with many users at once, and what they take on the disk.
//!
//! Usage: `crowd SERVER FOLDER sqlite|postgres [USERS] [PIECES]`, the release binary of the local server
//! and an empty folder. 10,000 users with 200 pieces each unless it is said otherwise; 64 clients, each
//! a connection that is kept open, as another user with each request.

use haumana_benches::postgres::Database;
use haumana_benches::process::{Server, agent, load_averages, percentiles, token};
use haumana_benches::{body, pieces};
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

const CLIENTS: usize = 64;
/// Requests of each client and each row.
const ROUNDS: usize = 100;
/// Clients that fill the server.
const FILLERS: usize = 8;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, folder, store, rest @ ..] = args.as_slice() else {
        return Err(Error::other("usage: crowd SERVER FOLDER sqlite|postgres [USERS] [PIECES]"));
    };
    let number = |at: usize, usual| match rest.get(at) {
        Some(text) => text.parse().map_err(Error::other),
        None => Ok(usual),
    };
    let (users, n_pieces): (usize, usize) = (number(0, 10_000)?, number(1, 200)?);
    let database = (store == "postgres").then(Database::open).transpose()?;
    let url = database.as_ref().map(Database::url);
    let running = Server::start_on(server, folder, url)?;
    let begun = Instant::now();
    let tokens = fill(&running.url, users, n_pieces)?;
    println!(
        "{users} users with {n_pieces} pieces each, filled in {} s",
        begun.elapsed().as_secs()
    );
    match url {
        Some(url) => print_sizes(url)?,
        None => {
            let bytes = std::fs::metadata(format!("{folder}/speed.db"))?.len();
            println!("the file: {:.2} GB", bytes as f64 / 1e9);
        }
    }
    println!("| {CLIENTS} clients at once | a second | median | p99 |\n|---|---|---|---|");
    let none = body(&[], Some("2030-01-01T00:00:00Z"));
    measure("no-op", &running.url, &tokens, |_| none.clone())?;
    measure("10 changed pieces pushed", &running.url, &tokens, |n| {
        let mut ten = pieces(10);
        for piece in &mut ten {
            piece["title"] = json!(format!("edit {n}"));
            piece["modifiedAt"] = json!("2026-11-23T12:00:00Z");
        }
        body(&ten, Some("2030-01-01T00:00:00Z"))
    })?;
    if let Some(url) = url {
        print_sizes(url)?;
    }
    println!("\nload averages now: {}", load_averages());
    Ok(())
}

fn post(agent: &ureq::Agent, url: &str, token: &str, body: &[u8]) -> Result<u16> {
    let sent = agent
        .post(&format!("{url}/pieces"))
        .header("authorization", &format!("Bearer {token}"))
        .header("content-type", "application/json")
        .send(body);
    let mut answer = sent.map_err(Error::other)?;
    answer.body_mut().read_to_vec().map_err(Error::other)?;
    Ok(answer.status().as_u16())
}

/// Signs everybody in and pushes their pieces.
fn fill(url: &str, users: usize, n_pieces: usize) -> Result<Vec<String>> {
    let pushed: Vec<Value> = pieces(n_pieces);
    let (next, pushed) = (AtomicUsize::new(0), &json!({"operation": "upload", "pieces": pushed}));
    let pushed = &pushed.to_string();
    let work = || -> Result<Vec<(usize, String)>> {
        let (agent, mut tokens) = (agent(), Vec::new());
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if users <= n {
                return Ok(tokens);
            }
            let token = token(url, &format!("user-{n}"))?;
            let status = post(&agent, url, &token, pushed.as_bytes())?;
            if status != 200 {
                return Err(Error::other(format!("filling: {status}")));
            }
            tokens.push((n, token));
        }
    };
    let mut tokens = thread::scope(|scope| {
        let fillers: Vec<_> = (0..FILLERS).map(|_| scope.spawn(work)).collect();
        let mut tokens = Vec::new();
        for filler in fillers {
            tokens.extend(filler.join().map_err(|_| Error::other("a client broke off"))??);
        }
        Ok::<_, Error>(tokens)
    })?;
    tokens.sort();
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}

/// All clients at once; each sends one request after the other.
fn measure(
    what: &str,
    url: &str,
    tokens: &[String],
    make: impl Fn(usize) -> Vec<u8> + Sync,
) -> Result<()> {
    let (make, begun) = (&make, Instant::now());
    let work = |client: usize| -> Result<Vec<Duration>> {
        let (agent, mut times) = (agent(), Vec::with_capacity(ROUNDS));
        for round in 0..ROUNDS {
            let n = round * CLIENTS + client;
            let (token, body) = (&tokens[n * 7919 % tokens.len()], make(n));
            let start = Instant::now();
            let status = post(&agent, url, token, &body)?;
            times.push(start.elapsed());
            if status != 200 {
                return Err(Error::other(format!("{what}: {status}")));
            }
        }
        Ok(times)
    };
    let times = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|at| scope.spawn(move || work(at))).collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.join().map_err(|_| Error::other("a client broke off"))??);
        }
        Ok::<_, Error>(times)
    })?;
    let a_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    let [median, p99] = percentiles(times, [50, 99]);
    println!("| {what} | {a_second:.0} | {median:.1} ms | {p99:.1} ms |");
    Ok(())
}

/// What the tables take.
fn print_sizes(url: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sizes = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        for table in ["heads", "records", "history"] {
            let sizes =
                "SELECT pg_table_size($1::text::regclass), pg_indexes_size($1::text::regclass)";
            let row = client.query_one(sizes, &[&format!("haumana.{table}")]).await?;
            let (rows, indexes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let [rows, indexes] = [rows, indexes].map(|bytes| bytes as f64 / 1e6);
            println!("{table}: {rows:.0} MB, its indexes {indexes:.0} MB");
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    runtime.block_on(sizes).map_err(Error::other)
}
