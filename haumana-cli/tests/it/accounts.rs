//! Whose edits are whose, and what becomes of an account that is gone.

use crate::world::World;

#[test]
fn edits_of_one_account_are_never_sent_as_another_and_the_person_is_told() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "of kai"]);

    let said = world.ok("phone", &["sign-in", "lani"]);
    assert!(said.contains("edits of 1 record of kai wait on this device"), "{said}");
    assert_eq!("synced: 0 sent, 0 received\n", world.ok("phone", &["sync"]));
    assert_eq!("no pieces\n", world.ok("phone", &["list"]));

    let again = world.json("phone", &["sign-in", "kai"]);
    assert_eq!(
        ("kai", "lani"),
        (again["account"].as_str().unwrap(), again["before"].as_str().unwrap())
    );
    assert_eq!(1, world.json("phone", &["sync"])["sent"]);
}

#[test]
#[cfg(unix)]
fn a_token_comes_from_a_file_the_standard_input_or_the_environment_and_stays_private() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    let path = world.folder.path().join("phone/token");
    let token = std::fs::read_to_string(&path).unwrap();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((0o600, 0o700), (mode(&path), mode(path.parent().unwrap())));
    world.ok("phone", &["list"]);
    assert_eq!(0o600, mode(&path.with_file_name("replica.db")), "nobody else reads the records");

    let by_file = world.ok("ipad", &["sign-in", "--token-file", "phone/token"]);
    let by_input = world.run_with("ipad", &["sign-in", "--token-file", "-"], &format!("{token}\n"));
    let mut by_environment = world.command("ipad", &["sign-in"]);
    let by_environment = by_environment.env("HAUMANA_TOKEN", &token).output().unwrap();

    assert_eq!("signed in as kai\n", by_file);
    assert_eq!("signed in as kai\n", by_input.out);
    assert_eq!("signed in as kai\n", String::from_utf8(by_environment.stdout).unwrap());
    assert_eq!(4, world.run("ipad", &["sign-in"]).code, "there is no token at all");
    assert_eq!(4, world.run_with("ipad", &["sign-in", "--token-file", "-"], "x").code);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = world.run("phone", &["sync"]);
    assert_eq!((1, true), (exposed.code, exposed.err.contains("chmod 600")));
}

#[test]
#[cfg(unix)]
fn a_shared_folder_keeps_its_mode_and_what_is_put_there_is_private() {
    use std::fs::{Permissions, create_dir, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let world = World::start();
    let shared = world.folder.path().join("shared");
    create_dir(&shared).unwrap();
    set_permissions(&shared, Permissions::from_mode(0o755)).unwrap();

    world.ok("shared", &["init"]);
    world.ok("shared", &["sign-in", "kai"]);
    world.ok("shared", &["add", "t"]);

    let mode = |name: &str| metadata(shared.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(0o755, mode("."), "it is not this program's folder");
    for name in ["device.json", "token", "replica.db"] {
        assert_eq!(0o600, mode(name), "{name}");
    }
}

#[test]
#[cfg(unix)]
fn a_replica_that_others_can_read_is_mended() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    let path = world.folder.path().join("phone/replica.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();

    world.ok("phone", &["list"]);

    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(0o600, mode & 0o777);
}

#[test]
fn after_an_erasure_the_person_decides_and_until_then_nothing_is_sent() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    world.ok("phone", &["add", "t"]);
    world.ok("phone", &["sync"]);
    world.ok("ipad", &["sync"]);
    world.ok("phone", &["edit", "t", "--notes", "pending"]);
    let token = std::fs::read_to_string(world.folder.path().join("phone/token")).unwrap();
    let erased = ureq::delete(format!("{}/users/me", world.url))
        .header("authorization", format!("Bearer {token}"))
        .call();
    assert_eq!(204, erased.unwrap().status().as_u16());

    for device in ["phone", "ipad"] {
        let told = world.run(device, &["sync"]);
        assert_eq!((7, true), (told.code, told.err.contains("was erased on the server")));
    }
    assert!(world.ok("phone", &["status"]).contains("erased"));
    world.ok("ipad", &["sync", "--erased", "forget"]);
    assert_eq!("no pieces\n", world.ok("ipad", &["list"]));
    assert_eq!(1, world.json("phone", &["sync", "--erased", "upload"])["sent"]);
    world.ok("ipad", &["sync"]);
    assert_eq!("pending", world.json("ipad", &["show", "t"])["notes"]);
}
