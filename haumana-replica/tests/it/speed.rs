//! How long syncs take over HTTP on loopback, into a SQLite file. `HAUMANA_SPEED_RECORDS` sets the
//! size, and in a release build the printed times mean something.

use crate::http::{serve_engine, token_of, transport};
use crate::support::{Server, fields, text, user};
use haumana_replica::storage::SqliteStorage;
use haumana_replica::{Replica, ReplicaConfig};
use std::time::Instant;

async fn on_file(server: &Server, path: &std::path::Path) -> Replica {
    let (clock, random) = (server.clock.clone(), server.random.clone());
    let storage = SqliteStorage::open(path).unwrap();
    let replica = Replica::open(storage, clock, random, ReplicaConfig::usual()).await.unwrap();
    replica.sign_in(user("kai")).await.unwrap();
    replica
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_brings_everything_and_the_next_one_takes_one_round_trip() {
    let n_records = std::env::var("HAUMANA_SPEED_RECORDS").ok().and_then(|n| n.parse().ok());
    let n_records: usize = n_records.unwrap_or(20);
    let server = Server::new();
    let maker = server.device().await;
    for n in 0..n_records {
        let lyrics = format!("E ala ē, ka lā i ka hikina {n}\n").repeat(27);
        let set = fields([("title", text(&n.to_string())), ("lyrics", text(&lyrics))]);
        maker.add_piece(set).await.unwrap();
    }
    maker.sync(&server.transport()).await.unwrap();
    let transport = transport(serve_engine(&server).await, Some(token_of("kai")));
    let folder = tempfile::tempdir().unwrap();
    // The connection is there already.
    on_file(&server, &folder.path().join("warm.db")).await.sync(&transport).await.unwrap();

    let mut firsts = Vec::new();
    for n in 0..5 {
        let replica = on_file(&server, &folder.path().join(format!("{n}.db"))).await;
        let begun = Instant::now();
        let summary = replica.sync(&transport).await.unwrap();
        firsts.push(begun.elapsed());
        assert_eq!(n_records, summary.pulled);
    }
    firsts.sort_unstable();
    let replica = on_file(&server, &folder.path().join("0.db")).await;
    let mut noops = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        assert_eq!(1, replica.sync(&transport).await.unwrap().rounds);
        noops.push(begun.elapsed());
    }
    noops.sort_unstable();
    println!(
        "{n_records} records: first {:?}, no-op {:?} p99 {:?}",
        firsts[2], noops[100], noops[197]
    );
}
