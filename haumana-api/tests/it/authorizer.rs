//! The TOKEN authorizer, and what stands behind it.

use crate::calls::logs::Log;
use crate::tokens::{Claims, EMAIL, KAI, NOW_SECS, SUBJECT, keys, policy};
use crate::world::{Now, World, anonymous, config, good_token, one_piece};
use haumana_api::Auth;
use haumana_auth::authorizer::{authorize, authorize_caller, user};
use haumana_auth::verify::{Principal, Rejection};
use haumana_auth::{AuthError, CallerKey, Callers, StaticVerifier, Verifier};
use haumana_sync::id::UserId;
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};
use std::sync::Arc;

const ARN: &str = "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/users/me/export";
const STAGE: &str = "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/*/*";

fn verifier() -> StaticVerifier {
    StaticVerifier::new(keys().clone(), policy(), Arc::new(Now))
}

fn event(header: &str, arn: &str) -> Value {
    json!({ "type": "TOKEN", "authorizationToken": header, "methodArn": arn })
}

fn bearer() -> String {
    format!("Bearer {}", good_token())
}

async fn answer(event: &Value) -> Value {
    serde_json::to_value(authorize(&verifier(), event).await.unwrap()).unwrap()
}

/// Checks that the event fails with the one message that becomes 401.
async fn unauthorized(event: &Value, reason: &str) {
    let refused = authorize(&verifier(), event).await.unwrap_err();
    assert_eq!(("Unauthorized", reason), (&*refused.to_string(), refused.reason), "{event}");
}

#[tokio::test]
async fn a_good_token_is_permitted_every_call_of_its_stage() {
    let answer = answer(&event(&bearer(), ARN)).await;

    let expected = json!({
        "principalId": "user",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{ "Action": "execute-api:Invoke", "Effect": "Allow", "Resource": STAGE }],
        },
        "context": { "userId": SUBJECT, "exp": (NOW_SECS + 3540).to_string() },
    });
    assert_eq!(expected, answer);
}

#[tokio::test]
async fn the_answer_is_one_that_api_gateway_accepts() {
    let subject = "ʻ".repeat(127);
    let token = KAI.with_claims(&Claims::good().with("sub", &format!("\"{subject}\"")));

    let answer = answer(&event(&format!("Bearer {token}"), ARN)).await;

    // API GATEWAY: the policy has at most 8,192 bytes, and context values are no lists or objects.
    assert!(answer["policyDocument"].to_string().len() < 8192);
    let context = answer["context"].as_object().unwrap();
    assert!(context.values().all(Value::is_string), "flat, and text only");
    assert_eq!(["exp", "userId"], context.keys().collect::<Vec<_>>()[..], "and nothing else");
    assert!(!answer["principalId"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn every_call_leads_to_the_same_policy() {
    for (arn, resource) in [
        ("arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/POST/pieces", STAGE),
        ("arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/", STAGE),
        ("arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/a:b/*/c", STAGE),
        (
            "arn:aws-cn:execute-api:cn-north-1:123456789012:a/test-invoke-stage/GET/x",
            "arn:aws-cn:execute-api:cn-north-1:123456789012:a/test-invoke-stage/*/*",
        ),
        (
            "arn:aws-us-gov:execute-api:us-gov-west-1:000000000000:a/v1_2-b/OPTIONS/x",
            "arn:aws-us-gov:execute-api:us-gov-west-1:000000000000:a/v1_2-b/*/*",
        ),
        (
            "arn:aws-iso-b:execute-api:us-isob-east-1:123456789012:a/ESTestInvoke-stage/GET/",
            "arn:aws-iso-b:execute-api:us-isob-east-1:123456789012:a/ESTestInvoke-stage/*/*",
        ),
        ("arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/ʻōlelo/%2e%2e", STAGE),
        ("arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET//../dev/*/*", STAGE),
        ("arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/arn:aws:x:y:1:z/q", STAGE),
    ] {
        let answer = answer(&event(&bearer(), arn)).await;
        assert_eq!(resource, answer["policyDocument"]["Statement"][0]["Resource"], "{arn}");
    }
}

#[tokio::test]
async fn a_method_that_is_none_is_permitted_nothing() {
    for arn in [
        "",
        "*",
        "arn:aws:execute-api:us-west-2:123456789012:*/*/*/*",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/*/GET/x",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/*/*",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234//GET/x",
        "arn:aws:execute-api:us-west-2:123456789012:/prod/GET/x",
        "arn:aws:execute-api:us-west-2:12345678901:abcdef1234/prod/GET/x",
        "arn:aws:execute-api:us-west-2:*:abcdef1234/prod/GET/x",
        "arn:aws:execute-api:*:123456789012:abcdef1234/prod/GET/x",
        "arn:aws:execute-api::123456789012:abcdef1234/prod/GET/x",
        "arn:aws:s3:us-west-2:123456789012:abcdef1234/prod/GET/x",
        "arn:*:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/x",
        "aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/x",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/pr?d/GET/x",
        "arn:aws:execute-api:us-west-2:12345678901\u{ff12}:abcdef1234/prod/GET/x",
        "arn:aws:execute-api:us-west-2:12345678901\u{662}:abcdef1234/prod/GET/x",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/pr\u{14d}d/GET/x",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/$default/GET/x",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod//x",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234%2fprod/x/GET/y",
        "ARN:AWS:EXECUTE-API:us-west-2:123456789012:abcdef1234/prod/GET/x",
        " arn:aws:execute-api:us-west-2:123456789012:abcdef1234/prod/GET/x",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234\n/prod/GET/x",
    ] {
        unauthorized(&event(&bearer(), arn), "gateway").await;
    }
}

#[tokio::test]
async fn an_event_that_is_none_fails_like_a_bad_token() {
    let good = event(&bearer(), ARN);
    assert!(authorize(&verifier(), &good).await.is_ok());

    for event in [json!(null), json!([]), json!("TOKEN"), json!({})] {
        unauthorized(&event, "gateway").await;
    }
    for (name, reason) in
        [("type", "gateway"), ("methodArn", "gateway"), ("authorizationToken", "no_token")]
    {
        for odd in [Value::Null, json!(1), json!([bearer()]), json!({})] {
            let mut event = good.clone();
            event[name] = odd;
            unauthorized(&event, reason).await;
        }
        let mut event = good.clone();
        event.as_object_mut().unwrap().remove(name);
        unauthorized(&event, reason).await;
    }
    let mut request = good.clone();
    request["type"] = "REQUEST".into();
    unauthorized(&request, "gateway").await;
}

#[tokio::test]
async fn the_name_of_the_scheme_counts_in_any_case() {
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let header = format!("{scheme} {}", good_token());

        assert!(authorize(&verifier(), &event(&header, ARN)).await.is_ok(), "{scheme}");
    }
}

#[tokio::test]
async fn a_bad_token_fails_and_is_never_denied() {
    let token = good_token();
    let claims = |name: &str, json: &str| {
        format!("Bearer {}", KAI.with_claims(&Claims::good().with(name, json)))
    };
    for (header, reason) in [
        (String::new(), "not_bearer"),
        ("Bearer".into(), "not_bearer"),
        ("Bearer ".into(), "not_bearer"),
        (token.clone(), "not_bearer"),
        (format!("Basic {token}"), "not_bearer"),
        (format!("Bearer  {token}"), "not_bearer"),
        (format!("Bearer{token}"), "not_bearer"),
        (format!("earer {token}"), "not_bearer"),
        (format!("Bearer\t{token}"), "not_bearer"),
        (format!("Bearer\u{a0}{token}"), "not_bearer"),
        (format!("Bearer \u{200b}{token}"), "shape"),
        (format!("Bearer {token}\n"), "shape"),
        (format!("Bearer {token} "), "shape"),
        (format!("Bearer {token}, Bearer {token}"), "shape"),
        (format!("Bearer {token}x"), "shape"),
        (format!("Bearer {}", "x".repeat(8_000_000)), "too_long"),
        (claims("aud", "\"other\""), "audience"),
        (claims("iss", "\"https://example.org\""), "issuer"),
        (claims("azp", "\"other\""), "authorized_party"),
        (claims("exp", &(NOW_SECS - 301).to_string()), "expired"),
        (claims("sub", "\"\""), "subject"),
    ] {
        let refused = authorize(&verifier(), &event(&header, ARN)).await.unwrap_err();
        assert_eq!(("Unauthorized", reason), (&*refused.to_string(), refused.reason));
    }
}

#[derive(Debug)]
struct NoKeys;

#[async_trait::async_trait]
impl Verifier for NoKeys {
    async fn verify(&self, _token: &str) -> Result<Principal, AuthError> {
        Err(AuthError::Unavailable)
    }
}

#[tokio::test]
async fn without_keys_the_answer_is_the_same_failure() {
    let refused = authorize(&NoKeys, &event(&bearer(), ARN)).await.unwrap_err();

    assert_eq!(("Unauthorized", "keys"), (&*refused.to_string(), refused.reason));
}

#[tokio::test]
async fn the_answer_prints_nothing_personal() {
    let permission = authorize(&verifier(), &event(&bearer(), ARN)).await.unwrap();

    assert_eq!("Permission(..)", format!("{permission:?}"));
}

#[tokio::test]
async fn the_authorizer_logs_why_and_nothing_personal() {
    let (log, _guard) = Log::start();
    let token = good_token();

    for header in [bearer(), format!("{}x", bearer()), token.clone(), String::new()] {
        authorize(&verifier(), &event(&header, ARN)).await.ok();
    }

    let lines = log.lines();
    assert_eq!(4, lines.len(), "{lines:?}");
    assert!(lines[1].contains("reason=\"signature\"") || lines[1].contains("reason=\"shape\""));
    for secret in [SUBJECT, EMAIL, "Kumu", &token[..40], token.rsplit('.').next().unwrap()] {
        assert!(lines.iter().all(|line| !line.contains(secret)), "{secret} must not be logged");
    }
}

fn at(secs: i64) -> UnixMillis {
    UnixMillis::from_secs(NOW_SECS + secs)
}

#[tokio::test]
async fn what_the_authorizer_says_the_functions_believe_until_the_token_expires() {
    let answer = answer(&event(&bearer(), ARN)).await;
    let context = &answer["context"];

    assert_eq!(SUBJECT, user(context, at(0)).unwrap().as_str());
    assert!(user(context, at(3540 + 299)).is_ok(), "with the leeway that the authorizer has");
    assert_eq!(Err(Rejection::Expired), user(context, at(3540 + 300)), "and no longer");
}

#[test]
fn a_context_that_the_authorizer_did_not_make_is_nobodys() {
    let good =
        json!({ "userId": "kai", "exp": (NOW_SECS + 60).to_string(), "principalId": "user" });
    assert!(user(&good, at(0)).is_ok(), "API Gateway adds members of its own");

    for (name, odd) in [
        ("userId", json!("")),
        ("userId", json!(1)),
        ("userId", json!(null)),
        ("userId", json!("a\u{0}b")),
        ("userId", json!("s".repeat(256))),
        ("exp", json!(NOW_SECS + 60)),
        ("exp", json!("")),
        ("exp", json!("soon")),
        ("exp", json!("-1")),
        ("exp", json!("+1")),
        ("exp", json!(" 1")),
        ("exp", json!("1e99")),
        ("exp", json!("99999999999999999999")),
        ("exp", json!(null)),
    ] {
        let mut context = good.clone();
        context[name] = odd;
        assert_eq!(Err(Rejection::Gateway), user(&context, at(0)), "{context}");
    }
    for context in [json!(null), json!({}), json!([]), json!({ "userId": "kai" })] {
        assert_eq!(Err(Rejection::Gateway), user(&context, at(0)), "{context}");
    }
}

#[tokio::test]
async fn a_function_behind_the_authorizer_serves_whom_it_names_and_nobody_else() {
    let world = World::with(Auth::Trusted, config());
    let context = answer(&event(&bearer(), ARN)).await["context"].clone();
    let mut request = anonymous("/pieces").body(one_piece().into()).unwrap();
    if let Ok(user) = user(&context, at(0)) {
        request.extensions_mut().insert(user);
    }

    let served = world.send(request).await;
    let body = one_piece().replace("\"operation\"", "\"userId\":\"kai\",\"operation\"");
    let claimed = world.send(anonymous("/pieces").body(body.into()).unwrap()).await;

    served.succeeded();
    assert_eq!(SUBJECT, served.json()["updatedPieces"][0]["userId"]);
    claimed.failed(401, "unauthorized");
}

#[tokio::test]
async fn the_permission_names_its_caller_by_a_hash_where_there_is_a_key() {
    let callers = Callers::new(key(), []);

    let permission = authorize_caller(&verifier(), &callers, &event(&bearer(), ARN)).await.unwrap();

    assert!(!permission.is_denied());
    let answer = serde_json::to_value(permission).unwrap();
    assert_eq!(key().hash(&subject()), answer["context"]["caller"]);
}

#[tokio::test]
async fn who_is_blocked_by_hash_is_denied_every_call_and_nobody_else_is() {
    let (log, _guard) = Log::start();
    let other = "0123456789abcdef".to_owned();
    let blocked = Callers::new(key(), [key().hash(&subject()), other.clone()]);

    let denied = authorize_caller(&verifier(), &blocked, &event(&bearer(), ARN)).await.unwrap();
    let let_in = Callers::new(key(), [other]);
    let let_in = authorize_caller(&verifier(), &let_in, &event(&bearer(), ARN)).await.unwrap();

    assert!(denied.is_denied() && !let_in.is_denied());
    let statement = serde_json::to_value(denied).unwrap()["policyDocument"]["Statement"][0].clone();
    assert_eq!(
        json!({"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": STAGE}),
        statement
    );
    let lines = log.lines();
    let line = lines.iter().find(|line| line.contains("blocked")).unwrap();
    assert!(line.contains(&key().hash(&subject())) && !line.contains(SUBJECT), "{line}");
}

fn key() -> CallerKey {
    CallerKey::new("the key of these tests").unwrap()
}

fn subject() -> UserId {
    UserId::verified_by_caller(SUBJECT).unwrap()
}
