//! The authorizer's program: a policy that API Gateway takes, or exactly `Unauthorized`.

use crate::world::{World, piece, read, request, vouched};
use haumana_lambda::testing::{CLIENT_ID, Failed, proxy_event};
use serde_json::{Value, json};

const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";
const ARN: &str = "arn:aws:execute-api:us-west-2:123456789012:a1b2c3d4e5/prod/POST/pieces";

fn event(token: &str) -> Vec<u8> {
    json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": token}).to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_allowed_every_call_of_its_stage_and_no_other_stage() {
    let world = World::start().await;
    let token = format!("Bearer {}", world.google.token("112233"));

    let policy = world.authorizer.invoke(&event(&token)).await.unwrap();

    let statement = &policy["policyDocument"]["Statement"][0];
    assert_eq!("Allow", statement["Effect"]);
    let stage = "arn:aws:execute-api:us-west-2:123456789012:a1b2c3d4e5/prod/*/*";
    assert_eq!(stage, statement["Resource"]);
    assert_eq!("112233", policy["context"]["userId"]);
    assert!(policy["context"].as_object().unwrap().values().all(Value::is_string));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_comes_is_unauthorized_and_the_next_good_token_is_allowed() {
    let world = World::start().await;
    let good = world.google.token("kai");
    let other = json!({"iss": "https://evil.example", "aud": CLIENT_ID, "sub": "kai"});
    let events = [
        event(""),
        event("Bearer"),
        event(&good),
        event(&format!("Basic {good}")),
        event(&format!("Bearer {}x", good)),
        event(&format!("Bearer {}", world.google.sign(&other))),
        b"{}".to_vec(),
        b"null".to_vec(),
        b"[1, 2]".to_vec(),
        json!({"type": "REQUEST", "methodArn": ARN, "authorizationToken": good})
            .to_string()
            .into_bytes(),
        json!({"type": "TOKEN", "methodArn": "*", "authorizationToken": format!("Bearer {good}")})
            .to_string()
            .into_bytes(),
    ];

    for event in events {
        let answer = world.authorizer.invoke(&event).await;
        let text = String::from_utf8_lossy(&event).into_owned();
        assert_eq!(Err(Failed::Function("Unauthorized".to_owned())), answer, "{text}");
    }
    assert!(world.authorizer.invoke(&event(&format!("Bearer {good}"))).await.is_ok());
    assert_eq!(1, world.google.fetches(), "one fetch of the keys serves them all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_trusts_the_authorizer_and_nothing_else() {
    let world = World::start().await;
    let body = json!({"operation": "sync", "pieces": [], "userId": "kai"});

    let without = request("POST", "/pieces", None, &body);
    assert_eq!(401, world.gateway.request(&without).await.status);
    let function = &world.functions["sync-pieces-lambda"];

    // Events that reach the function without the authorizer's word, with everything else in them.
    let token = world.google.token("kai");
    let mut request = request("POST", "/pieces", Some(&token), &body);
    request.headers.push(("x-amzn-oidc-identity".to_owned(), "kai".to_owned()));
    let mut words =
        [None, Some(vouched("kai")), Some(vouched("kai")), Some(vouched("")), Some(vouched("kai"))];
    words[1].as_mut().unwrap().remove("exp");
    words[2].as_mut().unwrap().insert("exp".to_owned(), json!("1"));
    words[4].as_mut().unwrap().insert("userId".to_owned(), json!(["kai"]));
    for word in words {
        let mut event = proxy_event(&request, "/pieces", word.as_ref());
        event["requestContext"]["userId"] = json!("kai");
        event["requestContext"]["identity"]["user"] = json!("kai");
        event["userId"] = json!("kai");
        let answer = function.invoke(event.to_string().as_bytes()).await.unwrap();
        assert_eq!(401, answer["statusCode"], "{word:?}");
    }

    // With it, the authorizer's user counts and not the body's.
    let theirs = json!({"pieces": [piece(ID, "kai", "Theirs", "")], "userId": "kai"});
    request.body = theirs.to_string().into_bytes();
    let event = proxy_event(&request, "/pieces", Some(&vouched("hina")));
    let answer = function.invoke(event.to_string().as_bytes()).await.unwrap();
    assert!(answer["body"].as_str().unwrap().contains("wrong_user"), "{answer}");
    let (_, kais) = world.post("kai", "/pieces", &json!({"pieces": []})).await;
    assert_eq!(json!([]), kais["serverPieces"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_policy_does_not_outlive_its_token() {
    let world = World::start().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // Within the leeway for two more seconds; the gateway keeps the policy for five minutes.
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": CLIENT_ID, "azp": CLIENT_ID, "sub": "kai",
        "iat": now - 1000, "exp": now - 296,
    });
    let token = world.google.sign(&claims);
    let body = json!({"operation": "sync", "pieces": []});
    let request = request("POST", "/pieces", Some(&token), &body);
    assert_eq!(200, world.gateway.request(&request).await.status);

    let is_over = async || {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        read(&world.gateway.request(&request).await).0 == 401
    };
    for _ in 0..40 {
        if is_over().await {
            return;
        }
    }
    panic!("the policy must end with its token");
}
