//! What works on the device itself.

use crate::world::World;
use serde_json::Value;

fn script(world: &World, name: &str, text: &str) -> String {
    let path = world.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    format!("sh {}", path.display())
}

fn show(world: &World, piece: &str) -> Value {
    world.json("phone", &["show", piece])
}

#[test]
fn titles_with_okina_and_kahako_come_out_as_they_went_in_and_are_found_however_typed() {
    let world = World::start();
    world.devices(&["phone"]);
    let decomposed = "E Ala E\u{304}";
    world.ok("phone", &["add", "Kāwika ʻEhu"]);
    world.ok("phone", &["add", decomposed]);

    for typed in ["kāwika ʻehu", "KA\u{304}WIKA", "kāwika 'e"] {
        assert_eq!("Kāwika ʻEhu", show(&world, typed)["title"], "{typed}");
    }
    assert_eq!(decomposed, show(&world, "e ala ē")["title"]);
    let listed = world.ok("phone", &["list"]);
    assert!(listed.contains("Kāwika ʻEhu  oli"), "columns line up: {listed}");
    assert!(listed.contains(&format!("{decomposed}      oli")), "columns line up: {listed}");
}

#[test]
fn fields_come_from_flags_files_and_the_standard_input() {
    let world = World::start();
    world.devices(&["phone"]);
    std::fs::write(world.folder.path().join("notes.txt"), "Hawaiʻi\n").unwrap();
    let args = [
        "add",
        "t",
        "--category",
        "mele",
        "--author",
        "a",
        "--source-url",
        "https://e.example",
        "--language",
        "haw",
        "--favorite",
        "true",
        "--practice",
        "false",
        "--translation",
        "tr",
        "--notes-file",
        "notes.txt",
        "--lyrics-file",
        "-",
    ];

    let ran = world.run_with("phone", &args, "mua\r\nhope  \n");

    assert_eq!(0, ran.code, "{}", ran.err);
    let shown = show(&world, "t");
    let expected = serde_json::json!({
        "title": "t", "category": "mele", "author": "a", "sourceUrl": "https://e.example",
        "language": "haw", "isFavorite": true, "includeInPractice": false,
        "englishTranslation": "tr", "notes": "Hawaiʻi\n", "lyrics": "mua\r\nhope  \n",
        "pending": true, "version": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(value, &shown[name], "{name}");
    }
    world.ok("phone", &["edit", "t", "--author", "", "--lyrics", ""]);
    assert_eq!(
        (Value::Null, "".into()),
        (show(&world, "t")["author"].take(), show(&world, "t")["lyrics"].take())
    );
}

#[test]
#[cfg(unix)]
fn lyrics_are_written_in_the_persons_own_editor() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t", "--lyrics", "mua"]);
    let edit = |name: &str, editor: &str, args: &[&str]| {
        let mut command = world.command("phone", args);
        command.env("EDITOR", "false").env(name, editor).output().unwrap()
    };
    // As editors do: a new file in the old one's place, with a newline at its end.
    let adds = script(
        &world,
        "adds",
        "cat \"$1\" > \"$1.new\"; echo ' hope' >> \"$1.new\"; mv \"$1.new\" \"$1\"",
    );

    assert!(edit("VISUAL", &adds, &["edit", "t"]).status.success());
    assert_eq!("mua hope", show(&world, "t")["lyrics"]);
    let notes = script(&world, "notes", "echo $2 > \"$3\"");
    assert!(
        edit("EDITOR", &format!("{notes} -x kahakō"), &["edit", "t", "--editor", "notes"])
            .status
            .success()
    );
    assert_eq!("kahakō", show(&world, "t")["notes"]);

    let unchanged = edit("EDITOR", "true", &["edit", "t"]);
    assert_eq!("nothing changed\n", String::from_utf8(unchanged.stdout).unwrap());
    assert_eq!(Some(1), edit("EDITOR", "false", &["edit", "t"]).status.code());
    assert_eq!("mua hope", show(&world, "t")["lyrics"]);
    let none = world.run("phone", &["edit", "t"]);
    assert_eq!((1, true), (none.code, none.err.contains("EDITOR")));
}

#[test]
#[cfg(unix)]
fn an_interrupt_while_the_editor_runs_is_the_editors() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    let mut command = world.command("phone", &["edit", "t"]);
    // The parent of the shell that runs the editor is the program.
    command.env("EDITOR", "kill -INT $PPID; kill -QUIT $PPID; echo written > \"$1\"; true");

    let output = command.output().unwrap();

    assert!(output.status.success(), "{output:?}");
    assert_eq!("written", show(&world, "t")["lyrics"]);
}

#[test]
#[cfg(unix)]
fn what_was_written_and_cannot_be_saved_is_not_lost() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    let large = script(&world, "large", "head -c 300000 /dev/zero | tr '\\0' a > \"$1\"");

    let mut command = world.command("phone", &["edit", "t"]);
    let output = command.env("EDITOR", large).env("TMPDIR", world.folder.path()).output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    let kept = said.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(Some(6), output.status.code(), "{said}");
    assert_eq!(300_000, std::fs::read(kept).unwrap().len());
}

#[test]
fn practising_is_logged_as_sessions() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "t"]);

    let logged = world.json("phone", &["practise", "t", "--minutes", "20"]);
    assert!(logged["startedAt"].as_str() < logged["endedAt"].as_str());
    let times = ["--from", "2026-01-01T18:00:00-10:00", "--to", "2026-01-01T18:30:00-10:00"];
    let logged = world.json("phone", &[&["practise", "t"], &times[..]].concat());
    assert_eq!("2026-01-02T04:30:00.000Z", logged["endedAt"]);
    assert_eq!(Value::Null, world.json("phone", &["practise", "t"])["endedAt"]);
    assert_eq!(6, world.run("phone", &["practise", "t"]).code, "one is running already");
    assert!(world.ok("phone", &["status"]).contains("practising  t since"));
    assert!(world.json("phone", &["practise", "--end"])["endedAt"].is_string());
    assert_eq!(6, world.run("phone", &["practise", "--end"]).code, "none is running any more");

    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    assert_eq!(3, world.json("ipad", &["show", "t"])["practised"]["count"]);
}

#[test]
fn the_list_says_what_is_pending_and_scripts_get_the_same_keys_every_time() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "synced"]);
    world.ok("phone", &["sync"]);
    world.ok("phone", &["add", "new"]);

    let listed = world.json("phone", &["list", "--pending"]);

    let pieces = listed["pieces"].as_array().unwrap();
    assert_eq!((1, "new"), (pieces.len(), pieces[0]["title"].as_str().unwrap()));
    let keys: Vec<_> = pieces[0].as_object().unwrap().keys().cloned().collect();
    let expected = "author category createdAt englishTranslation id includeInPractice isFavorite \
                    language lyrics notes pending practised refused sourceUrl title version";
    assert_eq!(expected, keys.join(" "));
    let status = world.json("phone", &["status"]);
    assert_eq!((2, 1), (status["pieces"].as_u64().unwrap(), status["pending"].as_u64().unwrap()));
    let text = world.ok("phone", &["list"]);
    assert_eq!(1, text.matches("pending").count(), "{text}");
}
