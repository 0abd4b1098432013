//! Backups, and what happens when one is put back: in one step, and by hand.

use crate::server::{Server, command, does_not_start, piece, run};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";
const FREE_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn push(server: &Server, pieces: &[Value]) -> Value {
    push_as("kumu", server, pieces)
}

fn push_as(user: &str, server: &Server, pieces: &[Value]) -> Value {
    let token = server.token(user);
    let body = json!({ "operation": "sync", "pieces": pieces });
    let (status, answer) = server.post("/pieces", Some(&token), &body).unwrap();
    assert_eq!(200, status, "{answer}");
    answer
}

/// Pushes a piece with this title, and others of its own with `bytes` of lyrics between them.
fn push_titled(server: &Server, title: &str, bytes: usize) {
    let lyrics = "Haʻaheo ka ua ".repeat(10_000);
    let large = |number: usize| {
        let id = format!("5EED0000-0000-4001-{:04X}-{number:012X}", title.len());
        let mut large = piece(&id, title, 1);
        large["lyrics"] = lyrics.clone().into();
        large
    };
    let more = (0..bytes / lyrics.len()).map(large);
    push(server, &[piece(ID, title, 1)].into_iter().chain(more).collect::<Vec<_>>());
}

/// Starts the server and returns the titles of all pieces, each once.
fn titles(folder: &Path, args: &[&str]) -> Vec<String> {
    let server = Server::start_with(folder, args);
    let pieces = ["kumu", "kai"].map(|user| server.pieces(&server.token(user))).concat();
    let titles = pieces.iter().map(|piece| piece["title"].as_str().unwrap().to_owned());
    titles.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Runs a command that must succeed, and returns what it said.
#[track_caller]
fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Leaves `backup.db`, and beside it a database that was killed right after it had gone on.
fn crash_after_backup(folder: &Path, bytes: usize) {
    let server = Server::start(folder);
    push_titled(&server, "early", bytes);
    succeed(folder, &["backup", "backup.db"]);
    push_titled(&server, "late", bytes);
    // While somebody reads, the log is not emptied, however slow this machine is.
    let reader = Connection::open(folder.join("haumana.db")).unwrap();
    reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM heads").unwrap();
    push_as("kai", &server, &[piece(ID, "last", 1)]);
    server.kill();
    drop(reader);
    let log = fs::metadata(folder.join("haumana.db-wal")).unwrap();
    assert_ne!(0, log.len(), "something is in the log only");
}

/// Less and more than is written before the log is moved into the file.
const SIZES: [usize; 2] = [0, 10_000_000];

#[test]
fn a_crash_loses_nothing_and_begins_no_new_life() {
    for bytes in SIZES {
        let folder = tempfile::tempdir().unwrap();
        crash_after_backup(folder.path(), bytes);

        let server = start_aloud(folder.path(), &[]);

        let n_pieces = server.pieces(&server.token("kumu")).len();
        assert_eq!(1 + 2 * (bytes / 150_000), n_pieces);
        assert_eq!("", warnings(server), "nothing to be warned of");
        assert!(titles(folder.path(), &[]).ends_with(&["last".into(), "late".into()]));
    }
}

#[test]
fn a_backup_copied_over_a_crashed_database_is_refused_and_restored_in_one_step() {
    for bytes in SIZES {
        let folder = tempfile::tempdir().unwrap();
        crash_after_backup(folder.path(), bytes);
        fs::copy(folder.path().join("backup.db"), folder.path().join("haumana.db")).unwrap();

        does_not_start(folder.path(), &FREE_PORT, "run: haumana-server restore BACKUP");
        let copy = ["backup", "mixed.db"];
        does_not_start(folder.path(), &copy, "run: haumana-server restore BACKUP");
        let said = succeed(folder.path(), &["restore", "backup.db"]);

        assert!(said.contains("a new life of the data begins"), "{said}");
        assert_eq!(["early"], titles(folder.path(), &[])[..]);
    }
}

#[test]
fn a_restore_beside_the_log_of_a_crashed_database_keeps_both() {
    for bytes in SIZES {
        let folder = tempfile::tempdir().unwrap();
        crash_after_backup(folder.path(), bytes);

        let said = succeed(folder.path(), &["restore", "backup.db"]);

        assert_eq!(["early"], titles(folder.path(), &[])[..]);
        let aside = said.lines().find_map(|line| line.split("is kept as ").nth(1)).unwrap();
        assert!(titles(folder.path(), &["--db", aside]).contains(&"last".to_owned()));
    }
}

/// Whether a restore has come to a certain step.
type Step = fn(&Path) -> bool;

#[test]
fn a_restore_that_is_killed_leaves_the_old_or_the_new_and_can_be_repeated() {
    let prepared = tempfile::tempdir().unwrap();
    crash_after_backup(prepared.path(), 10_000_000);
    let has_name = |folder: &Path, part: &str| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.into_iter().any(|name| name.to_string_lossy().contains(part))
    };
    let steps: [Step; 5] = [
        |_| true,
        |folder| folder.join("haumana.db.restoring").exists(),
        |folder| {
            let copied = fs::metadata(folder.join("haumana.db.restoring"));
            copied.is_ok_and(|copied| 5_000_000 < copied.len())
        },
        |folder| folder.join("haumana.db.restoring-journal").exists(),
        |folder| !folder.join("haumana.db-wal").exists(),
    ];

    for step in steps {
        let folder = tempfile::tempdir().unwrap();
        for name in ["haumana.db", "haumana.db-wal", "haumana.db.seen", "backup.db"] {
            fs::copy(prepared.path().join(name), folder.path().join(name)).unwrap();
        }
        let mut restore = command(folder.path());
        restore.args(["restore", "backup.db"]).stdout(Stdio::null());
        let mut restore = restore.spawn().unwrap();
        while !step(folder.path()) && restore.try_wait().unwrap().is_none() {}
        restore.kill().ok();
        restore.wait().unwrap();

        let looked = run(folder.path(), &["backup", "check.db"]);
        if looked.status.success() {
            let found = titles(folder.path(), &["--db", "check.db"]);
            assert!(found == ["early"] || found.contains(&"last".to_owned()), "{found:?}");
            assert!(found != ["early"] || has_name(folder.path(), "before-restore"));
        } else {
            let said = String::from_utf8_lossy(&looked.stderr);
            assert!(said.contains("run: haumana-server restore BACKUP"), "{said}");
        }
        succeed(folder.path(), &["restore", "backup.db"]);
        assert_eq!(["early"], titles(folder.path(), &[])[..]);
    }
}

#[test]
fn a_restore_says_what_it_did_and_what_happens_next() {
    let folder = tempfile::tempdir().unwrap();
    crash_after_backup(folder.path(), 0);

    let merged = succeed(folder.path(), &["restore", "backup.db"]);
    let discarded = succeed(folder.path(), &["restore", "backup.db", "--discard-later"]);
    let elsewhere = succeed(folder.path(), &["restore", "backup.db", "--db", "other.db"]);

    for said in ["is now the backup of 20", "haumana.db.before-restore-", "--generation is not"] {
        assert!(merged.contains(said), "{said:?} must be in: {merged}");
    }
    assert!(merged.contains("is merged into it"), "{merged}");
    assert!(discarded.contains("the backup wins"), "{discarded}");
    assert!(merged.contains("haumana.db.users.db"), "the directory stays: {merged}");
    assert!(elsewhere.contains("there was no database before"), "{elsewhere}");
    for (said, db) in [(&merged, "haumana.db"), (&elsewhere, "other.db")] {
        assert!(said.contains(&format!("there is no {db}.erased, so nothing is known")), "{said}");
    }
}

#[test]
fn a_restore_is_refused_while_the_server_runs_and_for_what_is_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    push_titled(&server, "kept", 0);
    succeed(folder.path(), &["backup", "backup.db"]);
    fs::write(folder.path().join("letter"), "Aloha kāua").unwrap();

    does_not_start(folder.path(), &["restore", "backup.db"], "stop that program");
    does_not_start(folder.path(), &["restore", "haumana.db", "--db", "b.db"], "stop that program");
    push_titled(&server, "goes on", 0);
    drop(server);
    does_not_start(folder.path(), &["restore", "letter"], "not a SQLite database");
    does_not_start(folder.path(), &["restore", "nothing"], "no such file");
    assert_eq!(["goes on"], titles(folder.path(), &[])[..]);
}

#[test]
fn with_dynamodb_neither_touches_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let with_dynamodb = |args: &[&'static str]| [&["--store", "dynamodb"], args].concat();

    for args in [["backup", "backup.db"], ["restore", "backup.db"]] {
        does_not_start(folder.path(), &with_dynamodb(&args), "with a higher --generation");
    }
    assert_eq!(0, fs::read_dir(folder.path()).unwrap().count());
}

/// Starts the server so that its warnings can be heard.
fn start_aloud(folder: &Path, args: &[&str]) -> Server {
    let mut command = command(folder);
    command.env("HAUMANA_LOG", "warn").stderr(Stdio::piped());
    Server::spawn(command.args(FREE_PORT).args(args))
}

/// Ends the server and returns what it warned of.
fn warnings(mut server: Server) -> String {
    let mut stderr = server.child.stderr.take().unwrap();
    server.kill();
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn the_first_start_on_a_backup_begins_a_new_life_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    push_titled(&server, "kept", 0);
    succeed(folder.path(), &["backup", "first.db"]);
    succeed(folder.path(), &["backup", "second.db", "--db", "first.db"]);
    drop(server);

    let mut generations = Vec::new();
    for db in ["first.db", "second.db"] {
        let server = start_aloud(folder.path(), &["--db", db]);
        assert_eq!("kept", server.pieces(&server.token("kumu"))[0]["title"]);
        let said = warnings(server);
        assert!(said.contains("the database is the backup of 20"), "{said}");
        generations.push(said.split("generation=").nth(1).unwrap().trim().to_owned());
        let server = start_aloud(folder.path(), &["--db", db]);
        assert_eq!("", warnings(server), "only the first time");
    }
    assert_ne!(generations[0], generations[1], "once in 16 million runs");
}

#[test]
fn an_earlier_copy_put_back_by_hand_begins_a_new_life_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("haumana.db");
    let server = Server::start(folder.path());
    push_and_wait(folder.path(), &server, "early");
    fs::copy(&db, folder.path().join("by-hand.db")).unwrap();
    push_and_wait(folder.path(), &server, "late");
    server.kill();

    fs::copy(folder.path().join("by-hand.db"), &db).unwrap();
    let server = start_aloud(folder.path(), &[]);

    assert_eq!("early", server.pieces(&server.token("kumu"))[0]["title"]);
    let said = warnings(server);
    assert!(said.contains("an earlier copy was put back"), "{said}");
}

/// Returns how many transactions are remembered beside the database.
fn seen(folder: &Path) -> u32 {
    let sidecar = Connection::open(folder.join("haumana.db.seen")).unwrap();
    sidecar.query_row("SELECT commits FROM seen", [], |row| row.get(0)).unwrap()
}

/// Pushes, and waits until the database file alone has everything and that is remembered.
fn push_and_wait(folder: &Path, server: &Server, title: &str) {
    let (before, begun) = (seen(folder), Instant::now());
    let log = folder.join("haumana.db-wal");
    push_titled(server, title, 0);
    while fs::metadata(&log).is_ok_and(|log| log.len() != 0) || seen(folder) <= before {
        assert!(begun.elapsed() < Duration::from_secs(60), "an idle server moves its log");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_database_file_alone_has_everything_when_nothing_was_written_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    push_and_wait(folder.path(), &server, "kept");

    let alone = tempfile::tempdir().unwrap();
    fs::copy(folder.path().join("haumana.db"), alone.path().join("haumana.db")).unwrap();
    assert_eq!(["kept"], titles(alone.path(), &[])[..]);
}

#[test]
fn a_log_of_another_database_is_refused() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    crash_after_backup(folder.path(), 0);
    crash_after_backup(other.path(), 0);

    let log = "haumana.db-wal";
    fs::copy(other.path().join(log), folder.path().join(log)).unwrap();

    does_not_start(folder.path(), &FREE_PORT, "holds the latest changes of another database");
}

/// What a phone holds of the piece after a reply.
fn held(reply: &Value, list: &str) -> Value {
    let pieces = reply[list].as_array().unwrap();
    pieces.iter().find(|piece| piece["pieceId"] == ID).unwrap().clone()
}

fn edit(held: &Value, title: &str, minute: u32) -> Value {
    let mut edited = piece(ID, title, held["version"].as_i64().unwrap());
    edited["modifiedAt"] = format!("2025-06-18T13:{minute:02}:00Z").into();
    edited
}

#[test]
fn with_discard_later_the_backup_wins_and_what_devices_hold_is_in_the_inbox() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let first = held(&push(&server, &[piece(ID, "one", 1)]), "updatedPieces");
    succeed(folder.path(), &["backup", "backup.db"]);
    let old_copy = held(&push(&server, &[edit(&first, "lost life", 1)]), "updatedPieces");
    server.kill();

    succeed(folder.path(), &["restore", "backup.db", "--discard-later"]);
    let server = Server::start(folder.path());
    push(&server, &[edit(&old_copy, "lost life", 1)]);

    let token = server.token("kumu");
    assert_eq!("one", server.pieces(&token)[0]["title"]);
    let inbox = server.get_as(&token, "/conflicts").to_string();
    assert!(inbox.contains("lost life"), "{inbox}");
}

#[cfg(unix)]
#[test]
fn after_a_restore_without_a_word_an_old_copy_overwrites_nothing_silently() {
    for in_one_step in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path());
        let first = held(&push(&server, &[piece(ID, "one", 1)]), "updatedPieces");
        succeed(folder.path(), &["backup", "backup.db"]);
        let old_copy = held(&push(&server, &[edit(&first, "lost life", 1)]), "updatedPieces");
        server.terminate();
        assert!(server.ended_well());
        if in_one_step {
            succeed(folder.path(), &["restore", "backup.db"]);
        } else {
            fs::copy(folder.path().join("backup.db"), folder.path().join("haumana.db")).unwrap();
        }

        // Another phone edits what was restored, and then the old copy practises.
        let server = Server::start(folder.path());
        let restored = held(&push(&server, &[]), "serverPieces");
        assert_eq!("one", restored["title"]);
        push(&server, &[edit(&restored, "this life", 5)]);
        let mut practised = edit(&old_copy, "lost life", 1);
        practised["lastPracticed"] = "2025-06-18T13:09:00Z".into();
        push(&server, &[practised]);

        let pieces = server.pieces(&server.token("kumu"));
        assert_eq!("this life", pieces[0]["title"], "the later edit wins: {in_one_step}");
    }
}

/// What the phone of an account sends although nobody has edited: what it was given last.
fn untouched(reply: &Value) -> Value {
    let mut piece = piece(ID, "secret", 1);
    piece["version"] = reply["updatedPieces"][0]["version"].clone();
    piece["lastSyncedAt"] = "2026-11-30T10:00:00Z".into();
    piece["locallyModified"] = false.into();
    piece
}

#[test]
fn a_phone_brings_nothing_back_that_was_erased_after_the_backup() {
    // Edits before the backup is taken, and after it.
    for (before, after) in [(1, 0), (1, 1), (1, 3), (0, 1), (0, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path());
        push_as("kai", &server, &[piece(ID, "another", 1)]);
        let mut phone = piece(ID, "secret", 1);
        for edit in 0..before + after {
            if edit == before {
                succeed(folder.path(), &["backup", "backup.db"]);
            }
            phone["title"] = format!("secret {edit}").into();
            phone["locallyModified"] = true.into();
            let reply = push(&server, &[phone.clone()]);
            let title = phone["title"].take();
            phone = untouched(&reply);
            phone["title"] = title;
        }
        if after == 0 {
            succeed(folder.path(), &["backup", "backup.db"]);
        }
        let token = server.token("kumu");
        let body = json!({ "deviceId": "laptop", "cursor": null, "limit": 10, "push": [] });
        let (_, synced) = server.post("/sync", Some(&token), &body).unwrap();
        assert_eq!(204, server.send("DELETE", "/users/me", &token, &Value::Null));
        server.terminate();
        assert!(server.ended_well());
        succeed(folder.path(), &["restore", "backup.db"]);

        let server = Server::start(folder.path());
        // The server finishes the erasure once it runs; until then a phone is told to come again.
        let (token, empty) = (server.token("kumu"), json!({"operation": "sync", "pieces": []}));
        let start = Instant::now();
        while server.post("/pieces", Some(&token), &empty).unwrap().0 == 503 {
            assert!(start.elapsed() < Duration::from_secs(30), "it is finished");
            std::thread::sleep(Duration::from_millis(50));
        }
        let reply = push(&server, &[phone.clone()]);

        let case = format!("{before} edits before the backup, {after} after it: {reply}");
        assert_eq!(json!([]), reply["uploadedPieces"], "{case}");
        assert!(server.pieces(&server.token("kumu")).is_empty(), "{case}");
        assert_eq!(1, server.pieces(&server.token("kai")).len(), "{case}");
        let token = server.token("kumu");
        let body = json!({
            "deviceId": "laptop", "cursor": synced["cursor"], "limit": 10, "push": []
        });
        let (status, reply) = server.post("/sync", Some(&token), &body).unwrap();
        assert_eq!(410, status, "{case}: {reply}");
    }
}
