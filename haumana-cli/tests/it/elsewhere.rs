//! Something else answers in the server's place.

use crate::between::Between;
use crate::world::{Ran, World};
use serde_json::Value;

const PAGE: &str = "content-type: text/html\r\ncontent-length: 25\r\nconnection: close\r\n\r\n\
                    <html>Welcome aboard</html";

fn through(world: &World, between: &Between, args: &[&str]) -> Ran {
    world.trust("phone", &between.url);
    let mut command = world.command("phone", args);
    Ran::of(command.env("HAUMANA_SERVER", &between.url).output().unwrap())
}

#[test]
fn a_person_is_told_what_answered_and_that_edits_are_kept() {
    let world = World::start();
    world.devices(&["phone"]);
    world.ok("phone", &["add", "t"]);
    let redirect = "HTTP/1.1 302 Found\r\nlocation: https://portal.example/in?for=kai\r\n\
                    content-length: 0\r\nconnection: close\r\n\r\n";
    let page = |status: &str| format!("HTTP/1.1 {status}\r\n{PAGE}");
    let cases = [
        (page("200 OK"), "a web page (200 OK)"),
        (redirect.to_owned(), "a redirect to https://portal.example (302 Found)"),
        (page("404 Not Found"), "a web page (404 Not Found)"),
        (page("413 Payload Too Large"), "a web page (413 Payload Too Large)"),
        (page("403 Forbidden"), "a web page (403 Forbidden)"),
    ];

    for (answer, what) in cases {
        let between = Between::says(&answer);
        for args in [&["sync"][..], &["conflicts"], &["history", "t"], &["export", "all.json"]] {
            let ran = through(&world, &between, args);
            assert_eq!(5, ran.code, "{args:?} {what}: {}", ran.err);
            assert!(ran.err.contains(what), "{args:?}: {what:?} must be in {}", ran.err);
            assert!(ran.err.contains("What you edited is kept"), "{}", ran.err);
            assert!(!ran.err.contains("sign-in has run out"), "{}", ran.err);
        }
        let json = through(&world, &between, &["sync", "--json"]);
        let json: Value = serde_json::from_str(json.err.trim_end()).unwrap();
        assert_eq!("not_the_server", json["code"]);
    }

    world.trust("phone", &world.url);
    let status = world.json("phone", &["status"]);
    assert_eq!((1, 0), (status["pending"].as_u64().unwrap(), status["refused"].as_u64().unwrap()));
    assert!(!world.folder.path().join("all.json").exists());
    assert_eq!(1, world.json("phone", &["sync"])["sent"], "on the next network it goes out");
}

#[test]
fn an_answer_that_nobody_understands_and_an_overloaded_server_are_said_so() {
    let world = World::start();
    world.devices(&["phone"]);
    let json = |status: &str, body: &str| {
        let length = body.len();
        Between::says(&format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    };

    let odd = through(&world, &json("200 OK", "{}"), &["sync"]);
    let refused = r#"{"error":"there is no such call","code":"not_found"}"#;
    let refused = through(&world, &json("404 Not Found", refused), &["sync"]);
    let busy = through(&world, &json("502 Bad Gateway", "<html>"), &["sync"]);

    assert_eq!((6, true), (odd.code, odd.err.contains("does not understand")), "{}", odd.err);
    assert!(refused.err.contains("there is no such call (not_found)"), "{}", refused.err);
    assert_eq!((5, true), (busy.code, busy.err.contains("come again later")), "{}", busy.err);
    for ran in [odd, refused, busy] {
        assert!(ran.err.contains("What you edited is kept"), "{}", ran.err);
    }
}
