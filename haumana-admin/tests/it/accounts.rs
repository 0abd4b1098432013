//! Looking at accounts, verifying and repairing them.

use crate::world::{DAY_MS, EDITED, World, yesterday};
use haumana_sync::conformance::PLANTED;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_shown_without_what_it_holds() {
    let world = World::new().await;

    let ran = world.run(&["show", "kai", "--json"]);

    assert_eq!(0, ran.code(), "{}", ran.complaint());
    let shown = &ran.json()[0];
    assert_eq!(json!("active"), shown["state"]);
    assert_eq!((json!(3), json!(1)), counts(&shown["kinds"]["song"]));
    assert_eq!(json!(1), shown["openConflicts"]);
    let devices: Vec<&String> = shown["devices"].as_object().unwrap().keys().collect();
    assert_eq!(["phone", "tablet"], devices[..]);
    let people = world.run(&["show", "kai"]).well();
    assert!(people.contains("song            3 records, 1 deleted record, "), "{people}");
    assert!(!people.contains("mele") && !ran.text().contains("mele"), "{people}");
    assert_eq!(0, world.audit().len(), "nobody has read anything");
}

fn counts(kind: &Value) -> (Value, Value) {
    (kind["live"].clone(), kind["deleted"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_shown_for_a_reason_that_is_written_down() {
    let world = World::new().await;

    assert_ne!(0, world.run(&["show", "kai", "--content"]).code(), "not without one");
    let shown = world.run(&["show", "kai", "--content", "--reason", "request 7"]).well();

    assert!(shown.contains("title: \"mele with another name\""), "{shown}");
    assert!(shown.contains("  earlier: version 1 of "), "the versions to restore: {shown}");
    assert!(shown.contains(", by \"phone\", which changed key, tags"), "{shown}");
    let audit = world.audit();
    assert_eq!(("begun", "done"), (text(&audit[0], "status"), text(&audit[1], "status")));
    assert_eq!(("show content", "request 7"), (text(&audit[0], "call"), text(&audit[0], "reason")));
    assert_eq!(uid(&world), text(&audit[0], "operator"), "whatever USER says");
    assert!(!audit[0].to_string().contains("kai"), "users are hashes");
    let found = world.run(&["find", text(&audit[0], "caller")]).well();
    assert_eq!("kai\n", found);
}

/// The user of this process and of those that it starts, as the audit log calls it.
fn uid(world: &World) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("uid {}", std::fs::metadata(world.file("haumana.db")).unwrap().uid())
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_sudo_names_is_written_down_beside_root_and_beside_nobody_else() {
    let world = World::new().await;
    let sudo = [("SUDO_UID", "1000"), ("SUDO_USER", "pua"), ("LOGNAME", "lono")];

    world.run_with(&sudo, &["export", "kai", "--to", "kai.json"]).well();

    let wanted = match uid(&world).as_str() {
        "uid 0" => "uid 0, by sudo of uid 1000 (pua)".to_owned(),
        other => other.to_owned(),
    };
    assert_eq!(wanted, text(&world.audit()[0], "operator"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_an_account_is_no_success_of_any_command() {
    let world = World::new().await;
    let before = world.stored("kai").await;
    let commands: [&[&str]; 10] = [
        &["show", "kia"],
        &["verify", "kia"],
        &["repair", "kia"],
        &["repair", "kia", "--write"],
        &["retention", "kia"],
        &["restore", "kia", "--kind", "song", "--id", EDITED, "--version", "1"],
        &["rewind", "kia", "--to", "2026-11-28T18:30:00Z"],
        &["rewind", "kia", "--to", "2026-11-28T18:30:00Z", "--dry-run"],
        &["export", "kia", "--to", "kia.json"],
        &["erase", "kia", "--confirm", "kia"],
    ];

    for command in commands {
        let ran = world.run(command);
        let said = "haumana-admin: there is no account of that user\n";
        assert_eq!((1, said), (ran.code(), ran.complaint().as_str()), "{command:?}");
    }

    assert_eq!(0, world.audit().len(), "nothing was done that could be written down");
    assert_eq!(before, world.stored("kai").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hash_is_told_apart_from_the_hash_of_nobody() {
    let world = World::new().await;
    let complaint = |hash| {
        let ran = world.run(&["find", hash]);
        assert_eq!(1, ran.code(), "{hash}");
        ran.complaint()
    };

    for hash in ["kai", "0123456789abcde", "0123456789abcdeg", ""] {
        assert!(complaint(hash).contains("that is no hash of a user"), "{hash}");
    }
    assert!(complaint("0123456789ABCDEF").contains("no user of this store has that hash"));
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_is_verified_and_what_is_not_there_is_told() {
    let world = World::new().await;

    let one = world.run(&["verify", "kai"]).well();
    let all = world.run(&["verify", "--all"]).well();

    assert_eq!(one, all);
    assert!(one.starts_with("1 account, 4 records, "), "{one}");
    assert!(one.ends_with(" of history: all agrees\n"), "{one}");
    let nobody = world.run(&["verify", "lono"]);
    assert_eq!(1, nobody.code());
    assert_eq!("haumana-admin: there is no account of that user\n", nobody.complaint());
    assert_eq!(1, world.run(&["verify"]).code(), "whom is asked for: nothing was found");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_fault_is_found_and_what_can_be_is_repaired() {
    let world = World::new().await;
    let whole = world.stored("kai").await;
    for (at, planted) in PLANTED.iter().enumerate() {
        let mut account = whole.clone();
        (planted.plant)(&mut account);
        world.write(&account, &format!("user-{at}")).await;
    }

    let verified = world.run(&["verify", "--all", "--json"]);

    assert_eq!(2, verified.code(), "{}", verified.complaint());
    let lines = verified.json();
    let has = |at: usize, fault: &str| {
        let user = format!("user-{at}");
        lines.iter().any(|line| line["user"] == user.as_str() && line["fault"] == fault)
    };
    for (at, planted) in PLANTED.iter().enumerate() {
        assert!(has(at, planted.fault.code()), "{}", planted.name);
    }
    assert!(lines.iter().all(|line| line["user"] != "kai"), "who is whole is not named");
    assert!(!verified.text().contains("mele"), "no content");

    let tried = world.run(&["repair", "--all", "--json"]);
    assert_eq!(2, tried.code());
    assert_eq!(lines, world.run(&["verify", "--all", "--json"]).json(), "nothing was written");
    assert_eq!(0, world.audit().len());

    let done = world.run(&["repair", "--all", "--write", "--json"]);
    assert_eq!(2, done.code(), "{}", done.complaint());
    assert_eq!(0, done.json().last().unwrap()["failed"], "{}", done.text());
    assert_ne!(0, world.audit().len());
    let left = world.run(&["verify", "--all", "--json"]).json();
    let is_undone = |line: &&Value| line["repaired"] == json!(true);
    assert_eq!(None, left.iter().find(is_undone));
    let again = world.run(&["repair", "--all", "--write", "--json"]).json();
    assert_eq!(json!(0), again.last().unwrap()["mended"], "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_past_its_retention_is_counted() {
    let world = World::new().await;
    let entries = world.stored("kai").await.history.len();

    let kept = world.run(&["retention", "kai"]).well();
    assert!(kept.contains(", 0 past retention"), "{kept}");
    let old = World::of(yesterday().plus_ms(-DAY_MS)).await;
    let ran = old.run(&["retention", "--all", "--retention-days", "1", "--json"]);

    assert_eq!(2, ran.code());
    let people = old.run(&["retention", "--all", "--retention-days", "1"]).text();
    assert!(people.ends_with("; a server deletes them within the hour\n"), "{people}");
    let total = ran.json().pop().unwrap();
    assert_eq!(
        (json!(entries), json!(entries)),
        (total["entries"].clone(), total["pastRetention"].clone())
    );
    // What is left behind a value that is past its time is no fault.
    old.run(&["verify", "--all", "--retention-days", "1"]).well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_careless_command_line_is_told_what_to_do() {
    let world = World::new().await;
    let complaint = |arguments: &[&str]| {
        let ran = world.run(arguments);
        assert_eq!(1, ran.code(), "{arguments:?}");
        ran.complaint()
    };

    let elsewhere = complaint(&["verify", "kai", "--db", "other.db"]);
    assert_eq!("haumana-admin: there is no database other.db; name it with --db\n", elsewhere);
    assert!(!world.file("other.db").exists(), "nothing is made");
    let restore = ["restore", "kai", "--kind", "poem", "--id", EDITED, "--version", "1"];
    let kind = complaint(&restore);
    assert!(kind.contains(r#"no kind of record called "poem"; there are: song"#), "{kind}");
    assert!(complaint(&["verify", "kai", "--store", "postgres"]).contains("--url"));
    std::fs::remove_file(world.file("haumana.db.caller-key")).unwrap();
    let no_key = complaint(&["export", "kai", "--to", "kai.json"]);
    assert!(no_key.contains("haumana.db.caller-key cannot be read"), "{no_key}");
    assert!(!world.file("kai.json").exists(), "what cannot be written down is not done");
}
