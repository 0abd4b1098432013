//! How long a function takes from the start of its process to its first reply, how much memory it
//! then holds, and how long a sync without changes takes once it is warm.
//!
//! ```text
//! lambda FOLDER
//! ```
//!
//! FOLDER holds `sync-pieces-lambda/bootstrap`, as `infrastructure/package` leaves it, for this
//! machine's processor. The Runtime API and the DynamoDB emulator are on loopback. Everything is
//! measured twice: with the emulator as it is, and with TLS in front of it and as many roots to
//! trust as the functions have compiled in, which is what AWS asks of them besides.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program for developers")]

use haumana_lambda::testing::{Function, HttpRequest, RuntimeApi, proxy_event};
use haumana_store_dynamo::testing::{Authority, Tables, endpoint, tls};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const STARTS: usize = 101;
const WARM: usize = 1001;

#[tokio::main]
async fn main() {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: lambda FOLDER");
        std::process::exit(2);
    };
    let program = Path::new(&folder).join("sync-pieces-lambda/bootstrap");
    let dynamodb = tokio::task::spawn_blocking(endpoint).await.unwrap();
    let tables = Tables::create().await;
    let on = |dynamodb: &str, more: Option<(&str, String)>| {
        let mut environment = environment(tables.prefix(), dynamodb);
        environment.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Function { program: program.clone(), environment, timeout: Duration::from_secs(20) }
    };
    println!("| | median | p99 | least |");
    measure("", on(dynamodb, None)).await;

    let secure = tls(Authority::One, dynamodb).await.unwrap();
    let roots = tempfile::NamedTempFile::new().unwrap();
    let compiled_in = include_bytes!("../../../haumana-store-dynamo/src/amazon-roots.crt");
    std::fs::write(roots.path(), [compiled_in, Authority::One.root()].concat()).unwrap();
    let roots_file = roots.path().to_str().unwrap().to_owned();
    measure(" over TLS", on(&secure, Some(("SSL_CERT_FILE", roots_file)))).await;
}

async fn measure(how: &str, function: Function) {
    let filled = RuntimeApi::start(function.clone()).await.unwrap();
    check(&filled.invoke(&event(&json!([piece()]))).await.unwrap());
    let no_op = event(&held(&filled.invoke(&event(&json!([]))).await.unwrap()));

    let (mut starts, mut resident_kb) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let runtime = RuntimeApi::start(function.clone()).await.unwrap();
        let begun = Instant::now();
        check(&runtime.invoke(&no_op).await.unwrap());
        starts.push(begun.elapsed());
        resident_kb.push(resident(runtime.process_id().await.unwrap()));
        runtime.stop().await;
    }
    let runtime = RuntimeApi::start(function).await.unwrap();
    let mut warm = Vec::new();
    for _ in 0..WARM {
        let begun = Instant::now();
        check(&runtime.invoke(&no_op).await.unwrap());
        warm.push(begun.elapsed());
    }
    print(&format!("from process start to the first reply{how}"), &mut starts);
    print(&format!("a warm sync without changes{how}"), &mut warm);
    resident_kb.sort_unstable();
    let resident_mb = median(&resident_kb) * 1024.0 / 1e6;
    println!("| resident after the first reply{how} | {resident_mb:.1} MB | | |");
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let ms = |share: f64| {
        let at = (times.len() - 1) as f64 * share;
        times.get(at as usize).unwrap().as_secs_f64() * 1000.0
    };
    println!("| {what} | {:.2} ms | {:.2} ms | {:.2} ms |", ms(0.5), ms(0.99), ms(0.0));
}

fn median(sorted: &[u64]) -> f64 {
    *sorted.get(sorted.len() / 2).unwrap() as f64
}

/// The most memory that a process has held until now, in kB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

fn check(answer: &Value) {
    assert_eq!(json!(200), answer["statusCode"], "{answer}");
}

/// What a phone holds after this answer.
fn held(answer: &Value) -> Value {
    check(answer);
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    body["serverPieces"].clone()
}

/// An event as API Gateway sends it, with what the authorizer said.
fn event(pieces: &Value) -> Vec<u8> {
    let request = HttpRequest {
        method: "POST".to_owned(),
        path: "/pieces".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: json!({"operation": "sync", "pieces": pieces}).to_string().into_bytes(),
    };
    let word = [("userId".to_owned(), json!("kai")), ("exp".to_owned(), json!("4102444800"))];
    proxy_event(&request, "/pieces", Some(&Map::from_iter(word))).to_string().into_bytes()
}

fn piece() -> Value {
    json!({
        "pieceId": "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3", "userId": "kai", "title": "E Hō Mai",
        "category": "oli", "lyrics": "E hō mai", "includeInPractice": true, "isFavorite": false,
        "createdAt": "2026-06-18T12:00:00Z", "modifiedAt": "2026-06-18T12:00:00Z", "version": 1,
        "locallyModified": true,
    })
}

fn environment(prefix: &str, dynamodb: &str) -> Vec<(String, String)> {
    let variables = [
        ("HAUMANA_TABLE_PREFIX", prefix),
        ("HAUMANA_GENERATION", "0"),
        ("HAUMANA_RETENTION_DAYS", "90"),
        ("HAUMANA_BINARY_REPLIES", "true"),
        ("AWS_REGION", "us-west-2"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}
