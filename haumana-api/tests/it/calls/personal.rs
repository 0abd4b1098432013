//! Every call there is, with marked personal data wherever it fits: what is logged, and what is
//! replied. The list of calls is the document's, which is the router's.

use super::logs::Log;
use crate::tokens::{EMAIL, SUBJECT};
use crate::world::{Answer, PIECE, Sky, World, bare, good_token};
use axum::body::Body;
use axum::http::Request;
use haumana_api::directory::DirectoryErrorKind;
use haumana_api::{Host, Served};
use haumana_sync::store::{ErrorKind, Fault};
use serde_json::{Value, json};

const MARK: &str = "Marked-Haʻaheo";

/// One call of the document, with each body that its examples lead to.
struct Call {
    method: String,
    path: String,
    bodies: Vec<Option<Value>>,
}

fn calls() -> Vec<Call> {
    let schema = haumana_sync::repertoire::schema();
    let document = haumana_api::openapi(&schema, &Served::all(), &Host::with_id_tokens());
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, doc)| (path, method, doc))
    });
    let mut calls: Vec<_> = operations
        .map(|(path, method, doc)| {
            let examples = doc.pointer("/requestBody/content/application~1json/examples");
            let examples = examples.and_then(Value::as_object).into_iter().flatten();
            let mut bodies: Vec<_> =
                examples.map(|(_, example)| Some(marked(example["value"].clone()))).collect();
            if bodies.is_empty() {
                bodies.push(None);
            }
            let path = path.replace("{id}", PIECE).replace("{me}", "me");
            Call { method: method.to_uppercase(), path, bodies }
        })
        .collect();
    // Erasing comes last, or there would be nothing left to tell.
    calls.sort_by_key(|call| call.method == "DELETE");
    calls
}

/// Puts the mark where people write, and a good token where a token goes.
fn marked(mut body: Value) -> Value {
    mark(&mut body);
    body
}

fn mark(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "googleIdToken" => *value = good_token().into(),
                    "title" | "lyrics" | "notes" | "identityId" if value.is_string() => {
                        *value = MARK.into();
                    }
                    _ => mark(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mark),
        _ => {}
    }
}

/// The call as it should be, and with everything personal where nobody expects it.
fn requests(call: &Call) -> Vec<Request<Body>> {
    let token = good_token();
    let with = |path: &str, authorization: &str, body: Body| {
        let request = Request::builder().method(&*call.method).uri(path);
        let request = request.header("content-type", "application/json");
        request.header("authorization", authorization).body(body).unwrap()
    };
    let bearer = format!("Bearer {token}");
    let query = format!("{}?token={token}&email={EMAIL}", call.path);
    let mut requests = vec![
        with(&query, &bearer, Body::empty()),
        with(&call.path, &format!("{bearer}x"), Body::empty()),
        with(&call.path, &format!("Basic {token}"), Body::from(json!(MARK).to_string())),
        with(&call.path, &bearer, Body::from(format!("{{\"{MARK}\": \"{EMAIL}\"}}{token}"))),
        with(
            &call.path,
            &bearer,
            Body::from(json!({ "googleIdToken": format!("{token}x") }).to_string()),
        ),
    ];
    requests.extend(call.bodies.iter().map(|body| match body {
        Some(body) => with(&call.path, &bearer, Body::from(body.to_string())),
        None => bare(&call.method, &call.path, &token),
    }));
    requests
}

/// Checks what a reply holds. Only a success tells people what is theirs, and none tells a token.
#[track_caller]
fn check(what: &str, answer: &Answer) {
    let head = format!("{:?}", answer.headers);
    let body = String::from_utf8_lossy(&answer.body);
    let token = good_token();
    let (_, signature) = token.rsplit_once('.').unwrap();
    for secret in [&*token, signature] {
        assert!(!body.contains(secret) && !head.contains(secret), "{what} tells a token");
    }
    for personal in [MARK, "Marked", "Haʻaheo", EMAIL, SUBJECT] {
        assert!(!head.contains(personal), "{what}: {head}");
        assert!(answer.status.is_success() || !body.contains(personal), "{what}: {body}");
    }
}

/// What goes wrong behind the router while the calls are made.
const TROUBLES: [(Sky, Option<DirectoryErrorKind>); 5] = [
    (Sky::Clear, None),
    (Sky::Clear, Some(DirectoryErrorKind::Refused)),
    (Sky::Fails(Fault::Before(ErrorKind::Unavailable)), Some(DirectoryErrorKind::Unavailable)),
    (Sky::Fails(Fault::Before(ErrorKind::Corrupt)), None),
    (Sky::Panics, None),
];

#[tokio::test]
async fn no_call_logs_or_replies_what_is_nobody_elses_business() {
    let world = World::new();
    let calls = calls();
    assert!(13 <= calls.len(), "every call that there is: {}", calls.len());
    let (log, _guard) = Log::start();

    let (mut n_requests, mut n_succeeded) = (0, 0);
    for (sky, fault) in TROUBLES {
        world.sky(sky);
        world.directory.fails(fault);
        for call in &calls {
            for request in requests(call) {
                let what = format!("{} {} {sky:?}", call.method, call.path);
                let answer = world.send(request).await;
                check(&what, &answer);
                n_requests += 1;
                n_succeeded += usize::from(answer.status.is_success());
            }
        }
    }

    assert!(calls.len() < n_succeeded, "what is told is told to whom it belongs: {n_succeeded}");
    let lines = log.lines();
    assert_eq!(n_requests, lines.iter().filter(|line| line.contains("request_id=")).count());
    let token = good_token();
    let (_, signature) = token.rsplit_once('.').unwrap();
    for secret in ["Marked", "Haʻaheo", "Kumu", EMAIL, SUBJECT, PIECE, &token[..40], signature] {
        let found = lines.iter().find(|line| line.contains(secret));
        assert_eq!(None, found, "{secret} must not be logged");
    }
}
