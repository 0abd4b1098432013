//! `haumana sync --follow`.

use crate::world::World;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn start(world: &World, device: &str, args: &[&str]) -> Self {
        let args = [&["sync", "--follow"], args].concat();
        let mut command = world.command(device, &args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(0, self.lines.read_line(&mut line).unwrap(), "it goes on");
        line.trim_end().to_owned()
    }

    fn until(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line();
            if is_it(&line) {
                return line;
            }
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
    follower.until(|line| line.starts_with("live: "));

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

    if cfg!(unix) {
        let kill = format!("kill -INT {}", follower.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(follower.child.wait().unwrap().success());
    }
    assert_eq!(1, world.json("ipad", &["status"])["pieces"], "the device is free again");
}
