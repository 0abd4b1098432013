//! Who exported, imported and erased, and what logs call a user.

use crate::server::{Server, does_not_start, piece, run};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

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
    assert_eq!(["export", "erase"], calls[..], "a push is no matter of it");
    let kumu = hash(folder.path(), "kumu");
    for line in &lines {
        assert_eq!(&kumu, line["caller"].as_str().unwrap());
        assert!(line["timestamp"].is_string() && line["status"].is_number(), "{line}");
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

    assert_eq!(2, lines.len());
    assert_eq!(lines[0]["caller"], lines[1]["caller"]);
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
