//! An HTTP API in front of the functions, which then verify tokens themselves: callers get the same
//! replies as from the REST API with its authorizer and its own responses.

use crate::world::{World, piece, read, request, routes, vouched};
use haumana_auth::CallerKey;
use haumana_lambda::testing::{CLIENT_ID, HttpReply, HttpRequest, proxy_event};
use haumana_sync::id::UserId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";
const KEY: &str = "a key of these tests";

/// What a client acts on: a refusal to the byte, and of a reply with content its form.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Told {
    fn of(reply: &HttpReply) -> Self {
        let names =
            ["content-type", "www-authenticate", "retry-after", "content-encoding", "allow"];
        let headers = names.into_iter().filter_map(|name| {
            let value = reply.header(name)?.to_owned();
            Some((name.to_owned(), value))
        });
        let (status, body) = read(reply);
        let body = if status < 300 { form(&body) } else { body };
        Self { status, headers: headers.collect(), body }
    }
}

/// A value with the types of what is in it: ids, times and numbers of versions are never the same.
fn form(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), form(value))).collect()
        }
        Value::Array(values) => values.first().map_or(json!([]), |first| json!([form(first)])),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}

/// Every call, as one user makes it.
fn calls(token: &str, sub: &str) -> Vec<HttpRequest> {
    let call = |method: &str, path: &str, body: Value| request(method, path, Some(token), &body);
    let push = json!({"pieces": [piece(ID, sub, "E Hō Mai", &"E hō mai\n".repeat(200))]});
    let mut calls = vec![
        call("POST", "/pieces", push),
        call("POST", "/pieces", json!({"pieces": []})),
        call("POST", "/sessions", json!({"sessions": []})),
        call("POST", "/auth/sync", json!({"googleIdToken": token})),
        call("POST", "/sync", json!({"deviceId": "d", "cursor": null, "push": []})),
        call("GET", "/conflicts?limit=1", Value::Null),
        call("POST", &format!("/conflicts/{ID}"), json!({"resolution": "keep"})),
        call("GET", &format!("/pieces/{ID}/history"), Value::Null),
        call("POST", &format!("/pieces/{ID}/restore"), json!({"version": 1})),
        call("GET", &format!("/records/piece/{ID}/history"), Value::Null),
        call("POST", &format!("/records/piece/{ID}/restore"), json!({"version": 1})),
        call("GET", "/users/me/export", Value::Null),
        call("POST", "/users/me/import", json!({})),
        call("POST", "/users/me/rewind", json!({"to": "2026-01-01T00:00:00Z", "dryRun": true})),
        call("GET", "/limits", Value::Null),
        call("GET", "/schema", Value::Null),
        call("GET", "/health", Value::Null),
        call("GET", "/openapi.json", Value::Null),
        call("GET", "/users/somebody-else/export", Value::Null),
        call("GET", "/nothing", Value::Null),
        call("POST", "/pieces", json!([])),
    ];
    let mut broken = call("POST", "/sync", Value::Null);
    broken.body = b"{\"deviceId\": ".to_vec();
    calls.push(broken);
    let mut packed = call("GET", "/users/me/export", Value::Null);
    packed.headers.push(("accept-encoding".to_owned(), "gzip".to_owned()));
    calls.push(packed);
    calls.push(call("DELETE", "/users/me", Value::Null));
    calls
}

/// Tokens that nobody may come in with, and no token at all.
fn bad_tokens(world: &World) -> Vec<Option<String>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = |name: &str, value: Value| {
        let mut claims = json!({
            "iss": "https://accounts.google.com", "aud": CLIENT_ID, "azp": CLIENT_ID, "sub": "kai",
            "iat": now, "exp": now + 3600,
        });
        claims[name] = value;
        Some(world.google.sign(&claims))
    };
    let good = world.google.token("kai");
    vec![
        None,
        Some(String::new()),
        Some("a.b".to_owned()),
        Some("a.b.c".to_owned()),
        Some(format!("{good}x")),
        Some(format!("{good}.{good}")),
        claims("exp", json!(now - 4000)),
        claims("aud", json!("another app")),
        claims("iss", json!("https://evil.example")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_api_give_the_same_replies() {
    let blocked = CallerKey::new(KEY).unwrap().hash(&UserId::verified_by_caller("lono").unwrap());
    let variables = [("HAUMANA_BLOCKED", blocked.as_str()), ("HAUMANA_CALLER_KEY", KEY)];
    let world = World::with(&variables).await;
    let http = world.http_api(&[]).await;
    let (rest_token, http_token) = (world.google.token("kai-rest"), world.google.token("kai-http"));
    let of_rest = calls(&rest_token, "kai-rest");
    let of_http = calls(&http_token, "kai-http");
    let mut pairs: Vec<_> = of_rest.into_iter().zip(of_http).collect();
    let (good, bad) = (pairs.len(), bad_tokens(&world));
    for route in routes() {
        let path = route.path.replace("{id}", ID).replace("{me}", "me").replace("{kind}", "piece");
        let refused = bad.iter().map(|token| {
            let one = request(&route.method, &path, token.as_deref(), &json!({}));
            (one.clone(), one)
        });
        pairs.extend(refused);
    }
    let lono = request("POST", "/pieces", Some(&world.google.token("lono")), &json!({}));
    pairs.push((lono.clone(), lono));

    let mut statuses = BTreeMap::<u16, usize>::new();
    for (rest_call, http_call) in &pairs {
        let rest = Told::of(&world.gateway.request(rest_call).await);
        let http = Told::of(&http.request(http_call).await.expect("the function answers"));
        let HttpRequest { method, path, headers, .. } = http_call;
        assert_eq!(rest, http, "{method} {path} {headers:?}");
        *statuses.entry(http.status).or_default() += 1;
    }

    // Whoever asks for what needs a token is refused, and only they.
    let guarded = routes().iter().filter(|route| route.token).count();
    assert_eq!(guarded * bad.len(), statuses[&401], "{statuses:?} of {}", pairs.len());
    assert_eq!(2, statuses[&403], "another's export, and who is blocked: {statuses:?}");
    assert!(15 < good - 7 && 15 <= statuses[&200], "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_keys_cannot_be_had_a_function_can_say_so() {
    let world = World::with(&[("HAUMANA_GOOGLE_KEY_SET", "http://127.0.0.1:9/certs")]).await;
    let http = world.http_api(&[]).await;
    let call = request("POST", "/pieces", Some(&world.google.token("kai")), &json!({}));

    let rest = Told::of(&world.gateway.request(&call).await);
    let http_reply = Told::of(&http.request(&call).await.unwrap());
    let open = http.request(&request("GET", "/health", None, &Value::Null)).await.unwrap();

    // API Gateway turns no failure of an authorizer into anything but 401 and 500.
    assert_eq!((401, json!("unauthorized")), (rest.status, rest.body["code"].clone()));
    assert_eq!((503, json!("unavailable")), (http_reply.status, http_reply.body["code"].clone()));
    assert!(http_reply.headers.contains_key("retry-after"), "{http_reply:?}");
    assert_eq!(200, open.status, "what needs no token needs no keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_verifies_believes_no_gateway_and_others_verify_nothing() {
    let world = World::start().await;
    let verifying = world.function("sync-pieces-lambda", &[("HAUMANA_VERIFY", "true")]).await;
    let token = world.google.token("kai");
    let (with, without) = (
        request("POST", "/pieces", Some(&token), &json!({"pieces": []})),
        request("POST", "/pieces", None, &json!({"pieces": []})),
    );

    let word = vouched("kai");
    let vouched_for = proxy_event(&without, "/pieces", Some(&word)).to_string();
    let with_token = proxy_event(&with, "/pieces", None).to_string();

    let status = |answer: Value| answer["statusCode"].as_i64().unwrap();
    let believing = &world.functions["sync-pieces-lambda"];
    assert_eq!(401, status(verifying.invoke(vouched_for.as_bytes()).await.unwrap()));
    assert_eq!(200, status(verifying.invoke(with_token.as_bytes()).await.unwrap()));
    assert_eq!(200, status(believing.invoke(vouched_for.as_bytes()).await.unwrap()));
    assert_eq!(401, status(believing.invoke(with_token.as_bytes()).await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_tokens_are_counted_and_their_reason_is_logged_for_us_alone() {
    let world = World::start().await;
    let function = world.function("sync-pieces-lambda", &[("HAUMANA_VERIFY", "true")]).await;
    let mut events = Vec::new();
    for token in [world.google.token("kai"), "a.b.c".to_owned()] {
        let call = request("POST", "/pieces", Some(&token), &json!({"pieces": []}));
        events.push(proxy_event(&call, "/pieces", None).to_string());
    }

    for event in &events {
        function.invoke(event.as_bytes()).await.unwrap();
    }

    let done = |output: &str| output.matches("CloudWatchMetrics").count() == 2;
    let output = function.output_once(done).await;
    assert!(output.contains(r#""Refused":0"#) && output.contains(r#""Refused":1"#), "{output}");
    assert!(output.contains(r#""status":401"#) && !output.contains("no_token"), "{output}");
    // The line is whole without an access log: no other line says of a good call that it was.
    assert!(!output.contains(r#""message":"authorizer""#), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_api_gateway_has_garbled_is_refused_and_changes_nothing() {
    let world = World::start().await;
    let http = world.http_api(&[]).await;
    let token = world.google.token("kai");
    let mut call = request("POST", "/pieces", Some(&token), &Value::Null);
    call.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    // As gzip begins, and no UTF-8.
    call.body = vec![0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff, 0xab, 0x56];

    let reply = http.request(&call).await.unwrap();

    assert_eq!((400, json!("invalid_request")), (reply.status, read(&reply).1["code"].clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_are_refused_as_a_server_refuses_them() {
    let world = World::start().await;
    let http = world.http_api(&[]).await;
    let good = world.google.token("kai");
    for others in ["Bearer a.b.c", &format!("Bearer {good}")] {
        let mut twice = request("POST", "/pieces", Some(&good), &json!({"pieces": []}));
        twice.headers.insert(0, ("authorization".to_owned(), others.to_owned()));

        let reply = http.request(&twice).await.unwrap();

        assert_eq!(401, read(&reply).0, "{others}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_sign_in_is_counted_although_no_authorizer_sees_it() {
    let world = World::start().await;
    let function = &world.functions["auth-sync-lambda"];
    for token in [world.google.token("kai"), "a.b.c".to_owned()] {
        let call = request("POST", "/auth/sync", None, &json!({"googleIdToken": token}));
        let event = proxy_event(&call, "/auth/sync", None).to_string();
        function.invoke(event.as_bytes()).await.unwrap();
    }

    let done = |output: &str| output.matches("CloudWatchMetrics").count() == 2;
    let output = function.output_once(done).await;

    assert!(output.contains(r#""Refused":0"#) && output.contains(r#""Refused":1"#), "{output}");
}
