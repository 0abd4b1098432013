//! Sessions: what looks wrong is shown, refused unless somebody insists, mended and deleted.

#[cfg(unix)]
use crate::terminal;
use crate::world::World;
use serde_json::Value;

fn world() -> World {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    world
}

/// Logs a session, whatever it is, and returns its id.
fn log(world: &World, piece: &str, from: &str, to: &str) -> String {
    let args = ["practise", piece, "--from", from, "--to", to, "--insist"];
    world.json("phone", &args)["id"].as_str().unwrap().to_owned()
}

fn listed(world: &World, args: &[&str]) -> Vec<Value> {
    let json = world.json("phone", &[&["sessions"], args].concat());
    json["sessions"].as_array().unwrap().clone()
}

#[test]
fn sessions_are_listed_newest_first_with_what_looks_wrong() {
    let world = world();
    world.ok("phone", &["add", "other"]);
    log(&world, "t", "2026-01-01 18:00", "2026-01-01 18:20");
    log(&world, "t", "2026-01-02 18:00", "2026-02-01 18:00");
    log(&world, "other", "2099-01-01 18:00", "2099-01-01 18:30");
    world.ok("phone", &["practise", "t"]);

    let all = listed(&world, &[]);
    let text = world.ok("phone", &["sessions"]);

    let seen = |session: &Value| {
        let wrong: Vec<_> = session["wrong"].as_array().unwrap().iter().collect();
        let wrong: Vec<&str> = wrong.into_iter().map(|word| word.as_str().unwrap()).collect();
        (
            session["title"].as_str().unwrap().to_owned(),
            session["minutes"].as_i64(),
            wrong.join(" "),
        )
    };
    let expected = [
        ("other", Some(30), "starts_in_future"),
        ("t", None, ""),
        ("t", Some(43_200), "long"),
        ("t", Some(20), ""),
    ];
    let expected = expected.map(|(title, minutes, wrong)| (title.into(), minutes, wrong.into()));
    assert_eq!(expected.to_vec(), all.iter().map(seen).collect::<Vec<_>>());
    for part in ["720 h 0 min", "! longer than 12 hours", "! starts in the future", "running"] {
        assert!(text.contains(part), "{part:?} must be in {text}");
    }
    assert_eq!(2, listed(&world, &["--wrong"]).len());
    assert_eq!(1, listed(&world, &["other"]).len());
    let first = world.ok("phone", &["sessions", "t", "--limit", "1"]);
    assert!(first.contains("running") && first.ends_with("2 more: see --limit\n"), "{first}");
}

#[test]
fn what_looks_like_a_slip_is_refused_unless_somebody_insists() {
    let world = world();
    let future = ["--from", "2099-01-01 18:00", "--to", "2099-01-01 18:30"];
    let long = ["--from", "2026-01-01 18:00", "--to", "2026-01-31 18:00"];
    let minutes = ["--minutes", "43200"];

    for (times, why) in [
        (&future[..], "starts in the future"),
        (&long, "longer than 12 hours"),
        (&minutes, "longer than 12 hours"),
    ] {
        let refused = world.run("phone", &[&["practise", "t"], times].concat());
        assert_eq!((6, true), (refused.code, refused.err.contains(why)), "{}", refused.err);
        assert!(refused.err.contains("--insist"), "{}", refused.err);
        world.ok("phone", &[&["practise", "t", "--insist"], times].concat());
    }

    assert_eq!(3, listed(&world, &["--wrong"]).len());
    assert_eq!(0, world.run("phone", &["practise", "t", "--minutes", "720"]).code);
    assert_eq!(2, world.run("phone", &["practise", "t", "--minutes", "0"]).code);
}

#[test]
fn a_session_that_nobody_ended_is_not_ended_now_by_mistake() {
    let world = world();
    let running = log(&world, "t", "2026-01-01 18:00", "2026-01-01 18:00");
    // As another client of /sync may leave it: without an end.
    world.ok("phone", &["delete-session", &running, "--yes"]);
    push_session(&world, "2026-01-01T18:00:00Z");
    world.ok("phone", &["sync"]);

    let refused = world.run("phone", &["practise", "--end"]);

    assert_eq!((6, true), (refused.code, refused.err.contains("has been running for more")));
    let (_, rest) = refused.err.split_once("haumana mend ").unwrap();
    let id = rest.split(' ').next().unwrap();
    let mended = world.json("phone", &["mend", id, "--minutes", "45"]);
    assert_eq!("2026-01-01T18:45:00.000Z", mended["endedAt"]);
    assert_eq!(0, listed(&world, &["--wrong"]).len());
    assert_eq!(6, world.run("phone", &["practise", "--end"]).code, "none is running any more");
}

/// A session without an end, from another device.
fn push_session(world: &World, start: &str) {
    let token = std::fs::read_to_string(world.folder.path().join("phone/token")).unwrap();
    let piece = world.json("phone", &["show", "t"])["id"].as_str().unwrap().to_owned();
    let push = serde_json::json!({ "deviceId": "another", "push": [{
        "kind": "session", "id": "5E550000-0000-4000-8000-000000000001", "base": null,
        "editedAt": start, "set": { "pieceId": piece, "startedAt": start },
    }] });
    let sent = ureq::post(format!("{}/sync", world.url))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .send(push.to_string());
    assert_eq!(200, sent.unwrap().status().as_u16());
}

#[test]
fn a_session_is_mended_by_its_start_its_end_or_its_length() {
    let world = world();
    let id = log(&world, "t", "2026-01-01T18:00:00Z", "2026-02-01T18:00:00Z");
    let mend = |args: &[&str]| {
        let mended = world.json("phone", &[&["mend", &id[..8].to_lowercase()], args].concat());
        let times = ["startedAt", "endedAt"].map(|name| mended[name].as_str().unwrap().to_owned());
        assert_eq!(times.to_vec(), {
            let listed = &listed(&world, &[])[0];
            ["startedAt", "endedAt"].map(|name| listed[name].as_str().unwrap().to_owned()).to_vec()
        });
        times.map(|time| time[8..16].to_owned())
    };

    assert_eq!(["01T18:00", "01T18:20"], mend(&["--minutes", "20"]));
    assert_eq!(["01T18:00", "01T19:00"], mend(&["--end", "2026-01-01T19:00:00Z"]));
    assert_eq!(["01T18:30", "01T19:00"], mend(&["--start", "2026-01-01T18:30:00Z"]));
    assert_eq!(
        ["02T18:00", "02T18:10"],
        mend(&["--start", "2026-01-02T18:00:00Z", "--minutes", "10"])
    );
    assert_eq!(
        ["02T18:40", "02T19:00"],
        mend(&["--end", "2026-01-02T19:00:00Z", "--minutes", "20"])
    );
    assert_eq!(["02T18:40", "02T19:00"], mend(&["--minutes", "20"]), "again changes nothing");
}

#[test]
fn a_mend_is_checked_like_a_session_and_names_one_session() {
    let world = world();
    let id = log(&world, "t", "2026-01-01T18:00:00Z", "2026-01-01T18:20:00Z");
    let other = log(&world, "t", "2026-01-03T18:00:00Z", "2026-01-03T18:20:00Z");

    let code = |args: &[&str]| world.run("phone", &[&["mend"], args].concat()).code;

    assert_eq!(6, code(&[&id, "--end", "2026-01-01T17:00:00Z"]), "before its start");
    assert_eq!(6, code(&[&id, "--minutes", "43200"]));
    assert_eq!(6, code(&[&id, "--start", "2099-01-01T17:00:00Z", "--minutes", "1"]));
    assert_eq!(0, code(&[&id, "--minutes", "43200", "--insist"]));
    assert_eq!(2, code(&[&id]), "nothing to mend");
    let all = ["--start", "2026-01-01 18:00", "--end", "2026-01-01 18:10", "--minutes", "10"];
    assert_eq!(2, code(&[&[&*id], &all[..]].concat()), "one too many");
    assert_eq!(3, code(&["ZZZZ", "--minutes", "1"]));
    assert_eq!(3, code(&["", "--minutes", "1"]));
    let common = id.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    if 0 < common {
        assert_eq!(3, code(&[&id[..common], "--minutes", "1"]), "more than one");
    }
}

#[test]
fn a_deleted_session_is_gone_on_every_device_and_a_script_has_to_mean_it() {
    let world = world();
    world.devices(&["ipad"]);
    let id = log(&world, "t", "2099-01-01 18:00", "2099-01-01 18:30");
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);

    let unmeant = world.run("phone", &["delete-session", &id[..8], "--json"]);
    let said = world.ok("phone", &["delete-session", &id[..8], "--yes"]);
    for device in ["phone", "ipad"] {
        world.ok(device, &["sync"]);
    }

    assert_eq!((6, true), (unmeant.code, unmeant.err.contains("needs_yes")), "{}", unmeant.err);
    assert!(said.starts_with("deleted the session of t (2099-01-01 18:00"), "{said}");
    for device in ["phone", "ipad"] {
        assert_eq!("no sessions\n", world.ok(device, &["sessions"]));
    }
}

#[test]
#[cfg(unix)]
fn on_a_terminal_the_person_is_asked_whether_a_session_is_to_go() {
    let world = world();
    let id = log(&world, "t", "2026-01-01 18:00", "2026-01-01 18:30");

    let (no, seen) = terminal::run(&world, "phone", &["delete-session", &id], "n\n");
    let (yes, _) = terminal::run(&world, "phone", &["delete-session", &id], "y\n");

    assert!(seen.contains("It cannot be brought back. [y/N]"), "{seen}");
    assert_eq!((6, 0), (no, yes));
    assert_eq!("no sessions\n", world.ok("phone", &["sessions"]));
}
