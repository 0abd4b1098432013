//! What the server does for users who do not come: retention, and what erasing leaves.

use crate::server::{Server, piece, run};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";
const YEAR_AND_MORE_MS: i64 = 400 * 86_400_000;

/// Pushes a piece, and then another text of it, so that the first one is history.
fn push_twice(server: &Server, user: &str, first: &str, second: &str) {
    let token = server.token(user);
    let mut text = piece(ID, first, 1);
    for title in [first, second] {
        text["title"] = title.into();
        text["locallyModified"] = true.into();
        let body = json!({ "operation": "sync", "pieces": [text] });
        let (status, answer) = server.post("/pieces", Some(&token), &body).unwrap();
        assert_eq!(200, status, "{answer}");
        text["version"] = answer["updatedPieces"][0]["version"].clone();
    }
}

/// Whether any file of the folder holds the text, as the files are.
pub(crate) fn is_anywhere(folder: &Path, text: &str) -> bool {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut contents = files.filter(|path| path.is_file()).map(|path| fs::read(path).unwrap());
    contents.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

/// Signs somebody in, and returns the token.
fn signed_in(server: &Server, user: &str) -> String {
    let asked = json!({ "sub": user, "email": format!("{user}@example.org") });
    let (_, issued) = server.post("/dev/tokens", None, &asked).unwrap();
    let token = issued["idToken"].as_str().unwrap().to_owned();
    let (status, said) =
        server.post("/auth/sync", None, &json!({ "googleIdToken": token })).unwrap();
    assert_eq!(200, status, "{said}");
    token
}

fn export(server: &Server, user: &str) -> Value {
    server.get_as(&server.token(user), "/users/me/export")
}

#[test]
fn history_past_its_retention_is_ignored_at_once_and_leaves_the_file_without_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    push_twice(&server, "kumu", "Ka mua loa", "Ka hope");
    assert_eq!(1, export(&server, "kumu")["history"].as_array().unwrap().len());
    server.terminate();
    assert!(server.ended_well());
    let database = Connection::open(folder.path().join("haumana.db")).unwrap();
    database.execute("UPDATE history SET at = at - ?1", [YEAR_AND_MORE_MS]).unwrap();
    drop(database);
    assert!(is_anywhere(folder.path(), "Ka mua loa"));

    let server = Server::start_with(folder.path(), &["--retention-days", "1"]);

    let exported = export(&server, "kumu");
    assert_eq!(0, exported["history"].as_array().unwrap().len(), "{exported}");
    assert_eq!("Ka hope", exported["pieces"][0]["title"]);
    let begun = Instant::now();
    while is_anywhere(folder.path(), "Ka mua loa") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it leaves by itself");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_is_not_told_the_retention_uses_that_of_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--retention-days", "365"]);
    push_twice(&server, "kumu", "Ka mua loa", "Ka hope");
    server.terminate();
    assert!(server.ended_well());
    let database = Connection::open(folder.path().join("haumana.db")).unwrap();
    database.execute("UPDATE history SET at = at - ?1", [100_i64 * 86_400_000]).unwrap();
    drop(database);

    // As an operator starts one beside the one in use, or with the setting misspelt.
    let server = Server::start(folder.path());
    assert_eq!(1, export(&server, "kumu")["history"].as_array().unwrap().len());
    server.terminate();
    assert!(server.ended_well());

    let server = Server::start_with(folder.path(), &["--retention-days", "30"]);
    assert_eq!(0, export(&server, "kumu")["history"].as_array().unwrap().len());
}

#[test]
fn after_204_nothing_of_the_account_is_in_any_file_and_a_killed_server_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    push_twice(&server, "noe", "Noe mua", "Noe hope");
    push_twice(&server, "kumu", "Ka mua loa", "Ka hope loa");
    let token = signed_in(&server, "kumu");
    let texts = ["Ka mua loa", "Ka hope loa", "kumu@"];
    for text in texts {
        assert!(is_anywhere(folder.path(), text), "{text}");
    }

    assert_eq!(204, server.send("DELETE", "/users/me", &token, &Value::Null));

    for text in texts {
        assert!(!is_anywhere(folder.path(), text), "{text} while the server runs");
    }
    server.kill();
    for text in texts {
        assert!(!is_anywhere(folder.path(), text), "{text} after the server was killed");
    }
    let server = Server::start(folder.path());
    assert_eq!("Noe hope", export(&server, "noe")["pieces"][0]["title"], "others keep everything");
}

#[test]
fn whom_another_server_or_an_operator_erased_leaves_the_directory_of_this_one_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for user in ["kumu", "noe"] {
        push_twice(&server, user, "mua", "hope");
    }
    let token = signed_in(&server, "kumu");
    signed_in(&server, "noe");
    server.terminate();
    assert!(server.ended_well());
    // The directory of a server that the erasure is not asked of.
    let directory = folder.path().join("haumana.db.users.db");
    let other = fs::read(&directory).unwrap();
    let server = Server::start(folder.path());
    assert_eq!(204, server.send("DELETE", "/users/me", &token, &Value::Null));
    server.terminate();
    assert!(server.ended_well());
    assert!(!is_anywhere(folder.path(), "kumu@"));
    fs::write(&directory, other).unwrap();
    assert!(is_anywhere(folder.path(), "kumu@"));

    let _server = Server::start(folder.path());

    let begun = Instant::now();
    while is_anywhere(folder.path(), "kumu@") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it leaves by itself");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(is_anywhere(folder.path(), "noe@"), "others stay");
}

#[test]
fn a_restored_backup_does_not_bring_erased_accounts_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for user in ["kumu", "kai", "noe"] {
        push_twice(&server, user, &format!("{user} mua"), &format!("{user} hope"));
    }
    assert!(run(folder.path(), &["backup", "backup.db"]).status.success());
    for user in ["kumu", "kai"] {
        assert_eq!(204, server.send("DELETE", "/users/me", &server.token(user), &Value::Null));
    }
    // Kai has begun anew, and is in a later backup as such.
    push_twice(&server, "kai", "kai anew", "kai hou");
    assert!(run(folder.path(), &["backup", "later.db"]).status.success());
    server.terminate();
    assert!(server.ended_well());

    let restored = run(folder.path(), &["restore", "backup.db"]);
    let said = String::from_utf8(restored.stdout).unwrap();
    assert!(
        said.contains("2 accounts that were erased after the backup are erased again"),
        "{said}"
    );
    let server = Server::start(folder.path());
    let pieces = |user: &str| server.pieces(&server.token(user)).len();
    assert_eq!(1, pieces("noe"), "who was not erased is back");
    let begun = Instant::now();
    let head = |user: &str| {
        let body = json!({ "operation": "sync", "pieces": [] });
        server.post("/pieces", Some(&server.token(user)), &body).unwrap()
    };
    while head("kumu").0 == 503 || head("kai").0 == 503 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the erasures are finished");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((0, 0), (pieces("kumu"), pieces("kai")), "they are erased again");
    server.terminate();
    assert!(server.ended_well());

    let restored = run(folder.path(), &["restore", "later.db"]);
    assert!(restored.status.success());
    let server = Server::start(folder.path());
    assert_eq!("kai hou", server.pieces(&server.token("kai"))[0]["title"], "a new life stays");
}

#[test]
fn a_backup_that_was_copied_by_hand_does_not_bring_erased_accounts_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    push_twice(&server, "kumu", "kumu mua", "kumu hope");
    assert!(run(folder.path(), &["backup", "backup.db"]).status.success());
    assert_eq!(204, server.send("DELETE", "/users/me", &server.token("kumu"), &Value::Null));
    server.terminate();
    assert!(server.ended_well());
    fs::copy(folder.path().join("backup.db"), folder.path().join("haumana.db")).unwrap();
    fs::remove_file(folder.path().join("backup.db")).unwrap();

    let server = Server::start(folder.path());

    assert!(!is_anywhere(folder.path(), "kumu hope"), "not even while the server starts");
    drop(server);
}

#[cfg(unix)]
#[test]
fn databases_that_others_can_read_are_mended_when_the_server_starts() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path()));
    let names = ["haumana.db", "haumana.db.seen", "haumana.db.users.db"];
    for name in names {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    let _server = Server::start(folder.path());

    for name in names {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(0o600, mode & 0o777, "{name}");
    }
}
