//! How it stops when it is told to.

#![cfg(unix)]

use crate::server::{Server, piece};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";

#[test]
fn a_request_that_is_running_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = server.token("kumu");
    let body = json!({ "pieces": [piece(ID, "Aloha ʻOe", 1)] }).to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();

    // The server asks for the body, so the request is running when the signal comes.
    write!(
        stream,
        "POST /pieces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len(),
    )
    .unwrap();
    assert_eq!("HTTP/1.1 100 Continue", answers.next().unwrap().unwrap());
    stream.write_all(first.as_bytes()).unwrap();
    server.terminate();
    wait_until_nobody_listens(&server);
    stream.write_all(second.as_bytes()).unwrap();

    let status = answers.map(Result::unwrap).find(|line| line.starts_with("HTTP/1.1"));
    assert_eq!(Some("HTTP/1.1 200 OK"), status.as_deref());
    assert!(server.ended_well());
    let server = Server::start(folder.path());
    assert_eq!(1, server.pieces(&token).len());
}

/// New connections are refused once the server has begun to stop.
fn wait_until_nobody_listens(server: &Server) {
    while TcpStream::connect(server.address()).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn the_database_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let push = json!({ "pieces": [piece(ID, "Aloha ʻOe", 1)] });
    server.post("/pieces", Some(&server.token("kumu")), &push).unwrap();

    server.terminate();
    assert!(server.ended_well());

    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "haumana.db",
        "haumana.db.audit",
        "haumana.db.caller-key",
        "haumana.db.key.pem",
        "haumana.db.seen",
        "haumana.db.users.db",
    ];
    assert_eq!(expected, names[..], "no log is left behind");
}
