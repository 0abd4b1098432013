//! What people ask for.

use crate::world::{DELETED, EDITED, World};
use serde_json::{Value, json};
use std::fs;

fn song(stored: &haumana_sync::conformance::StoredAccount, id: &str) -> (bool, Value) {
    let record = stored.records.iter().find(|record| record.key.id.to_string() == id).unwrap();
    (record.deleted, serde_json::from_str(&record.content).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_is_what_it_was_and_a_deleted_one_is_back() {
    let world = World::new().await;

    let edited = ["restore", "kai", "--kind", "song", "--id", EDITED, "--version", "1"];
    let told = world.run(&edited).well();
    let deleted = ["restore", "kai", "--kind", "song", "--id", DELETED, "--version", "2"];
    world.run(&deleted).well();

    assert!(told.starts_with("version 1 is the content again, as version 5;"), "{told}");
    let stored = world.stored("kai").await;
    assert_eq!(json!("mele 1"), song(&stored, EDITED).1["title"]);
    assert_eq!(
        (false, json!("C")),
        (song(&stored, DELETED).0, song(&stored, DELETED).1["key"].clone())
    );
    assert_eq!(4, world.audit().len());
    let again = world.run(&edited).well();
    assert_eq!("the record has that content already, as version 5\n", again);
    let never = ["restore", "kai", "--kind", "song", "--id", EDITED, "--version", "77"];
    assert_eq!(1, world.run(&never).code());
    assert_eq!("failed", world.audit().last().unwrap()["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_rewound_and_the_rewind_is_taken_back() {
    let world = World::new().await;
    let before = world.stored("kai").await;
    let first = before.history.iter().map(|entry| entry.at).min().unwrap();
    let to = first.plus_ms(-1).to_string();

    let tried = world.run(&["rewind", "kai", "--to", &to, "--dry-run", "--json"]);
    assert_eq!(before, world.stored("kai").await, "only tried");
    let done = world.run(&["rewind", "kai", "--to", &to, "--json"]);

    let (tried, done) = (tried.json().remove(0), done.json().remove(0));
    for count in ["changed", "deleted", "restored", "kept"] {
        assert_eq!(tried[count], done[count], "{count}");
    }
    let stored = world.stored("kai").await;
    assert_eq!(json!("mele 1"), song(&stored, EDITED).1["title"]);
    assert!(!song(&stored, DELETED).0, "what was deleted since is back");
    let back = done["before"].as_str().unwrap();
    world.run(&["rewind", "kai", "--to", back]).well();
    let stored = world.stored("kai").await;
    for id in [EDITED, DELETED] {
        assert_eq!(song(&before, id), song(&stored, id), "as before the rewind");
    }
    world.run(&["verify", "--all"]).well();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_an_account_is_in_a_new_file_of_its_owner_alone() {
    let world = World::new().await;

    world.run(&["export", "kai", "--to", "kai.json"]).well();

    let file = world.file("kai.json");
    let export: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(json!("kai"), export["user"]["id"]);
    assert!(export.to_string().contains("mele with another name"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(0o600, fs::metadata(&file).unwrap().permissions().mode() & 0o777);
    }
    let bytes = fs::read(&file).unwrap();
    let again = world.run(&["export", "kai", "--to", "kai.json"]);
    assert_eq!(
        "haumana-admin: kai.json exists; an export never overwrites anything\n",
        again.complaint()
    );
    assert_eq!(bytes, fs::read(&file).unwrap());
    assert_eq!(1, world.run(&["export", "lono", "--to", "lono.json"]).code());
    assert!(!world.file("lono.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_erased_by_its_name_said_twice_and_there_is_a_receipt() {
    let world = World::new().await;
    let before = world.stored("kai").await;

    let misheard = world.run(&["erase", "kai", "--confirm", "noe"]);
    assert_eq!(1, misheard.code());
    assert_eq!(before, world.stored("kai").await);
    let receipt = world.run(&["erase", "kai", "--confirm", "kai"]).well();

    assert!(receipt.contains("there was       4 records, "), "{receipt}");
    assert!(receipt.contains("there is        nothing\n"), "{receipt}");
    let stored = world.stored("kai").await;
    assert_eq!((0, 0), (stored.records.len(), stored.history.len()));
    let calls: Vec<Value> = world.audit().iter().map(|line| line["call"].clone()).collect();
    assert_eq!(vec![json!("erase"); 2], calls);
    let again = world.run(&["erase", "kai", "--confirm", "kai"]).well();
    assert!(again.contains("the account had been erased before"), "{again}");
    world.run(&["verify", "--all"]).well();
    assert_eq!(json!("erased"), world.run(&["show", "kai", "--json"]).json()[0]["state"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_is_above_all_before() {
    let world = World::new().await;

    let first = world.run(&["new-generation", "--json"]).json().remove(0);
    let second = world.run(&["new-generation", "--json"]).json().remove(0);

    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    assert!(number(&first, "before") < number(&first, "generation"), "{first}");
    assert!(number(&second, "before") < number(&second, "generation"), "{second}");
    assert_eq!(first["generation"], second["before"]);
    assert_eq!(second["generation"], json!(world.store().life().generation.0));
    let audit = world.audit();
    let told: Vec<_> = audit.iter().map(|line| (&line["call"], &line["status"])).collect();
    let one =
        [(&json!("new-generation"), &json!("begun")), (&json!("new-generation"), &json!("done"))];
    assert_eq!([one, one].concat(), told, "it concerns every account");
    assert!(audit.iter().all(|line| line.get("caller").is_none()), "and names nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_a_server_is_given_counts_after_new_generation_as_before() {
    let world = World::new().await;
    let before = world.run(&["new-generation", "--json"]).json()[0]["generation"].clone();

    let asked = world.store_asking(1).life().generation.0;

    assert!(before.as_u64().unwrap() < u64::from(asked), "{before} {asked}");
    assert_eq!(asked, world.store_asking(1).life().generation.0, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_not_opened_and_stays_one() {
    let world = World::new().await;
    world.store().backup_to(&world.file("backup.db")).await.unwrap();
    let before = std::fs::read(world.file("backup.db")).unwrap();

    for command in [&["verify", "--all"][..], &["show", "kai"], &["new-generation"]] {
        let arguments = [command, &["--db", "backup.db"]].concat();
        let ran = world.run(&arguments);
        assert_eq!(1, ran.code(), "{}", ran.text());
        assert!(ran.complaint().contains("backup.db is a backup"), "{}", ran.complaint());
    }

    assert_eq!(before, std::fs::read(world.file("backup.db")).unwrap());
    assert!(!world.file("backup.db.seen").exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let key = world.file("haumana.db.caller-key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();

    let ran = world.run(&["erase", "kai", "--confirm", "kai"]);

    assert_eq!(1, ran.code(), "{}", ran.text());
    assert!(ran.complaint().contains("chmod 600"), "{}", ran.complaint());
}
