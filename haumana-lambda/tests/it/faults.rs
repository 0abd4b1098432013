//! What goes wrong in one invocation, and that the next one works.

use crate::world::{environment, program};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use haumana_lambda::testing::{Failed, Function, Google, Pool, RuntimeApi};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

async fn faulty(timeout: Duration) -> RuntimeApi {
    // Examples are built beside the programs when tests are.
    let built = std::path::Path::new(env!("CARGO_BIN_EXE_sync-lambda"));
    let program = built.parent().unwrap().join("examples/faulty");
    RuntimeApi::start(Function { program, environment: vec![], timeout }).await.unwrap()
}

fn get(path: &str) -> Vec<u8> {
    let event = json!({
        "path": path, "httpMethod": "GET", "requestContext": {"stage": "prod", "httpMethod": "GET"},
    });
    event.to_string().into_bytes()
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

    for event in ["{}", "[]", "null", "7", "\"x\"", r#"{"httpMethod":{}}"#] {
        let answer = function.invoke(event.as_bytes()).await;
        assert!(matches!(answer, Err(Failed::Function(_))), "{event}: {answer:?}");
    }
    let bad_base64 = json!({
        "path": "/limits", "httpMethod": "GET", "body": "%%%", "isBase64Encoded": true,
        "requestContext": {"stage": "prod", "httpMethod": "GET"},
    });
    assert!(function.invoke(bad_base64.to_string().as_bytes()).await.is_err());

    assert_eq!(200, status(function.invoke(&get("/limits")).await));
    assert_eq!(process, function.process_id().await, "the process goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_answered_before_lambda_ends_it() {
    let function = faulty(Duration::from_secs(3)).await;

    let late = function.invoke(&get("/hang")).await.unwrap();

    assert_eq!(503, late["statusCode"]);
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

/// A DynamoDB that has no capacity for the first `refused` requests, and no items.
async fn throttled(refused: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU64::new(0));
    let answer = async move || {
        let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        let refusal = json!({"__type": kind, "message": "slow down"});
        let (status, body) = match asked.fetch_add(1, Ordering::Relaxed) < refused {
            true => (StatusCode::BAD_REQUEST, refusal),
            false => (StatusCode::OK, json!({})),
        };
        (status, [("content-type", "application/x-amz-json-1.0")], body.to_string())
    };
    let app = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn on_throttled(refused: u64) -> RuntimeApi {
    let (google, pool) = (Google::start().await.unwrap(), Pool::start().await.unwrap());
    let mut environment = environment(&google, &pool, "test-");
    environment.retain(|(name, _)| name != "AWS_ENDPOINT_URL_DYNAMODB");
    environment.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), throttled(refused).await));
    let (program, timeout) = (program("sync-pieces-lambda"), Duration::from_secs(4));
    RuntimeApi::start(Function { program, environment, timeout }).await.unwrap()
}

fn no_pieces() -> Vec<u8> {
    let event = json!({
        "path": "/pieces", "httpMethod": "POST", "body": "{\"pieces\": []}",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "stage": "prod", "httpMethod": "POST",
            "authorizer": {"userId": "kai", "exp": "4102444800"},
        },
    });
    event.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_sent_again_are_in_the_metrics() {
    let function = on_throttled(2).await;

    let first = function.invoke(&no_pieces()).await.unwrap();
    let second = function.invoke(&no_pieces()).await.unwrap();

    assert_eq!([200, 200], [&first, &second].map(|answer| answer["statusCode"].as_i64().unwrap()));
    assert_eq!(vec![2.0, 0.0], metric(&function, "Retries", 2).await);
}

/// Returns what the first `n` lines of metrics say of `name`; they may come a little after the
/// answers.
async fn metric(function: &RuntimeApi, name: &str, n: usize) -> Vec<f64> {
    loop {
        let output = function.output();
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<f64> = lines.filter_map(|line| line[name].as_f64()).take(n).collect();
        if found.len() == n {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_table_gives_503_and_not_a_time_out() {
    let function = on_throttled(u64::MAX).await;

    let answer = function.invoke(&no_pieces()).await.unwrap();

    assert_eq!(503, answer["statusCode"], "{answer}");
    assert!(answer["multiValueHeaders"]["retry-after"][0].is_string(), "{answer}");
    assert!(function.process_id().await.is_some(), "Lambda did not have to end it");
}
