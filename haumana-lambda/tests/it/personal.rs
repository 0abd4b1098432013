//! What the functions and the authorizer print, and what they tell, at the most talkative level.
//! The list of calls is the OpenAPI document's, which is the router's.

use crate::world::{World, request};
use haumana_api::{Host, Served};
use haumana_lambda::testing::{Failed, HttpRequest};
use serde_json::{Value, json};

const SUB: &str = "kai-secretsub";
const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";
const MARK: &str = "SecretʻWords";
const ARN: &str = "arn:aws:execute-api:us-west-2:123456789012:a1b2c3d4e5/prod/GET/Secret";

/// Puts the mark where people write, and `token` where one goes.
fn mark(value: &mut Value, token: &str) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "googleIdToken" => *value = token.into(),
                    "title" | "lyrics" | "notes" | "identityId" if value.is_string() => {
                        *value = MARK.into();
                    }
                    _ => mark(value, token),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mark(value, token)),
        _ => {}
    }
}

/// Every call with each of its examples, marked; erasing comes last.
fn calls(token: &str) -> Vec<HttpRequest> {
    let schema = haumana_sync::repertoire::schema();
    let document = haumana_api::openapi(&schema, &Served::all(), &Host::with_id_tokens());
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, doc) in methods.as_object().unwrap() {
            let examples = doc.pointer("/requestBody/content/application~1json/examples");
            let examples = examples.and_then(Value::as_object).into_iter().flatten();
            let mut bodies: Vec<_> =
                examples.map(|(_, example)| example["value"].clone()).collect();
            if bodies.is_empty() {
                bodies.push(Value::Null);
            }
            let path = path.replace("{id}", ID).replace("{me}", "me").replace("{kind}", "piece");
            for mut body in bodies {
                mark(&mut body, token);
                calls.push(request(&method.to_uppercase(), &path, Some(token), &body));
            }
        }
    }
    calls.sort_by_key(|call| call.method == "DELETE");
    calls
}

/// Events that are none, with marks in them.
fn malformed(token: &str) -> Vec<Vec<u8>> {
    let event = |body: Value| {
        json!({
            "path": format!("/{MARK}"), "httpMethod": "POST", "body": body,
            "headers": {"authorization": format!("Bearer {token}")},
            "requestContext": {"stage": "prod", "httpMethod": 7, "authorizer": {"userId": SUB}},
        })
    };
    let events = [
        json!({"httpMethod": 7, "body": MARK, "path": MARK}),
        event(json!({MARK: token})),
        json!([MARK, token]),
        json!(token),
        json!({"type": "TOKEN", "methodArn": MARK, "authorizationToken": format!("Bearer {token}")}),
        json!({"type": MARK, "methodArn": ARN, "authorizationToken": token}),
        json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": format!("Bearer {token}x")}),
        json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": [token, MARK]}),
    ];
    // The runtime names the place in an event that is no JSON, which no gateway sends.
    let broken = [b"{\"path\": ", token.as_bytes()].concat();
    events.iter().map(|event| event.to_string().into_bytes()).chain([broken]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_private_is_ever_printed() {
    let world = World::with(&[("HAUMANA_LOG", "trace")]).await;
    let token = world.google.token(SUB);
    let (_, signature) = token.rsplit_once('.').unwrap();
    let secrets = ["Secret", "ʻWords", "secretsub", "@example.com", &token[..60], signature];

    let (calls, mut n_succeeded) = (calls(&token), 0);
    for call in &calls {
        let mut broken = call.clone();
        broken.body = format!("{{\"{MARK}\": {token}").into_bytes();
        for request in [call, &broken] {
            let reply = world.gateway.request(request).await;
            n_succeeded += usize::from(reply.status < 300);
            let body = String::from_utf8_lossy(&reply.body);
            let told = secrets.iter().find(|secret| 300 <= reply.status && body.contains(**secret));
            assert_eq!(None, told, "{} {}: {body}", call.method, call.path);
        }
    }
    for function in world.functions.values().chain([&world.authorizer]) {
        for event in malformed(&token) {
            if let Err(Failed::Function(said)) = function.invoke(&event).await {
                assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
            }
        }
    }

    assert!(13 <= calls.len() && 13 <= n_succeeded, "{n_succeeded} of {}", calls.len());
    let pieces = &world.functions["sync-pieces-lambda"];
    pieces.output_once(|output| output.contains("\"Conflicts\":")).await;
    let output = world.output();
    assert!(output.contains("\"Conflicts\":"), "metrics are printed: {output}");
    assert!(output.contains("\"request_id\""), "log lines are printed: {output}");
    assert!(output.contains("\"reason\":\"signature\"") || output.contains("\"reason\":\"shape\""));
    for secret in secrets {
        let found = output.lines().find(|line| line.contains(secret));
        assert_eq!(None, found, "{secret} is printed");
    }
}
