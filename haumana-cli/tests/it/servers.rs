//! Whom a device sends its token to.

use crate::world::World;
use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Listens on loopback, answers nothing, and counts who came.
fn listen() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let count = came.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
        }
    });
    (url, came)
}

#[test]
fn a_token_goes_to_the_server_that_it_is_for_and_to_no_other() {
    let world = World::start();
    world.devices(&["phone"]);
    let (other, came) = listen();

    let once = world.run("phone", &["--server", &other, "sync"]);
    world.ok("phone", &["--server", &other, "init"]);
    let ever = world.command("phone", &["sync", "--json"]).env_remove("HAUMANA_SERVER").output();

    assert_eq!(4, once.code, "{}", once.err);
    assert!(once.err.contains(&world.url) && once.err.contains(&other), "{}", once.err);
    let ever = ever.unwrap();
    assert_eq!(Some(4), ever.status.code());
    assert!(String::from_utf8_lossy(&ever.stderr).contains("other_server"), "{ever:?}");
    assert_eq!(0, came.load(Ordering::SeqCst), "it was not even asked");
    assert_eq!(0, world.run("phone", &["sync"]).code, "its own server has it as before");
}

#[test]
fn a_device_of_before_has_its_token_for_the_server_of_then() {
    let world = World::start();
    world.devices(&["phone"]);
    let settings = world.folder.path().join("phone/device.json");
    let text = format!(r#"{{"server":"{}","account":"kai"}}"#, world.url);
    std::fs::write(&settings, text).unwrap();
    let (other, came) = listen();

    let own = world.run("phone", &["sync"]);
    world.ok("phone", &["--server", &other, "init"]);
    let others = world.run("phone", &["--server", &other, "sync"]);

    assert_eq!((0, 4), (own.code, others.code), "{} {}", own.err, others.err);
    assert_eq!(0, came.load(Ordering::SeqCst), "the token of then is for the server of then");
}

#[test]
fn after_signing_in_at_another_server_the_token_is_for_that_one() {
    let (world, other) = (World::start(), World::start());
    world.devices(&["phone"]);

    world.ok("phone", &["--server", &other.url, "sign-in", "kai"]);

    assert_eq!(0, world.run("phone", &["--server", &other.url, "sync"]).code);
    assert_eq!(4, world.run("phone", &["sync"]).code);
}

#[test]
fn plain_http_to_another_machine_is_refused_until_somebody_says_that_others_may_read() {
    let world = World::start();
    // RFC 5737: nobody has this address.
    let there = "http://192.0.2.1:8787";

    let refused = world.run("phone", &["--server", there, "init"]);
    let said = world.run("phone", &["--server", there, "init", "--plain-http"]);
    world.ok("phone", &["init"]);
    world.devices(&["ipad"]);
    let once = world.run("ipad", &["--server", there, "sync"]);

    assert_eq!(6, refused.code, "{}", refused.err);
    assert!(refused.err.contains("--plain-http"), "{}", refused.err);
    assert_eq!((0, 6), (said.code, once.code), "{} {}", said.err, once.err);
    let settings = std::fs::read_to_string(world.folder.path().join("phone/device.json")).unwrap();
    assert!(settings.contains("plain_http"), "the device remembers it: {settings}");
}

#[test]
fn no_proxy_sees_what_is_said_to_a_server_on_this_machine() {
    let world = World::start();
    let (proxy, came) = listen();
    let run = |args: &[&str]| {
        let mut command = world.command("phone", args);
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"] {
            command.env(name, &proxy);
        }
        command.output().unwrap()
    };

    for args in [&["init", "--schema-from-server"][..], &["sign-in", "kai"], &["sync"]] {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    assert_eq!(0, came.load(Ordering::SeqCst), "the proxy was not asked");
}
