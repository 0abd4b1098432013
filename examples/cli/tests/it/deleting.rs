//! Deleting: what is asked, what is refused, and that what is said about it is true.

#[cfg(unix)]
use crate::terminal;
use crate::world::World;

fn world() -> World {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t", "--author", "a"]);
    world
}

fn has_piece(world: &World) -> bool {
    world.ok("phone", &["list"]) != "no pieces\n"
}

#[test]
fn edits_that_no_server_has_seen_are_not_deleted_unless_the_person_says_so() {
    let world = world();
    let new = world.run("phone", &["delete", "t", "--yes"]);
    assert!(new.err.contains("all of it, which is on this device only"), "{}", new.err);
    world.ok("phone", &["sync"]);
    world.ok("phone", &["edit", "t", "--author", "b", "--lyrics", "mua"]);

    let edited = world.run("phone", &["delete", "t", "--yes", "--json"]);

    assert_eq!((6, 6, true), (new.code, edited.code, has_piece(&world)));
    assert!(edited.err.contains("(author, lyrics)"), "{}", edited.err);
    assert!(edited.err.contains("unsynced_edits"), "{}", edited.err);
    let deleted = world.ok("phone", &["delete", "t", "--yes", "--discard-edits"]);
    assert!(deleted.contains("(author, lyrics) is gone for good"), "{deleted}");
    assert!(!has_piece(&world));
}

#[test]
fn what_a_delete_says_brings_the_piece_back() {
    let world = world();
    world.ok("phone", &["sync"]);
    world.ok("phone", &["edit", "t", "--author", "b"]);
    world.ok("phone", &["sync"]);

    let said = world.ok("phone", &["delete", "t"]);

    let (_, again) = said.trim_end().rsplit_once("this brings it back: haumana ").unwrap();
    world.ok("phone", &["sync"]);
    assert!(!has_piece(&world));
    world.ok("phone", &again.split(' ').collect::<Vec<_>>());
    world.ok("phone", &["sync"]);
    assert_eq!("b", world.json("phone", &["show", "t"])["author"]);
}

#[test]
fn an_edit_that_was_on_its_way_is_in_the_history_that_a_delete_names() {
    let mut world = world();
    world.ok("phone", &["sync"]);
    world.ok("phone", &["edit", "t", "--author", "b"]);
    let url = std::mem::replace(&mut world.url, "http://127.0.0.1:1".to_owned());
    assert_eq!(5, world.run("phone", &["sync"]).code);
    world.url = url;

    let said = world.ok("phone", &["delete", "t"]);

    let (_, again) = said.trim_end().rsplit_once("come back: haumana ").unwrap();
    world.ok("phone", &["sync"]);
    let history = world.ok("phone", &again.split(' ').collect::<Vec<_>>());
    assert!(history.contains("version 3") && history.contains("author  was: a"), "{history}");
    let id = again.split(' ').next_back().unwrap();
    world.ok("phone", &["restore", id, "2"]);
    world.ok("phone", &["sync"]);
    assert_eq!("b", world.json("phone", &["show", "t"])["author"]);
}

#[test]
#[cfg(unix)]
fn on_a_terminal_a_delete_asks_and_only_a_yes_is_one() {
    let world = world();
    world.ok("phone", &["sync"]);

    for no in ["n\n", "\n", "x\n", "\u{4}"] {
        let (code, seen) = terminal::run(&world, "phone", &["delete", "t"], no);
        assert_eq!((6, true), (code, has_piece(&world)), "{no:?} {seen}");
        assert!(seen.contains("delete t? [y/N]") && seen.contains("nothing was deleted"), "{seen}");
    }
    let (code, seen) = terminal::run(&world, "phone", &["delete", "t"], "yes\n");

    assert_eq!((0, false), (code, has_piece(&world)), "{seen}");
}

#[test]
#[cfg(unix)]
fn a_person_who_said_yes_before_is_not_asked() {
    let world = world();
    world.ok("phone", &["sync"]);

    let (code, seen) = terminal::run(&world, "phone", &["delete", "t", "--yes"], "");

    assert_eq!((0, false), (code, seen.contains("[y/N]")), "{seen}");
}
