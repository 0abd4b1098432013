//! Who exported, imported and erased, and what logs call a user.

use crate::server::{Server, does_not_start, piece, run};
use crate::upkeep::is_anywhere;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";

fn audit(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("haumana.db.audit")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hash(folder: &Path, user: &str) -> String {
    let output = run(folder, &["caller", user]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn exports_and_erasures_are_in_a_file_of_their_own_whatever_else_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--log", "error"]);
    let kumu = server.token("kumu");
    let push = json!({ "pieces": [piece(ID, "Aloha", 1)] });
    server.post("/pieces", Some(&kumu), &push).unwrap();

    server.get_as(&kumu, "/users/me/export");
    server.send("DELETE", "/users/me", &kumu, &Value::Null);
    drop(server);

    let lines = audit(folder.path());
    let calls: Vec<_> = lines.iter().map(|line| line["call"].as_str().unwrap()).collect();
    assert_eq!(["export", "export", "erase", "erase"], calls[..], "a push is no matter of it");
    let kumu = hash(folder.path(), "kumu");
    for (line, is_begun) in lines.iter().zip([true, false, true, false]) {
        assert_eq!(&kumu, line["caller"].as_str().unwrap());
        assert!(line["timestamp"].is_string(), "{line}");
        assert!(line["status"] == "begun" || !is_begun, "{line}");
        assert!(line["status"].is_number() || is_begun, "{line}");
        assert!(!line.to_string().contains("kumu"), "never by name: {line}");
    }
}

#[test]
fn the_audit_log_outlives_the_server_and_the_hash_of_a_user_stays() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let server = Server::start(folder.path());
        let kumu = server.token("kumu");
        server.get_as(&kumu, "/users/me/export");
        drop(server);
    }

    let lines = audit(folder.path());

    assert_eq!(4, lines.len());
    assert!(lines.iter().all(|line| line["caller"] == lines[0]["caller"]));
    assert_ne!(hash(folder.path(), "kumu"), hash(folder.path(), "kai"));
    assert_eq!(16, hash(folder.path(), "kumu").len());
}

#[cfg(unix)]
#[test]
fn key_and_audit_log_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path()));

    for name in ["haumana.db.audit", "haumana.db.caller-key"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(0o600, mode & 0o777, "{name}");
    }
    let key = folder.path().join("haumana.db.caller-key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    does_not_start(folder.path(), &[], "can be read by others");
}

#[test]
fn an_erasure_whose_client_hangs_up_is_finished_and_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for millis in [0, 2, 5, 10] {
        let user = format!("kumu{millis}");
        let asked = json!({ "sub": user, "email": format!("{user}@example.org") });
        let (_, issued) = server.post("/dev/tokens", None, &asked).unwrap();
        let token = issued["idToken"].as_str().unwrap();
        server.post("/auth/sync", None, &json!({ "googleIdToken": token })).unwrap();
        let id = |n: u32| format!("5EED0000-0000-4000-8000-{n:012X}");
        let pieces: Vec<Value> = (0..200).map(|n| piece(&id(n), "Aloha", 1)).collect();
        server.post("/pieces", Some(token), &json!({ "pieces": pieces })).unwrap();

        let mut socket = TcpStream::connect(server.address()).unwrap();
        let host = server.address();
        write!(
            socket,
            "DELETE /users/me HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        drop(socket);

        let begun = Instant::now();
        let hashed = hash(folder.path(), &user);
        let is_told = || audit(folder.path()).iter().any(|line| line["caller"] == hashed.as_str());
        let email = format!("{user}@");
        // A server that heard of nothing has erased nothing.
        while !is_told() || is_anywhere(folder.path(), &email) {
            let is_untouched = !is_told() && is_anywhere(folder.path(), &email);
            if is_untouched && Duration::from_secs(2) < begun.elapsed() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{millis} ms");
            std::thread::sleep(Duration::from_millis(50));
        }
        let (status, answer) = server.post("/pieces", Some(token), &json!({})).unwrap();
        assert_eq!(200, status, "{answer}");
    }
    assert!(!audit(folder.path()).is_empty(), "one of them was heard");
}

/// The process is killed at once when the work has begun; the next one finishes what is left of it.
#[test]
fn an_erasure_whose_server_is_killed_is_in_the_log_with_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let kumu = server.token("kumu");
    let id = |n: u32| format!("5EED0000-0000-4000-8000-{n:012X}");
    for part in 0..4 {
        let pieces: Vec<Value> = (0..500).map(|n| piece(&id(part * 500 + n), "Aloha", 1)).collect();
        server.post("/pieces", Some(&kumu), &json!({ "pieces": pieces })).unwrap();
    }
    let mut socket = TcpStream::connect(server.address()).unwrap();
    let host = server.address();
    write!(
        socket,
        "DELETE /users/me HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {kumu}\r\n\r\n"
    )
    .unwrap();
    let begun = Instant::now();
    while audit(folder.path()).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the line is written before the work");
        std::thread::sleep(Duration::from_millis(1));
    }
    server.kill();
    let erasing = "SELECT count(*) FROM heads WHERE state = 1";
    let database = rusqlite::Connection::open(folder.path().join("haumana.db")).unwrap();
    let is_begun = database.query_row(erasing, [], |row| row.get::<_, bool>(0)).unwrap();
    drop(database);

    let server = Server::start(folder.path());

    let hashed = hash(folder.path(), "kumu");
    let lines = audit(folder.path());
    assert_eq!(("begun", "erase"), (text(&lines[0], "status"), text(&lines[0], "call")));
    assert_eq!(hashed, text(&lines[0], "caller"));
    let begun = Instant::now();
    while is_begun && audit(folder.path()).len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "what is finished is told");
        std::thread::sleep(Duration::from_millis(20));
    }
    if is_begun {
        let lines = audit(folder.path());
        assert_eq!(("finished", "erase"), (text(&lines[1], "status"), text(&lines[1], "call")));
        assert_eq!(hashed, text(&lines[1], "caller"));
        assert!(server.pieces(&server.token("kumu")).is_empty());
    }
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_default()
}

#[cfg(unix)]
#[test]
fn an_audit_log_that_is_a_link_is_refused_wherever_it_leads() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("haumana.db.audit");
    let elsewhere = folder.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, &log).unwrap();
    does_not_start(folder.path(), &[], "a link");
    fs::write(&elsewhere, "kept").unwrap();
    does_not_start(folder.path(), &[], "a link");
    assert_eq!("kept", fs::read_to_string(&elsewhere).unwrap());
}
