//! A terminal with a person at it.

use crate::world::World;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Stdio;

/// Runs `haumana` on a terminal on which a person types `typed`; returns the exit code, and what
/// stands on the terminal then.
pub(crate) fn run(world: &World, device: &str, args: &[&str], typed: &str) -> (i32, String) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let path = ptsname(&person, Vec::new()).unwrap();
    let open = || OpenOptions::new().read(true).write(true).open(path.to_str().unwrap()).unwrap();
    let mut command = world.command(device, args);
    command.stdin(Stdio::from(open())).stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    // Its copies of the terminal's other side must not keep it open.
    drop(command);
    let mut person = File::from(person);
    person.write_all(typed.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    // Reading fails once nobody has the other side open any more.
    while let Ok(n_read) = person.read(&mut part) {
        if n_read == 0 {
            break;
        }
        seen.extend_from_slice(&part[..n_read]);
    }
    let code = child.wait().unwrap().code().unwrap();
    (code, String::from_utf8(seen).unwrap())
}
