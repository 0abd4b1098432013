//! What a shell and `man` know of the command line.

use crate::server::run;
use std::fs;
use std::path::Path;
use std::process::Command;

fn said(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_shell_has_completions_of_the_options_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();

    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(folder.path(), &["completions", shell]);

        for word in ["listen", "retention-days", "erase-again", "journal-url"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(0, fs::read_dir(folder.path()).unwrap().count(), "neither database nor log");
}

#[test]
fn bash_completes_an_option_from_its_beginning() {
    if Command::new("bash").arg("--version").output().is_err() {
        eprintln!("skipped: there is no bash on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = said(folder.path(), &["completions", "bash"]);
    let tab = "COMP_WORDS=(haumana-server --ret); COMP_CWORD=1; \
               _haumana__server haumana-server --ret haumana-server; echo \"${COMPREPLY[*]}\"";

    let output = Command::new("bash").args(["-c", &format!("{script}\n{tab}")]).output().unwrap();

    assert_eq!("--retention-days\n", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_manual_page_has_each_option_with_its_twin_and_each_command_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");

    let page = said(folder.path(), &["man"]);
    let printed = said(folder.path(), &["man", pages.to_str().unwrap()]);

    assert!(page.contains(".TH haumana-server 1"), "{page}");
    for word in ["\\-\\-retention\\-days", "HAUMANA_RETENTION_DAYS", "haumana\\-server\\-backup(1)"]
    {
        assert!(page.contains(word), "the page has {word}: {page}");
    }
    assert_eq!("", printed, "they are in the folder");
    assert_eq!(page, fs::read_to_string(pages.join("haumana-server.1")).unwrap());
    for command in ["backup", "restore", "erase-again", "completions"] {
        let page = fs::read_to_string(pages.join(format!("haumana-server-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
}
