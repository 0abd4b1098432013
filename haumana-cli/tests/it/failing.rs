//! What a person is told when something cannot be done.

use crate::world::{Ran, World};
use serde_json::Value;

#[track_caller]
fn check(world: &World, device: &str, args: &[&str], code: i32, word: &str, why: &str) {
    let ran = world.run(device, args);
    assert_eq!(code, ran.code, "{args:?}: {}", ran.err);
    assert!(ran.err.contains(why), "{why:?} must be in: {}", ran.err);
    assert_eq!("", ran.out, "answers go to the standard output, and this is none");
    let json = world.run(device, &[args, &["--json"]].concat());
    let failure: Value = serde_json::from_str(json.err.trim_end()).unwrap();
    assert_eq!((code, word), (json.code, failure["code"].as_str().unwrap()), "{args:?}");
}

#[test]
fn each_failure_says_what_to_do_and_has_its_exit_code() {
    let mut world = World::start();
    check(&world, "nowhere", &["list"], 4, "no_device", "haumana init");
    world.ok("empty", &["init"]);
    check(&world, "empty", &["list"], 4, "not_signed_in", "haumana sign-in");
    world.devices(&["phone"]);
    for title in ["Aloha ʻOe", "Aloha Kauaʻi"] {
        world.ok("phone", &["add", title]);
    }

    check(&world, "phone", &["show", "mele"], 3, "not_found", "no piece matches");
    check(&world, "phone", &["delete", "aloha"], 3, "ambiguous", "Aloha Kauaʻi");
    check(&world, "phone", &["history", "aloha ʻoe"], 3, "not_found", "the server has no such");
    check(
        &world,
        "phone",
        &["edit", "aloha ʻoe", "--title", &"a".repeat(5000)],
        6,
        "refused",
        "the title is too long",
    );
    check(&world, "phone", &["add", " "], 6, "refused", "needs a title");
    check(&world, "phone", &["edit", "aloha ʻoe", "--title", ""], 6, "refused", "needs a title");
    check(&world, "phone", &["conflicts", "keep"], 3, "not_found", "no conflict is open");
    check(&world, "phone", &["edit", "aloha ʻoe", "--lyrics-file", "none"], 1, "file", "none");
    world.stop();
    check(&world, "phone", &["sync"], 5, "no_server", "cargo run --release");
    check(&world, "phone", &["sign-in", "lani"], 5, "no_server", &world.url);
    assert_eq!(2, world.json("phone", &["status"])["pending"], "edits are kept");
}

#[test]
fn a_sign_in_that_the_server_refuses_says_so() {
    let world = World::start();
    world.devices(&["phone"]);
    // Signed with nothing.
    let token = "e30.eyJzdWIiOiJrYWkifQ.e30";
    assert_eq!(0, world.run_with("phone", &["sign-in", "--token-file", "-"], token).code);

    check(&world, "phone", &["sync"], 4, "sign_in_again", "haumana sign-in kai");
}

#[test]
fn a_device_that_another_program_holds_is_left_alone() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    let storage = haumana_replica::storage::SqliteStorage::open(
        &world.folder.path().join("phone/replica.db"),
    );

    let ran = world.run("phone", &["list"]);

    assert_eq!((1, true), (ran.code, ran.err.contains("another haumana")), "{}", ran.err);
    drop(storage);
    world.ok("phone", &["list"]);
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let world = World::start();
    let run = |args: &[&str]| {
        let mut command = world.command("phone", args);
        for name in ["HAUMANA_DEVICE", "HAUMANA_SERVER", "HAUMANA_TOKEN"] {
            command.env(name, "");
        }
        Ran::of(command.output().unwrap())
    };

    let made = run(&["init"]);
    let signed_in = run(&["sign-in"]);

    assert_eq!(0, made.code, "{}", made.err);
    assert!(made.out.contains("is in .haumana, its server is http://127.0.0.1:8787"), "{made:?}");
    assert!(signed_in.err.contains("there is no token"), "{}", signed_in.err);
}

#[test]
fn what_is_proposed_names_the_device_that_was_named() {
    let world = World::start();
    let run = |args: &[&str]| world.run("phone", &[&["--device", "my other"], args].concat());

    let missing = run(&["status"]);
    let made = run(&["init"]);
    let nobody = run(&["status"]);

    assert!(missing.err.contains("run: haumana --device 'my other' init"), "{}", missing.err);
    assert!(made.out.contains("next: haumana --device 'my other' sign-in NAME"), "{}", made.out);
    assert!(nobody.err.contains("run: haumana --device 'my other' sign-in NAME"), "{}", nobody.err);
    assert!(world.run("phone", &["status"]).err.contains("run: haumana init"));
}
