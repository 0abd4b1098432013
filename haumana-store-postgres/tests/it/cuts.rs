//! Two servers on one database, under load, while their connections are cut.

use crate::support::{connect, engine, open};
use haumana_sync::Engine;
use haumana_sync::conformance::Device;
use haumana_sync::conformance::sample::{follow, user};
use haumana_sync::digest::Digest;
use haumana_sync::id::UserId;
use haumana_sync::store::{After, Envelope, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many connections are cut.
const CUTS: i64 = 400;
/// How many devices each of the accounts has, half of them on each server.
const DEVICES: usize = 4;
const ACCOUNTS: [&str; 2] = ["kai", "noe"];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_lose_nothing_and_followers_skip_nothing_while_connections_are_cut() {
    let server = server_or_skip!();
    let mut options = server.empty();
    let name = format!("cut_{}", options.schema);
    options.url = format!("{}?application_name={name}", options.url);
    let engines = [1, 2].map(async |seed| Arc::new(engine(Arc::new(open(&options).await), seed)));
    let [one, other] = engines;
    let engines = [one.await, other.await];
    let is_over = Arc::new(AtomicBool::new(false));
    let mut devices = Vec::new();
    for account in ACCOUNTS {
        for number in 0..DEVICES {
            let (engine, is_over) = (engines[number % 2].clone(), is_over.clone());
            let device = Device::new(&format!("{account}-{number}"));
            devices.push(tokio::spawn(edit(device, engine, user(account), is_over)));
        }
    }

    let n_cuts = cut(&connect(server).await, &name).await;
    is_over.store(true, Ordering::Relaxed);

    assert!(CUTS <= n_cuts, "{n_cuts} connections were cut");
    let mut n_edits = 0;
    let mut done = Vec::new();
    for device in devices {
        let (device, edits) = device.await.unwrap();
        n_edits += edits;
        done.push(device);
    }
    let store = open(&options).await;
    let failures = done.iter().map(|(_, failures)| failures).sum::<u32>();
    println!("{n_cuts} cuts, {n_edits} acknowledged edits, {failures} failed calls");
    for (account, of_account) in ACCOUNTS.into_iter().zip(done.chunks_mut(DEVICES)) {
        let kai = user(account);
        for (device, _) in of_account.iter_mut() {
            device.sync_all(&engines[0], &kai).await;
        }
        check(&store, &kai, of_account).await;
    }
}

/// Edits and syncs until it is over; returns the device with how many calls failed, and how many
/// edits were acknowledged.
async fn edit(
    mut device: Device,
    engine: Arc<Engine>,
    user: UserId,
    is_over: Arc<AtomicBool>,
) -> ((Device, u32), u32) {
    let (mut failures, mut edits) = (0, 0);
    for round in 0.. {
        device.edit(round % 23, &format!("edit {round}"));
        // The same request again, as the device would send it, until it is answered.
        while let Err(error) = device.sync(&engine, &user).await {
            let kind = error.kind();
            let may_fail = kind == haumana_sync::engine::ErrorKind::Unavailable;
            assert!(may_fail, "a cut connection is a reason to come again, not {kind:?}: {error}");
            failures += 1;
            tokio::task::yield_now().await;
        }
        edits += 1;
        if is_over.load(Ordering::Relaxed) {
            break;
        }
    }
    ((device, failures), edits)
}

/// Cuts connections of that name, one after the other, and returns how many.
async fn cut(client: &tokio_postgres::Client, name: &str) -> i64 {
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM (
                   SELECT pid FROM pg_stat_activity
                   WHERE application_name = $1 AND backend_type = 'client backend'
                   ORDER BY random() LIMIT 1
               ) one";
    let statement = client.prepare(cut).await.unwrap();
    let mut n_cuts = 0;
    while n_cuts < CUTS {
        n_cuts += client.query_one(&statement, &[&name]).await.unwrap().get::<_, i64>(0);
        // Long enough for some calls to come through, and at any point of others.
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    n_cuts
}

/// The database has each acknowledged edit, and every device knows of every record.
async fn check(store: &dyn Store, user: &UserId, devices: &[(Device, u32)]) {
    let stream = follow(store, user, After::Start, 100).await;
    let head = store.head(user).await.unwrap().unwrap();
    let versions = |record: &Envelope| {
        let code = record.key.kind.code();
        Digest::of_version(&code, record.key.id, record.version, record.deleted)
    };
    let sum = stream.iter().map(versions).fold(Digest::default(), Digest::plus);
    assert_eq!(head.versions, sum, "the head's digest is that of its records");
    let stored: BTreeMap<String, u64> = stream
        .iter()
        .map(|record| (record.key.id.to_string(), u64::from(record.version)))
        .collect();
    for (device, _) in devices {
        assert_eq!(stored, device.seen, "a follower by cursor skips nothing");
        for (id, (title, version)) in &device.held {
            let record = stream.iter().find(|record| record.key.id.to_string() == *id).unwrap();
            assert!(record.content.contains(&format!("\"{title}\"")), "the last edit is stored");
            assert_eq!(*version, Some(u64::from(record.version)), "at the version that was told");
        }
    }
}
