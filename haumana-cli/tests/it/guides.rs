//! The two devices of the guides, pasted as they stand.

use crate::world::{World, clean};
use std::path::Path;
use std::process::Command;

const TOUR: &str = include_str!("../../../docs/tour.md");
const GUIDE: &str = include_str!("../../../docs/schema.md");
const QUICK_START: &str = include_str!("../../../docs/quick-start.md");
const OWN_APP: &str = include_str!("../../../docs/your-own-app.md");
const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/recipes.toml");

/// Runs the block of a text that has `mark` in it, and returns what it says.
fn paste(text: &str, mark: &str, world: &World) -> String {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let session = blocks.into_iter().find(|block| block.contains(mark)).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_haumana")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());

    let mut shell = Command::new("sh");
    clean(&mut shell).args(["-e", "-c", session]).env("PATH", path);
    // The one thing that differs: the tests' server listens on a port of its own.
    shell.env("HAUMANA_SERVER", &world.url).env("TMPDIR", world.folder.path());
    let output = shell.output().unwrap();

    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn the_tours_two_devices_agree_and_bring_a_lost_line_back() {
    let world = World::start();

    let said = paste(TOUR, "phone init", &world);

    let count = |text: &str| said.matches(text).count();
    assert_eq!(1, count("synced: 2 sent, 0 received"), "a piece and a session go up: {said}");
    assert_eq!(1, count("synced: 0 sent, 2 received"), "and come down: {said}");
    assert_eq!(1, count("1 clashed with other edits"), "{said}");
    assert_eq!(2, count("author     Queen Liliʻuokalani"), "the author is on both: {said}");
    let shown = |line: &str| count(&format!("\nlyrics\n    {line}\n"));
    assert_eq!(1, shown("Haʻaheo ē ka ua i nā pali"), "the later line is shown first: {said}");
    assert_eq!(1, shown("Haʻaheo mai ka ua i nā pali"), "and the other one after: {said}");
    assert_eq!(1, count("wrote everything.json"), "{said}");
}

#[test]
fn the_guides_two_devices_edit_a_recipe_offline_and_agree() {
    let world = World::serving(&["--schema", RECIPES]);

    let said = paste(GUIDE, "phone add recipe", &world);

    let (_, shown) = said.rsplit_once("synced:").unwrap();
    for line in ["tags         fish, quick, raw", "cooked       3", "difficulty   hard"] {
        assert!(shown.contains(line), "{line:?} must be in {shown}");
    }
}

#[test]
fn the_quick_starts_two_devices_keep_both_edits() {
    let world = World::start();

    let said = paste(QUICK_START, "phone add Hiilawe", &world);

    let (_, shown) = said.rsplit_once("synced:").unwrap();
    for line in ["Hiʻilawe", "author    Sam Liʻa"] {
        assert!(shown.contains(line), "{line:?} must be in {shown}");
    }
}

#[test]
fn the_guide_to_an_own_app_has_a_schema_under_which_two_devices_agree() {
    let folder = tempfile::tempdir().unwrap();
    let schema = OWN_APP.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```"));
    let path = folder.path().join("shopping.toml");
    std::fs::write(&path, schema.unwrap().0).unwrap();
    let world = World::serving(&["--schema", path.to_str().unwrap()]);

    let said = paste(OWN_APP, "phone add item Poi", &world);

    let (_, shown) = said.rsplit_once("synced:").unwrap();
    for line in ["shops    corner, harbour, market", "bought   4", "urgency  today"] {
        assert!(shown.contains(line), "{line:?} must be in {shown}");
    }
}
