//! The authorizer's program: a policy that API Gateway takes, or exactly `Unauthorized`.

use crate::world::{World, read, request};
use haumana_lambda::testing::{CLIENT_ID, Failed};
use serde_json::{Value, json};

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

    // An event that reaches the function without the authorizer's word, with a good token in it.
    let token = world.google.token("kai");
    let event = json!({
        "path": "/pieces", "httpMethod": "POST", "body": body.to_string(),
        "headers": {"content-type": "application/json", "authorization": format!("Bearer {token}")},
        "requestContext": {"stage": "prod", "httpMethod": "POST", "authorizer": {"userId": "kai"}},
    });
    let answer = world.functions[0].invoke(event.to_string().as_bytes()).await.unwrap();
    assert_eq!(401, answer["statusCode"], "a user without a time is nobody");
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
