//! Random schemas on the memory store; the same seed gives the same run.

use haumana_sim::dice::Dice;
use haumana_sim::schemas::{Clocks, random_schema, run_schema_with};
use haumana_sync::id::UserId;
use haumana_sync::schema::Deletes;
use haumana_sync::store::{BatchLimits, MemoryStore};
use std::collections::BTreeSet;
use std::sync::Arc;

const RUNS: u64 = 300;

#[tokio::test]
async fn whatever_its_schema_an_account_keeps_every_promise() {
    let one = std::env::var("HAUMANA_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = one.map_or(0..RUNS, |seed| seed..seed + 1);
    let user = UserId::verified_by_caller("kai").unwrap();
    for seed in seeds {
        for clocks in Clocks::ALL {
            let repeat = "cargo test -p haumana-sim --test it schemas::";
            eprintln!("clocks are {clocks:?}: HAUMANA_SIM_SEED={seed} {repeat}");
            run_schema_with(seed, clocks, Arc::new(MemoryStore::new()), &user).await;
        }
    }
}

/// Found that nothing of a request went through with a record of which more values lose than one
/// commit holds; here that is nearly every record.
#[tokio::test]
async fn whatever_its_schema_an_account_keeps_every_promise_where_commits_are_small() {
    let user = UserId::verified_by_caller("kai").unwrap();
    for seed in 0..RUNS {
        for clocks in Clocks::ALL {
            eprintln!("seed {seed} of commits that are small, clocks are {clocks:?}");
            let limits = BatchLimits { items: 6, bytes: 64_000 };
            let store = Arc::new(MemoryStore::new().with_limits(limits));
            run_schema_with(seed, clocks, store, &user).await;
        }
    }
}

#[test]
fn random_schemas_have_every_type_and_every_policy() {
    let (mut seen, mut grouped) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..RUNS {
        for kind in random_schema(&mut Dice::new(seed)).kinds() {
            for field in kind.fields() {
                seen.insert(field.field_type().name());
                seen.insert(field.policy().name());
                seen.extend(field.is_mandatory().then_some("mandatory"));
            }
            for group in kind.groups() {
                grouped.insert(group.policy().name());
            }
            seen.extend((kind.delete_policy() == Deletes::Stick).then_some("stick"));
        }
    }

    assert_eq!(12 + 5 + 2, seen.len(), "{seen:?}");
    assert_eq!(4, grouped.len(), "every policy but fixed: {grouped:?}");
}
