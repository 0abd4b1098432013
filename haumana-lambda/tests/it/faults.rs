//! What goes wrong in one invocation, and that the next one works.

use crate::world::{World, environment, program, request, vouched};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use haumana_lambda::testing::{Failed, Function, Google, Pool, RuntimeApi, proxy_event};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

async fn faulty(timeout: Duration) -> RuntimeApi {
    let function = Function { program: program("faulty"), environment: vec![], timeout };
    RuntimeApi::start(function).await.unwrap()
}

fn get(path: &str) -> Vec<u8> {
    let request = request("GET", path, None, &Value::Null);
    proxy_event(&request, path, None).to_string().into_bytes()
}

/// An empty sync of somebody whom the authorizer has let in.
fn sync() -> Vec<u8> {
    let request = request("POST", "/pieces", None, &json!({"pieces": []}));
    proxy_event(&request, "/pieces", Some(&vouched("kai"))).to_string().into_bytes()
}

fn status(answer: Result<Value, Failed>) -> i64 {
    answer.unwrap()["statusCode"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_its_own_request_and_nothing_else() {
    let function = faulty(Duration::from_secs(10)).await;
    assert_eq!(200, status(function.invoke(&get("/limits")).await));
    let process = function.process_id().await;

    let panicked = function.invoke(&get("/panic")).await;

    assert_eq!(500, status(panicked.clone()));
    assert!(!panicked.unwrap().to_string().contains("on purpose"));
    assert_eq!(200, status(function.invoke(&get("/limits")).await));
    assert_eq!(process, function.process_id().await, "the process goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_event_fails_and_the_next_one_is_answered() {
    let function = faulty(Duration::from_secs(10)).await;
    assert_eq!(200, status(function.invoke(&get("/limits")).await));
    let process = function.process_id().await;

    for event in malformed() {
        let answer = function.invoke(&event).await;
        let text = String::from_utf8_lossy(&event);
        assert!(matches!(answer, Err(Failed::Function(_))), "{text}: {answer:?}");
    }

    assert_eq!(200, status(function.invoke(&get("/limits")).await));
    assert_eq!(process, function.process_id().await, "the process goes on");
}

/// Events that API Gateway never sends.
fn malformed() -> Vec<Vec<u8>> {
    let texts = ["{}", "[]", "null", "7", "\"x\"", r#"{"httpMethod":{}}"#];
    let mut events: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    for (name, value) in [
        ("body", json!("%%%")),
        ("path", Value::Null),
        ("httpMethod", json!("not a method")),
        ("requestContext", json!([])),
    ] {
        let request = request("POST", "/pieces", None, &json!({"pieces": []}));
        let mut event = proxy_event(&request, "/pieces", Some(&vouched("kai")));
        event[name] = value;
        events.push(event.to_string().into_bytes());
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_survives_a_malformed_event() {
    let world = World::start().await;

    for (name, function) in &world.functions {
        for event in malformed() {
            let answer = function.invoke(&event).await;
            let text = String::from_utf8_lossy(&event);
            assert!(matches!(answer, Err(Failed::Function(_))), "{name}, {text}: {answer:?}");
        }
        let process = function.process_id().await;
        assert_eq!(200, status(function.invoke(&get("/limits")).await), "{name}");
        assert_eq!(process, function.process_id().await, "{name}: the process goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_answered_before_lambda_ends_it() {
    let function = faulty(Duration::from_secs(3)).await;

    let late = function.invoke(&get("/hang")).await.unwrap();

    assert_eq!(503, late["statusCode"]);
    let output = function.output_once(|output| output.contains("out_of_time")).await;
    assert!(output.contains("out_of_time"), "the log says why: {output}");
    assert!(late["multiValueHeaders"]["retry-after"][0].is_string(), "{late}");
    assert!(late["body"].as_str().unwrap().contains("unavailable"), "{late}");
    assert_eq!(200, status(function.invoke(&get("/limits")).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_time_out_a_new_process_answers() {
    let function = faulty(Duration::from_secs(2)).await;
    assert_eq!(200, status(function.invoke(&get("/limits")).await));
    let process = function.process_id().await;

    assert_eq!(Err(Failed::TimedOut), function.invoke(&get("/freeze")).await);

    assert_eq!(200, status(function.invoke(&get("/limits")).await));
    assert_ne!(process, function.process_id().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_lambda_had_to_end_syncs_again() {
    let world = World::start().await;
    let function = world.pieces_function(Duration::from_secs(3)).await;
    assert_eq!(200, status(function.invoke(&sync()).await));

    // It stops in the middle of nothing, and does not come back.
    let process = function.process_id().await.unwrap();
    let stop = std::process::Command::new("kill").args(["-STOP", &process.to_string()]).status();
    assert!(stop.unwrap().success());
    assert_eq!(Err(Failed::TimedOut), function.invoke(&sync()).await);

    assert_eq!(200, status(function.invoke(&sync()).await));
    assert_ne!(Some(process), function.process_id().await);
}

/// A DynamoDB that has no capacity for the first `refused` requests, and no items; counts who asks.
async fn throttled(refused: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let answer = async move || {
        let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        let refusal = json!({"__type": kind, "message": "slow down"});
        let (status, body) = match count.fetch_add(1, Ordering::Relaxed) < refused {
            true => (StatusCode::BAD_REQUEST, refusal),
            false => (StatusCode::OK, json!({})),
        };
        (status, [("content-type", "application/x-amz-json-1.0")], body.to_string())
    };
    let app = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, asked)
}

/// A DynamoDB that takes every request and never answers.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/", post(std::future::pending::<()>));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A `sync-pieces-lambda` with this DynamoDB and four seconds for each event.
async fn on(dynamodb: String) -> RuntimeApi {
    let (google, pool) = (Google::start().await.unwrap(), Pool::start().await.unwrap());
    let mut environment = environment(&google, &pool, "test-");
    environment.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), dynamodb));
    let (program, timeout) = (program("sync-pieces-lambda"), Duration::from_secs(4));
    RuntimeApi::start(Function { program, environment, timeout }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_sent_again_are_in_the_metrics() {
    let function = on(throttled(2).await.0).await;

    let first = function.invoke(&sync()).await.unwrap();
    let second = function.invoke(&sync()).await.unwrap();

    assert_eq!([200, 200], [&first, &second].map(|answer| answer["statusCode"].as_i64().unwrap()));
    assert_eq!(vec![2.0, 0.0], metric(&function, "Retries", 2).await);
}

/// Returns what the first `n` lines of metrics say of `name`.
async fn metric(function: &RuntimeApi, name: &str, n: usize) -> Vec<f64> {
    let found = |output: &str| -> Vec<f64> {
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines = lines.filter(|line| line.get("_aws").is_some());
        // What is not told is 0.
        lines.map(|line| line[name].as_f64().unwrap_or(0.0)).take(n).collect()
    };
    found(&function.output_once(|output| found(output).len() == n).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_table_gives_503_and_not_a_time_out() {
    let (address, asked) = throttled(u64::MAX).await;
    let function = on(address).await;

    let answer = function.invoke(&sync()).await.unwrap();

    assert_eq!(503, answer["statusCode"], "{answer}");
    assert!(answer["multiValueHeaders"]["retry-after"][0].is_string(), "{answer}");
    assert!(1 < asked.load(Ordering::Relaxed), "it was tried again");
    assert!(function.process_id().await.is_some(), "Lambda did not have to end it");
    // The store gave up by itself: a call that is cut off says `out_of_time`.
    let output = function.output_once(|output| output.contains(r#""reason":"store""#)).await;
    assert!(output.contains(r#""reason":"store""#) && !output.contains("out_of_time"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_never_answers_gives_503_and_not_a_time_out() {
    let function = on(silent().await).await;

    let answer = function.invoke(&sync()).await.unwrap();

    assert_eq!(503, answer["statusCode"], "{answer}");
    assert!(answer["multiValueHeaders"]["retry-after"][0].is_string(), "{answer}");
    assert!(function.process_id().await.is_some(), "Lambda did not have to end it");
}
