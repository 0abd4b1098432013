//! Kinds of record that a schema file declares: every command has them.

use crate::world::{Ran, World};
use serde_json::{Value, json};
use std::path::PathBuf;

const DISHES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/dishes.toml");
const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/recipes.toml");

/// A server for the schema, and devices of one cook with it.
fn world_of(schema: &str, devices: &[&str]) -> World {
    let world = World::serving(&["--schema", schema]);
    for device in devices {
        world.ok(device, &["init", "--schema", schema]);
        world.ok(device, &["sign-in", "cook"]);
    }
    world
}

fn get(world: &World, path: &str) -> Value {
    let text = ureq::get(format!("{}{path}", world.url)).call().unwrap();
    serde_json::from_str(&text.into_body().read_to_string().unwrap()).unwrap()
}

fn sum(counter: &Value) -> i64 {
    let device = |totals: &Value| totals[0].as_i64().unwrap() - totals[1].as_i64().unwrap();
    counter.as_object().unwrap().values().map(device).sum()
}

/// Two devices that have a dish.
fn with_poke() -> World {
    let world = world_of(DISHES, &["phone", "laptop"]);
    let args = [
        "add",
        "dish",
        "Poke",
        "--steps",
        "Cut\nMix\nServe",
        "--ingredients",
        "ahi",
        "--ingredients",
        "salt",
        "--tags",
        "fish",
        "--cooked",
        "+1",
        "--minutes",
        "25",
        "--origin",
        "Kona",
        "--rating",
        "4.50",
        "--extra",
        r#"{"a": 1.0}"#,
        "--vegan",
        "no",
    ];
    world.ok("phone", &args);
    world.ok("phone", &["sync"]);
    world.ok("laptop", &["sync"]);
    world
}

fn show(world: &World, device: &str) -> Value {
    world.json(device, &["show", "dish", "poke"])
}

#[test]
fn two_devices_edit_every_field_of_a_record_offline_and_agree() {
    let world = with_poke();

    let served = |at: &'static str, by: &'static str| ["--served-at", at, "--served-by", by];
    let phone = ["edit", "dish", "poke", "--title", "Poke of the phone", "--cooked", "+2"];
    let more = ["--steps", "Cut well\nMix\nServe", "--ingredients", "ahi", "--ingredients", "limu"];
    let rest = ["--add-tags", "raw", "--difficulty", "hard", "--minutes", "20", "--vegan", "yes"];
    let group = served("2026-01-02T18:00:00Z", "Kai");
    world.ok("phone", &[&phone[..], &more, &rest, &["--first-cook", "Kai"], &group].concat());
    let laptop = ["edit", "poke", "--title", "Poke of the laptop", "--cooked", "+3"];
    let more = ["--steps", "Cut\nMix\nServe cold", "--add-ingredients", "onion"];
    let rest = ["--add-tags", "quick", "--remove-tags", "fish", "--difficulty", "medium"];
    let group = served("2026-01-03T18:00:00Z", "Lani");
    let alone = ["--minutes", "30", "--first-cook", "Lani", "--rating", "5"];
    world.ok("laptop", &[&laptop[..], &more, &rest, &alone, &group].concat());
    for device in ["phone", "laptop", "phone"] {
        world.ok(device, &["sync"]);
    }

    let merged = show(&world, "phone");
    assert_eq!(merged, show(&world, "laptop"));
    let expected = json!({
        "title": "Poke of the laptop", "steps": "Cut well\nMix\nServe cold",
        "ingredients": ["ahi", "limu", "onion"], "tags": ["quick", "raw"], "difficulty": "hard",
        "minutes": 20, "firstCook": "Kai", "origin": "Kona", "isVegan": true, "rating": 5,
        "extra": { "a": 1.0 }, "servedAt": "2026-01-03T18:00:00.000Z", "servedBy": "Lani",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(value, &merged[name], "{name}");
    }
    assert_eq!(6, sum(&merged["cooked"]), "what each device counted is there");
    let shown = world.ok("laptop", &["show", "dish", "poke"]);
    for line in ["cooked       6", "tags         quick, raw", "origin       Kona"] {
        assert!(shown.contains(line), "{line:?} must be in {shown}");
    }
}

#[test]
fn what_lost_can_be_taken_back_and_versions_come_back_for_every_kind() {
    let world = with_poke();
    for device in ["phone", "laptop"] {
        let title = format!("Poke of the {device}");
        let minutes = if device == "phone" { "7" } else { "9" };
        world.ok(device, &["edit", "dish", "poke", "--title", &title, "--minutes", minutes]);
    }
    for device in ["phone", "laptop", "phone"] {
        world.ok(device, &["sync"]);
    }

    let open = world.ok("phone", &["conflicts"]);
    assert!(open.contains("Poke of the laptop · title · another edit was later"), "{open}");
    assert!(open.contains("lost\n    Poke of the phone"), "{open}");
    assert_eq!("dish", world.json("phone", &["conflicts"])["conflicts"][0]["kind"]);
    world.ok("phone", &["conflicts", "restore"]);
    world.ok("phone", &["sync"]);
    assert_eq!("Poke of the phone", show(&world, "phone")["title"]);

    let history = world.ok("phone", &["history", "dish", "poke"]);
    assert!(history.contains("version 1 · ") && history.contains("minutes  was: 25"), "{history}");
    world.ok("phone", &["restore", "dish", "poke", "1"]);
    world.ok("phone", &["sync"]);
    let restored = show(&world, "phone");
    assert_eq!(
        (json!("Poke"), json!(25)),
        (restored["title"].clone(), restored["minutes"].clone())
    );

    let deleted = world.json("phone", &["delete", "dish", "poke"]);
    world.ok("phone", &["sync"]);
    assert_eq!("no dishes\n", world.ok("phone", &["list", "dish"]));
    let (id, version) = (deleted["id"].as_str().unwrap(), deleted["version"].to_string());
    assert_eq!(id, world.json("phone", &["history", "dish", id])["id"]);
    world.ok("phone", &["restore", "dish", id, &version]);
    world.ok("phone", &["sync"]);
    assert_eq!("Poke", show(&world, "phone")["title"]);
}

#[test]
fn records_of_other_kinds_are_named_by_their_titles_and_lists_show_what_fits() {
    let world = with_poke();
    world.ok("phone", &["add", "Mac salad\u{1b}[2J", "--dish-ids", "poke", "--difficulty", "easy"]);

    world.ok("phone", &["add", "tasting", "--dish-id", "poke", "--score", "-2"]);
    let unnamed = world.run("phone", &["add", "tasting", "--score", "3"]);
    let unknown = world.run("phone", &["add", "tasting", "--dish-id", "laulau"]);

    let tastings = world.ok("phone", &["list", "tasting"]);
    assert!(
        tastings.starts_with("DISH-ID  SCORE  STATE    ID\nPoke     -2     pending"),
        "{tastings}"
    );
    let poke = show(&world, "phone")["id"].clone();
    assert_eq!(poke, world.json("phone", &["list", "tasting"])["tastings"][0]["dishId"]);
    assert_eq!(json!([poke]), world.json("phone", &["show", "mac"])["dishIds"]);
    assert!(unnamed.err.contains("a tasting needs a dishId"), "{}", unnamed.err);
    assert_eq!((6, 3), (unnamed.code, unknown.code), "{}", unknown.err);
    let dishes = world.ok("phone", &["list"]);
    let heading = dishes.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!("TITLE COOKED DIFFICULTY MINUTES ORIGIN VEGAN RATING STATE ID", heading);
    assert!(dishes.contains(r"Mac salad\u{1b}[2J"), "{dishes}");
    let chosen = world.ok("phone", &["list", "dish", "--columns", "tags,steps"]);
    assert!(chosen.contains("STEPS") && chosen.contains("fish"), "{chosen}");
    let status = world.json("phone", &["status"]);
    assert_eq!((2, 1), (status["dishes"].as_u64().unwrap(), status["tastings"].as_u64().unwrap()));
}

#[track_caller]
fn refused(world: &World, args: &[&str], code: i32, why: &[&str]) {
    let ran = world.run("phone", args);
    assert_eq!(code, ran.code, "{args:?}: {}", ran.err);
    for why in why {
        assert!(ran.err.contains(why), "{args:?}: {why:?} must be in {}", ran.err);
    }
}

#[test]
fn what_no_field_can_hold_is_refused_with_field_and_reason_and_edits_nothing() {
    let world = with_poke();
    let before = show(&world, "phone");
    let edit = |option: &'static str, value: &'static str| {
        ["edit", "dish", "poke", "--title", "Other", option, value]
    };
    let long = "a".repeat(41);

    refused(&world, &edit("--minutes", "soon"), 2, &["--minutes", "is not a whole number"]);
    refused(&world, &edit("--cooked", "+many"), 2, &["--cooked", "is not a whole number"]);
    refused(&world, &edit("--cooked", ""), 2, &["--cooked", "is not a whole number"]);
    refused(&world, &edit("--difficulty", "harder"), 2, &["easy, medium, hard"]);
    refused(&world, &edit("--served-at", "noon"), 2, &["--served-at", "is not a time"]);
    refused(&world, &edit("--extra", "{"), 2, &["--extra", "is not JSON"]);
    refused(&world, &edit("--rating", "good"), 2, &["--rating", "is not a number"]);
    refused(&world, &edit("--dish-ids", "laulau"), 3, &["no dish matches"]);
    refused(&world, &edit("--set", "minutes=1"), 2, &["minutes has an option of its own"]);
    refused(&world, &edit("--origin", "Hilo"), 2, &["--origin"]);
    refused(&world, &["edit", "poke", "--title", &long], 6, &["the title is too long"]);
    refused(&world, &["edit", "poke", "--title", " "], 6, &["a dish needs a title"]);
    refused(
        &world,
        &["edit", "poke", "--tite", "x"],
        2,
        &["--title", "fields of dish:", "--steps"],
    );
    let kinds = "kinds of record on this device: dish, tasting";
    refused(&world, &["show", "dich", "poke"], 2, &["there is no kind \"dich\"", kinds]);
    refused(&world, &["practise", "poke"], 3, &["there is no kind \"piece\"", "dish, tasting"]);
    refused(&world, &["edit", "tasting", "x"], 3, &["no tasting matches"]);

    assert_eq!(before, show(&world, "phone"));
}

#[test]
fn pieces_and_sessions_are_kinds_too_and_a_title_like_a_kind_stands_behind_dashes() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "--", "piece"]);
    world.ok("phone", &["add", "piece", "Kāwika", "--translation", "tr"]);
    world.ok("phone", &["edit", "piece", "kāwika", "--english-translation", "of hers"]);
    let start = ["--started-at", "2026-01-01T18:00:00Z"];
    world.ok("phone", &[&["add", "session", "--piece-id", "kāwika"], &start[..]].concat());

    let pieces = world.json("phone", &["list", "piece"]);
    let sessions = world.json("phone", &["list", "session"]);

    assert_eq!(pieces, world.json("phone", &["list"]));
    assert_eq!("of hers", pieces["pieces"][0]["englishTranslation"]);
    assert!(world.ok("phone", &["show", "--", "piece"]).starts_with("piece\n"));
    assert_eq!(sessions, world.json("phone", &["list", "--device", "phone", "session"]));
    refused(&world, &["list", "--pending", "session"], 2, &["the kind comes first"]);
    let listed = world.json("phone", &["sessions"])["sessions"][0].clone();
    assert_eq!("Kāwika", listed["title"]);
    assert_eq!(sessions["sessions"][0]["id"], listed["id"]);
    let id = listed["id"].as_str().unwrap();
    world.ok("phone", &["edit", "session", id, "--ended-at", "2026-01-01T18:20:00Z"]);
    assert_eq!(20, world.json("phone", &["sessions"])["sessions"][0]["minutes"]);
}

#[test]
fn keys_that_the_schema_does_not_have_are_kept_as_json() {
    let world = with_poke();

    world.ok("phone", &["edit", "poke", "--set", "tempo=120.0", "--set", "who={\"a\":[1]}"]);
    world.ok("phone", &["edit", "poke", "--set", "who=null", "--rating", ""]);
    world.ok("phone", &["sync"]);
    world.ok("laptop", &["sync"]);

    let shown = show(&world, "laptop");
    assert_eq!((json!(120.0), Value::Null), (shown["tempo"].clone(), shown["rating"].clone()));
    assert_eq!(None, shown.get("who"));
}

#[test]
fn help_shows_the_fields_of_each_kind_of_the_device() {
    let world = world_of(RECIPES, &["phone"]);

    let all = world.ok("phone", &["--help"]);
    let recipe = world.ok("phone", &["edit", "recipe", "--help"]);
    let elsewhere = world.ok("nowhere", &["--help"]);

    assert!(all.contains("recipe: title, steps, ingredients, tags, cooked, difficulty"), "{all}");
    assert!(!all.contains("practise") && elsewhere.contains("practise"), "{all}");
    assert!(elsewhere.contains("piece: title, category, lyrics, language, translation"));
    for part in ["--difficulty <easy|medium|hard>", "--cooked <+N|-N|N>", "--steps-file <FILE>"] {
        assert!(recipe.contains(part), "{part:?} must be in {recipe}");
    }
    assert!(!recipe.contains("--created-at"), "{recipe}");
}

fn write(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_at_once_with_its_place() {
    let world = World::start();
    let recipes = std::fs::read_to_string(RECIPES).unwrap();
    write(&world, "typo.toml", &recipes.replace("type = \"lines\"", "type = \"line\""));
    write(&world, "broken.json", "{\n  \"kind\": [,]\n}");
    write(&world, "low.toml", &recipes.replacen("number = 3", "number = 1", 1));
    let init = |file: &str| -> Ran { world.run("phone", &["init", "--schema", file]) };

    for (file, place) in [
        ("typo.toml", "typo.toml: kind recipe, field steps: there is no type line"),
        ("broken.json", "line 2 column"),
        ("low.toml", "kind recipe: numbers of kinds are 3 to 250"),
        ("none.toml", "none.toml"),
    ] {
        let ran = init(file);
        assert_eq!((1, true), (ran.code, ran.err.contains(place)), "{file}: {}", ran.err);
    }

    assert!(!world.folder.path().join("phone").exists(), "nothing was made");
}

#[test]
fn a_later_schema_adds_to_the_one_that_the_device_has_and_takes_no_kind_away() {
    let world = world_of(RECIPES, &["phone"]);
    world.ok("phone", &["add", "Poke"]);
    let recipes = std::fs::read_to_string(RECIPES).unwrap();
    let field = "\n[[kind.field]]\nname = \"cook\"\nnumber = 9\ntype = \"text\"\n";
    write(&world, "later.toml", &format!("{recipes}{field}"));
    write(&world, "other.toml", &recipes.replace("\"recipe\"", "\"drink\""));

    let other = world.run("phone", &["init", "--schema", "other.toml"]);
    let said = world.ok("phone", &["init", "--schema", "later.toml"]);

    assert_eq!((1, true), (other.code, other.err.contains("kind recipe:")), "{}", other.err);
    assert!(said.contains("its kinds of record: recipe\n"), "{said}");
    world.ok("phone", &["edit", "poke", "--cook", "Kai"]);
    assert_eq!("Kai", world.json("phone", &["show", "poke"])["cook"]);
    write(&world, "phone/schema.json", "{");
    let broken = world.run("phone", &["list", "--json"]);
    assert!(broken.err.contains(r#""code":"schema""#), "{}", broken.err);
    world.ok("phone", &["init", "--schema", "later.toml"]);
    assert_eq!("Kai", world.json("phone", &["show", "poke"])["cook"]);
}

#[test]
fn a_device_takes_the_schema_of_its_server() {
    let mut dishes = World::serving(&["--schema", DISHES]);
    let pieces = World::start();

    let said = dishes.ok("phone", &["init", "--schema-from-server"]);
    let usual = pieces.ok("phone", &["init", "--schema-from-server"]);
    pieces.ok("phone", &["sign-in", "kai"]);
    pieces.ok("phone", &["add", "t", "--translation", "tr"]);

    assert!(said.contains("its kinds of record: dish, tasting"), "{said}");
    assert!(usual.contains("its kinds of record: piece, session"), "{usual}");
    assert!(!pieces.folder.path().join("phone/schema.json").exists(), "they need no file");
    assert_eq!(1, pieces.json("phone", &["sync"])["sent"]);
    dishes.stop();
    let gone = dishes.run("laptop", &["init", "--schema-from-server"]);
    assert_eq!((5, false), (gone.code, dishes.folder.path().join("laptop").exists()));
}

#[test]
fn a_text_field_that_the_schema_adds_to_pieces_is_everywhere() {
    let field = json!({ "name": "danceMaster", "number": 99, "type": "text", "max": 77 });
    let mut schema = get(&World::start(), "/schema");
    // Numbers below 3 are those of the first app, which no file can have.
    for (kind, number) in schema["kind"].as_array_mut().unwrap().iter_mut().zip(3..) {
        kind["number"] = number.into();
    }
    schema["kind"][0]["field"].as_array_mut().unwrap().push(field.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema.json");
    std::fs::write(&path, schema.to_string()).unwrap();

    let world = World::serving(&["--schema", path.to_str().unwrap()]);
    world.ok("phone", &["init", "--schema-from-server"]);
    world.ok("phone", &["sign-in", "kai"]);
    world.ok("phone", &["add", "Kāwika", "--dance-master", "Lani", "--author", "a"]);
    world.ok("phone", &["practise", "kāwika", "--minutes", "5"]);
    world.ok("phone", &["sync"]);
    let export: Value = serde_json::from_str(&world.ok("phone", &["export", "-"])).unwrap();

    assert!(world.ok("phone", &["edit", "--help"]).contains("--dance-master <TEXT>"));
    let listed = world.ok("phone", &["list"]);
    assert!(listed.starts_with("TITLE   CATEGORY  DANCE-MASTER  PRACTISED  LAST"), "{listed}");
    assert!(listed.contains("Kāwika  oli       Lani          1 "), "{listed}");
    assert!(world.ok("phone", &["show", "kāwika"]).contains("danceMaster  Lani"));
    assert_eq!("Lani", world.json("phone", &["show", "kāwika"])["danceMaster"]);
    assert!(get(&world, "/schema").to_string().contains("danceMaster"));
    assert_eq!(77, get(&world, "/limits")["kinds"]["piece"]["danceMaster"]["chars"]);
    let document = get(&world, "/openapi.json");
    for component in ["Record_piece", "Set_piece"] {
        let fields = &document["components"]["schemas"][component]["properties"];
        assert_eq!(77, fields["danceMaster"]["maxLength"], "{component}");
    }
    assert!(export.to_string().contains(r#""danceMaster":"Lani""#), "{export}");
    let long = "a".repeat(78);
    refused(&world, &["edit", "kāwika", "--dance-master", &long], 6, &["danceMaster is too long"]);
}
