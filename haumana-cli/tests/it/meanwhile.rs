//! The device is not held while a person writes or thinks, and what changes meanwhile is not lost.

use crate::world::{Ran, World};

/// An editor that does other things first: `$HAUMANA` is the program, `$1` the file.
fn edit_with(world: &World, script: &str, args: &[&str]) -> Ran {
    let path = world.folder.path().join("editor.sh");
    std::fs::write(&path, format!("set -e; exec > said\n{script}")).unwrap();
    let mut command = world.command("phone", args);
    command.env("EDITOR", format!("sh {}", path.display()));
    Ran::of(command.env("HAUMANA", env!("CARGO_BIN_EXE_haumana")).output().unwrap())
}

fn lyrics(world: &World, device: &str) -> String {
    world.json(device, &["show", "t"])["lyrics"].as_str().unwrap().to_owned()
}

/// Two devices that have a piece of three lines.
fn world() -> World {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "t", "--lyrics", "one\ntwo\nthree"]);
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    world
}

/// The same two, which have given the piece two authors: an entry of the phone's inbox.
fn clash() -> World {
    let world = world();
    for device in ["phone", "ipad"] {
        world.ok(device, &["edit", "t", "--author", device]);
        world.ok(device, &["sync"]);
    }
    world
}

#[test]
#[cfg(unix)]
fn other_commands_work_while_an_editor_is_open() {
    let world = world();

    let script = "$HAUMANA list; $HAUMANA add other; $HAUMANA sync; echo more >> \"$1\"";
    let ran = edit_with(&world, script, &["edit", "t", "--editor", "notes"]);

    assert_eq!((0, "edited t: notes\n"), (ran.code, ran.out.as_str()), "{}", ran.err);
    assert_eq!("more", world.json("phone", &["show", "t"])["notes"]);
    assert_eq!(2, world.json("phone", &["status"])["pieces"]);
}

#[test]
#[cfg(unix)]
fn what_another_command_or_a_sync_changed_meanwhile_is_merged_with_what_was_written() {
    let world = world();
    let here = "printf 'one\\ntwo\\nTHREE' | $HAUMANA edit t --lyrics-file -";
    let write = "printf 'ONE\\ntwo\\nthree\\n' > \"$1\"";

    let with_command = edit_with(&world, &format!("{here}; {write}"), &["edit", "t", "--json"]);
    assert_eq!("ONE\ntwo\nTHREE", lyrics(&world, "phone"), "{}", with_command.err);
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    world.ok("ipad", &["edit", "t", "--lyrics", "ONE\ntwo\nTHREE\nfour"]);
    world.ok("ipad", &["sync"]);
    let write = "sed -i 's/two/TWO/' \"$1\"";
    let with_sync = edit_with(&world, &format!("$HAUMANA sync; {write}"), &["edit", "t"]);

    assert!(with_command.out.contains(r#""merged":["lyrics"]"#), "{}", with_command.out);
    assert!(with_sync.out.contains("merged with what changed meanwhile"), "{}", with_sync.out);
    assert_eq!("ONE\nTWO\nTHREE\nfour", lyrics(&world, "phone"));
    assert_eq!(0, world.json("phone", &["sync"])["conflicts"]);
    world.ok("ipad", &["sync"]);
    assert_eq!("ONE\nTWO\nTHREE\nfour", lyrics(&world, "ipad"));
}

#[test]
#[cfg(unix)]
fn where_both_wrote_the_same_place_both_texts_are_kept_and_the_person_is_told() {
    let world = world();
    let script = "$HAUMANA edit t --lyrics 'one\ntwo here\nthree'; \
                  printf 'one\\ntwo there\\nthree\\n' > \"$1\"";

    let ran = edit_with(&world, script, &["edit", "t", "--json"]);

    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let kept = json["kept"][0].as_str().unwrap();
    assert_eq!("one\ntwo there\nthree", lyrics(&world, "phone"));
    assert_eq!("one\ntwo here\nthree", std::fs::read_to_string(kept).unwrap());
    assert_eq!(kept, world.json("phone", &["status"])["unsaved"][0]);
}

#[test]
#[cfg(unix)]
fn a_piece_that_was_deleted_meanwhile_leaves_what_was_written_in_a_file() {
    let world = world();

    let script = "$HAUMANA delete t; echo written > \"$1\"";
    let ran = edit_with(&world, script, &["edit", "t"]);

    assert_eq!(3, ran.code, "{}", ran.err);
    assert!(ran.err.contains("deleted meanwhile"), "{}", ran.err);
    let kept = ran.err.trim_end().rsplit(' ').next().unwrap();
    assert_eq!("written", std::fs::read_to_string(kept).unwrap());
}

#[test]
#[cfg(unix)]
fn what_was_written_belongs_to_the_account_that_was_signed_in_when_the_editor_opened() {
    let world = world();

    let script = "$HAUMANA sign-in lani; echo of kai > \"$1\"";
    let ran = edit_with(&world, script, &["edit", "t"]);

    assert_eq!(0, ran.code, "{}", ran.err);
    assert_eq!("no pieces\n", world.ok("phone", &["list"]), "lani is signed in");
    world.ok("phone", &["sign-in", "kai"]);
    assert_eq!("of kai", lyrics(&world, "phone"));
}

#[test]
#[cfg(unix)]
fn a_decision_that_is_written_in_the_editor_does_not_hold_the_device() {
    let world = world();
    for device in ["phone", "ipad"] {
        world.ok(device, &["edit", "t", "--lyrics", &format!("one\ntwo of the {device}\nthree")]);
    }
    for device in ["ipad", "phone"] {
        world.ok(device, &["sync"]);
    }
    let script = "$HAUMANA list; printf 'one\\ntwo of both\\nthree' > \"$1\"";

    let ran = edit_with(&world, script, &["conflicts", "set", "--editor"]);
    world.ok("phone", &["sync"]);

    assert_eq!(0, ran.code, "{}", ran.err);
    assert_eq!("one\ntwo of both\nthree", lyrics(&world, "phone"));
}

#[test]
#[cfg(unix)]
fn an_editor_that_changes_nothing_decides_nothing() {
    let world = clash();
    let before = world.ok("phone", &["conflicts"]);

    let ran = edit_with(&world, "true", &["conflicts", "set", "--editor"]);

    assert_ne!(0, ran.code);
    assert!(ran.err.contains("nothing was decided"), "{}", ran.err);
    assert_eq!(before, world.ok("phone", &["conflicts"]));
}

#[test]
#[cfg(unix)]
fn a_decision_that_came_too_late_leaves_what_was_written_in_a_file() {
    let world = clash();
    let script = "$HAUMANA conflicts keep; printf both > \"$1\"";

    let ran = edit_with(&world, script, &["conflicts", "set", "--editor"]);

    assert_eq!((6, true), (ran.code, ran.err.contains("closed another way")), "{}", ran.err);
    assert!(ran.err.contains("haumana conflicts set"), "{}", ran.err);
    let kept = ran.err.trim_end().rsplit(' ').next().unwrap();
    assert_eq!("both", std::fs::read_to_string(kept).unwrap());
}
