//! Devices that follow: what they hear, what they cost others, and when it ends.

use crate::server::{Server, command};
use haumana_store_postgres::PostgresOptions;
use haumana_store_postgres::testing;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a test waits for a line: longer than a stream is silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A device that follows over a connection of its own.
struct Follower {
    lines: BufReader<TcpStream>,
}

impl Follower {
    /// Connects, and hears the revision that it begins with.
    fn begin(server: &Server, token: &str) -> (Self, u64) {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET /live HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\
             authorization: Bearer {token}\r\n\r\n",
        )
        .unwrap();
        let mut follower = Self { lines: BufReader::new(stream) };
        let mut status = String::new();
        follower.lines.read_line(&mut status).unwrap();
        assert_eq!("HTTP/1.1 200 OK", status.trim_end());
        let revision = follower.next().unwrap();
        (follower, revision)
    }

    /// The next revision that it is told; `None` at the end.
    #[track_caller]
    fn next(&mut self) -> Option<u64> {
        let begun = Instant::now();
        loop {
            let mut line = String::new();
            let n_read = self.lines.read_line(&mut line);
            // Heartbeats are lines, too.
            let is_late = n_read.is_err() || PATIENCE < begun.elapsed();
            assert!(!is_late, "no revision within {PATIENCE:?}");
            if n_read.unwrap() == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data:") {
                let data: Value = serde_json::from_str(data).unwrap();
                return data["revision"].as_u64();
            }
        }
    }
}

fn push(number: u32) -> Value {
    json!({"deviceId": "c3d9a1f4-7b62-4e0e-9a35-61f08d2be7c4", "push": [{"kind": "piece",
        "base": null, "id": format!("5EED0000-0000-4000-8000-{number:012}"),
        "set": {"title": "Aloha ʻOe"}}]})
}

fn commit(server: &Server, token: &str, number: u32) {
    assert_eq!(200, server.post("/sync", Some(token), &push(number)).unwrap().0);
}

#[test]
fn a_device_that_follows_hears_of_a_commit_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (token, other) = (server.token("kai"), server.token("noe"));
    let (mut follower, before) = Follower::begin(&server, &token);

    commit(&server, &other, 1);
    let begun = Instant::now();
    commit(&server, &token, 1);

    assert_eq!((0, Some(1)), (before, follower.next()));
    assert!(begun.elapsed() < Duration::from_secs(5), "it is not the heartbeat that brought it");
}

#[cfg(unix)]
#[test]
fn a_server_that_stops_ends_every_stream_and_does_not_wait_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = server.token("kai");
    let mut followers: Vec<Follower> = (0..3).map(|_| Follower::begin(&server, &token).0).collect();
    let begun = Instant::now();

    server.terminate();

    assert!(followers.iter_mut().all(|follower| follower.next().is_none()));
    assert!(server.ended_well());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// The texts of chunks, and what is behind the last one.
fn chunks(mut body: &str) -> (String, &str) {
    let mut texts = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").unwrap();
        let (text, rest) = rest.split_at(usize::from_str_radix(size, 16).unwrap());
        let behind = rest.strip_prefix("\r\n").unwrap();
        if text.is_empty() {
            return (texts, behind);
        }
        texts += text;
        body = behind;
    }
}

#[cfg(unix)]
#[test]
fn a_stream_is_whole_in_its_framing_and_its_connection_takes_no_other_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = server.token("kai");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("host: localhost\r\nauthorization: Bearer {token}\r\n");
    write!(stream, "GET /live HTTP/1.1\r\n{head}accept: text/event-stream\r\n\r\n").unwrap();
    let (mut from, mut said) = (stream.try_clone().unwrap(), String::new());
    let mut hear = |until: &str| {
        let mut part = [0; 512];
        while !said.contains(until) {
            let n_read = from.read(&mut part).unwrap();
            assert_ne!(0, n_read, "it goes on: {said}");
            said += std::str::from_utf8(&part[..n_read]).unwrap();
        }
    };

    hear("{\"revision\":0}");
    commit(&server, &token, 1);
    hear("{\"revision\":1}");
    write!(stream, "GET /limits HTTP/1.1\r\n{head}\r\n").unwrap();
    commit(&server, &token, 2);
    hear("{\"revision\":2}");
    server.terminate();
    stream.read_to_string(&mut said).unwrap();

    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    assert!(head.contains("\r\nconnection: close"), "{head}");
    let (events, behind) = chunks(body);
    assert_eq!("", behind, "nothing follows the last chunk");
    let told: Vec<&str> = events.lines().filter(|line| line.starts_with("data:")).collect();
    let due: Vec<String> = (0..3).map(|n| format!("data: {{\"revision\":{n}}}")).collect();
    assert_eq!(due, told);
}

#[cfg(unix)]
#[test]
fn silent_sockets_do_not_push_out_a_device_that_follows() {
    let folder = tempfile::tempdir().unwrap();
    let program = command(folder.path());
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 200 && exec \"$0\" --listen 127.0.0.1:0"]);
    limited.arg(program.get_program()).current_dir(folder.path()).env("HAUMANA_LOG", "error");
    let server = Server::spawn(&mut limited);
    let token = server.token("kai");
    let (mut follower, _) = Follower::begin(&server, &token);

    let sockets: Vec<TcpStream> =
        (0..400).map_while(|_| TcpStream::connect(server.address()).ok()).collect();
    assert_eq!(400, sockets.len());
    commit(&server, &token, 1);

    assert_eq!(Some(1), follower.next());
}

#[test]
fn a_place_is_free_again_when_its_device_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = server.token("kai");
    let limit = server.get_as(&token, "/limits")["live"]["ofAccount"].as_u64().unwrap();
    let followers: Vec<_> = (0..limit).map(|_| Follower::begin(&server, &token)).collect();

    assert_eq!(429, server.send("GET", "/live", &token, &Value::Null));
    drop(followers);

    let begun = Instant::now();
    while server.send("GET", "/live", &token, &Value::Null) != 200 {
        assert!(begun.elapsed() < PATIENCE, "the places are not given back");
        std::thread::yield_now();
    }
}

/// A server on this database, whose connections have a name.
fn start(folder: &Path, database: &PostgresOptions, name: &str) -> Server {
    let common = ["--listen", "127.0.0.1:0", "--store", "postgres"];
    let schema = ["--database-schema", &database.schema];
    let mut server = command(folder);
    let url = format!("{}?application_name={name}", database.url);
    server.env("HAUMANA_URL", &url);
    Server::spawn(server.args(common).args(schema))
}

/// Ends every connection of that name.
fn cut(url: &str, name: &str) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = $1";
        client.query(cut, &[&name]).await.unwrap().len()
    })
}

#[test]
fn an_edit_through_one_server_is_heard_on_another_also_of_what_came_while_it_was_cut_off() {
    let Some(cluster) = testing::server() else { return };
    let (folder, database) = (tempfile::tempdir().unwrap(), cluster.empty());
    let name = format!("second_{}", database.schema);
    let first = start(folder.path(), &database, "first");
    let second = start(folder.path(), &database, &name);
    let token = first.token("kai");
    commit(&first, &token, 1);
    let (mut follower, before) = Follower::begin(&second, &second.token("kai"));
    assert_eq!(1, before);

    commit(&first, &token, 2);
    // The first commit may be told of late.
    while follower.next().unwrap() < 2 {}
    for number in 3..8 {
        assert!(0 < cut(&database.url, &name), "the second server listens");
        commit(&first, &token, number);
        while follower.next().unwrap() < u64::from(number) {}
    }
}

#[test]
fn a_client_that_reads_late_delays_nobody_and_hears_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = server.token("kai");
    let (mut slow, _) = Follower::begin(&server, &token);
    let (mut quick, _) = Follower::begin(&server, &token);

    for number in 1..200 {
        commit(&server, &token, number);
        while quick.next().unwrap() < u64::from(number) {}
    }

    // What is on its way to it is bounded, and the latest is there in the end.
    while slow.next().unwrap() < 199 {}
    let mut rest = Vec::new();
    slow.lines.get_ref().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(slow.lines.read_to_end(&mut rest).is_err(), "it is still connected");
}
