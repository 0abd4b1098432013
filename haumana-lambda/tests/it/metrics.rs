//! The numbers that the functions print for CloudWatch.

use crate::world::{World, piece};
use haumana_lambda::metrics::{METRICS, NAMESPACE};
use serde_json::{Value, json};

const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";

/// The `n` lines that a function printed for CloudWatch, or as many as there are, oldest first.
async fn lines(world: &World, function: &str, n: usize) -> Vec<Value> {
    let read = |output: &str| -> Vec<Value> {
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get("_aws").is_some()).collect()
    };
    read(&world.functions[function].output_once(|output| n <= read(output).len()).await)
}

#[track_caller]
fn check(line: &Value, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        assert_eq!(Some(*value), line[*name].as_f64(), "{name}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sync_is_counted_with_what_became_of_it() {
    let world = World::start().await;
    let sync = |pieces: &[Value]| json!({"operation": "sync", "pieces": pieces});
    let first = piece(ID, "kai", "E Hō Mai", "E hō mai");
    let (_, reply) = world.post("kai", "/pieces", &sync(std::slice::from_ref(&first))).await;
    let version = reply["updatedPieces"][0]["version"].clone();
    let (_, pulled) = world.post("kai", "/pieces", &sync(&[])).await;

    // The iPad and the phone write the title and another field each; one title loses.
    let mut ipad = pulled["serverPieces"][0].clone();
    (ipad["title"], ipad["notes"]) = (json!("E Hō Mai (oli)"), json!("Kāwika taught us"));
    ipad["locallyModified"] = json!(true);
    let mut phone = first;
    (phone["title"], phone["version"]) = (json!("E Hō Mai ē"), version);
    phone["lastSyncedAt"] = json!("2026-06-18T12:00:01Z");
    world.post("kai", "/pieces", &sync(&[ipad])).await;
    let mut broken = piece("not-an-id", "kai", "", "");
    broken["pieceId"] = json!("no uuid");
    world.post("kai", "/pieces", &sync(&[phone, broken])).await;

    let lines = lines(&world, "sync-pieces-lambda", 4).await;
    let [push, pull, _, merge] = lines.as_slice() else { panic!("{lines:?}") };
    let nothing = [("Merged", 0.0), ("Conflicts", 0.0), ("Rejected", 0.0), ("Retries", 0.0)];
    check(push, &[("Syncs", 1.0), ("Pushed", 1.0), ("Pulled", 0.0), ("ColdStart", 1.0)]);
    check(push, &nothing);
    check(pull, &[("Syncs", 1.0), ("Pushed", 0.0), ("Pulled", 1.0), ("ColdStart", 0.0)]);
    check(pull, &nothing);
    check(merge, &[("Pushed", 1.0), ("Merged", 1.0), ("Conflicts", 1.0), ("Rejected", 1.0)]);
    for (line, name) in [(push, "ReadUnits"), (push, "WriteUnits"), (pull, "ReadUnits")] {
        assert!(line[name].as_f64().unwrap() > 0.0, "{name}: {line}");
    }
    check(pull, &[("WriteUnits", 0.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_no_sync_or_fails_counts_as_none() {
    let world = World::start().await;

    assert_eq!(200, world.get("kai", "/conflicts").await.0);
    assert_eq!(400, world.post("kai", "/sync", &json!([])).await.0);

    let lines = lines(&world, "sync-lambda", 2).await;
    assert_eq!(2, lines.len(), "{lines:?}");
    for line in lines {
        check(&line, &[("Syncs", 0.0), ("Pushed", 0.0), ("Conflicts", 0.0)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_holds_numbers_and_the_name_of_the_function_and_nothing_else() {
    let world = World::start().await;
    let body = json!({"pieces": [piece(ID, "kai", "Secret", "Secret")]});
    world.post("kai", "/pieces", &body).await;

    let lines = lines(&world, "sync-pieces-lambda", 1).await;

    let line = lines[0].as_object().unwrap();
    let metric = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (json!(NAMESPACE), json!([["Function"]])),
        (metric["Namespace"].clone(), metric["Dimensions"].clone())
    );
    for (name, value) in line {
        let is_declared = METRICS.iter().any(|(metric, _)| metric == name);
        let is_number = is_declared && value.is_number();
        assert!(is_number || name == "_aws" || name == "Function", "{name}: {value}");
    }
}

#[test]
fn the_stack_watches_what_the_functions_print() {
    let stack = include_str!("../../../infrastructure/cdk/lib/metrics.ts");
    let names = stack.split("export type Name =").nth(1).and_then(|rest| rest.split(';').next());
    let mut watched: Vec<&str> = names.unwrap().split('\'').skip(1).step_by(2).collect();
    let mut printed: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();

    watched.sort_unstable();
    printed.sort_unstable();
    assert_eq!(printed, watched);
    assert!(stack.contains(&format!("NAMESPACE = '{NAMESPACE}'")));
}
