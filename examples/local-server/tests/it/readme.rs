//! The README's curl session, pasted as it stands.

use crate::server::Server;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../../../README.md");

#[test]
fn the_readmes_two_devices_keep_each_others_edits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let start = README.find("```sh\n").unwrap() + "```sh\n".len();
    let session = README[start..].split("```").next().unwrap();
    assert!(session.contains("http://127.0.0.1:8787"), "the session names the default address");
    let session = session.replace("http://127.0.0.1:8787", &server.url);

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ran = Command::new("sh").arg("-c").arg(session).current_dir(root).output();

    let output = ran.unwrap();
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl on this machine");
        return;
    }
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(8, lines.len(), "five titles, three edits: {said}");
    assert_eq!("\"title\":\"Aloha ʻOe\"", lines[0]);
    let mut edits = lines[5..].to_vec();
    edits.sort_unstable();
    let mut expected = ["Haʻaheo ē ka ua", "A loko ē e hana nei", "Mōʻī wahine Liliʻuokalani"];
    expected.sort_unstable();
    assert_eq!(expected.to_vec(), edits);
}
