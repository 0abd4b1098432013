//! The same server on PostgreSQL.

use crate::server::{Server, command, does_not_start};
use haumana_store_postgres::PostgresOptions;
use haumana_store_postgres::testing::server;
use serde_json::{Value, json};
use std::path::Path;

fn start(folder: &Path, database: &PostgresOptions, args: &[&str]) -> Server {
    let common = ["--listen", "127.0.0.1:0", "--store", "postgres"];
    let schema = ["--database-schema", &database.schema];
    let mut server = command(folder);
    server.env("HAUMANA_URL", &database.url);
    Server::spawn(server.args(common).args(schema).args(args))
}

fn titles(answer: &Value) -> Vec<&str> {
    let changes = answer["changes"].as_array().unwrap();
    let mut titles: Vec<&str> =
        changes.iter().map(|change| change["value"]["title"].as_str().unwrap()).collect();
    titles.sort_unstable();
    titles
}

fn push(device: &str, number: u32, title: &str) -> Value {
    json!({"deviceId": device, "push": [{"kind": "piece", "base": null,
        "id": format!("5EED0000-0000-4000-8000-{number:012}"), "set": {"title": title}}]})
}

#[test]
fn two_servers_on_one_database_serve_one_account_also_after_a_kill() {
    let Some(database) = server() else { return };
    let (folder, database) = (tempfile::tempdir().unwrap(), database.empty());
    let first = start(folder.path(), &database, &[]);
    let second = start(folder.path(), &database, &[]);
    assert!(first.greeting.iter().any(|line| line.starts_with("data in PostgreSQL")));

    let one = push("c3d9a1f4-7b62-4e0e-9a35-61f08d2be7c4", 1, "Aloha ʻOe");
    let other = push("1f7b2e90-44c8-4d57-b0a6-e95c3a7d8f12", 2, "Kaulana Nā Pua");
    assert_eq!(200, first.post("/sync", Some(&first.token("kai")), &one).unwrap().0);
    first.kill();
    let (status, answer) = second.post("/sync", Some(&second.token("kai")), &other).unwrap();

    assert_eq!(200, status, "{answer}");
    let pull = json!({"deviceId": "0b7a6c1e-52d4-4c8f-8e19-7d3f60a4b9c5"});
    let third = start(folder.path(), &database, &[]);
    let (_, pulled) = third.post("/sync", Some(&third.token("kai")), &pull).unwrap();
    assert_eq!(vec!["Aloha ʻOe", "Kaulana Nā Pua"], titles(&pulled));
}

#[test]
fn an_export_is_imported_into_another_database() {
    let Some(database) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let from = start(folder.path(), &database.empty(), &[]);
    let token = from.token("kai");
    let body = push("c3d9a1f4-7b62-4e0e-9a35-61f08d2be7c4", 1, "Aloha ʻOe");
    assert_eq!(200, from.post("/sync", Some(&token), &body).unwrap().0);
    let export = from.get_as(&token, "/users/me/export");

    let to = start(folder.path(), &database.empty(), &[]);
    let (status, answer) = to.post("/users/me/import", Some(&to.token("kai")), &export).unwrap();

    assert_eq!(200, status, "{answer}");
    let pull = json!({"deviceId": "0b7a6c1e-52d4-4c8f-8e19-7d3f60a4b9c5"});
    let (_, pulled) = to.post("/sync", Some(&to.token("kai")), &pull).unwrap();
    assert_eq!(vec!["Aloha ʻOe"], titles(&pulled));
}

/// Runs a command of the server to its end; returns what it printed.
fn run(folder: &Path, database: &PostgresOptions, args: &[&str]) -> String {
    let common = ["--store", "postgres", "--database-schema", &database.schema];
    let mut program = command(folder);
    let output = program.env("HAUMANA_URL", &database.url).args(common).args(args).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_account_that_an_old_database_says_was_erased_is_erased_again() {
    let Some(cluster) = server() else { return };
    let (folder, database) = (tempfile::tempdir().unwrap(), cluster.empty());
    let body = push("c3d9a1f4-7b62-4e0e-9a35-61f08d2be7c4", 1, "Aloha ʻOe");
    let first = start(folder.path(), &database, &[]);
    let token = first.token("kai");
    assert_eq!(200, first.post("/sync", Some(&token), &body).unwrap().0);
    first.kill();
    // A dump that is read into another database, after which the account is erased in the old one.
    let Some(copy) = cluster.dump_into_another_database(&database) else { return };
    let first = start(folder.path(), &database, &[]);
    assert_eq!(204, first.send("DELETE", "/users/me", &first.token("kai"), &Value::Null));
    first.kill();

    let said = run(folder.path(), &copy, &["erase-again", "--journal-url", &database.url]);

    assert_eq!("1 account was erased since, and is erased again\n", said);
    let restored = start(folder.path(), &copy, &[]);
    let pull = json!({"deviceId": "0b7a6c1e-52d4-4c8f-8e19-7d3f60a4b9c5"});
    let (status, pulled) = restored.post("/sync", Some(&restored.token("kai")), &pull).unwrap();
    assert_eq!((200, Vec::<&str>::new()), (status, titles(&pulled)));
    let said = run(folder.path(), &copy, &["sweep"]);
    assert_eq!("0 entries of history were past their retention\n", said);
}

#[test]
fn a_database_is_never_served_with_a_schema_that_does_not_succeed_its_own() {
    let Some(database) = server() else { return };
    let (folder, database) = (tempfile::tempdir().unwrap(), database.empty());
    let recipes = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/recipes.toml");
    let text = std::fs::read_to_string(recipes).unwrap();
    let write = |name: &str, good: &str, new: &str| {
        std::fs::write(folder.path().join(name), text.replacen(good, new, 1)).unwrap();
    };
    write("wrong.toml", "type = \"lines\"", "type = \"text\"");
    write("next.toml", "name = \"servings\"\nnumber = 7", "name = \"persons\"\nnumber = 9");
    drop(start(folder.path(), &database, &["--schema", recipes]));
    // Another machine, with nothing beside it.
    let other = tempfile::tempdir().unwrap();
    let refuse = |schema: &str, why: &str| {
        let common = ["--listen", "127.0.0.1:0", "--store", "postgres", "--url", &database.url];
        let path = folder.path().join(schema);
        let own = ["--database-schema", &database.schema, "--schema", path.to_str().unwrap()];
        does_not_start(other.path(), &[&common[..], &own].concat(), why);
    };

    refuse("wrong.toml", "field steps: a field keeps its type");
    let next = folder.path().join("next.toml");
    let next = ["--schema", next.to_str().unwrap()];
    let rolled_out = start(other.path(), &database, &next);
    let earlier = start(folder.path(), &database, &["--schema", recipes]);

    for server in [&rolled_out, &earlier] {
        assert_eq!(200, server.get("/health").0, "both serve while the new one is rolled out");
    }
    refuse("wrong.toml", "field steps: a field keeps its type");
    let said = run(folder.path(), &database, &[&next[..], &["keep-schema"]].concat());
    assert_eq!("the schema is the one that is kept\n", said);
}

#[test]
fn postgresql_without_a_url_or_a_server_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--listen", "127.0.0.1:0", "--store", "postgres"];

    does_not_start(folder.path(), &args, "--url");
    let nobody = [&args[..], &["--url", "postgres://haumana@127.0.0.1:1/haumana"]].concat();
    does_not_start(folder.path(), &nobody, "does not answer");
}
