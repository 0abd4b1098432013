//! What connections may do to the server, and to one another.

use crate::server::{Server, command};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// What the server answers to these bytes: the status line.
fn answer(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn a_request_names_exactly_one_host() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ask = |version: &str, hosts: &str| {
        answer(&server, &format!("GET /health HTTP/{version}\r\n{hosts}\r\n"))
    };

    assert_eq!("HTTP/1.1 200 OK", ask("1.1", "host: a\r\n"));
    assert_eq!("HTTP/1.0 200 OK", ask("1.0", ""));
    assert_eq!("HTTP/1.1 400 Bad Request", ask("1.1", ""));
    assert_eq!("HTTP/1.1 400 Bad Request", ask("1.1", "host: a\r\nhost: a\r\n"));
    assert_eq!("HTTP/1.0 400 Bad Request", ask("1.0", "host: a\r\nhost: b\r\n"));
    for host in ["", "127.0.0.1:8787", "[::1]:8787", "sync.example.org"] {
        assert_eq!("HTTP/1.1 200 OK", ask("1.1", &format!("host: {host}\r\n")), "{host}");
    }
    for host in ["a, b", "a b", "a/b", "kai@a", "a:port:1"] {
        assert_eq!("HTTP/1.1 400 Bad Request", ask("1.1", &format!("host: {host}\r\n")), "{host}");
    }
}

#[test]
fn a_head_has_as_many_fields_as_any_client_sends_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ask = |n_fields: usize| {
        let fields: String = (1..n_fields).map(|n| format!("x-{n}: a\r\n")).collect();
        answer(&server, &format!("GET /health HTTP/1.1\r\nhost: a\r\n{fields}\r\n"))
    };

    assert_eq!("HTTP/1.1 200 OK", ask(100));
    assert_eq!("HTTP/1.1 431 Request Header Fields Too Large", ask(101));
}

/// The server, with this said to the shell before it starts.
fn start_after(folder: &Path, shell: &str) -> Server {
    let program = command(folder);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("{shell} && exec \"$0\" --listen 127.0.0.1:0")]);
    limited.arg(program.get_program()).current_dir(folder).env("HAUMANA_LOG", "error");
    Server::spawn(&mut limited)
}

#[test]
fn silent_sockets_and_halves_of_heads_make_room_for_a_client() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_after(folder.path(), "ulimit -n 200");
    let token = server.token("kumu");

    let sockets: Vec<TcpStream> =
        (0..400).map_while(|_| TcpStream::connect(server.address()).ok()).collect();
    for mut socket in sockets.iter().step_by(2) {
        // Some are closed already, to make room.
        socket.write_all(b"POST /sync HT").ok();
    }

    assert_eq!(400, sockets.len());
    assert!(server.pieces(&token).is_empty(), "the client is answered");
    let ended = sockets.iter().filter(|socket| {
        socket.set_nonblocking(true).unwrap();
        matches!((&mut { *socket }).read(&mut [0]), Ok(0))
    });
    assert!(200 < ended.count(), "those that were idle longest were ended");
}

#[cfg(target_os = "linux")]
#[test]
fn the_soft_limit_of_descriptors_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_after(folder.path(), "ulimit -S -n 64");
    assert_eq!(200, server.get("/health").0);

    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();

    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
}
