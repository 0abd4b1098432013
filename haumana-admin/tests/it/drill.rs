//! Going back to a backup, rehearsed.

use crate::world::{World, user};
use haumana_sync::conformance::PLANTED;
use haumana_sync::engine::Fault;
use haumana_sync::store::{HeadState, Revision};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_goes_through_every_step_and_leaves_the_data_as_it_is() {
    let world = World::new().await;
    let before = world.stored("kai").await;
    let files = || {
        let names = std::fs::read_dir(world.file("")).unwrap().flatten();
        let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let there = files();

    let ran = world.run(&["drill", "--json"]);

    assert_eq!(0, ran.code(), "{}{}", ran.text(), ran.complaint());
    let lines = ran.json();
    let steps: Vec<&Value> = lines.iter().filter_map(|line| line.get("step")).collect();
    let wanted = [
        "copied",
        "verified",
        "backed up",
        "went on",
        "restored",
        "erased again",
        "verified",
        "devices back",
    ];
    assert_eq!(wanted.map(Value::from).iter().collect::<Vec<_>>(), steps);
    assert_eq!(json!("succeeded"), lines.last().unwrap()["drill"]);
    assert_eq!(before, world.stored("kai").await);
    assert_eq!(there, files(), "its copies are deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_a_drill_that_was_killed_is_removed_by_the_next_one() {
    let world = World::new().await;
    for (folder, is_at_work) in
        [("haumana.db.drill-killed", false), ("haumana.db.drill-works", true)]
    {
        std::fs::create_dir(world.file(folder)).unwrap();
        std::fs::write(world.file(folder).join("live.db"), "of everybody").unwrap();
        let lock = std::fs::File::create(world.file(folder).join("at-work")).unwrap();
        if is_at_work {
            lock.lock().unwrap();
            // It is locked until the end of this process.
            std::mem::forget(lock);
        }
    }

    world.run(&["drill"]).well();

    assert!(!world.file("haumana.db.drill-killed").exists());
    assert!(world.file("haumana.db.drill-works/live.db").exists(), "another drill's is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_data_does_not_stop_the_drill_and_is_told() {
    let world = World::new().await;
    let mut account = world.stored("kai").await;
    let planted = PLANTED.iter().find(|planted| planted.fault == Fault::ByteCount).unwrap();
    (planted.plant)(&mut account);
    world.write(&account, "noe").await;

    let ran = world.run(&["drill", "--json"]);

    assert_eq!(2, ran.code(), "{}", ran.complaint());
    assert_eq!(json!(1), ran.json().last().unwrap()["findings"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_the_app_are_whole_before_the_drill_and_in_it() {
    let world = World::of_the_app().await;

    world.run(&["verify", "--all"]).well();
    world.run(&["drill"]).well();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_dynamodb_the_drill_says_what_is_done_instead() {
    let world = World::new().await;

    let elsewhere = world.run(&["drill", "--store", "dynamodb"]);
    let nowhere = world.run(&["drill", "--db", "nowhere.db"]);

    assert_eq!((1, 1), (elsewhere.code(), nowhere.code()));
    assert!(elsewhere.complaint().contains("docs/runbook.md"), "{}", elsewhere.complaint());
    assert!(nowhere.complaint().contains("there is no database nowhere.db"));
    assert!(!world.file("nowhere.db").exists());
}

/// More than one call of the store lists.
#[tokio::test(flavor = "multi_thread")]
async fn all_erasures_that_are_not_finished_are_finished_in_the_drill() {
    let world = World::new().await;
    let mut account = world.stored("kai").await;
    account.head.state = HeadState::Erasing;
    account.head.revision = Revision(1);
    account.records.clear();
    account.history.clear();
    let store = world.store();
    for number in 0..501 {
        account.write(&*store, &user(&format!("kai-{number}"))).await;
    }
    drop(store);

    let ran = world.run(&["drill", "--json"]);

    assert_eq!(0, ran.code(), "{}{}", ran.text(), ran.complaint());
    let lines = ran.json();
    let erased = lines.iter().find(|line| line["step"] == "erased again").unwrap();
    assert_eq!("502 accounts", erased["detail"], "with the one of the drill");
}
