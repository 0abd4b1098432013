//! People read and write times of their own zone; scripts get UTC.

use crate::world::{Ran, World};

fn at_home(world: &World, args: &[&str]) -> String {
    let mut command = world.command("phone", args);
    let ran = Ran::of(command.env("TZ", "Pacific/Honolulu").output().unwrap());
    assert_eq!(0, ran.code, "{args:?}: {}", ran.err);
    ran.out
}

#[test]
fn an_evening_in_hawaii_is_listed_on_its_own_day() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    let evening = ["--from", "2026-01-02T04:00:00Z", "--to", "2026-01-02T05:00:00Z"];
    at_home(&world, &[&["practise", "t"], &evening[..]].concat());

    let (list, show) = (at_home(&world, &["list"]), at_home(&world, &["show", "t"]));
    let sessions = at_home(&world, &["sessions"]);

    assert!(list.contains("  2026-01-01  "), "{list}");
    assert!(show.contains("last 2026-01-01 18:00 HST"), "{show}");
    assert!(sessions.contains("2026-01-01 18:00 HST  60 min"), "{sessions}");
    let json = at_home(&world, &["sessions", "--json"]);
    assert!(json.contains(r#""startedAt":"2026-01-02T04:00:00.000Z""#), "{json}");
    assert!(at_home(&world, &["show", "t", "--json"]).contains("2026-01-02T04:00:00.000Z"));
}

#[test]
fn versions_and_conflicts_have_local_times_too() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "t"]);
    for device in ["phone", "ipad"] {
        world.ok(device, &["sync"]);
    }
    for device in ["phone", "ipad"] {
        world.ok(device, &["edit", "t", "--author", device]);
        world.ok(device, &["sync"]);
    }

    for args in [&["history", "t"][..], &["conflicts"]] {
        let said = at_home(&world, args);
        assert!(said.contains(" HST") && !said.contains("UTC"), "{said}");
    }
}

#[test]
fn a_time_without_an_offset_is_a_local_one() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    let practise = |from: &str, to: &str| {
        at_home(&world, &["practise", "t", "--from", from, "--to", to, "--json"])
    };

    let local = practise("2026-01-01 18:00", "2026-01-01T18:30:00");
    let offset = practise("2026-01-01T18:00:00-10:00", "2026-01-02T04:30:00Z");
    let short = practise("2026-01-01T23:00-05:00", "2026-01-02T05:30+01");

    for said in [local, offset, short] {
        assert!(said.contains(r#""startedAt":"2026-01-02T04:00:00.000Z""#), "{said}");
        assert!(said.contains(r#""endedAt":"2026-01-02T04:30:00.000Z""#), "{said}");
    }
    for no_time in ["2026-01-01", "18:00", "yesterday", "2026-13-01 18:00", "2026-01-01T18:00Zulu"]
    {
        let args = ["practise", "t", "--from", no_time, "--to", "2026-01-02 00:00"];
        let ran = world.run("phone", &args);
        assert_eq!((6, true), (ran.code, ran.err.contains("is no time")), "{no_time}: {}", ran.err);
    }
}
