//! A server for the records of another app: the recipes of `examples/recipes`.

use crate::server::{Server, does_not_start};
use serde_json::{Value, json};
use std::path::Path;

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";
const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/recipes.toml");

fn serve(folder: &Path) -> Server {
    Server::start_with(folder, &["--schema", RECIPES])
}

/// A device that holds one recipe.
struct Device<'s> {
    server: &'s Server,
    token: String,
    name: &'static str,
    cursor: Value,
    recipe: Value,
    version: Value,
}

impl<'s> Device<'s> {
    fn new(server: &'s Server, name: &'static str) -> Self {
        let (cursor, recipe, version) = (Value::Null, Value::Null, Value::Null);
        Self { server, token: server.token("cook"), name, cursor, recipe, version }
    }

    /// Sends what its user changed at a time of the day, and takes what comes.
    fn sync(&mut self, edited_at: &str, set: Option<Value>) -> Value {
        let push = set.map(|set| {
            json!([{ "kind": "recipe", "id": ID, "base": self.version, "set": set,
                "editedAt": format!("2026-11-20T{edited_at}:00Z") }])
        });
        let body = json!({ "deviceId": self.name, "cursor": self.cursor,
            "push": push.unwrap_or_else(|| json!([])) });
        let (status, reply) = self.server.post("/sync", Some(&self.token), &body).unwrap();
        assert_eq!(200, status, "{reply}");
        self.cursor = reply["cursor"].clone();
        for change in reply["changes"].as_array().unwrap() {
            self.recipe = change["value"].clone();
            self.version = change["version"].clone();
        }
        reply
    }

    fn get(&self, path: &str) -> Value {
        self.server.get_as(&self.token, path)
    }
}

fn poke() -> Value {
    json!({ "title": "Poke", "steps": "Cut the fish\nMix\nServe", "ingredients": ["ahi", "salt"],
        "tags": ["fish"], "cooked": { "phone": [1, 0] }, "difficulty": "easy" })
}

/// Two devices of one cook that have the recipe.
fn two_devices(server: &Server) -> (Device<'_>, Device<'_>) {
    let (mut phone, mut laptop) =
        (Device::new(server, "phone-4711"), Device::new(server, "laptop-17"));
    phone.sync("08:00", Some(poke()));
    phone.sync("08:00", None);
    laptop.sync("08:00", None);
    (phone, laptop)
}

#[test]
fn two_devices_edit_one_recipe_offline_and_agree() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    let (mut phone, mut laptop) = two_devices(&server);

    phone.sync(
        "09:00",
        Some(json!({ "steps": "Cut the fresh fish\nMix\nServe", "ingredients": ["ahi", "limu", "salt"],
            "tags": ["fish", "raw"], "cooked": { "phone": [2, 0] }, "difficulty": "hard" })),
    );
    let merged = laptop.sync(
        "10:00",
        Some(json!({ "steps": "Cut the fish\nMix\nServe cold", "ingredients": ["ahi", "salt", "onion"],
            "tags": ["quick"], "cooked": { "laptop": [1, 0] }, "difficulty": "medium", "servings": 2 })),
    );
    phone.sync("11:00", None);
    laptop.sync("11:00", None);

    assert_eq!("merged", merged["results"][0]["outcome"]);
    assert_eq!(phone.recipe, laptop.recipe);
    let expected = json!({ "title": "Poke", "steps": "Cut the fresh fish\nMix\nServe cold",
        "ingredients": ["ahi", "limu", "salt", "onion"], "tags": ["quick", "raw"],
        "cooked": { "laptop": [1, 0], "phone": [2, 0] }, "difficulty": "hard", "servings": 2,
        "createdAt": "2026-11-20T08:00:00.000Z" });
    assert_eq!(expected, phone.recipe);
    assert_eq!(json!([]), phone.get("/conflicts")["conflicts"], "nothing has lost");
}

/// The client is written from the docs, in another language.
#[test]
fn the_python_client_s_devices_agree() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/client.py");

    let Ok(output) = std::process::Command::new("python3").arg(client).arg(&server.url).output()
    else {
        eprintln!("skipped: there is no Python on this machine");
        return;
    };

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn what_loses_waits_in_the_inbox_and_the_history_puts_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    let (mut phone, mut laptop) = two_devices(&server);
    phone.sync("09:00", Some(json!({ "title": "Ahi poke" })));
    laptop.sync("10:00", Some(json!({ "title": "Poke bowl" })));

    let open = phone.get("/conflicts")["conflicts"][0].clone();

    let expected = (json!("recipe"), json!("Poke bowl"), json!("Ahi poke"), json!("later_edit"));
    let found =
        (open["kind"].clone(), open["kept"].clone(), open["lost"].clone(), open["reason"].clone());
    assert_eq!(expected, found);
    let history = phone.get(&format!("/records/recipe/{ID}/history"));
    assert_eq!("Poke", history["versions"][1]["changed"][0]["earlier"]);
    let path = format!("/records/recipe/{ID}/restore");
    let (status, restored) = server
        .post(&path, Some(&phone.token), &json!({ "version": 1, "requestId": "r-1" }))
        .unwrap();
    assert_eq!((200, &json!(4)), (status, &restored["version"]));
    phone.sync("11:00", None);
    assert_eq!("Poke", phone.recipe["title"]);
}

#[test]
fn an_export_of_recipes_comes_back_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    let mut phone = Device::new(&server, "phone-4711");
    phone.sync("08:00", Some(poke()));
    phone.sync("09:00", Some(json!({ "title": "Ahi poke", "note": { "of": "another app" } })));
    let export = phone.get("/users/me/export");

    let other = server.token("friend");
    let (status, counts) = server.post("/users/me/import", Some(&other), &export).unwrap();

    assert_eq!((200, &json!(1)), (status, &counts["records"]));
    let back = server.get_as(&other, "/users/me/export");
    assert_eq!(export["records"][0]["value"], back["records"][0]["value"]);
    assert_eq!(json!({ "of": "another app" }), back["records"][0]["value"]["note"]);
    assert_eq!(export["history"][0]["value"], back["history"][0]["value"]);
}

#[test]
fn a_value_that_its_field_cannot_hold_is_refused_by_name_and_blocks_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    let token = server.token("cook");
    let push = |id: &str, kind: &str, set: Value| {
        json!({ "kind": kind, "id": format!("5EED0000-0000-4000-8000-0000000000{id}"),
            "base": null, "set": set })
    };
    let body = json!({ "deviceId": "phone-4711", "push": [
        push("01", "recipe", json!({ "servings": "four" })),
        push("02", "recipe", json!({ "ingredients": ["a", 1] })),
        push("03", "recipe", json!({ "difficulty": "impossible" })),
        push("04", "recipe", json!({ "cooked": 3 })),
        push("05", "recipe", json!({ "title": null })),
        push("06", "piece", json!({ "title": "Aloha" })),
        push("07", "recipe", json!({ "version": 3 })),
        push("08", "recipe", json!({ "title": "Poi" })),
    ] });

    let (status, reply) = server.post("/sync", Some(&token), &body).unwrap();

    assert_eq!(200, status);
    let said: Vec<&str> = reply["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["error"]["message"].as_str().unwrap_or("applied"))
        .collect();
    for (message, field) in said.iter().zip([
        "servings",
        "ingredients",
        "difficulty",
        "cooked",
        "title",
        "kind",
        "version",
    ]) {
        assert!(message.contains(field), "{message:?} must name {field}");
    }
    assert_eq!("applied", said[7]);
    assert_eq!(1, server.get_as(&token, "/users/me/export")["records"].as_array().unwrap().len());
}

#[test]
fn the_schema_is_told_and_the_phones_calls_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    let token = server.token("cook");

    let (_, schema) = server.get("/schema");
    let (_, document) = server.get("/openapi.json");

    let (schema, document): (Value, Value) =
        (serde_json::from_str(&schema).unwrap(), serde_json::from_str(&document).unwrap());
    assert_eq!("recipe", schema["kind"][0]["name"]);
    assert_eq!("list", schema["kind"][0]["field"][2]["type"]);
    assert_eq!(json!(["recipe"]), document["components"]["schemas"]["Kind"]["enum"]);
    assert!(document["paths"]["/pieces"].is_null());
    let (status, _) = server.post("/pieces", Some(&token), &json!({ "pieces": [] })).unwrap();
    assert_eq!(404, status);
}

#[test]
fn a_schema_that_breaks_a_rule_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let recipes = std::fs::read_to_string(RECIPES).unwrap();
    let bad = [
        ("type = \"lines\"", "type = \"line\"", "kind recipe, field steps: there is no type line"),
        ("number = 4", "number = 3", "kind recipe, field tags: another field has its number"),
        ("merge = \"greatest\"", "merge = \"most\"", "field difficulty: there is no policy most"),
        ("default = 4", "default = \"four\"", "field servings: the field cannot hold its default"),
        ("max = 200", "max = 0", "field title: the limit is not between 1 and"),
        ("trimmed = true", "trimed = true", "line 14"),
        ("number = 3\n", "number = 0\n", "numbers of kinds are 3 to 250"),
    ];
    for (good, wrong, why) in bad {
        let file = folder.path().join("bad.toml");
        std::fs::write(&file, recipes.replacen(good, wrong, 1)).unwrap();

        let output = crate::server::run(folder.path(), &["--schema", file.to_str().unwrap()]);

        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{wrong} must not start");
        assert!(said.contains(why), "{why:?} must be in: {said}");
    }
    does_not_start(folder.path(), &["--schema", "none.toml"], "cannot use the schema none.toml");
}

#[test]
fn records_are_never_opened_under_a_schema_that_does_not_succeed_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    Device::new(&server, "phone-4711").sync("08:00", Some(poke()));
    drop(server);
    let recipes = std::fs::read_to_string(RECIPES).unwrap();
    let other = folder.path().join("other.toml");
    let with = |good: &str, new: &str| {
        std::fs::write(&other, recipes.replacen(good, new, 1)).unwrap();
    };

    does_not_start(folder.path(), &[], "the schema no longer has it");
    with("type = \"lines\"", "type = \"text\"");
    does_not_start(
        folder.path(),
        &["--schema", "other.toml"],
        "field steps: a field keeps its type",
    );
    with("number = 7", "number = 9");
    does_not_start(
        folder.path(),
        &["--schema", "other.toml"],
        "field servings: a field keeps its number",
    );

    // A field is gone, and another one is new; what the first held stays a key of the record.
    with("name = \"servings\"\nnumber = 7", "name = \"persons\"\nnumber = 9");
    let server = Server::start_with(folder.path(), &["--schema", "other.toml"]);
    let mut phone = Device::new(&server, "phone-4711");
    phone.sync("09:00", None);
    phone.sync("10:00", Some(json!({ "persons": 6 })));
    phone.cursor = Value::Null;
    phone.sync("11:00", None);
    assert_eq!((&json!(4), &json!(6)), (&phone.recipe["servings"], &phone.recipe["persons"]));
}

#[test]
fn the_schema_that_an_earlier_version_kept_beside_its_file_counts_until_the_file_has_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let recipes = haumana_sync::schema::Schema::from_file(
        RECIPES,
        &std::fs::read_to_string(RECIPES).unwrap(),
    );
    let beside = folder.path().join("haumana.db.schema.json");
    std::fs::copy(old_database(folder.path()), folder.path().join("haumana.db")).unwrap();
    std::fs::write(&beside, recipes.unwrap().to_json()).unwrap();

    does_not_start(folder.path(), &[], "the schema no longer has it");
    drop(serve(folder.path()));
    std::fs::remove_file(&beside).unwrap();

    does_not_start(folder.path(), &[], "the schema no longer has it");
    drop(serve(folder.path()));
}

/// A database without records that keeps no schema, as earlier versions made them.
fn old_database(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("old.db");
    let options = haumana_store_sqlite::SqliteOptions {
        path: path.clone(),
        readers: 1,
        busy_timeout: std::time::Duration::from_secs(5),
        max_bytes: None,
    };
    drop(haumana_store_sqlite::SqliteStore::open(&options).unwrap());
    path
}

#[test]
fn a_first_start_that_was_killed_leaves_a_file_for_the_same_schema() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("haumana.db"), "").unwrap();

    let server = serve(folder.path());

    let mut device = Device::new(&server, "phone");
    device.sync("09:00", Some(poke()));
    assert_eq!("Poke", device.recipe["title"]);
}
