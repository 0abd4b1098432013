//! What is acknowledged survives the end of the process at any moment.

use crate::server::{Server, piece, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

const N_ROUNDS: u32 = 15;
/// Devices of the same user push at the same time, so that commits are waiting for each other.
const USERS: [&str; 2] = ["kumu", "kai"];
const DEVICES_PER_USER: u32 = 3;

/// What one device knows of the piece that it edits over and over.
#[derive(Clone, Default)]
struct Device {
    user: &'static str,
    number: u32,
    /// The number that came with the last acknowledgement, as the app keeps it.
    version: i64,
    /// How many edits were sent, and how many of them acknowledged.
    sent: u32,
    acknowledged: u32,
    /// Pieces that were made beside it, by id, with whether they were acknowledged.
    made: BTreeMap<String, bool>,
}

impl Device {
    fn edited(&self) -> String {
        format!("5EED0000-0000-4000-8000-{:012X}", self.number)
    }

    /// Pushes one edit and one new piece after the other until the server is gone.
    fn push_until_it_breaks(mut self, url: &str, token: &str, acks: &Sender<()>) -> Self {
        loop {
            self.sent += 1;
            let new = format!("5EED0000-0000-4001-{:04X}-{:012X}", self.number, self.sent);
            self.made.insert(new.clone(), false);
            let version = self.version.max(1);
            let mut edit = piece(&self.edited(), &format!("edit {}", self.sent), version);
            let (minute, second) = (self.sent / 60, self.sent % 60);
            edit["modifiedAt"] = format!("2025-06-18T12:{minute:02}:{second:02}Z").into();
            let body = json!({ "pieces": [edit, piece(&new, &new, 1)] });
            let Ok((status, answer)) = post(url, Some(token), &body) else { return self };
            assert_eq!(200, status, "{answer}");
            self.acknowledge(&answer);
            // Nobody listens any more once enough was acknowledged.
            acks.send(()).ok();
        }
    }

    fn acknowledge(&mut self, answer: &Value) {
        for piece in answer["updatedPieces"].as_array().unwrap() {
            let id = piece["pieceId"].as_str().unwrap();
            if id == self.edited() {
                self.version = piece["version"].as_i64().unwrap();
                self.acknowledged = self.sent;
            }
            if let Some(is_acknowledged) = self.made.get_mut(id) {
                *is_acknowledged = true;
            }
        }
    }

    /// Checks what the server still has of what this device pushed.
    fn check(&self, pieces: &BTreeMap<String, Value>, round: u32) {
        let edited = pieces.get(&self.edited()).and_then(|piece| piece["title"].as_str());
        let number =
            edited.map_or(0, |title| title.strip_prefix("edit ").unwrap().parse().unwrap());
        // What was pushed after the last acknowledgement may have been committed without an answer.
        let possible = self.acknowledged..=self.sent;
        assert!(possible.contains(&number), "round {round}: edit {number} of {possible:?}");
        for (id, _) in self.made.iter().filter(|(_, is_acknowledged)| **is_acknowledged) {
            let title = pieces.get(id).map(|piece| piece["title"].as_str().unwrap());
            assert_eq!(Some(id.as_str()), title, "round {round}: an acknowledged piece is gone");
        }
    }
}

#[test]
fn what_was_acknowledged_survives_being_killed_in_the_middle_of_pushes() {
    let folder = tempfile::tempdir().unwrap();
    let mut devices: Vec<Device> = (0..DEVICES_PER_USER * 2)
        .map(|number| Device { user: USERS[number as usize % 2], number, ..Device::default() })
        .collect();

    for round in 1..=N_ROUNDS {
        let n_acks = 1 + round * 7 % 23;
        devices = push_and_kill(folder.path(), devices, n_acks);
        check_all(folder.path(), &devices, round);
    }

    let n_acknowledged: u32 = devices.iter().map(|device| device.acknowledged).sum();
    assert!(N_ROUNDS < n_acknowledged, "the rounds were long enough to mean something");
}

/// Lets all devices push at once, and kills the server after so many acknowledgements.
fn push_and_kill(folder: &Path, devices: Vec<Device>, n_acks: u32) -> Vec<Device> {
    let server = Server::start(folder);
    let (sender, acks): (Sender<()>, Receiver<()>) = channel();
    let threads: Vec<JoinHandle<Device>> = devices
        .into_iter()
        .map(|device| {
            let (token, url) = (server.token(device.user), format!("{}/pieces", server.url));
            let sender = sender.clone();
            thread::spawn(move || device.push_until_it_breaks(&url, &token, &sender))
        })
        .collect();
    acks.iter().take(n_acks as usize).for_each(drop);
    drop(acks);
    server.kill();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn check_all(folder: &Path, devices: &[Device], round: u32) {
    let server = Server::start(folder);
    for user in USERS {
        let pieces = server.pieces(&server.token(user)).into_iter();
        let pieces = pieces.map(|piece| (piece["pieceId"].as_str().unwrap().to_owned(), piece));
        let pieces: BTreeMap<_, _> = pieces.collect();
        devices.iter().filter(|device| device.user == user).for_each(|d| d.check(&pieces, round));
    }
}
