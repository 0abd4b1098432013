//! `haumana rewind`.

use crate::world::World;

#[test]
fn a_rewind_says_what_it_would_do_then_does_it_and_says_what_takes_it_back() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "Aloha"]);
    world.ok("phone", &["sync"]);
    let history = world.json("phone", &["history", "Aloha"]);
    let to = history["versions"][0]["at"].as_str().unwrap().to_owned();
    world.ok("phone", &["edit", "Aloha", "--author", "by mistake"]);
    world.ok("phone", &["add", "Another"]);
    world.ok("phone", &["sync"]);

    let tried = world.ok("phone", &["rewind", "--to", &to, "--dry-run"]);
    world.ok("phone", &["sync"]);
    world.ok("phone", &["show", "Another"]);
    let done = world.json("phone", &["rewind", "--to", &to]);
    world.ok("phone", &["sync"]);
    let after = world.json("phone", &["show", "Aloha"]);

    assert!(
        tried.contains("1 records would be") && tried.contains("1 would be deleted"),
        "{tried}"
    );
    assert_eq!((1, 1), (done["changed"].as_u64().unwrap(), done["deleted"].as_u64().unwrap()));
    assert!(after["author"].is_null(), "{after}");
    assert_eq!(3, world.run("phone", &["show", "Another"]).code);
    world.ok("phone", &["rewind", "--to", done["before"].as_str().unwrap()]);
    world.ok("phone", &["sync"]);
    world.ok("phone", &["show", "Another"]);
    assert_eq!("by mistake", world.json("phone", &["show", "Aloha"])["author"]);
}

#[test]
fn a_time_that_is_none_or_long_past_is_told() {
    let world = World::start();
    world.devices(&["phone"]);

    let none = world.run("phone", &["rewind", "--to", "tomorrow-ish"]);
    let past = world.run("phone", &["rewind", "--to", "2001-01-01 00:00"]);

    assert_eq!(2, none.code, "{}", none.err);
    assert_ne!(0, past.code, "{}", past.err);
}
