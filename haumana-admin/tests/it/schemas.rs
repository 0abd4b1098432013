//! A schema that does not fit the data is refused before anything is done.

use crate::world::{COMMANDS, World};
use haumana_sync::conformance::planted_schema;
use std::fs;

/// Checks that each command refuses the file, by its option and by its variable, and says why.
#[track_caller]
fn check_refused(world: &World, file: &str, why: &str) {
    for command in COMMANDS {
        let by_option = world.run(&[command, &["--schema", file]].concat());
        let by_variable = world.run_with(&[("HAUMANA_SCHEMA", file)], command);

        for ran in [by_option, by_variable] {
            let said = ran.complaint();
            assert_eq!(1, ran.code(), "{command:?}: {}", ran.text());
            assert!(said.contains(file) && said.contains(why), "{command:?}: {said}");
        }
    }
    assert_eq!(0, world.audit().len(), "nothing was done that could be written down");
    assert!(!world.file("kai.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_may_not_follow_that_of_the_data_is_refused_and_nothing_is_done() {
    let world = World::new().await;
    let json = planted_schema().to_json();
    let renamed = json.replace(r#""title""#, r#""titel""#);
    fs::write(world.file("renamed.json"), renamed).unwrap();
    fs::write(world.file("gone.json"), json.replace(r#""song""#, r#""tune""#)).unwrap();
    let before = (world.stored("kai").await, world.store().life().generation);

    check_refused(&world, "renamed.json", "field title: its number belongs to another field now");
    check_refused(&world, "gone.json", "kind song: records of this kind are stored");

    let after = (world.stored("kai").await, world.store().life().generation);
    assert_eq!(before, after, "the account is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_of_the_data_and_one_that_may_follow_it_are_taken() {
    let world = World::new().await;
    let json = planted_schema().to_json();
    fs::write(world.file("same.json"), &json).unwrap();
    let grown = json.replacen(r#""max":200"#, r#""max":300"#, 1);
    assert_ne!(json, grown);
    fs::write(world.file("grown.json"), grown).unwrap();
    let before = world.stored("kai").await;

    for file in ["same.json", "grown.json"] {
        world.run(&["verify", "--all", "--schema", file]).well();
        world.run(&["repair", "--all", "--write", "--schema", file]).well();
    }

    assert_eq!(before, world.stored("kai").await, "there was nothing to mend");
    world.run(&["verify", "--all"]).well();
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_and_sessions_keep_their_schema_with_which_nothing_was_kept() {
    let world = World::of_the_app().await;
    fs::write(world.file("songs.json"), planted_schema().to_json()).unwrap();

    check_refused(&world, "songs.json", "kind piece: records of this kind are stored");
    let kept = rusqlite::Connection::open(world.file("haumana.db")).unwrap();
    assert_eq!(1, kept.execute("DELETE FROM served", []).unwrap());
    drop(kept);
    check_refused(&world, "songs.json", "kind piece: records of this kind are stored");

    world.run(&["verify", "--all"]).well();
}
