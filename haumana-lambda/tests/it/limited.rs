//! One account that asks for too much, and one that is blocked.

use crate::world::World;
use haumana_auth::CallerKey;
use haumana_sync::id::UserId;
use serde_json::{Value, json};

const KEY: &str = "a key of these tests";

fn hash(sub: &str) -> String {
    CallerKey::new(KEY).unwrap().hash(&UserId::verified_by_caller(sub).unwrap())
}

/// Every call of an account, and a body for it.
fn calls(export: &Value) -> Vec<(&'static str, &'static str, Value)> {
    let piece = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";
    let history = format!("/pieces/{piece}/history").leak();
    let restore = format!("/pieces/{piece}/restore").leak();
    vec![
        ("POST", "/pieces", json!({"pieces": []})),
        ("POST", "/sessions", json!({"sessions": []})),
        ("POST", "/sync", json!({"deviceId": "d", "cursor": null, "push": []})),
        ("GET", "/conflicts", Value::Null),
        ("GET", history, Value::Null),
        ("POST", restore, json!({"version": 1})),
        ("GET", "/users/me/export", Value::Null),
        ("POST", "/users/me/import", export.clone()),
        ("DELETE", "/users/me", Value::Null),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_too_much_gets_429_from_every_call_and_others_do_not() {
    // Three calls, and then one an hour.
    let world = World::with(&[("HAUMANA_ALLOWANCE", "10/96"), ("HAUMANA_CALLER_KEY", KEY)]).await;
    let push = json!({"pieces": [crate::world::piece(
        "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3", "kai", "E Hō Mai", "E hō mai")]});
    let (_, export) = world.get("kai", "/users/me/export").await;
    while world.post("kai", "/pieces", &push).await.0 == 200 {}

    let mut answers = Vec::new();
    for (method, path, body) in calls(&export) {
        let status = world.send("kai", method, path, &body).await.0;
        answers.push((method, path, status));
    }

    // Other functions know it from the head, which the first one has written. Erasing is always
    // possible, so that it is tried last.
    assert_eq!(Some(("DELETE", "/users/me", 204)), answers.pop());
    assert!(answers.iter().all(|(.., status)| *status == 429), "{answers:?}");
    assert_eq!(200, world.post("uka", "/pieces", &json!({"pieces": []})).await.0);
    let output = world.functions["sync-lambda"].output();
    assert!(output.contains(r#""Limited":1"#), "it is counted: {output}");
    assert!(output.contains(&hash("kai")), "and named by its hash: {output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_cost_nothing_so_that_the_account_is_served_again_soon() {
    // Two calls at once, and one more in each second.
    let world = World::with(&[("HAUMANA_ALLOWANCE", "8/345600")]).await;
    let empty = json!({"pieces": []});
    while world.post("kai", "/pieces", &empty).await.0 == 200 {}

    // Were each of these charged, as is each that is served, no end would ever come.
    let (mut n_refused, mut status) = (0, 429);
    while status == 429 && n_refused < 10_000 {
        status = world.post("kai", "/pieces", &empty).await.0;
        n_refused += 1;
    }

    assert_eq!(200, status, "after {n_refused} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_is_refused_by_the_authorizer_and_found_by_hash() {
    let blocked = hash("kai");
    let variables = [("HAUMANA_BLOCKED", blocked.as_str()), ("HAUMANA_CALLER_KEY", KEY)];
    let world = World::with(&variables).await;

    let (refused, _) = world.post("kai", "/pieces", &json!({"pieces": []})).await;
    let (let_in, _) = world.post("uka", "/pieces", &json!({"pieces": []})).await;

    assert_eq!((403, 200), (refused, let_in));
    let output = world.authorizer.output();
    assert!(output.contains("blocked") && output.contains(&blocked), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_and_erasures_stand_in_the_audit_log_at_every_level() {
    let world = World::with(&[("HAUMANA_LOG", "error"), ("HAUMANA_CALLER_KEY", KEY)]).await;
    world.get("kai", "/users/me/export").await;
    world.send("kai", "DELETE", "/users/me", &Value::Null).await;

    let function = &world.functions["account-lambda"];
    let is_audit = |line: &&str| line.contains("haumana_audit");
    let output = function.output_once(|output| output.lines().filter(is_audit).count() == 4).await;

    let audit: Vec<&str> = output.lines().filter(is_audit).collect();
    let (export, erase) = audit.split_at(2);
    for (lines, call) in [(export, r#""call":"export""#), (erase, r#""call":"erase""#)] {
        for (line, status) in lines.iter().zip([r#""status":"begun""#, r#""status":20"#]) {
            let parts = [call, status, &hash("kai")];
            assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        }
    }
}
