//! Many users at once in a closed loop: how many requests a second, how long they take, what memory
//! connected users need, and how far a large sync is from the floor. Prints tables of docs/benchmarks.md.
//!
//! Usage: `load SERVER FOLDER [USERS] [SECONDS]`, the release binary of the local server, an empty
//! folder for its databases, how many users, and how long each row is measured. Client and server
//! share the machine.

use haumana_benches::load::{Ask, Client, Floor, closed_loop};
use haumana_benches::process::{Server, load_averages, percentiles, token};
use haumana_benches::{body, piece, pieces};
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that are only held.
const IDLE: usize = 5_000;
/// Users that each sync and push once, for the memory of an active user.
const ACTIVE: usize = 1_000;
/// How often a large sync is repeated.
const ROUNDS: usize = 30;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(program), Some(folder)) = (args.next(), args.next()) else {
        return Err(Error::other("usage: load SERVER FOLDER [USERS] [SECONDS]"));
    };
    let users = args.next().and_then(|users| users.parse().ok()).unwrap_or(64);
    let secs = args.next().and_then(|secs| secs.parse().ok()).unwrap_or(5);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().worker_threads(1).build()?;
    runtime.block_on(measure(&program, Path::new(&folder), users, Duration::from_secs(secs)))
}

async fn measure(program: &str, folder: &Path, users: usize, time: Duration) -> Result<()> {
    let server = Server::start(program, &folder.to_string_lossy())?;
    println!("| {users} users | a second | p50 | p99 | p99.9 |\n|---|---|---|---|---|");
    let tokens = tokens(&server, "loop", users)?;
    let mut clients = connect(&server.url, &tokens).await?;
    for client in &mut clients {
        client.post("/sync", no_op().as_bytes()).await?;
    }
    let ask: Ask = Arc::new(|_, _| ("/sync", no_op().into_bytes()));
    println!("{}", closed_loop(&mut clients, time, ask).await?.row("sync without changes"));
    let ask: Ask = Arc::new(|user, n| ("/sync", push(user, n).into_bytes()));
    println!("{}", closed_loop(&mut clients, time, ask).await?.row("1 new piece of 1 kB pushed"));
    drop(clients);
    memory(&server).await?;
    floors(&server, folder).await
}

fn no_op() -> String {
    json!({ "deviceId": "load", "cursor": null, "limit": 1, "push": [] }).to_string()
}

/// One new piece.
fn push(user: usize, n: usize) -> String {
    let id = format!("{user:08X}-0000-4000-8000-{n:012X}");
    let set = json!({ "title": "Aloha ʻOe", "lyrics": "Haʻaheo ka ua i nā pali. ".repeat(40) });
    let push = json!({ "kind": "piece", "id": id, "base": null, "set": set });
    json!({ "deviceId": "load", "cursor": null, "limit": 1, "push": [push] }).to_string()
}

fn tokens(server: &Server, name: &str, count: usize) -> Result<Vec<String>> {
    (0..count).map(|user| token(&server.url, &format!("{name}-{user}"))).collect()
}

async fn connect(url: &str, tokens: &[String]) -> Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(tokens.len());
    for token in tokens {
        clients.push(Client::connect(url, token).await?);
    }
    Ok(clients)
}

/// What one more connection costs, and one more user who syncs.
async fn memory(server: &Server) -> Result<()> {
    let tokens = tokens(server, "idle", 1)?;
    let before = server.resident_kilobytes();
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let mut client = Client::connect(&server.url, &tokens[0]).await?;
        client.post("/sync", no_op().as_bytes()).await?;
        idle.push(client);
    }
    let per_connection = per(before, server.resident_kilobytes(), IDLE);
    drop(idle);
    let active = self::tokens(server, "active", ACTIVE)?;
    let before = server.resident_kilobytes();
    let mut clients = connect(&server.url, &active).await?;
    for (user, client) in clients.iter_mut().enumerate() {
        client.post("/sync", push(user, 0).as_bytes()).await?;
    }
    let per_user = per(before, server.resident_kilobytes(), ACTIVE);
    println!("\n| memory | |\n|---|---|");
    println!("| a connection that has synced and is idle, of {IDLE} | {per_connection:.1} kB |");
    println!("| a user that is connected and has pushed, of {ACTIVE} | {per_user:.1} kB |");
    Ok(())
}

fn per(before: u64, after: u64, count: usize) -> f64 {
    after.saturating_sub(before) as f64 / count as f64
}

/// A whole repertoire up and down, beside the least that a server could do for it.
async fn floors(server: &Server, folder: &Path) -> Result<()> {
    println!("\n| 1,000 pieces of 1 kB | ours | floor | times |\n|---|---|---|---|");
    let floor = Floor::start(folder).await?;
    let new = body(&pieces(1_000), None);
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    let mut last = None;
    for n in 0..ROUNDS {
        let token = token(&server.url, &format!("whole-{n}"))?;
        let mut client = Client::connect(&server.url, &token).await?;
        client.post("/pieces", &body(&[], None)).await?;
        ours.push(timed(&mut client, "/pieces", &new).await?);
        let mut client = Client::connect(&floor.url, "").await?;
        // New ones each time, as ours are.
        let fresh: Vec<Value> = (n * 1_000..(n + 1) * 1_000).map(piece).collect();
        least.push(timed(&mut client, "/up", &body(&fresh, None)).await?);
        last = Some(token);
    }
    row("up", ours, least);
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    let mut client = Client::connect(&server.url, &last.unwrap_or_default()).await?;
    let small = tempfile::tempdir()?;
    let floor = Floor::start(small.path()).await?;
    let mut other = Client::connect(&floor.url, "").await?;
    other.post("/up", &new).await?;
    for _ in 0..ROUNDS {
        ours.push(timed(&mut client, "/pieces", &body(&[], None)).await?);
        least.push(timed(&mut other, "/down", b"{}").await?);
    }
    row("down", ours, least);
    println!("\nload averages now: {}", load_averages());
    Ok(())
}

async fn timed(client: &mut Client, path: &str, body: &[u8]) -> Result<Duration> {
    let asked = Instant::now();
    client.post(path, body).await?;
    Ok(asked.elapsed())
}

fn row(what: &str, ours: Vec<Duration>, floor: Vec<Duration>) {
    let [ours, floor] = [ours, floor].map(|times| {
        let [median] = percentiles(times, [50]);
        median
    });
    println!("| {what} | {ours:.2} ms | {floor:.2} ms | {:.1} |", ours / floor);
}
