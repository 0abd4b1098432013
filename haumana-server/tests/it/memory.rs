//! What large requests took is given back.

use crate::server::{Server, piece};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait for it; it takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program, its caches and those of SQLite may have, after whatever work.
const MOST_KB: u64 = 64 << 10;

/// A number of kilobytes that the system knows of the server.
fn kilobytes(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn what_eight_uploads_took_goes_back_to_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let text = "Haʻaheo ka ua i nā pali ".repeat(40);
    let id = |n: usize| format!("5EED0000-0000-4000-8000-{n:012X}");
    let pieces: Vec<Value> = (0..3_000).map(|n| piece(&id(n), &text, 1)).collect();
    let body = json!({ "operation": "sync", "pieces": pieces });
    std::thread::scope(|scope| {
        for user in 0..8 {
            let (server, body) = (&server, &body);
            scope.spawn(move || {
                let token = server.token(&format!("haumana-{user}"));
                let (status, answer) = server.post("/pieces", Some(&token), body).unwrap();
                assert_eq!(
                    (200, 3_000),
                    (status, answer["updatedPieces"].as_array().unwrap().len())
                );
            });
        }
    });
    let peak = kilobytes(&server, "VmHWM:");

    // A server that was kept busy with other things had less at once.
    let most = (peak / 2).max(MOST_KB);
    let begin = Instant::now();
    while most < kilobytes(&server, "VmRSS:") {
        let now = kilobytes(&server, "VmRSS:");
        assert!(begin.elapsed() < PATIENCE, "{now} kB of {peak} kB are still there");
        sleep(Duration::from_millis(200));
    }
}
