//! Two servers on one PostgreSQL: what is acknowledged survives that servers are killed and
//! connections are cut, and who follows by cursor skips nothing.
//!
//! `HAUMANA_KILLS=1000 cargo test -p haumana-server --test it killing_postgres -- --nocapture` prints
//! the table.

use crate::server::{Server, command, post};
use haumana_store_postgres::PostgresOptions;
use haumana_store_postgres::testing::server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

/// How many kills and cuts there are; `HAUMANA_KILLS` sets another number.
const KILLS: usize = 12;
/// How long a request is sent again and again.
const PATIENCE: Duration = Duration::from_secs(120);
const USERS: [&str; 2] = ["kumu", "kai"];
const WRITERS_PER_USER: usize = 3;

/// Where the two servers are now, and the tokens of the users: both servers have one key.
#[derive(Default)]
struct Places {
    urls: Mutex<[String; 2]>,
    tokens: Mutex<BTreeMap<&'static str, String>>,
    /// Nobody writes any more.
    is_over: AtomicBool,
    /// All that was written is acknowledged.
    is_written: AtomicBool,
    n_failed: AtomicUsize,
}

impl Places {
    /// Sends to one server after the other until one answers with 200.
    fn sync(&self, user: &str, first: usize, body: &Value) -> Value {
        let begun = Instant::now();
        for attempt in first.. {
            assert!(begun.elapsed() < PATIENCE, "{user}: neither server answers for {PATIENCE:?}");
            let url = self.urls.lock().unwrap()[attempt % 2].clone();
            let token = self.tokens.lock().unwrap()[user].clone();
            match post(&format!("{url}/sync"), Some(&token), body) {
                Ok((200, answer)) => return answer,
                // A server that has lost its database says 429 or 503, and nothing else.
                Ok((429 | 503, _)) | Err(_) => {}
                Ok((status, answer)) => panic!("{status}: {answer}"),
            }
            self.n_failed.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
        }
        unreachable!("attempts have no end")
    }
}

/// What one device has been told of.
struct Written {
    /// Records that were acknowledged.
    made: Vec<String>,
    /// The record that it edits over and over, and the last edit that was acknowledged.
    edited: (String, usize),
}

/// Makes a record and edits another with each request, until it is over.
fn write(places: &Places, user: &str, device: usize) -> Written {
    let id = |n: usize| format!("5EED0000-0000-4000-{device:04X}-{n:012X}");
    let (mut made, mut base, mut n) = (Vec::new(), Value::Null, 0);
    while !places.is_over.load(Ordering::Relaxed) {
        n += 1;
        let title = json!({ "title": format!("{n}") });
        let edit = json!({ "kind": "piece", "id": id(0), "base": base, "set": title });
        let new = json!({ "kind": "piece", "id": id(n), "base": null, "set": title });
        let body = json!({ "deviceId": format!("writer-{device}"), "push": [edit, new] });
        // The same request again, until it is answered: nobody knows whether it is in.
        let answer = places.sync(user, device + n, &body);
        let results = answer["results"].as_array().unwrap();
        for result in results {
            assert_ne!("rejected", result["outcome"], "{answer}");
        }
        base = results[0]["version"].clone();
        made.push(id(n));
    }
    Written { made, edited: (id(0), n) }
}

/// Follows a user's stream by cursor until it has read behind the last write; returns the titles.
fn follow(places: &Places, user: &str, limit: usize) -> BTreeMap<String, String> {
    let (mut cursor, mut seen, mut rounds) = (Value::Null, BTreeMap::new(), 0);
    loop {
        rounds += 1;
        let was_written = places.is_written.load(Ordering::SeqCst);
        let body = json!({ "deviceId": "follower", "cursor": cursor, "limit": limit });
        let answer = places.sync(user, rounds, &body);
        cursor = answer["cursor"].clone();
        for change in answer["changes"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            seen.insert(text(&change["id"]), text(&change["value"]["title"]));
        }
        if was_written && answer["more"] == json!(false) {
            return seen;
        }
    }
}

/// Cuts every connection of the servers, wherever their statements are.
async fn cut_connections(database: &PostgresOptions) {
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE pid <> pg_backend_pid() AND query LIKE '%' || $1 || '.%'";
    client.query(cut, &[&database.schema]).await.unwrap();
}

/// The two servers, each on a port of its own, with one key.
struct Servers<'a> {
    folder: &'a Path,
    database: &'a PostgresOptions,
    running: [Option<Server>; 2],
}

impl<'a> Servers<'a> {
    fn start(folder: &'a Path, database: &'a PostgresOptions, places: &Places) -> Self {
        let mut servers = Self { folder, database, running: [None, None] };
        (0..2).for_each(|at| servers.start_one(at, places));
        let mut tokens = places.tokens.lock().unwrap();
        for user in USERS {
            tokens.insert(user, servers.running[0].as_ref().unwrap().token(user));
        }
        servers
    }

    /// Kills the one at this place, if it runs, and starts it again.
    fn start_one(&mut self, at: usize, places: &Places) {
        if let Some(running) = self.running[at].take() {
            running.kill();
        }
        let common = ["--listen", "127.0.0.1:0", "--store", "postgres"];
        let mut program = command(self.folder);
        program.env("HAUMANA_URL", &self.database.url).env("HAUMANA_LOG", "off");
        let schema = ["--database-schema", &self.database.schema];
        let server = Server::spawn(program.args(common).args(schema));
        places.urls.lock().unwrap()[at] = server.url.clone();
        self.running[at] = Some(server);
    }

    /// Kills a server and starts it again, or cuts the connections of both, in turns.
    fn disturb(&mut self, places: &Places, kills: usize) -> [usize; 2] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut done = [0, 0];
        for n in 0..kills {
            // Another moment of the requests each time.
            thread::sleep(Duration::from_millis(20 + (n as u64 * 37) % 61));
            match n % 2 {
                0 => self.start_one(n / 2 % 2, places),
                _ => runtime.block_on(cut_connections(self.database)),
            }
            done[n % 2] += 1;
        }
        done
    }
}

/// Lets everybody come to an end, also where the test fails.
struct End<'p>(&'p Places);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.is_written.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_two_servers_acknowledge_survives_kills_and_cuts_and_a_follower_skips_nothing() {
    let Some(cluster) = server() else { return };
    let (folder, database) = (tempfile::tempdir().unwrap(), cluster.empty());
    let asked = std::env::var("HAUMANA_KILLS").ok().and_then(|text| text.parse().ok());
    let (places, begun) = (Places::default(), Instant::now());
    let mut servers = Servers::start(folder.path(), &database, &places);

    let (done, written, followed) = thread::scope(|scope| {
        let end = End(&places);
        let places = &places;
        let writers: Vec<_> = (0..USERS.len() * WRITERS_PER_USER)
            .map(|n| scope.spawn(move || (USERS[n % 2], write(places, USERS[n % 2], n))))
            .collect();
        let followers = USERS.map(|user| scope.spawn(move || (user, follow(places, user, 7))));
        let done = servers.disturb(places, asked.unwrap_or(KILLS));
        places.is_over.store(true, Ordering::SeqCst);
        let written: Vec<_> = writers.into_iter().map(|one| one.join().unwrap()).collect();
        drop(end);
        (done, written, followers.map(|one| one.join().unwrap()))
    });

    let mut n_records = 0;
    for (user, seen) in followed {
        let stored = follow(&places, user, 500);
        assert!(stored == seen, "{user}: who follows by cursor has every record as it is now");
        n_records += stored.len();
        for (_, written) in written.iter().filter(|(of, _)| *of == user) {
            let lost: Vec<_> = written.made.iter().filter(|id| !stored.contains_key(*id)).collect();
            assert!(lost.is_empty(), "{user}: acknowledged and gone: {lost:?}");
            let (id, n) = &written.edited;
            assert_eq!(Some(&n.to_string()), stored.get(id), "{user}: the last edit is there");
        }
    }
    let n_acknowledged: usize = written.iter().map(|(_, written)| written.made.len()).sum();
    assert!(done[0] < n_acknowledged, "there was load");
    println!(
        "| kills | cuts | acknowledged requests | failed tries | records | lost | skipped | seconds |\n\
         |---|---|---|---|---|---|---|---|\n| {} | {} | {n_acknowledged} | {} | {n_records} | 0 | 0 | {} |",
        done[0],
        done[1],
        places.n_failed.load(Ordering::Relaxed),
        begun.elapsed().as_secs(),
    );
}
