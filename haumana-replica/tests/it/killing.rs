//! What was edited on a device survives the end of its process at any moment.

use crate::host::{Host, token_of};
use crate::http::transport;
use crate::support::{SetClock, clock, fields, seeded, text, user};
use haumana_replica::storage::SqliteStorage;
use haumana_replica::{Replica, ReplicaConfig, View};
use haumana_sync::id::{Key, KindNumber};
use haumana_sync::record::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const N_ROUNDS: u64 = 12;
/// How many edits a round can have; numbers of a later round are greater.
const ROUND: u64 = 100_000;

/// The device in one round; its clock goes on from round to round.
async fn open(path: &Path, round: u64) -> (Replica, Arc<SetClock>) {
    let (clock, random) = (clock(), seeded(1000 + round));
    clock.pass_ms(i64::try_from(round * ROUND).unwrap());
    let storage = SqliteStorage::open(path).unwrap();
    let replica =
        Replica::open(storage, clock.clone(), random, ReplicaConfig::usual()).await.unwrap();
    replica.sign_in(user("kai")).await.unwrap();
    (replica, clock)
}

/// The process that is killed: it edits one piece over and over, adds others, and syncs all the
/// while. It says what is done when it is done. By itself, without a parent, this does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let env = |name: &str| std::env::var(name).ok();
    let Some(path) = env("HAUMANA_KILLED_FILE") else { return };
    let transport = transport(env("HAUMANA_KILLED_URL").unwrap(), env("HAUMANA_KILLED_TOKEN"));
    let round: u64 = env("HAUMANA_KILLED_ROUND").unwrap().parse().unwrap();
    let (replica, clock) = open(Path::new(&path), round).await;
    let replica = Arc::new(replica);
    let syncing = replica.clone();
    tokio::spawn(async move { while syncing.sync(&transport).await.is_ok() {} });
    let edited = replica.records(KindNumber::PIECE).await.unwrap().into_iter();
    let edited = edited.min_by_key(created).unwrap().key;

    let editing = tokio::spawn(async move {
        // Past the test harness, which would keep what is printed.
        let say = |what: String| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{what}").and_then(|()| out.flush()).unwrap();
        };
        for n in round * ROUND.. {
            clock.pass_ms(1);
            replica.set(edited, fields([("title", text(&n.to_string()))])).await.unwrap();
            say(format!("\nedited {n}"));
            replica.add_piece(fields([("title", text(&format!("new {n}")))])).await.unwrap();
            say(format!("\nadded {n}"));
        }
    });
    editing.await.unwrap();
}

fn created(view: &View) -> String {
    view.content.get("createdAt").as_text().unwrap().to_owned()
}

fn spawn(host: &Host, path: &Path, round: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killing::the_process_that_is_killed", "--nocapture"])
        .env("HAUMANA_KILLED_FILE", path)
        .env("HAUMANA_KILLED_URL", &host.url)
        .env("HAUMANA_KILLED_TOKEN", token_of("kai"))
        .env("HAUMANA_KILLED_ROUND", round.to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Reads what a child says, kills it after so many words, and returns everything that it said.
fn kill_after(mut child: Child, n_words: usize) -> Vec<(String, u64)> {
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        if let (Some(what @ ("edited" | "added")), Some(n)) = (words.next(), words.next()) {
            said.push((what.to_owned(), n.parse().unwrap()));
        }
        if said.len() == n_words {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_edited_survives_being_killed_in_the_middle_of_edits_and_syncs() {
    let host = Host::start().await;
    let path = host.folder.path().join("device.db");
    let (first, _) = open(&path, 0).await;
    let edited = Key::piece(first.add_piece(fields([("title", text("0"))])).await.unwrap());
    drop(first);
    let other = host.device().await;
    let (mut added, mut n_pending, mut n_synced) = (BTreeSet::new(), 0, 0);
    let on_server =
        async || host.engine.store().head(&user("kai")).await.unwrap().map_or(0, |h| h.records);

    for round in 1..=N_ROUNDS {
        let before = on_server().await;
        let child = spawn(&host, &path, round);
        let n_words = 3 + (round * 37 % 90) as usize;
        let said = tokio::task::spawn_blocking(move || kill_after(child, n_words)).await.unwrap();
        let last = said.iter().filter(|(what, _)| what == "edited").map(|(_, n)| *n).max();
        added.extend(said.iter().filter(|(what, _)| what == "added").map(|(_, n)| *n));

        let (device, _) = open(&path, round + N_ROUNDS).await;
        n_pending += device.status().pending;
        n_synced += on_server().await - before;
        check(&device, edited, last, &added).await;
        device.sync(&host.transport()).await.unwrap();
        other.sync(&host.transport()).await.unwrap();

        check(&device, edited, last, &added).await;
        let views = device.records(KindNumber::PIECE).await.unwrap();
        assert_eq!(views, other.records(KindNumber::PIECE).await.unwrap(), "round {round}");
        assert_eq!(0, device.status().pending);
    }

    let open = other.conflicts(&host.transport(), None, 9).await.unwrap().conflicts;
    assert!(open.is_empty(), "one device does not clash with itself");
    assert!(0 < n_pending && 0 < n_synced, "it was killed between and in the middle of syncs");
}

/// Checks that what was said is there; one more may have been written and not been said.
async fn check(device: &Replica, edited: Key, last: Option<u64>, added: &BTreeSet<u64>) {
    let views = device.records(KindNumber::PIECE).await.unwrap();
    let titles: BTreeSet<String> = views
        .iter()
        .filter_map(|view| match view.content.get("title") {
            Value::Text(title) => Some(title),
            _ => None,
        })
        .collect();
    for n in added {
        assert!(titles.contains(&format!("new {n}")), "piece {n} must be there");
    }
    let shown = device.record(edited).await.unwrap().unwrap().content.get("title");
    let shown: u64 = shown.as_text().unwrap().parse().unwrap();
    assert!(last.unwrap_or(0) <= shown, "edit {last:?} must be there, not {shown}");
}
