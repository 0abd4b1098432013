//! Measures how soon an edit reaches another device, and what a connected device costs: the table of
//! docs/limits.md.
//!
//! Usage: `live SERVER FOLDER [CONNECTED ...]`, the release binary of the local server, an empty folder
//! for its databases, and how many devices are connected, 1,000 and 15,000 if nobody says. All run on
//! loopback. Devices that are only connected are held by processes of their own, since a process has a
//! limit of descriptors.

use haumana_benches::process::{Server, percentiles, token};
use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::{Encoding, HttpConfig, HttpTransport, TokenSource};
use haumana_replica::{Event, Following, Replica, ReplicaConfig, SystemClock, SystemRandom};
use haumana_sync::id::UserId;
use haumana_sync::record::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

/// How many devices one process holds.
const HELD: usize = 5_000;
/// How many of them are of one account.
const OF_ACCOUNT: usize = 5;
/// How many connect at the same time.
const AT_ONCE: usize = 64;
/// How many edits are made, after some that do not count.
const EDITS: usize = 2_000;
const WARM_UP: usize = 100;
/// How long nobody edits between two edits.
const PAUSE: Duration = Duration::from_millis(2);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match words[..] {
        ["hold", url, first, count] => {
            let number = |text: &str| text.parse().map_err(Error::other);
            runtime.block_on(hold(url, number(first)?, number(count)?))
        }
        [program, folder, ref counts @ ..] => {
            let counts = if counts.is_empty() { &["1000", "15000"] } else { counts };
            println!("| connected | p50 | p99 | from before the push: p50 | p99 | kB each |");
            println!("|---|---|---|---|---|---|");
            for count in counts {
                let count = count.parse().map_err(Error::other)?;
                let folder = format!("{folder}/{count}");
                std::fs::create_dir_all(&folder)?;
                runtime.block_on(row(program, &folder, count))?;
            }
            Ok(())
        }
        _ => Err(Error::other("usage: live SERVER FOLDER [CONNECTED ...]")),
    }
}

/// Measures beside so many connected devices, and prints a line.
async fn row(program: &str, folder: &str, count: usize) -> Result<()> {
    let server = Server::start(program, folder)?;
    let mut pair = Pair::of(&server.url).await?;
    pair.measure(WARM_UP).await?;
    let before = server.resident_kilobytes();
    let holders: Vec<Holder> = (0..count)
        .step_by(HELD)
        .map(|first| Holder::start(&server.url, first, HELD.min(count - first)))
        .collect::<Result<_>>()?;
    // What was allocated to open the connections is given back.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let each = server.resident_kilobytes().saturating_sub(before) as f64 / count.max(1) as f64;
    let (after, whole) = pair.measure(EDITS).await?;
    let [[p50, p99], [whole_50, whole_99]] = [after, whole].map(|all| percentiles(all, [50, 99]));
    println!(
        "| {count} | {p50:.2} ms | {p99:.2} ms | {whole_50:.2} ms | {whole_99:.2} ms | {each:.1} |"
    );
    drop(holders);
    Ok(())
}

/// Has one token.
#[derive(Debug)]
struct OneToken(String);

#[async_trait::async_trait]
impl TokenSource for OneToken {
    async fn token(&self, _: &UserId) -> Option<String> {
        Some(self.0.clone())
    }
}

/// Two replicas of one account, one of which follows the other.
struct Pair {
    writer: Replica,
    transport: HttpTransport,
    arrived: UnboundedReceiver<Instant>,
}

async fn replica(account: &UserId) -> Result<Replica> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = ReplicaConfig::usual();
    let opened = Replica::open(MemoryStorage::new(), clock, random, config).await;
    let replica = opened.map_err(Error::other)?;
    replica.sign_in(account.clone()).await.map_err(Error::other)?;
    Ok(replica)
}

impl Pair {
    async fn of(url: &str) -> Result<Self> {
        let name = "measured";
        let token = token(url, name)?;
        let account = UserId::verified_by_caller(name).ok_or_else(|| Error::other("a name"))?;
        let transport = || {
            let mut config = HttpConfig::usual(url);
            config.encoding = Encoding::Identity;
            HttpTransport::new(config, Arc::new(OneToken(token.clone()))).map_err(Error::other)
        };
        let (writer, follower) = (replica(&account).await?, Arc::new(replica(&account).await?));
        let (sender, arrived) = unbounded_channel();
        let (mut changes, following) = (follower.changes(), follower.clone());
        let carries = transport()?;
        tokio::spawn(async move { following.follow(&carries).await });
        let mut status = follower.watch();
        let live = status.wait_for(|status| status.following == Following::Live).await;
        live.map_err(Error::other)?;
        tokio::spawn(async move {
            while let Some(event) = changes.next().await {
                if let Event::Changed(change) = event {
                    change.keys.iter().for_each(|_| _ = sender.send(Instant::now()));
                }
            }
        });
        Ok(Self { writer, transport: transport()?, arrived })
    }

    /// Makes edits, one after the other. How long each took from when the writer had its answer until it
    /// was in the other's storage, and from before it was pushed.
    async fn measure(&mut self, edits: usize) -> Result<(Vec<Duration>, Vec<Duration>)> {
        let (mut after, mut whole) = (Vec::new(), Vec::new());
        for number in 0..edits {
            let title = Value::Text(format!("Aloha ʻOe {number}"));
            let fields = BTreeMap::from([("title".to_owned(), title)]);
            self.writer.create("piece", fields).await.map_err(Error::other)?;
            let begun = Instant::now();
            self.writer.sync(&self.transport).await.map_err(Error::other)?;
            let answered = Instant::now();
            let arrived = tokio::time::timeout(Duration::from_secs(30), self.arrived.recv()).await;
            let arrived = arrived.map_err(Error::other)?;
            let arrived = arrived.ok_or_else(|| Error::other("nobody follows"))?;
            after.push(arrived.saturating_duration_since(answered));
            whole.push(arrived.saturating_duration_since(begun));
            tokio::time::sleep(PAUSE).await;
        }
        Ok((after, whole))
    }
}

/// A process that holds devices that are connected and do nothing.
struct Holder(Child);

impl Holder {
    /// Starts it; returns once all are connected.
    fn start(url: &str, first: usize, count: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["hold", url, &first.to_string(), &count.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| Error::other("no output"))?;
        let holder = Self(child);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        match line.trim_end() {
            "connected" => Ok(holder),
            _ => Err(Error::other("the devices could not connect")),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Holds so many devices until nobody wants them any more.
async fn hold(url: &str, first: usize, count: usize) -> Result<()> {
    let address = url.trim_start_matches("http://").to_owned();
    let (mut connecting, mut held) = (JoinSet::new(), Vec::with_capacity(count));
    let mut its_token = String::new();
    for number in first..first + count {
        if number % OF_ACCOUNT == 0 || its_token.is_empty() {
            its_token = token(url, &format!("idle-{}", number / OF_ACCOUNT))?;
        }
        if AT_ONCE <= connecting.len()
            && let Some(connected) = connecting.join_next().await
        {
            held.push(connected.map_err(Error::other)??);
        }
        connecting.spawn(connect(address.clone(), its_token.clone()));
    }
    while let Some(connected) = connecting.join_next().await {
        held.push(connected.map_err(Error::other)??);
    }
    for mut stream in held {
        tokio::spawn(async move {
            let mut heard = [0; 256];
            while stream.read(&mut heard).await.is_ok_and(|n_bytes| n_bytes != 0) {}
        });
    }
    println!("connected");
    std::io::stdout().flush()?;
    let until_unwanted = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(until_unwanted).await.map_err(Error::other)?.map(drop)
}

/// Connects one device, and hears the revision that it begins with.
async fn connect(address: String, token: String) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(&address).await?;
    let request = format!(
        "GET /live HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\
         user-agent: haumana/0.1 (idle)\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut heard = Vec::new();
    while !heard.windows(5).any(|part| part == b"data:") {
        if stream.read_buf(&mut heard).await? == 0 {
            let said = String::from_utf8_lossy(&heard).into_owned();
            return Err(Error::other(format!("it is not connected: {said}")));
        }
    }
    Ok(stream)
}
