//! What a running server does.

use crate::server::{Server, command, piece, run};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_auth::verify::{KeySet, key_id};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";

#[test]
fn what_one_device_pushes_another_one_pulls() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (kumu, kai) = (server.token("kumu"), server.token("kai"));

    let push = json!({ "operation": "sync", "pieces": [piece(ID, "Aloha ʻOe", 1)] });
    let (status, pushed) = server.post("/pieces", Some(&kumu), &push).unwrap();

    assert_eq!((200, &json!([ID])), (status, &pushed["uploadedPieces"]));
    let pulled = server.pieces(&kumu);
    assert_eq!(1, pulled.len());
    assert_eq!("Aloha ʻOe", pulled[0]["title"]);
    assert!(server.pieces(&kai).is_empty(), "another user has their own");
}

#[test]
fn data_and_tokens_outlive_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = server.token("kumu");
    let push = json!({ "pieces": [piece(ID, "Aloha ʻOe", 1)] });
    server.post("/pieces", Some(&token), &push).unwrap();
    drop(server);

    let server = Server::start(folder.path());

    assert_eq!(1, server.pieces(&token).len());
}

#[test]
fn nothing_goes_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let (status, answer) = server.post("/pieces", None, &json!({})).unwrap();
    let (odd_status, _) = server.post("/pieces", Some("x.y.z"), &json!({})).unwrap();

    assert_eq!((401, 401), (status, odd_status));
    assert_eq!("unauthorized", answer["code"]);
    assert_eq!((200, r#"{"status":"ok"}"#.to_owned()), server.get("/health"));
}

#[test]
fn tokens_are_for_whom_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let asked = json!({ "sub": "kumu", "email": "kumu@example.org", "name": "Kumu" });

    let (status, answer) = server.post("/dev/tokens", None, &asked).unwrap();

    assert_eq!(200, status);
    let token = answer["idToken"].as_str().unwrap();
    let (_, jwks) = server.get("/dev/jwks.json");
    let keys = KeySet::from_jwks(jwks.as_bytes()).unwrap();
    let ids: Vec<_> = keys.ids().map(str::to_owned).collect();
    assert_eq!(ids, [key_id(token, 8192).unwrap()]);
}

#[test]
fn a_token_lives_as_long_as_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let lifetime = |asked: &Value| {
        let (status, answer) = server.post("/dev/tokens", None, asked).unwrap();
        assert_eq!(200, status, "{answer}");
        let payload = answer["idToken"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };

    assert_eq!(3600, lifetime(&json!({ "sub": "kumu" })));
    assert_eq!(1, lifetime(&json!({ "sub": "kumu", "seconds": 1 })));
    assert_eq!(3600, lifetime(&json!({ "sub": "kumu", "seconds": 3600 })));
}

#[test]
fn requests_for_tokens_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let long = "x".repeat(256);
    for body in [
        json!({}),
        json!([]),
        json!({"sub": ""}),
        json!({"sub": 1}),
        json!({"sub": long}),
        json!({"sub": "kumu", "exp": 1}),
        json!({"sub": "kumu", "seconds": 0}),
        json!({"sub": "kumu", "seconds": 3601}),
        json!({"sub": "kumu", "seconds": "1"}),
    ] {
        let (status, answer) = server.post("/dev/tokens", None, &body).unwrap();
        assert_eq!((400, &json!("invalid_request")), (status, &answer["code"]), "{body}");
    }
    let large = json!({ "sub": "x".repeat(20_000) });
    assert_eq!(413, server.post("/dev/tokens", None, &large).unwrap().0);
    assert_eq!(405, server.get("/dev/tokens").0);
    assert_eq!(404, server.get("/dev").0);
}

#[test]
fn a_client_that_sends_everything_before_it_listens_hears_why_it_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = json!({ "x": "y".repeat(5_000_000) });

    assert_eq!(401, server.post("/pieces", Some("x.y.z"), &body).unwrap().0);
    assert_eq!(404, server.post("/nowhere", None, &body).unwrap().0);
    assert_eq!(413, server.post("/dev/tokens", None, &body).unwrap().0);
}

/// Sends bytes as they are and returns the first line of the answer.
fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.contains(&b'\n') {
        let n = stream.read(&mut buffer).unwrap();
        assert_ne!(0, n, "the server answers before it hangs up");
        answer.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&answer).lines().next().unwrap().to_owned()
}

#[test]
fn a_body_that_says_that_it_is_too_large_is_refused_before_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let head = |length: u64, more: &str| {
        format!(
            "POST /pieces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{more}\r\n"
        )
    };
    let bearer = format!("authorization: Bearer {}\r\n", server.token("kumu"));

    let patient = format!("{bearer}expect: 100-continue\r\n");
    assert_eq!("HTTP/1.1 413 Payload Too Large", raw(&server, &head(64_000_001, &bearer)));
    assert_eq!("HTTP/1.1 413 Payload Too Large", raw(&server, &head(u64::MAX / 2, &patient)));
    assert_eq!("HTTP/1.1 100 Continue", raw(&server, &head(64_000_000, &patient)));
    assert_eq!("HTTP/1.1 401 Unauthorized", raw(&server, &head(64_000_000, "")));
}

#[test]
fn pages_on_the_list_may_call_and_others_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--cors-origin", "https://a.example", "--cors-origin", "http://localhost:3000"];
    let server = Server::start_with(folder.path(), &args);
    let ask = |origin: &str| {
        let head = "access-control-request-method: POST\r\nhost: localhost\r\n\r\n";
        raw(&server, &format!("OPTIONS /pieces HTTP/1.1\r\norigin: {origin}\r\n{head}"))
    };

    assert_eq!("HTTP/1.1 204 No Content", ask("https://a.example"));
    assert_eq!("HTTP/1.1 204 No Content", ask("http://localhost:3000"));
    assert_eq!("HTTP/1.1 405 Method Not Allowed", ask("https://b.example"));
}

#[test]
fn a_backup_of_a_running_server_is_a_database_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = server.token("kumu");
    let push = json!({ "pieces": [piece(ID, "Aloha ʻOe", 1)] });
    server.post("/pieces", Some(&token), &push).unwrap();

    let output = run(folder.path(), &["backup", "copy.db"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = run(folder.path(), &["backup", "copy.db"]);
    drop(server);

    assert!(!again.status.success(), "a backup overwrites nothing");
    let args = ["--db", "copy.db", "--generation", "1"];
    let restored = Server::start_with(folder.path(), &args);
    assert_eq!("Aloha ʻOe", restored.pieces(&restored.token("kumu"))[0]["title"]);
}

#[test]
fn every_flag_can_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.env("HAUMANA_LISTEN", "127.0.0.1:0").env("HAUMANA_DB", "other.db");
    command.env("HAUMANA_CORS_ORIGIN", "https://a.example,https://b.example");

    let server = Server::spawn(&mut command);

    assert_eq!(200, server.get("/health").0);
    assert!(folder.path().join("other.db").exists());
    assert!(folder.path().join("other.db.key.pem").exists());
}
