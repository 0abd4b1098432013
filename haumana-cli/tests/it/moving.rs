//! Exports of any size, compressed or not, go into an empty account.

use crate::between::Between;
use crate::world::{Ran, World};
use std::fs;

/// An account with some history, and its export.
fn exported(file: &str) -> World {
    let world = World::start();
    world.devices(&["phone"]);
    for n in 0..9 {
        let title = format!("piece {n}");
        world.ok("phone", &["add", &title, "--lyrics", &"ā".repeat(500)]);
        world.ok("phone", &["practise", &title, "--minutes", "5"]);
    }
    world.ok("phone", &["sync"]);
    world.ok("phone", &["edit", "piece 0", "--author", "a"]);
    world.ok("phone", &["sync"]);
    world.ok("phone", &["export", file]);
    world
}

fn import_as(world: &World, name: &str, file: &str, url: &str) -> Ran {
    world.ok(name, &["init"]);
    world.ok(name, &["sign-in", name]);
    world.trust(name, url);
    let ran = world.command(name, &["import", file]).env("HAUMANA_SERVER", url).output().unwrap();
    world.trust(name, &world.url);
    Ran::of(ran)
}

fn sessions(world: &World, device: &str) -> usize {
    world.ok(device, &["sync"]);
    world.json(device, &["sessions", "--limit", "99"])["sessions"].as_array().unwrap().len()
}

#[test]
fn an_export_that_is_larger_than_a_request_is_imported_in_pages_that_fit() {
    let world = exported("all.json");
    let between = Between::limits(&world.url, 4_000, 99);
    let bytes = fs::metadata(world.folder.path().join("all.json")).unwrap().len();

    let ran = import_as(&world, "lani", "all.json", &between.url);

    assert_eq!(0, ran.code, "{}", ran.err);
    assert_eq!(
        "9 pieces and 9 sessions are on the server; haumana sync brings it here\n", ran.out,
        "the whole account is counted, not a page"
    );
    assert!(3 * 4_000 < bytes && 3 < between.count("POST /users/me/import "), "{bytes}");
    assert!(between.requests.lock().unwrap().iter().all(|(_, n_bytes)| *n_bytes <= 4_000));
    assert_eq!(9, sessions(&world, "lani"));
    let history = world.json("lani", &["history", "piece 0"]);
    assert_eq!(2, history["versions"].as_array().unwrap().len());
}

#[test]
fn an_import_that_broke_off_says_so_and_goes_on_when_it_is_repeated() {
    let world = exported("all.json");
    let between = Between::limits(&world.url, 4_000, 2);

    let broken = import_as(&world, "lani", "all.json", &between.url);
    let whole = world.run("lani", &["import", "all.json"]);

    assert_eq!(5, broken.code, "{}", broken.err);
    assert!(broken.err.contains("The same import again goes on"), "{}", broken.err);
    assert_eq!(0, whole.code, "{}", whole.err);
    assert_eq!(9, sessions(&world, "lani"));
}

#[test]
fn an_export_is_compressed_by_its_name_and_read_whatever_its_name() {
    let world = exported("all.json");
    world.ok("phone", &["export", "all.json.gz"]);
    let path = |name: &str| world.folder.path().join(name);
    let (plain, gzip) =
        (fs::read(path("all.json")).unwrap(), fs::read(path("all.json.gz")).unwrap());
    assert_eq!((true, true), (gzip.starts_with(&[0x1F, 0x8B]), gzip.len() < plain.len()));
    fs::copy(path("all.json.gz"), path("no-such-ending")).unwrap();
    fs::write(path("marked"), [b"\xEF\xBB\xBF", &plain[..]].concat()).unwrap();

    for (name, file) in [("lani", "no-such-ending"), ("noe", "marked")] {
        let ran = import_as(&world, name, file, &world.url);
        assert_eq!(0, ran.code, "{}", ran.err);
        assert_eq!(9, sessions(&world, name), "{file}");
    }
    world.ok("pua", &["init"]);
    world.ok("pua", &["sign-in", "pua"]);
    let text = String::from_utf8(plain).unwrap();
    assert_eq!(0, world.run_with("pua", &["import", "-"], &text).code, "from the standard input");
    assert_eq!(9, sessions(&world, "pua"));
}

#[test]
fn an_export_that_is_not_whole_is_refused_before_anything_is_sent() {
    let world = exported("all.json");
    let path = |name: &str| world.folder.path().join(name);
    world.ok("phone", &["export", "all.json.gz"]);
    for name in ["all.json", "all.json.gz"] {
        let whole = fs::read(path(name)).unwrap();
        fs::write(path(name), &whole[..whole.len() - 10]).unwrap();
    }
    fs::write(path("page.html"), "<html>").unwrap();
    let between = Between::limits(&world.url, 4_000, 99);

    for (name, code) in [("all.json", 6), ("all.json.gz", 1), ("page.html", 6), ("none", 1)] {
        let ran = import_as(&world, "lani", name, &between.url);
        assert_eq!(code, ran.code, "{name}: {}", ran.err);
    }

    assert_eq!(0, between.count("POST "));
}

#[test]
fn what_the_server_cannot_take_is_named_by_its_place_in_the_file() {
    let world = exported("all.json");
    let path = world.folder.path().join("all.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut export: serde_json::Value = serde_json::from_str(&text).unwrap();
    export["pieces"][7]["title"] = 7.into();
    fs::write(&path, export.to_string()).unwrap();

    let between = Between::limits(&world.url, 6_000, 99);
    let ran = import_as(&world, "lani", "all.json", &between.url);

    assert_eq!(6, ran.code, "{}", ran.err);
    assert!(ran.err.contains("pieces[7]"), "{}", ran.err);
    assert!(1 < between.count("POST /users/me/import "), "it stands in a later page");
}
