//! The curl sessions of the tour and of the guide to schemas, pasted as they stand.

use crate::server::Server;
use std::path::Path;
use std::process::Command;

const TOUR: &str = include_str!("../../../docs/tour.md");
const GUIDE: &str = include_str!("../../../docs/schema.md");

/// Pastes the first session with this address in it; `None` if the machine has no curl.
fn paste(text: &str, server: &Server) -> Option<String> {
    let session = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let session = session.into_iter().find(|session| session.contains("http://127.0.0.1:8787"));
    let session = session.unwrap_or_else(|| panic!("a session names the default address"));
    let session = session.replace("http://127.0.0.1:8787", &server.url);
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl on this machine");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("sh").arg("-c").arg(session).current_dir(root).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_guides_recipe_reaches_the_laptop() {
    let folder = tempfile::tempdir().unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/recipes.toml");
    let server = Server::start_with(folder.path(), &["--schema", schema]);

    let Some(said) = paste(GUIDE, &server) else { return };

    let replies: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!("applied", replies[0]["results"][0]["outcome"]);
    assert_eq!("Cut the fish\nMix", replies[1]["changes"][0]["value"]["steps"]);
    assert_eq!(replies[0]["digest"], replies[1]["digest"]);
}

#[test]
fn the_tours_two_devices_keep_each_others_edits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let Some(said) = paste(TOUR, &server) else { return };

    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(8, lines.len(), "five titles, three edits: {said}");
    assert_eq!("\"title\":\"Aloha ʻOe\"", lines[0]);
    let mut edits = lines[5..].to_vec();
    edits.sort_unstable();
    let mut expected = ["Haʻaheo ē ka ua", "A loko ē e hana nei", "Mōʻī wahine Liliʻuokalani"];
    expected.sort_unstable();
    assert_eq!(expected.to_vec(), edits);
}
