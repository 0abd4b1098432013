//! What a shell and `man` know of the command line, which comes from the schema of the device.

use crate::world::World;
use std::fs;
use std::process::Command;

const DISHES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/dishes.toml");

/// A device of dishes; nothing here needs a server to answer.
fn with_dishes() -> World {
    let world = World::serving(&["--schema", DISHES]);
    world.ok("phone", &["init", "--schema", DISHES]);
    world
}

#[test]
fn bash_completes_kinds_and_fields_of_the_devices_schema() {
    if Command::new("bash").arg("--version").output().is_err() {
        eprintln!("skipped: there is no bash on this machine");
        return;
    }
    let world = with_dishes();
    let script = world.ok("phone", &["completions", "bash"]);
    let tab = |words: &str, begun: &str| {
        let at = words.split(' ').count();
        let tab = format!(
            "COMP_WORDS=({words} {begun}); COMP_CWORD={at}; \
             _haumana haumana '{begun}' ''; echo \"${{COMPREPLY[*]}}\""
        );
        let bash = Command::new("bash").args(["-c", &format!("{script}\n{tab}")]).output();
        String::from_utf8(bash.unwrap().stdout).unwrap()
    };

    assert_eq!("--steps --steps-file\n", tab("haumana add dish", "--st"));
    assert_eq!("conflicts\n", tab("haumana", "conf"));
}

#[test]
fn every_shell_has_completions() {
    let world = with_dishes();

    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.ok("phone", &["completions", shell]);

        for word in ["conflicts", "steps", "token-file"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn the_manual_page_has_the_kinds_and_each_command_a_page() {
    let world = with_dishes();
    let pages = world.folder.path().join("man1");

    let page = world.ok("phone", &["man"]);
    world.ok("phone", &["man", pages.to_str().unwrap()]);

    assert!(page.contains(".TH haumana 1"), "{page}");
    for word in ["HAUMANA_DEVICE", "Exit codes", "Kinds of record on this device"] {
        assert!(page.contains(word), "the page has {word}: {page}");
    }
    assert_eq!(page.trim_end(), fs::read_to_string(pages.join("haumana.1")).unwrap().trim_end());
    let add = fs::read_to_string(pages.join("haumana-add-dish.1")).unwrap();
    assert!(add.contains("steps"), "{add}");
}

#[test]
fn a_folder_for_manual_pages_that_cannot_be_made_is_named() {
    let world = with_dishes();
    fs::write(world.folder.path().join("taken"), "").unwrap();

    let ran = world.run("phone", &["man", "taken"]);

    assert_eq!(1, ran.code, "{}", ran.err);
    assert!(ran.err.contains("taken"), "{}", ran.err);
}
