//! Holds a polite client beside attackers, and prints what they cost it: the table of docs/limits.md.
//!
//! Usage: `attackers SERVER FOLDER [SECONDS]`, the release binary of the local server, an empty
//! folder for its databases, and how long each row is measured. All run on loopback.

use haumana_benches::pieces;
use haumana_benches::process::{Server, agent, percentiles, token};
use serde_json::json;
use std::io::{Error, Result, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// How long a polite client thinks between two requests.
const PAUSE: Duration = Duration::from_millis(5);
/// Sockets that only stand open.
const SOCKETS: usize = 10_000;

/// What an attacker sends again and again.
struct Attack {
    name: &'static str,
    path: &'static str,
    body: Vec<u8>,
    /// Whether it hangs up before the reply comes.
    hangs_up: bool,
}

fn attacks() -> Vec<Attack> {
    let attack =
        |name, path, body: String| Attack { name, path, body: body.into_bytes(), hangs_up: false };
    let many = |entry: &str, count: usize| vec![entry; count].join(",");
    let of_pieces = json!({ "operation": "upload", "pieces": pieces(10_000) }).to_string();
    let keys: Vec<String> = (0..900_000).map(|key| format!("\"{key}\":0")).collect();
    let set = format!(r#"{{"kind":"piece","id":"x","base":null,"set":{{{}}}}}"#, keys.join(","));
    let push = |list: &str| format!(r#"{{"deviceId":"a","cursor":null,"push":[{list}]}}"#);
    let import = |list: &str| {
        format!(r#"{{"exportVersion":"1.0","pieces":[{list}],"practiceSessions":[]}}"#)
    };
    let short = many("0", 300_000);
    let long = many("0", 31_000_000);
    vec![
        attack("10,000 pieces", "/pieces", of_pieces.clone()),
        Attack { hangs_up: true, ..attack("10,000 pieces, hangs up", "/pieces", of_pieces) },
        attack("300,000 times 0", "/pieces", format!(r#"{{"pieces":[{short}]}}"#)),
        attack("62 MB of 0 as pieces", "/pieces", format!(r#"{{"pieces":[{long}]}}"#)),
        attack("62 MB of {} as sessions", "/sessions", {
            format!(r#"{{"sessions":[{}]}}"#, many("{}", 20_000_000))
        }),
        attack("62 MB of 0 as pushes", "/sync", push(&long)),
        attack("62 MB of 0 to import", "/users/me/import", import(&long)),
        attack("900,000 keys in one push", "/sync", push(&set)),
        attack("190,000 words that are no pieces", "/pieces", {
            format!(r#"{{"pieces":[{}]}}"#, many(&format!("\"{}\"", "x".repeat(60)), 190_000))
        }),
    ]
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(program), Some(folder)) = (args.next(), args.next()) else {
        return Err(Error::other("usage: attackers SERVER FOLDER [SECONDS]"));
    };
    let secs = args.next().and_then(|secs| secs.parse().ok()).unwrap_or(4);
    let time = Duration::from_secs(secs);
    let server = Server::start(&program, &folder)?;
    println!("| beside | no-op p50 | p99 | push p50 | p99 | refused | memory |");
    println!("|---|---|---|---|---|---|---|");
    row(&server, "nobody", time, None, &[])?;
    let attacks = attacks();
    for attack in &attacks {
        for (count, accounts) in [(1, 1), (8, 1), (8, 8)] {
            let users: Vec<String> = (0..count).map(|n| format!("bad-{}", n % accounts)).collect();
            let of = if accounts == 1 { "one account" } else { "eight accounts" };
            let name = format!("{count} × {}, {of}", attack.name);
            row(&server, &name, time, Some(attack), &users)?;
        }
    }
    let address = server.url.trim_start_matches("http://").to_owned();
    let sockets: Vec<TcpStream> =
        (0..SOCKETS).map_while(|_| TcpStream::connect(&address).ok()).collect();
    row(&server, &format!("{} silent sockets", sockets.len()), time, None, &[])?;
    let halves = sockets.iter().filter(|socket| { *socket }.write_all(b"POST /sync HT").is_ok());
    let name = format!("{} halves of a head", halves.count());
    row(&server, &name, time, None, &[])
}

/// Measures polite clients beside these attackers, and prints a line.
fn row(
    server: &Server,
    name: &str,
    time: Duration,
    attack: Option<&Attack>,
    users: &[String],
) -> Result<()> {
    let tokens = users.iter().map(|user| token(&server.url, user)).collect::<Result<Vec<_>>>()?;
    let (syncer, pusher) = (Polite::new(server, "polite")?, Polite::new(server, "pusher")?);
    server.forget_peak();
    let (stop, refused) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut syncs, mut pushes) = (Vec::new(), Vec::new());
    scope(|scope| {
        for token in &tokens {
            let Some(attack) = attack else { continue };
            scope.spawn(|| attack.run(&server.url, token, &stop, &refused));
        }
        // The attackers come first.
        sleep(Duration::from_millis(200).min(time));
        let syncing = scope.spawn(|| syncer.measure(time, |_| r#""push":[]"#.to_owned()));
        pushes = pusher.measure(time, push);
        syncs = syncing.join().unwrap_or_default();
        stop.store(true, Ordering::Relaxed);
    });
    let [no_op, no_op_99] = served(syncs);
    let [push, push_99] = served(pushes);
    let (refused, peak) = (refused.into_inner(), server.peak_megabytes());
    println!("| {name} | {no_op} | {no_op_99} | {push} | {push_99} | {refused} | {peak} MB |");
    Ok(())
}

/// One new piece.
fn push(n: usize) -> String {
    let id = format!("{:08X}-0000-4000-8000-{:012X}", std::process::id(), n);
    let set = json!({ "title": "Aloha ʻOe", "lyrics": "Haʻaheo ka ua i nā pali. ".repeat(40) });
    let push = json!({ "kind": "piece", "id": id, "base": null, "set": set });
    format!(r#""push":[{push}]"#)
}

/// In words: of those who are never served there is no time.
fn served(times: Vec<Duration>) -> [String; 2] {
    match times.is_empty() {
        true => ["never", "never"].map(str::to_owned),
        false => percentiles(times, [50, 99]).map(|ms| format!("{ms:.1} ms")),
    }
}

/// A client that waits for its reply, and thinks before it asks again.
struct Polite {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Polite {
    fn new(server: &Server, user: &str) -> Result<Self> {
        let agent = agent();
        let token = format!("Bearer {}", token(&server.url, user)?);
        Ok(Self { agent, url: format!("{}/sync", server.url), token })
    }

    /// How long each of its requests takes that is answered with 200; another answer is none.
    fn measure(&self, time: Duration, ask: impl Fn(usize) -> String) -> Vec<Duration> {
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < time {
            let rest = ask(times.len());
            let body = format!(r#"{{"deviceId":"a","cursor":null,"limit":1,{rest}}}"#);
            let asked = Instant::now();
            let request = self.agent.post(&self.url).header("authorization", &self.token);
            let reply = request.header("content-type", "application/json").send(body);
            let is_done = reply.is_ok_and(|mut reply| {
                reply.status() == 200 && reply.body_mut().read_to_vec().is_ok()
            });
            if is_done {
                times.push(asked.elapsed());
            } else {
                eprintln!("a polite request was not served");
            }
            sleep(PAUSE);
        }
        times
    }
}

impl Attack {
    /// Sends it until told to stop.
    fn run(&self, url: &str, token: &str, stop: &AtomicBool, refused: &AtomicU64) {
        let agent = agent();
        while !stop.load(Ordering::Relaxed) {
            if self.hangs_up {
                self.hang_up(url, token).ok();
                continue;
            }
            let reply = agent
                .post(&format!("{url}{}", self.path))
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", "application/json")
                .send(&self.body[..]);
            let Ok(mut reply) = reply else { continue };
            if matches!(reply.status().as_u16(), 413 | 429 | 503) {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            reply.body_mut().with_config().limit(1 << 30).read_to_vec().ok();
        }
    }

    fn hang_up(&self, url: &str, token: &str) -> Result<()> {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
        let (path, size) = (self.path, self.body.len());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {size}\r\n\r\n"
        )?;
        stream.write_all(&self.body)
    }
}
