//! What is mended of a session that the server has already is mended everywhere.

use crate::world::World;

/// A session on two devices, of a month's length.
fn world() -> (World, String) {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "t"]);
    let times = ["--from", "2026-01-01T18:00:00Z", "--to", "2026-01-31T18:00:00Z", "--insist"];
    let logged = world.json("phone", &[&["practise", "t"], &times[..]].concat());
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    (world, logged["id"].as_str().unwrap().to_owned())
}

#[track_caller]
fn check(args: &[&str], start: &str, end: &str) {
    let (world, id) = world();

    world.ok("phone", &[&["mend", &id], args].concat());
    for device in ["phone", "ipad", "phone"] {
        world.ok(device, &["sync"]);
    }

    for device in ["phone", "ipad"] {
        let listed = world.json(device, &["sessions"]);
        let session = &listed["sessions"][0];
        assert_eq!((start, end), (text(&session["startedAt"]), text(&session["endedAt"])));
        assert_eq!(0, listed["sessions"][0]["wrong"].as_array().unwrap().len(), "{device}");
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn an_end_that_is_mended_to_an_earlier_one_is_so_on_every_device() {
    check(&["--minutes", "20"], "2026-01-01T18:00:00.000Z", "2026-01-01T18:20:00.000Z");
}

#[test]
fn a_start_that_is_mended_is_so_on_every_device() {
    let start = ["--start", "2026-01-31T17:00:00Z"];
    check(&start, "2026-01-31T17:00:00.000Z", "2026-01-31T18:00:00.000Z");
}
