//! Replicas of schemas made at random: several devices of one user, with every type of field and
//! every policy, and with schemas that are older than the server's.
//!
//! Requests and replies are lost and requests come late; programs end and start again. In the end
//! all devices hold what the server holds, and no value that it accepted is gone without a trace.
//! Counters are exact sums, and sets and lists hold what was added and not taken out.

mod device;
mod lossy;
mod world;

use world::World;

/// How many histories there are, if the environment does not say.
const RUNS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Tells how to repeat a history that does not come to its end.
struct Repeat(u64);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!(
                "\nHAUMANA_SIM_SEED={seed} cargo test -p haumana-replica --test it schemas::\n\
                 (HAUMANA_SIM_STORY=1 tells what happens)\n"
            );
        }
    }
}

async fn run_all(has_lives: bool) {
    let seeds = match number("HAUMANA_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("HAUMANA_SIM_FIRST").unwrap_or(0);
            first..first + number("HAUMANA_SIM_RUNS").unwrap_or(RUNS)
        }
    };
    for seed in seeds {
        let _repeat = Repeat(seed);

        let mut world = World::new(seed, has_lives).await;
        world.run().await;

        world.check().await;
    }
}

#[tokio::test]
async fn whatever_its_schema_replicas_agree_and_lose_nothing() {
    run_all(false).await;
}

/// What a device holds when a backup is restored is not lost, and neither is any edit afterwards.
#[tokio::test]
async fn whatever_its_schema_replicas_outlive_restored_backups() {
    run_all(true).await;
}
