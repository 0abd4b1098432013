//! Measures a running server as a phone would meet it, and prints the tables of docs/benchmarks.md.
//!
//! Usage: `speed SERVER FOLDER [postgres]`, the release binary of the local server and an empty folder for
//! its database. Client and server are two processes on loopback. With `postgres` the data is in a
//! PostgreSQL that is started for it and waits for the disk, or that `HAUMANA_URL` names.
//!
//! Behind the table stands the raw floor: the statements of a no-op sync and of a push of ten, sent
//! by this process without server and engine.

use haumana_api::SystemClock;
use haumana_benches::floor;
use haumana_benches::postgres::Database;
use haumana_benches::process::{Server, timed, token};
use haumana_benches::{apply, body, pieces};
use haumana_sync::engine::Clock;
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::time::{Duration, Instant};

/// How often the quick calls are repeated.
const ROUNDS: usize = 200;
/// How often the slow calls are repeated.
const SLOW_ROUNDS: usize = 9;
/// How many pieces one request of the preparation holds.
const CHUNK: usize = 10_000;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(server), Some(folder)) = (args.next(), args.next()) else {
        return Err(Error::other("usage: speed SERVER FOLDER [postgres]"));
    };
    let database = args.next().filter(|store| store == "postgres").map(|_| Database::open());
    let database = database.transpose()?;
    let url = database.as_ref().map(Database::url);
    let running = Server::start_on(&server, &folder, url)?;
    measure(&running.url)?;
    match url {
        Some(url) => floor::postgres(url, ROUNDS),
        None => floor::sqlite(&folder, ROUNDS),
    }
}

/// One user's phone.
struct Phone {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Phone {
    fn sign_in(url: &str, sub: &str) -> Result<Self> {
        let agent = ureq::Agent::new_with_defaults();
        let token = format!("Bearer {}", token(url, sub)?);
        Ok(Self { agent, url: url.to_owned(), token })
    }

    fn post(&self, body: &[u8]) -> Result<Vec<u8>> {
        self.agent
            .post(&format!("{}/pieces", self.url))
            .header("authorization", &self.token)
            .header("content-type", "application/json")
            .send(body)
            .map_err(Error::other)?
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_vec()
            .map_err(Error::other)
    }

    /// Pushes `count` new pieces, and returns them as the phone then holds them.
    fn fill(&self, count: usize) -> Result<Vec<Value>> {
        let mut held = Vec::new();
        for chunk in pieces(count).chunks(CHUNK) {
            let mut chunk = chunk.to_vec();
            let body = json!({"operation": "upload", "pieces": chunk}).to_string();
            apply(&mut chunk, &self.post(body.as_bytes())?);
            held.extend(chunk);
        }
        Ok(held)
    }
}

/// The time that a phone has as `lastSyncedAt` when it synced a moment ago. What was filled in
/// before is stamped earlier.
fn synced_just_now() -> String {
    std::thread::sleep(Duration::from_secs(4));
    UnixMillis::from_secs(SystemClock.now().secs()).to_string()
}

fn post_timed(phone: &Phone, body: &[u8]) -> Result<Duration> {
    let start = Instant::now();
    phone.post(body)?;
    Ok(start.elapsed())
}

fn measure(url: &str) -> Result<()> {
    println!("| what | median | p99 |\n|---|---|---|");
    for count in [1_000, 10_000, 100_000] {
        measure_repertoire(url, count)?;
    }
    for count in [1_000, 10_000] {
        measure_whole(url, count)?;
    }
    Ok(())
}

/// Syncs of a phone whose repertoire is on the server already.
fn measure_repertoire(url: &str, count: usize) -> Result<()> {
    let phone = Phone::sign_in(url, &format!("repertoire-{count}"))?;
    let held = phone.fill(count)?;
    let last = synced_just_now();
    let empty = body(&[], Some(&last));
    let row = timed(ROUNDS, |_| post_timed(&phone, &empty))?;
    println!("| no-op, empty list, of {count} | {row} |");
    if count <= 10_000 {
        let all = body(&held, Some(&last));
        let megabytes = all.len() as f64 / 1e6;
        let row = timed(ROUNDS.min(400_000 / count), |_| post_timed(&phone, &all))?;
        println!("| no-op, all {count} pieces ({megabytes:.1} MB) | {row} |");
    }
    let mut ten = held[..10].to_vec();
    let row = timed(ROUNDS, |n| {
        for piece in &mut ten {
            piece["title"] = json!(format!("edit {n}"));
            piece["locallyModified"] = json!(true);
            piece["modifiedAt"] = json!(format!("2026-11-23T{:02}:{:02}:00Z", n / 60, n % 60));
        }
        let sent = body(&ten, Some(&last));
        let start = Instant::now();
        let reply = phone.post(&sent)?;
        let took = start.elapsed();
        apply(&mut ten, &reply);
        Ok(took)
    })?;
    println!("| 10 changed pieces pushed, of {count} | {row} |");
    let row = timed(ROUNDS, |_| post_timed(&phone, &empty))?;
    println!("| 10 changed pieces pulled, of {count} | {row} |");
    Ok(())
}

/// A repertoire pushed at once, and pulled at once.
fn measure_whole(url: &str, count: usize) -> Result<()> {
    let new = body(&pieces(count), None);
    let rounds = if count == 1_000 { ROUNDS / 10 } else { SLOW_ROUNDS };
    let row = timed(rounds, |n| {
        let phone = Phone::sign_in(url, &format!("whole-{count}-{n}"))?;
        phone.post(&body(&[], None))?;
        post_timed(&phone, &new)
    })?;
    println!("| {count} pieces of about 1 kB pushed | {row} |");
    let phone = Phone::sign_in(url, &format!("whole-{count}-0"))?;
    let row = timed(rounds, |_| post_timed(&phone, &body(&[], None)))?;
    println!("| {count} pieces of about 1 kB pulled | {row} |");
    Ok(())
}
