//! What is shown: differences where they are, numbers with their digits, and nothing that drives a
//! terminal.

use crate::world::World;

#[test]
fn of_two_long_paragraphs_the_place_where_they_differ_is_shown() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "t"]);
    for device in ["phone", "ipad"] {
        world.ok(device, &["sync"]);
    }
    let paragraph = "No ka ʻāina aloha kēia mele. ".repeat(20);
    for device in ["phone", "ipad"] {
        world.ok(device, &["edit", "t", "--notes", &format!("{paragraph}{device} {paragraph}")]);
        world.ok(device, &["sync"]);
    }

    let said = world.ok("phone", &["conflicts"]);

    let shown: Vec<&str> = said.lines().filter(|line| line.contains('…')).collect();
    let [kept, lost] = shown[..] else { panic!("{said}") };
    assert!(kept.contains("ipad") && lost.contains("phone"), "{said}");
    assert!(kept.chars().count() < 110 && lost.chars().count() < 110, "{said}");
}

#[test]
fn the_history_shows_where_a_version_differs_and_not_how_it_begins() {
    let world = World::start();
    world.devices(&["phone"]);
    for last in ["first end", "second end", "third end"] {
        let lyrics = format!("mua\n{}{last}", "No ka ʻāina aloha kēia mele. ".repeat(20));
        let edit = ["edit", "t", "--lyrics", &lyrics];
        let add = ["add", "t", "--lyrics", &lyrics];
        world.ok("phone", if last == "first end" { &add } else { &edit });
        world.ok("phone", &["sync"]);
    }

    let said = world.ok("phone", &["history", "t"]);

    for end in ["second end (2 lines)", "first end (2 lines)"] {
        assert_eq!(1, said.matches(end).count(), "{said}");
    }
}

#[test]
fn two_values_that_look_the_same_are_said_to_differ_in_what_cannot_be_seen() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "t"]);
    for device in ["phone", "ipad"] {
        world.ok(device, &["sync"]);
    }
    for (device, author) in [("phone", "Nāone"), ("ipad", "Na\u{304}one")] {
        world.ok(device, &["edit", "t", "--author", author]);
        world.ok(device, &["sync"]);
    }

    let said = world.ok("phone", &["conflicts"]);

    assert!(said.contains("they differ only in blanks, line ends, or how letters"), "{said}");
}

#[test]
fn numbers_keep_their_digits_in_answers_for_scripts() {
    let world = World::start();
    world.devices(&["phone"]);
    let token = std::fs::read_to_string(world.folder.path().join("phone/token")).unwrap();
    let push = r#"{"deviceId":"another","push":[{"kind":"piece","base":null,"editedAt":"2026-01-01T00:00:00Z",
        "id":"5EED0000-0000-4000-8000-000000000001",
        "set":{"title":"t","serial":12345678901234567890123,"rate":0.10}}]}"#;
    let sent = ureq::post(format!("{}/sync", world.url))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .send(push);
    assert_eq!(200, sent.unwrap().status().as_u16());
    world.ok("phone", &["sync"]);

    for args in [["show", "t", "--json"], ["list", "t", "--json"]] {
        let said = world.ok("phone", &args);
        assert!(said.contains(r#""serial":12345678901234567890123,"#), "{said}");
        assert!(said.contains(r#""rate":0.10,"#), "{said}");
    }
}

#[test]
fn no_text_of_anybody_drives_the_terminal() {
    let world = World::start();
    world.devices(&["phone"]);
    let wild = "mua\u{1b}]0;owned\u{7}\rhope\u{9b}2J";
    world.ok("phone", &["add", &format!("t{wild}"), "--lyrics", wild, "--author", wild]);

    for args in [&["show", "t"][..], &["list"], &["status"], &["delete", "none\u{1b}[2J"]] {
        let ran = world.run("phone", args);
        let said = format!("{}{}", ran.out, ran.err);
        let drives = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
        assert!(!said.contains(drives), "{args:?}: {said:?}");
    }
    assert!(world.ok("phone", &["show", "t"]).contains(r"mua\u{1b}]0;owned\u{7}\rhope\u{9b}2J"));
    assert_eq!(wild, world.json("phone", &["show", "t"])["lyrics"], "a script gets what is there");
}

#[test]
fn an_exact_title_is_not_ambiguous_beside_one_that_differs_in_case_or_okina() {
    let world = World::start();
    world.devices(&["phone"]);
    let titles = ["Aloha ʻOe", "Aloha 'Oe", "aloha ʻoe", "ALOHA OE"];
    for title in titles {
        world.ok("phone", &["add", title]);
    }

    for title in titles {
        assert_eq!(title, world.json("phone", &["show", title])["title"]);
    }
    assert_eq!(3, world.run("phone", &["delete", "aloha"]).code, "a part of all of them");
    assert_eq!(
        3,
        world.run("phone", &["delete", "", "--discard-edits"]).code,
        "nothing names none"
    );
}

/// Clears the screen, sets the clipboard, begins a C1 sequence, ends a string, turns the line around,
/// and goes to a line of its own.
const HOSTILE: &str =
    "t\u{1b}[2J\u{1b}]52;c;aGFja2Vk\u{7}\u{9b}31m\u{202e}\u{2066}\u{2028}\nno pieces\tx";

/// Whether the text has nothing in it that a terminal would obey.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| {
        let turns =
            ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
        (!c.is_control() || c == '\n' || c == '\t') && !turns && c != '\u{2028}' && c != '\u{2029}'
    })
}

#[test]
fn nothing_from_a_record_drives_the_terminal_or_passes_for_an_answer() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", HOSTILE, "--author", HOSTILE, "--lyrics", HOSTILE]);
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    for device in ["phone", "ipad"] {
        let notes = format!("{device} {HOSTILE}");
        world.ok(device, &["edit", "t", "--notes", &notes, "--author", &notes]);
        world.ok(device, &["sync"]);
    }
    world.ok("phone", &["practise", "t"]);

    let commands: [&[&str]; 8] = [
        &["list"],
        &["show", "t"],
        &["history", "t"],
        &["conflicts"],
        &["status"],
        &["sessions"],
        &["practise", "--end"],
        &["edit", "t", "--category", HOSTILE],
    ];
    for command in commands {
        let said = world.run("phone", command);

        assert_eq!(0, said.code, "{command:?} {}", said.err);
        assert!(is_harmless(&said.out) && is_harmless(&said.err), "{command:?} {:?}", said.out);
        let is_fake = |line: &str| line.starts_with("no pieces");
        assert!(!said.out.lines().any(is_fake), "{command:?} {}", said.out);
        let json = world.run("phone", &[&["--json"], command].concat());
        assert!(is_harmless(&json.out) && is_harmless(&json.err), "{command:?} {:?}", json.out);
    }
    let failed = world.run("phone", &["show", HOSTILE]);
    assert!(is_harmless(&failed.out) && is_harmless(&failed.err), "{failed:?}");
    assert_eq!(HOSTILE, world.json("phone", &["show", "t"])["title"], "scripts read what it is");
}
