//! The same server on DynamoDB.

use crate::server::{Server, command, does_not_start};
use haumana_store_dynamo::testing::{Tables, endpoint};
use serde_json::json;
use std::path::Path;

const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/recipes.toml");

fn start(folder: &Path, args: &[&str]) -> Server {
    let common = ["--listen", "127.0.0.1:0", "--store", "dynamodb", "--endpoint", endpoint()];
    let mut server = command(folder);
    server.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    Server::spawn(server.args(common).args(args))
}

#[test]
fn what_one_server_takes_another_on_the_same_tables_delivers() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::named();
    let prefix = ["--table-prefix", tables.prefix()];
    let first = start(folder.path(), &[&prefix[..], &["--create-tables"]].concat());
    let second = start(folder.path(), &prefix);
    let push = json!({"deviceId": "c3d9a1f4-7b62-4e0e-9a35-61f08d2be7c4", "push": [{"kind": "piece", "base": null,
        "id": "5EED0000-0000-4000-8000-000000000001", "set": {"title": "Aloha ʻOe"}}]});

    let (pushed, _) = first.post("/sync", Some(&first.token("kai")), &push).unwrap();
    let pull = json!({"deviceId": "1f7b2e90-44c8-4d57-b0a6-e95c3a7d8f12"});
    let (_, pulled) = second.post("/sync", Some(&second.token("kai")), &pull).unwrap();

    assert_eq!(200, pushed);
    assert_eq!("Aloha ʻOe", pulled["changes"][0]["value"]["title"], "{pulled}");
}

#[test]
fn tables_are_never_served_with_a_schema_that_does_not_succeed_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Tables::named();
    let prefix = ["--table-prefix", tables.prefix()];
    let keep = |more: &[&str]| {
        let common = ["--store", "dynamodb", "--endpoint", endpoint()];
        let mut program = command(folder.path());
        program.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let output = program.args(common).args(prefix).args(more).arg("keep-schema").output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    drop(start(folder.path(), &[&prefix[..], &["--create-tables"]].concat()));

    let same = keep(&[]);
    let (is_kept, refused) = keep(&["--schema", RECIPES]);

    assert_eq!((true, "the schema is the one that is kept\n".to_owned()), same);
    assert!(!is_kept, "{refused}");
    let why = format!(
        "the tables {}* were written under another schema: kind piece: records of this kind are \
         stored, and the schema no longer has it",
        tables.prefix()
    );
    assert!(refused.contains(&why), "{refused}");
}

#[test]
fn dynamodb_without_credentials_is_refused() {
    let folder = tempfile::tempdir().unwrap();

    does_not_start(
        folder.path(),
        &["--listen", "127.0.0.1:0", "--store", "dynamodb"],
        "AWS_ACCESS_KEY_ID",
    );
}
