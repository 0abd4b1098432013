//! `haumana sync --follow`.

use crate::world::World;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
#[cfg(unix)]
use std::process::{Command, ExitStatus};
use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a test waits for a line, or for the end: far longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Follower {
    child: Child,
    /// What it prints, read by a thread, since a read of a pipe has no time-out.
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Follower {
    fn start(world: &World, device: &str, args: &[&str]) -> Self {
        let args = [&["sync", "--follow"], args].concat();
        let mut command = world.command(device, &args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut printed = printed.lines().map_while(Result::ok);
            while printed.next().is_some_and(|line| sender.send(line).is_ok()) {}
        });
        Self { child, lines, heard: Vec::new() }
    }

    /// The next line. If none comes, the test fails and shows all that came.
    #[track_caller]
    fn line(&mut self) -> String {
        let due = self.lines.recv_timeout(PATIENCE);
        let line = due.unwrap_or_else(|why| match why {
            Timeout => panic!("no line within {PATIENCE:?}; before: {:#?}", self.heard),
            Disconnected => panic!("it has ended; before: {:#?}", self.heard),
        });
        self.heard.push(line.clone());
        line
    }

    #[track_caller]
    fn until(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        // A status that goes to and fro for ever is no progress.
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.line();
            if is_it(&line) {
                return line;
            }
            assert!(Instant::now() < until, "not the line that is waited for: {:#?}", self.heard);
        }
    }

    /// Waits for its end.
    #[cfg(unix)]
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end; before: {:#?}", self.heard);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn edits_of_another_device_are_shown_as_they_come() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    let mut follower = Follower::start(&world, "ipad", &[]);
    assert_eq!("synced: 0 sent, 0 received", follower.line());
    let next = follower.line();
    assert!(
        next.starts_with("live: "),
        "a device that connects does not say that it cannot: {next}"
    );

    world.ok("phone", &["add", "Aloha ʻOe"]);
    world.ok("phone", &["sync"]);
    let added = follower.until(|line| line.contains("Aloha"));
    world.ok("phone", &["delete", "Aloha ʻOe"]);
    world.ok("phone", &["sync"]);
    let deleted = follower.until(|line| line.contains("deleted"));

    assert!(added.ends_with(" piece Aloha ʻOe"), "{added}");
    assert!(deleted.contains(" deleted piece "), "{deleted}");
}

#[test]
fn a_value_that_loses_elsewhere_is_told_while_it_follows() {
    let world = World::start();
    world.devices(&["phone", "laptop", "ipad"]);
    world.ok("phone", &["add", "Aloha ʻOe"]);
    world.ok("phone", &["sync"]);
    world.ok("laptop", &["sync"]);
    let mut follower = Follower::start(&world, "ipad", &[]);
    follower.until(|line| line.starts_with("live: "));

    world.ok("phone", &["edit", "Aloha ʻOe", "--author", "Liliʻuokalani"]);
    world.ok("laptop", &["edit", "Aloha ʻOe", "--author", "anonymous"]);
    world.ok("phone", &["sync"]);
    world.ok("laptop", &["sync"]);

    let told = follower.until(|line| line.starts_with("inbox"));
    assert_eq!("inbox: 1 value that lost; see haumana conflicts", told);
}

#[test]
fn scripts_get_a_line_of_json_for_each_and_ctrl_c_ends_it_well() {
    let world = World::start();
    world.devices(&["phone", "ipad"]);
    let mut follower = Follower::start(&world, "ipad", &["--json"]);
    let json = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    follower.until(|line| json(line)["following"] == "live");

    world.ok("phone", &["add", "Kaulana Nā Pua"]);
    world.ok("phone", &["sync"]);
    let added = json(&follower.until(|line| json(line)["kind"] == "piece"));
    assert_eq!(
        ("Kaulana Nā Pua", false),
        (added["title"].as_str().unwrap(), added["deleted"] == true)
    );

    #[cfg(unix)]
    {
        let kill = format!("kill -INT {}", follower.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(follower.end().success());
    }
    assert_eq!(1, world.json("ipad", &["status"])["pieces"], "the device is free again");
}
