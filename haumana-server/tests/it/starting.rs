//! How it starts, and why it does not.

use crate::server::{Server, command, does_not_start, run};
use std::fs;
use std::path::Path;

#[test]
fn it_says_where_it_listens_where_the_data_is_and_how_to_try_it() {
    let folder = tempfile::tempdir().unwrap();

    let server = Server::start(folder.path());

    let [_, listening, data, page, guide, client, _, curl] = &server.greeting[..] else {
        panic!("eight lines: {:?}", server.greeting)
    };
    assert!(!listening.ends_with(":0"), "the port that it was given: {listening}");
    let db = folder.path().join("haumana.db");
    assert!(data.ends_with(&db.display().to_string()), "{data}");
    assert!(page.starts_with("page: ") && page.contains(&server.url), "{page}");
    let guide = guide.split_once("/blob/main/").map(|(_, path)| path);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert!(guide.is_some_and(|path| root.join(path).is_file()), "{guide:?}");
    assert!(client.ends_with(&format!("haumana --server {} init", server.url)), "{client}");
    assert!(curl.starts_with("curl ") && curl.contains(&server.url), "{curl}");
}

#[test]
fn it_listens_to_others_only_if_told_what_that_means() {
    let folder = tempfile::tempdir().unwrap();
    let flag = "--allow-non-loopback-and-issue-tokens-to-anyone";

    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        does_not_start(folder.path(), &["--listen", address], flag);
    }
    assert!(!folder.path().join("haumana.db").exists(), "nothing was touched");

    let server = Server::start_with(folder.path(), &["--listen", "0.0.0.0:0", flag]);
    assert!(server.url.starts_with("http://0.0.0.0:"));
}

#[test]
fn a_port_in_use_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    does_not_start(folder.path(), &["--listen", server.address()], "is in use");
}

#[test]
fn a_database_that_cannot_be_used_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.db"), "Aloha kāua").unwrap();
    let with_db = |db: &'static str| ["--listen", "127.0.0.1:0", "--db", db];

    does_not_start(folder.path(), &with_db("letter.db"), "not a SQLite database");
    does_not_start(folder.path(), &with_db("nowhere/haumana.db"), "its directory is not there");
    assert_eq!("Aloha kāua", fs::read_to_string(folder.path().join("letter.db")).unwrap());
    does_not_start(folder.path(), &["backup", "--db", "none.db", "copy.db"], "no database");
    assert!(!folder.path().join("none.db").exists(), "a backup makes no database");
}

/// What is in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_start_that_fails_and_a_restore_that_fails_leave_no_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.db"), "Aloha kāua").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let server = Server::start(elsewhere.path());

    does_not_start(folder.path(), &["--listen", "127.0.0.1:0", "--db", "letter.db"], "SQLite");
    does_not_start(folder.path(), &["--listen", server.address(), "--db", "new.db"], "in use");
    does_not_start(folder.path(), &["restore", "letter.db", "--db", "new.db"], "not a SQLite");

    assert_eq!(["letter.db"], names(folder.path())[..]);
}

#[test]
fn a_mistyped_database_is_refused_by_commands_that_need_one() {
    let folder = tempfile::tempdir().unwrap();

    does_not_start(folder.path(), &["caller", "kai", "--db", "typo.db"], "--caller-key");
    does_not_start(folder.path(), &["keep-schema", "--db", "typo.db"], "no database typo.db");
    fs::write(folder.path().join("empty.db"), "").unwrap();
    does_not_start(folder.path(), &["backup", "b.db", "--db", "empty.db"], "is an empty file");
    fs::remove_file(folder.path().join("empty.db")).unwrap();

    assert!(names(folder.path()).is_empty(), "nothing is made: {:?}", names(folder.path()));
}

#[test]
fn options_of_the_store_and_of_the_schema_may_follow_the_command() {
    let folder = tempfile::tempdir().unwrap();

    // Nothing listens at that port, or the store is not built in.
    let url = "postgres://127.0.0.1:1/none";
    let swept = run(folder.path(), &["sweep", "--store", "postgres", "--url", url]);
    let kept = run(folder.path(), &["keep-schema", "--schema", "none.toml"]);

    for (ran, said) in [(swept, "unexpected"), (kept, "unexpected")] {
        let complaint = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(Some(1), ran.status.code(), "{complaint}");
        assert!(!complaint.contains(said), "{complaint}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_whose_answer_nobody_reads_has_done_its_work() {
    use std::os::{fd::OwnedFd, unix::net::UnixStream};
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path()));

    let commands: [&[&str]; 4] = [
        &["backup", "backup.db"],
        &["caller", "kai"],
        &["keep-schema"],
        &["restore", "backup.db", "--db", "other.db"],
    ];
    for args in commands {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut command = command(folder.path());
        let output = command.args(args).stdout(OwnedFd::from(ours)).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!((Some(0), ""), (output.status.code(), complaint.as_ref()), "{args:?}");
    }

    assert!(folder.path().join("other.db").exists());
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_said_plainly() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path()));
    let key = folder.path().join("haumana.db.key.pem");
    assert_eq!(0o600, fs::metadata(&key).unwrap().permissions().mode() & 0o777);

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();

    does_not_start(folder.path(), &["--listen", "127.0.0.1:0"], "chmod 600");
}

#[test]
fn a_word_that_is_no_level_is_not_taken_for_a_module() {
    let folder = tempfile::tempdir().unwrap();
    let refused = run(folder.path(), &["--log", "inof"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("is none of error, warn, info"), "{said}");
    drop(Server::start_with(folder.path(), &["--log", "warn,haumana_api=debug"]));
}
