//! The numbers that the functions print for CloudWatch.

use crate::world::{World, piece, request};
use haumana_lambda::metrics::METRICS;
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

/// A metric that is not told is 0.
#[track_caller]
fn check(line: &Value, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        assert_eq!(*value, line[*name].as_f64().unwrap_or(0.0), "{name}: {line}");
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
    let well = [("Failed", 0.0), ("Limited", 0.0), ("Retries", 0.0)];
    lines.iter().for_each(|line| check(line, &well));
    check(push, &[("Conflicts", 0.0), ("Pushed", 1.0), ("Pulled", 0.0), ("cold", 1.0)]);
    check(pull, &[("Conflicts", 0.0), ("Pushed", 0.0), ("Pulled", 1.0), ("cold", 0.0)]);
    check(merge, &[("Pushed", 1.0), ("Conflicts", 1.0)]);
    for (line, name) in [(push, "read_units"), (push, "write_units"), (pull, "read_units")] {
        assert!(line[name].as_f64().unwrap() > 0.0, "{name}: {line}");
    }
    check(pull, &[("write_units", 0.0)]);
    assert!(lines.iter().all(|line| 0.0 < line["Ms"].as_f64().unwrap()), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_no_sync_or_fails_counts_as_none() {
    let world = World::start().await;

    assert_eq!(200, world.get("kai", "/conflicts").await.0);
    assert_eq!(400, world.post("kai", "/sync", &json!([])).await.0);

    let lines = lines(&world, "sync-lambda", 2).await;
    assert_eq!(2, lines.len(), "{lines:?}");
    for line in lines {
        // The number of syncs is that of the values of `Conflicts`.
        assert!(line["Conflicts"].is_null(), "{line}");
        check(&line, &[("Pushed", 0.0), ("Failed", 0.0)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_holds_numbers_and_nothing_else() {
    let world = World::start().await;
    let body = json!({"pieces": [piece(ID, "kai", "Secret", "Secret")]});
    world.post("kai", "/pieces", &body).await;

    let lines = lines(&world, "sync-pieces-lambda", 1).await;

    let line = lines[0].as_object().unwrap();
    let metric = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (json!("Haumana"), json!([[]])),
        (metric["Namespace"].clone(), metric["Dimensions"].clone())
    );
    for (name, value) in line {
        let is_known = METRICS.contains(&name.as_str())
            || ["read_units", "write_units", "cold"].contains(&name.as_str());
        assert!(name == "_aws" || (is_known && value.is_number()), "{name}: {value}");
    }
}

/// Both are billed by the byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_without_changes_prints_two_short_lines() {
    let world = World::with(&[("HAUMANA_CALLER_KEY", "a key of this test")]).await;
    let body = json!({"pieces": []});
    world.post("kai", "/pieces", &body).await;

    let function = &world.functions["sync-pieces-lambda"];
    let output = function.output_once(|output| 2 <= output.lines().count()).await;

    let bytes: usize = output.lines().map(|line| line.len() + 1).sum();
    assert_eq!(2, output.lines().count(), "{output}");
    assert!(bytes <= 640, "{bytes} bytes: {output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_counted_as_refused_or_as_failed_or_as_neither() {
    let world = World::start().await;
    world.get("kai", "/conflicts").await;
    let bad = request("GET", "/conflicts", Some("a.b.c"), &Value::Null);
    world.gateway.request(&bad).await;

    let read = |output: &str| -> Vec<Value> {
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get("_aws").is_some()).collect()
    };
    let output = world.authorizer.output_once(|output| 2 <= read(output).len()).await;
    let lines = read(&output);

    check(&lines[0], &[("Refused", 0.0), ("Failed", 0.0)]);
    check(&lines[1], &[("Refused", 1.0), ("Failed", 0.0)]);
    assert!(lines.iter().all(|line| line["Refused"].is_number() && line["Failed"].is_number()));
}

#[test]
fn the_stack_watches_what_the_functions_print() {
    let stack = include_str!("../../../infrastructure/cdk/lib/metrics.ts");
    let names = stack.split("WRITTEN = [").nth(1).and_then(|rest| rest.split(']').next());
    let mut watched: Vec<&str> = names.unwrap().split('\'').skip(1).step_by(2).collect();
    let mut printed = METRICS.to_vec();

    watched.sort_unstable();
    printed.sort_unstable();
    assert_eq!(printed, watched);
}
