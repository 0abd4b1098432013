//! The inbox, the history and the way back.

use crate::world::World;

/// Two devices that wrote the same author; the phone's lost.
fn clash(world: &World) {
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "Kaulana Nā Pua", "--author", "0"]);
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    world.ok("phone", &["edit", "kaulana", "--author", "of the phone"]);
    // The clock of two edits must differ, or the greater value wins: this one is both.
    world.ok("ipad", &["edit", "kaulana", "--author", "w of the ipad"]);
    for device in ["phone", "ipad", "phone"] {
        world.ok(device, &["sync"]);
    }
}

fn author(world: &World, device: &str) -> String {
    let shown = world.json(device, &["show", "kaulana"]);
    shown["author"].as_str().unwrap_or("null").to_owned()
}

#[test]
fn each_decision_is_seen_on_both_devices() {
    let decisions: [(&[&str], &str); 4] = [
        (&["keep"], "w of the ipad"),
        (&["restore"], "of the phone"),
        (
            &["set", "--value", "Ellen Kekoʻaohiwaikalani Wright Prendergast"],
            "Ellen Kekoʻaohiwaikalani Wright Prendergast",
        ),
        (&["set", "--value", ""], "null"),
    ];
    for (decision, expected) in decisions {
        let world = World::start();
        clash(&world);
        let open = world.ok("phone", &["conflicts"]);
        assert!(open.contains("kept\n    w of the ipad\n  lost\n    of the phone"), "{open}");
        assert!(open.contains("Kaulana Nā Pua · author · another edit was later"), "{open}");

        world.ok("phone", &[&["conflicts"], decision].concat());
        for device in ["phone", "ipad"] {
            world.ok(device, &["sync"]);
        }

        assert_eq!([expected; 2], ["phone", "ipad"].map(|device| author(&world, device)));
        assert_eq!("nothing clashed\n", world.ok("ipad", &["conflicts"]));
    }
}

#[test]
fn the_device_whose_edit_lost_hears_of_the_inbox() {
    let world = World::start();
    clash(&world);

    let synced = world.ok("phone", &["sync"]);
    let status = world.ok("phone", &["status"]);

    assert!(synced.contains("inbox: 1 value that lost; see haumana conflicts"), "{synced}");
    let line = "1 value that lost, as of the last sync; see haumana conflicts";
    assert!(status.contains(line), "{status}");
    for command in ["sync", "status"] {
        assert_eq!(1, world.json("phone", &[command])["openConflicts"]);
    }
    world.ok("phone", &["conflicts", "keep"]);
    assert!(!world.ok("phone", &["sync"]).contains("inbox"));
    assert_eq!(0, world.json("phone", &["status"])["openConflicts"]);
}

#[test]
fn a_conflict_is_named_by_the_beginning_of_its_id() {
    let world = World::start();
    clash(&world);
    let open = world.json("phone", &["conflicts"]);
    let conflict = &open["conflicts"][0];
    assert_eq!("of the phone", conflict["lost"]);
    assert_eq!("later_edit", conflict["reason"]);
    let id = conflict["conflictId"].as_str().unwrap();

    let missing = world.run("phone", &["conflicts", "keep", "ZZZZ"]);
    let closed = world.json("phone", &["conflicts", "keep", &id[..8].to_lowercase()]);

    assert_eq!(3, missing.code);
    assert_eq!(id, closed["conflictId"]);
}

#[test]
fn an_earlier_version_and_a_deleted_piece_come_back_on_both_devices() {
    let world = World::start();
    clash(&world);
    let history = world.ok("phone", &["history", "kaulana"]);
    assert!(history.contains("version 3") && history.contains("author  was: of the phone"));
    world.ok("phone", &["restore", "kaulana", "1"]);
    world.ok("phone", &["sync"]);
    assert_eq!("0", author(&world, "phone"));

    let deleted = world.json("phone", &["delete", "kaulana"]);
    let (id, version) = (deleted["id"].as_str().unwrap(), deleted["version"].to_string());
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    assert_eq!("no pieces\n", world.ok("ipad", &["list"]));
    world.ok("ipad", &["restore", id, &version]);
    for device in ["phone", "ipad"] {
        world.ok(device, &["sync"]);
        assert_eq!("0", author(&world, device));
    }
    let too_new = world.run("ipad", &["restore", id, "99", "--json"]);
    assert_eq!((3, true), (too_new.code, too_new.err.contains("not_found")));
}

#[test]
fn an_export_is_written_whole_and_overwrites_nothing_unasked() {
    let world = World::start();
    clash(&world);

    world.ok("phone", &["export", "all.json"]);

    let path = world.folder.path().join("all.json");
    let export: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let counts = ["pieces", "conflicts"].map(|list| export[list].as_array().unwrap().len());
    assert_eq!([1, 1], counts);
    assert_eq!(1, world.run("phone", &["export", "all.json"]).code);
    world.ok("phone", &["export", "all.json", "--force"]);
    let printed: serde_json::Value =
        serde_json::from_str(&world.ok("phone", &["export", "-"])).unwrap();
    assert_eq!(export["history"], printed["history"]);
}

#[test]
fn an_export_is_imported_into_an_empty_account_with_its_history_and_conflicts() {
    let world = World::start();
    clash(&world);
    world.ok("phone", &["export", "all.json"]);
    world.ok("other", &["init"]);
    world.ok("other", &["sign-in", "lani"]);

    let said = world.ok("other", &["import", "all.json"]);
    world.ok("other", &["sync"]);

    assert_eq!("1 pieces and 0 sessions are on the server; haumana sync brings it here\n", said);
    assert_eq!("w of the ipad", author(&world, "other"));
    assert_eq!(1, world.json("other", &["conflicts"])["conflicts"].as_array().unwrap().len());
    let history = world.json("other", &["history", "kaulana"]);
    assert_eq!(3, history["versions"].as_array().unwrap().len());
    world.ok("ipad", &["sign-in", "noe"]);
    world.ok("ipad", &["add", "something"]);
    world.ok("ipad", &["sync"]);
    let full = world.run("ipad", &["import", "all.json"]);
    assert_eq!((6, true), (full.code, full.err.contains("an empty one")), "{}", full.err);
}
