//! The same on PostgreSQL and DynamoDB.

use crate::world::{COMMANDS, EDITED, World, user, yesterday};
use haumana_store_dynamo::Columns;
use haumana_store_dynamo::testing::{Tables, endpoint};
use haumana_store_postgres::{PostgresOptions, PostgresStore, copies};
use haumana_sync::conformance::{PLANTED, StoredAccount, plant_account, planted_schema};
use haumana_sync::engine::Fault;
use haumana_sync::store::{Operate, Store};
use haumana_sync::succession;
use std::sync::Arc;

/// Puts two accounts into a store: one is whole, and of one the head counts wrongly.
async fn fill<S: Store + Operate>(store: Arc<S>) {
    succession::succeed(&*store, &planted_schema(), None).await.unwrap();
    plant_account(store.clone(), &user("kai"), yesterday()).await;
    let mut account = StoredAccount::read(&*store, &*store, &user("kai")).await;
    let planted = PLANTED.iter().find(|planted| planted.fault == Fault::ByteCount).unwrap();
    (planted.plant)(&mut account);
    account.write(&*store, &user("noe")).await;
}

/// What an operator does, wherever the data is.
async fn operate(environment: &[(&str, &str)]) -> String {
    // The key and the audit log are here, the data is elsewhere.
    let world = World::new().await;
    let run = |arguments: &[&str]| world.run_with(environment, arguments);
    let shown = run(&["show", "kai"]).well();
    assert!(shown.contains("song            3 records, 1 deleted record, "), "{shown}");

    let verified = run(&["verify", "--all"]);
    assert_eq!(2, verified.code(), "{}", verified.complaint());
    assert!(verified.text().starts_with("noe: byte_count at the head: "), "{}", verified.text());
    assert!(verified.text().contains("\n2 accounts, 8 records, "), "{}", verified.text());
    run(&["repair", "noe", "--write"]).well();
    run(&["verify", "--all"]).well();
    run(&["restore", "kai", "--kind", "song", "--id", EDITED, "--version", "1"]).well();
    run(&["export", "kai", "--to", "kai.json"]).well();
    run(&["erase", "noe", "--confirm", "noe"]).well();
    run(&["verify", "--all"]).well();
    run(&["retention", "--all"]).well();
    let first = run(&["new-generation", "--json"]).json().remove(0);
    let second = run(&["new-generation", "--json"]).json().remove(0);
    assert_eq!(first["generation"], second["before"]);
    assert!(first["before"].as_u64() < first["generation"].as_u64(), "{first}");
    assert_eq!(12, world.audit().len(), "what was done is written down here");
    verified.complaint()
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_in_postgresql_are_verified_and_mended() {
    let Some(server) = haumana_store_postgres::testing::server() else { return };
    let options = server.empty();
    fill(Arc::new(PostgresStore::open(&options).await.unwrap())).await;

    let said = operate(&[
        ("HAUMANA_STORE", "postgres"),
        ("HAUMANA_URL", &options.url),
        ("HAUMANA_DATABASE_SCHEMA", &options.schema),
    ])
    .await;

    assert_eq!("", said);
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_a_backup_is_rehearsed_beside_the_tables_in_postgresql() {
    let Some(server) = haumana_store_postgres::testing::server() else { return };
    let options = server.empty();
    let store = Arc::new(PostgresStore::open(&options).await.unwrap());
    fill(store.clone()).await;
    let generation = store.life().generation;
    let read = async |name: &str| StoredAccount::read(&*store, &*store, &user(name)).await;
    let before = (read("kai").await, read("noe").await);
    let world = World::new().await;

    let ran = world.run_with(
        &[
            ("HAUMANA_STORE", "postgres"),
            ("HAUMANA_URL", &options.url),
            ("HAUMANA_DATABASE_SCHEMA", &options.schema),
        ],
        &["drill", "--json"],
    );

    // `noe` is not whole, before as after.
    assert_eq!(2, ran.code(), "{}{}", ran.text(), ran.complaint());
    let lines = ran.json();
    let steps: Vec<&str> = lines.iter().filter_map(|line| line["step"].as_str()).collect();
    let (first, last) = (["copied", "verified", "backed up", "went on"], ["restored"]);
    let last = [last.as_slice(), &["erased again", "verified", "devices back"]].concat();
    assert_eq!([first.as_slice(), &last].concat(), steps);
    assert_eq!(("succeeded", 1), {
        let end = lines.last().unwrap();
        (end["drill"].as_str().unwrap(), end["findings"].as_u64().unwrap())
    });
    assert_eq!(before, (read("kai").await, read("noe").await), "the real tables are as they were");
    assert_eq!(generation, PostgresStore::open(&options).await.unwrap().life().generation);
    let schemas = lines[0]["detail"].as_str().unwrap();
    let name = schemas.split_whitespace().find(|word| word.starts_with("haumana_drill_")).unwrap();
    for left in [name.trim_end_matches(';').to_owned(), format!("{}_b", name.trim_end_matches(';'))]
    {
        let options = PostgresOptions { schema: left, ..options.clone() };
        assert!(!copies::is_made(&options).await.unwrap(), "its copies are removed");
    }
}

/// Checks that each command says where there is nothing of a server, and by which option it is named.
#[track_caller]
fn check_refused(world: &World, environment: &[(&str, &str)], place: &str, option: &str) {
    for command in COMMANDS {
        let ran = world.run_with(environment, command);
        let said = ran.complaint();
        assert_eq!(1, ran.code(), "{command:?}: {}", ran.text());
        assert!(said.contains(place) && said.contains(option), "{command:?}: {said}");
    }
    assert_eq!(0, world.audit().len(), "nothing was done that could be written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_without_tables_is_refused_and_nothing_is_made_in_it() {
    let Some(server) = haumana_store_postgres::testing::server() else { return };
    let options = server.empty();
    let world = World::new().await;
    let environment = [
        ("HAUMANA_STORE", "postgres"),
        ("HAUMANA_URL", options.url.as_str()),
        ("HAUMANA_DATABASE_SCHEMA", options.schema.as_str()),
    ];

    let place = format!("in the schema {}", options.schema);
    check_refused(&world, &environment, &place, "--database-schema");

    assert!(!copies::is_made(&options).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_tables_is_refused_and_stays_as_it_is() {
    let world = World::new().await;
    // What `touch` makes, and what another program does.
    std::fs::write(world.file("empty.db"), "").unwrap();
    let foreign = rusqlite::Connection::open(world.file("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE heads (id INTEGER)").unwrap();
    drop(foreign);

    for name in ["empty.db", "foreign.db"] {
        let before = std::fs::read(world.file(name)).unwrap();
        let environment = [("HAUMANA_DB", name), ("HAUMANA_CALLER_KEY", "haumana.db.caller-key")];
        check_refused(&world, &environment, &format!("in the file {name}"), "--db");
        assert_eq!(before, std::fs::read(world.file(name)).unwrap(), "{name} stays as it is");
        for beside in ["-wal", "-shm", ".seen", ".audit"] {
            assert!(!world.file(&format!("{name}{beside}")).exists(), "{name}{beside}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_without_tables_is_refused() {
    let world = World::new().await;
    let environment = [
        ("HAUMANA_STORE", "dynamodb"),
        ("HAUMANA_ENDPOINT", endpoint()),
        ("HAUMANA_TABLE_PREFIX", "nobody-"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];

    for command in COMMANDS.iter().filter(|command| ["drill"] != **command) {
        let ran = world.run_with(&environment, command);
        let said = ran.complaint();
        assert_eq!(1, ran.code(), "{command:?}: {}", ran.text());
        assert!(said.contains("nobody-") && said.contains("does not exist"), "{command:?}: {said}");
    }
    assert_eq!(0, world.audit().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_in_dynamodb_are_verified_for_a_price_that_is_said_first() {
    let tables = Tables::create().await;
    let options = tables.options();
    let columns = Columns::of(&planted_schema());
    let options = haumana_store_dynamo::DynamoOptions { columns, ..options };
    fill(Arc::new(haumana_store_dynamo::DynamoStore::open(options))).await;

    let said = operate(&[
        ("HAUMANA_STORE", "dynamodb"),
        ("HAUMANA_ENDPOINT", endpoint()),
        ("HAUMANA_TABLE_PREFIX", tables.prefix()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ])
    .await;

    assert!(said.starts_with("reads about "), "{said}");
    assert!(said.contains(" units, 0.0"), "{said}");
    assert!(said.contains("\nread "), "{said}");
}
