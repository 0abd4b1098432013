//! What a person writes is never lost, and nothing that an editor does to a whole text stays in it.

use crate::world::{Ran, World};
use serde_json::Value;

/// An editor that is a shell script; `$1` is the file.
fn edit_with(world: &World, script: &str, args: &[&str]) -> Ran {
    let path = world.folder.path().join("editor.sh");
    std::fs::write(&path, script).unwrap();
    let mut command = world.command("phone", args);
    Ran::of(command.env("EDITOR", format!("sh {}", path.display())).output().unwrap())
}

fn lyrics(world: &World) -> String {
    world.json("phone", &["show", "t"])["lyrics"].as_str().unwrap().to_owned()
}

/// The file that a failure names, and the command that takes it up again.
fn kept(ran: &Ran) -> (String, Vec<String>) {
    let (_, again) = ran.err.trim_end().rsplit_once("take it up again with: haumana ").unwrap();
    let words: Vec<String> = again.split(' ').map(str::to_owned).collect();
    (words.last().unwrap().clone(), words)
}

fn world_with(lyrics: &str) -> World {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t", "--lyrics", lyrics]);
    world
}

#[test]
#[cfg(unix)]
fn what_an_editor_saved_before_it_failed_is_kept_and_can_be_taken_up_again() {
    let world = world_with("mua");

    let ran = edit_with(&world, "printf 'mua\\nhope\\n' > \"$1\"; exit 3", &["edit", "t"]);

    let (file, again) = kept(&ran);
    assert_eq!((1, "mua"), (ran.code, lyrics(&world).as_str()), "nothing is taken unasked");
    assert!(ran.err.contains("saved and then failed"), "{}", ran.err);
    assert_eq!("mua\nhope", std::fs::read_to_string(&file).unwrap());
    assert!(world.ok("phone", &["status"]).contains(&*file.rsplit('/').next().unwrap().to_owned()));
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    world.ok("phone", &again);
    assert_eq!("mua\nhope", lyrics(&world));
    let json = edit_with(&world, "echo x > \"$1\"; exit 3", &["edit", "t", "--json"]);
    let json: Value = serde_json::from_str(json.err.trim_end()).unwrap();
    assert_eq!("editor", json["code"]);
    assert_eq!("x", std::fs::read_to_string(json["file"].as_str().unwrap()).unwrap());
}

#[test]
#[cfg(unix)]
fn what_was_written_before_the_program_was_killed_is_found_by_status() {
    let world = world_with("mua");
    let mut command = world.command("phone", &["edit", "t"]);
    // The parent of the shell that runs the editor is the program.
    command.env("EDITOR", "echo written > \"$1\"; kill -KILL $PPID; true");

    let output = command.output().unwrap();

    assert_eq!(None, output.status.code(), "it was killed");
    let status = world.json("phone", &["status"]);
    let file = status["unsaved"][0].as_str().unwrap();
    assert_eq!("written\n", std::fs::read_to_string(file).unwrap());
    world.ok("phone", &["edit", "t", "--lyrics-file", file]);
    assert_eq!("written\n", lyrics(&world));
}

#[test]
#[cfg(unix)]
fn an_editor_that_failed_without_saving_leaves_nothing_behind() {
    let world = world_with("mua");

    let ran = edit_with(&world, "exit 1", &["edit", "t"]);

    assert_eq!((1, "mua"), (ran.code, lyrics(&world).as_str()));
    assert!(ran.err.contains("nothing was changed"), "{}", ran.err);
    assert_eq!(0, world.json("phone", &["status"])["unsaved"].as_array().unwrap().len());
}

#[test]
#[cfg(unix)]
fn what_an_editor_saved_in_an_encoding_of_its_own_is_read_or_kept() {
    let world = world_with("mua");

    let utf16 = edit_with(&world, "printf '\\377\\376H\\000\\273\\002' > \"$1\"", &["edit", "t"]);
    assert_eq!((0, "Hʻ"), (utf16.code, lyrics(&world).as_str()), "{}", utf16.err);
    let latin = edit_with(&world, "printf 'Pel\\351' > \"$1\"", &["edit", "t"]);

    let (file, _) = kept(&latin);
    assert_eq!((1, "Hʻ"), (latin.code, lyrics(&world).as_str()));
    assert!(latin.err.contains("save it as UTF-8"), "{}", latin.err);
    assert_eq!(b"Pel\xE9", &*std::fs::read(file).unwrap());
}

#[test]
#[cfg(unix)]
fn an_editors_line_ends_and_byte_order_mark_do_not_stay_in_the_text() {
    let world = world_with("mua\nhope");
    let windows = "printf '\\357\\273\\277mua\\r\\nwaena\\r\\nhope\\r\\n' > \"$1\"";
    edit_with(&world, windows, &["edit", "t"]);
    assert_eq!("mua\nwaena\nhope", lyrics(&world));
    let same = edit_with(&world, windows, &["edit", "t"]);
    assert_eq!("nothing changed\n", same.out);

    world.ok("phone", &["edit", "t", "--lyrics", "mua\r\nhope\r\n"]);
    edit_with(&world, "printf 'mua\\nhope\\nhou\\n' > \"$1\"", &["edit", "t"]);

    assert_eq!("mua\r\nhope\r\nhou\r\n", lyrics(&world), "a text that had CRLF keeps it");
}

#[test]
fn a_file_is_read_without_its_byte_order_mark_and_what_is_no_text_is_refused() {
    let world = world_with("mua");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(world.folder.path().join(name), bytes).unwrap();
    };
    write("utf8", "\u{FEFF}Haʻaheo\r\n".as_bytes());
    write("utf16", b"\xFE\xFF\0H\x02\xBB");
    write("latin", b"Pel\xE9");
    write("utf16-without-mark", b"H\0a\0");

    world.ok("phone", &["edit", "t", "--lyrics-file", "utf8", "--notes-file", "utf16"]);
    for name in ["latin", "utf16-without-mark"] {
        let refused = world.run("phone", &["edit", "t", "--lyrics-file", name, "--json"]);
        assert_eq!((1, true), (refused.code, refused.err.contains(r#""code":"encoding""#)));
    }

    assert_eq!("Haʻaheo\r\n", lyrics(&world), "a file's own line ends are its person's");
    assert_eq!("Hʻ", world.json("phone", &["show", "t"])["notes"]);
}

#[test]
fn two_options_that_read_the_standard_input_are_refused_before_anything_is_done() {
    let world = world_with("mua");
    world.ok("phone", &["edit", "t", "--notes", "notes"]);
    for args in [
        ["edit", "t", "--lyrics-file", "-", "--notes-file", "-"],
        ["edit", "t", "--translation-file", "-", "--notes-file", "/dev/stdin"],
        ["add", "new", "--lyrics-file", "-", "--translation-file", "-"],
    ] {
        let ran = world.run_with("phone", &args, "hope\n");
        assert_eq!((2, true), (ran.code, ran.err.contains("both read")), "{args:?}: {}", ran.err);
    }
    for args in [
        ["edit", "t", "--editor", "lyrics", "--lyrics", "x"],
        ["add", "new", "--editor", "notes", "--notes-file", "-"],
    ] {
        let ran = world.run_with("phone", &args, "hope\n");
        assert_eq!((2, true), (ran.code, ran.err.contains("the editor both give")), "{args:?}");
    }

    assert_eq!("mua", lyrics(&world));
    assert_eq!("notes", world.json("phone", &["show", "t"])["notes"]);
    assert_eq!(1, world.json("phone", &["status"])["pieces"]);
}

#[test]
fn a_text_on_the_standard_input_that_cannot_be_saved_is_kept() {
    let world = world_with("mua");

    let long = "ā".repeat(150_000);
    let refused = world.run_with("phone", &["edit", "t", "--notes-file", "-"], &long);
    let new = world.run_with("phone", &["add", "E Ala", "--lyrics-file", "-"], &long);

    assert_eq!((6, 6), (refused.code, new.code));
    assert_eq!(long, std::fs::read_to_string(kept(&refused).0).unwrap());
    assert!(new.err.contains("haumana add 'E Ala' --lyrics-file /"), "{}", new.err);
    let missing = world.run_with("phone", &["edit", "none", "--notes-file", "-"], "text");
    assert_eq!((3, false), (missing.code, missing.err.contains("kept in")), "nothing was read yet");
}

#[test]
#[cfg(unix)]
fn nobody_writes_what_could_not_be_saved_anyway() {
    let world = World::start();
    world.ok("phone", &["init"]);
    let opened = "touch opened";

    let nobody = edit_with(&world, opened, &["add", "t", "--editor"]);
    world.ok("phone", &["sign-in", "kai"]);
    let nameless = edit_with(&world, opened, &["add", " ", "--editor"]);

    assert_eq!((4, 6), (nobody.code, nameless.code));
    assert!(!world.folder.path().join("opened").exists(), "the editor was not opened");
}
