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
    world.trust("phone", &world.url);
    assert_eq!(5, world.run("phone", &["sync"]).code);
    world.url = url;
    world.trust("phone", &world.url);

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

#[test]
fn an_account_that_is_not_empty_is_emptied_by_somebody_who_means_it_and_takes_its_export() {
    let world = world();
    world.ok("phone", &["sync"]);
    world.ok("phone", &["export", "all.json"]);
    world.ok("phone", &["delete", "t"]);
    world.ok("phone", &["sync"]);

    let full = world.run("phone", &["import", "all.json"]);
    let unmeant = world.run("phone", &["erase-account", "--json"]);
    let still_full = world.run("phone", &["import", "all.json"]);
    let said = world.ok("phone", &["erase-account", "--yes"]);
    world.ok("phone", &["import", "all.json"]);

    assert_eq!((6, 6, 6), (full.code, unmeant.code, still_full.code), "{}", unmeant.err);
    assert!(full.err.contains("haumana erase-account"), "{}", full.err);
    assert!(said.contains("erased everything of kai on http://"), "{said}");
    world.devices(&["ipad"]);
    world.ok("ipad", &["sync"]);
    assert_eq!("a", world.json("ipad", &["show", "t"])["author"]);
    world.ok("phone", &["sync"]);
    assert!(has_piece(&world), "the device that deleted it has it again");
}

#[test]
#[cfg(unix)]
fn on_a_terminal_the_person_is_asked_whether_the_account_is_to_go() {
    let world = world();
    world.ok("phone", &["sync"]);

    let (no, seen) = terminal::run(&world, "phone", &["erase-account"], "n\n");
    world.ok("phone", &["sync"]);
    let (yes, _) = terminal::run(&world, "phone", &["erase-account"], "y\n");

    assert!(seen.contains("Only an export brings it back. [y/N]"), "{seen}");
    assert_eq!((6, 0), (no, yes));
    assert_eq!(7, world.run("phone", &["sync"]).code, "a sync asks what is to become of it here");
}
