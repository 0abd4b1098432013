//! The two programs, run as an operator runs them.

use crate::support::{
    engine_at, lines, piece, piece_key, run_items, session, user, uuid, with, write_export,
};
use haumana_import::Table;
use haumana_store_sqlite::{SqliteOptions, SqliteStore};
use haumana_sync::Store;
use haumana_sync::store::Generation;
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const IMPORT: &str = env!("CARGO_BIN_EXE_haumana-import");
const EXPORT: &str = env!("CARGO_BIN_EXE_haumana-export-legacy");

fn run(program: &str, folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).env_remove("AWS_REGION");
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn exports(folder: &Path) {
    let bad = with(piece("kai", 3), json!({"title": {"M": {}}, "notes": {"S": "Kaona"}}));
    let pieces = [piece("kai", 1), piece("kai", 2), bad];
    write_export(&folder.join("pieces"), &[lines(&pieces)]);
    write_export(&folder.join("sessions"), &[lines(&[session("kai", 9)])]);
}

/// The database of [`BOTH`].
fn kept(folder: &Path) -> SqliteStore {
    let options = SqliteOptions {
        path: folder.join("kept.db"),
        readers: 1,
        busy_timeout: Duration::from_secs(5),
        max_bytes: None,
    };
    SqliteStore::open(&options).unwrap()
}

const BOTH: [&str; 8] = [
    "--pieces-export",
    "pieces",
    "--sessions-export",
    "sessions",
    "--to",
    "sqlite",
    "--db",
    "kept.db",
];

#[test]
fn what_could_not_be_taken_is_reported_and_shown_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    exports(folder.path());

    let arguments = [&BOTH[..], &["--report", "report.jsonl"]].concat();
    let (code, said) = run(IMPORT, folder.path(), &arguments);

    assert_eq!(Some(2), code, "{said}");
    assert!(said.contains("4 read: 3 created, 0 updated"), "{said}");
    assert!(said.contains("refused in pieces: 1 × invalid_field"), "{said}");
    for private in ["kai", "Mele", "Kaona", "5EED0000"] {
        assert!(!said.contains(private), "{private} is in {said}");
    }
    let report = fs::read_to_string(folder.path().join("report.jsonl")).unwrap();
    assert!(!report.contains("Kaona") && !report.contains("Mele"), "{report}");
    let refused: Vec<Value> = report
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["outcome"] == "refused")
        .collect();
    let expected = json!({
        "table": "pieces", "place": "file0.json.gz:3", "key": {"userId": "kai", "pieceId": uuid(3)},
        "outcome": "refused", "code": "invalid_field", "message": "title has the wrong type",
    });
    assert_eq!(vec![expected], refused);
}

#[test]
fn a_report_replaces_nothing_but_a_report() {
    let folder = tempfile::tempdir().unwrap();
    exports(folder.path());
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();

    let arguments = [&BOTH[..], &["--report", "notes.txt"]].concat();
    let (code, said) = run(IMPORT, folder.path(), &arguments);

    assert_eq!(Some(1), code, "{said}");
    assert_eq!("mine", fs::read_to_string(folder.path().join("notes.txt")).unwrap());
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_a_report() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    exports(folder.path());
    let report = folder.path().join("report.jsonl");
    fs::write(&report, "{\"table\":\"pieces\"}\n").unwrap();
    fs::set_permissions(&report, fs::Permissions::from_mode(0o644)).unwrap();

    run(IMPORT, folder.path(), &[&BOTH[..], &["--report", "report.jsonl"]].concat());

    let mode = fs::metadata(&report).unwrap().permissions().mode();
    assert_eq!(0o600, mode & 0o777);
}

#[test]
fn a_rehearsal_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    exports(folder.path());

    let (_, said) = run(IMPORT, folder.path(), &[&BOTH[..], &["--dry-run"]].concat());

    assert!(said.contains("would be done: 4 read: 3 created"), "{said}");
    assert!(!folder.path().join("kept.db").exists());
}

#[tokio::test]
async fn history_is_kept_for_as_long_as_the_servers_keep_it() {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let then = UnixMillis(i64::try_from((days - 200) * 86_400_000).unwrap());
    let edited = json!({
        "title": {"S": "Oli"}, "version": {"N": "5"},
        "lastSyncedAt": {"S": "2025-06-19T12:00:00.000Z"},
    });
    for (retention_days, due) in [("365", 1), ("90", 0)] {
        let folder = tempfile::tempdir().unwrap();
        exports(folder.path());
        let engine = engine_at(Arc::new(kept(folder.path())), then);
        for item in [piece("kai", 7), with(piece("kai", 7), edited.clone())] {
            run_items(&engine, Table::Pieces, &[item]).await;
        }
        drop(engine);
        let n_kept = async || {
            let found = kept(folder.path()).history_of(&user("kai"), &piece_key(7), None, 10).await;
            found.unwrap().len()
        };
        assert_eq!(1, n_kept().await);

        let arguments = [&BOTH[..], &["--retention-days", retention_days]].concat();
        let (_, said) = run(IMPORT, folder.path(), &arguments);

        assert!(said.contains("3 created"), "{said}");
        assert_eq!(due, n_kept().await, "{retention_days} days");
    }
}

#[test]
fn a_rehearsal_and_an_export_begin_no_life_of_the_data() {
    let folder = tempfile::tempdir().unwrap();
    exports(folder.path());
    run(IMPORT, folder.path(), &BOTH);
    fs::write(folder.path().join("users"), "kai\n").unwrap();
    let export = ["--users", "users", "--from", "sqlite", "--db", "kept.db", "--to-folder", "back"];

    let rehearsed =
        run(IMPORT, folder.path(), &[&BOTH[..], &["--dry-run", "--generation", "7"]].concat());
    let exported = run(EXPORT, folder.path(), &[&export[..], &["--generation", "7"]].concat());

    assert!(rehearsed.1.contains("would be done") && exported.0 == Some(0), "{exported:?}");
    assert_eq!(Generation(0), kept(folder.path()).life().generation);
}

#[test]
fn what_was_imported_can_be_exported_and_a_repeat_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    exports(folder.path());
    run(IMPORT, folder.path(), &BOTH);

    let (_, said) = run(IMPORT, folder.path(), &BOTH);
    assert!(said.contains("4 read: 0 created, 0 updated, 0 merged"), "{said}");
    assert!(said.contains("3 left alone"), "{said}");

    fs::write(folder.path().join("users"), "kai\n\nlani\n").unwrap();
    let arguments =
        ["--users", "users", "--from", "sqlite", "--db", "kept.db", "--to-folder", "back"];
    let (code, said) = run(EXPORT, folder.path(), &arguments);

    assert_eq!(Some(0), code, "{said}");
    let exported = "2 users (1 with nothing), 2 pieces and 1 sessions written, 0 refused";
    assert!(said.contains(exported), "{said}");
    let again = [
        "--pieces-export",
        "back/pieces",
        "--sessions-export",
        "back/sessions",
        "--to",
        "sqlite",
        "--db",
        "other.db",
    ];
    let (code, said) = run(IMPORT, folder.path(), &again);
    assert!(code == Some(0) && said.contains("3 read: 3 created"), "{said}");
}

#[test]
fn mistakes_on_the_command_line_are_told_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    exports(folder.path());
    let check = |program, arguments: &[&str], expected: &str| {
        let (code, said) = run(program, folder.path(), arguments);
        assert!(code == Some(1) && said.contains(expected), "{code:?} {said}");
    };

    check(IMPORT, &["--to", "sqlite", "--db", "kept.db"], "there is nothing to import");
    check(IMPORT, &["--to", "sqlite", "--pieces-export", "pieces"], "sqlite needs --db");
    check(
        IMPORT,
        &["--to", "sqlite", "--db", "kept.db", "--pieces-export", "sessions/none"],
        "cannot be read",
    );
    let own = ["--to", "sqlite", "--db", "kept.db", "--pieces-table", "haumana-pieces"];
    check(IMPORT, &own, "one of haumana-sync's own");
    let nowhere = ["--to", "dynamodb", "--pieces-export", "pieces"];
    check(IMPORT, &nowhere, "DynamoDB needs a region");
    fs::write(folder.path().join("users"), "kai\n").unwrap();
    let from = ["--users", "users", "--from", "sqlite", "--db", "kept.db"];
    check(EXPORT, &[&from[..], &["--to-folder", "back"]].concat(), "there is no database");
    check(EXPORT, &["--users", "users", "--from", "sqlit"], "invalid value 'sqlit'");
    assert!(!folder.path().join("kept.db").exists());
}
