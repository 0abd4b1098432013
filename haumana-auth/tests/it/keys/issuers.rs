//! Issuers as configuration, with real tokens and keys over real HTTP.

use super::Still;
use super::server::{Answer, Server, keys};
use crate::tokens::{AUDIENCE, Claims, KAI, NOW_SECS, PARTY, SUBJECT, Signer, UKA};
use haumana_auth::verify::{Principal, Rejection, Subjects, username};
use haumana_auth::{AuthError, Fetch, HttpFetch, IssuerConfig, OidcVerifier, Verifier, limits};
use std::sync::Arc;

const APPLE: &str = "https://appleid.apple.com";
const APPLE_CLIENT: &str = "org.example.haumana";

fn google(server: &Server) -> IssuerConfig {
    let config = IssuerConfig::google(vec![AUDIENCE.into(), PARTY.into()]);
    IssuerConfig { key_set: server.url.clone(), ..config }
}

/// Sign in with Apple, as nothing but configuration.
fn apple(server: &Server) -> IssuerConfig {
    let json = format!(
        r#"[{{"keySet": "{}", "issuers": ["{APPLE}"], "audiences": ["{APPLE_CLIENT}"],
        "authorizedParties": [], "subjects": {{"under": "apple"}},
        "booleans": "json_or_text"}}]"#,
        server.url
    );
    IssuerConfig::read_all(&json).unwrap().pop().unwrap()
}

fn verifier(configs: Vec<IssuerConfig>, clock: Arc<Still>) -> OidcVerifier {
    let with_fetch = configs.into_iter().map(|config| {
        let fetch = HttpFetch::https_or_loopback(&config.key_set, limits::KEY_FETCH_TIMEOUT);
        (config, Arc::new(fetch.unwrap()) as Arc<dyn Fetch>)
    });
    OidcVerifier::new(with_fetch.collect(), clock).unwrap()
}

fn now() -> Arc<Still> {
    Arc::new(Still::at(NOW_SECS))
}

/// What Apple puts into its tokens.
fn apple_claims() -> Claims {
    Claims::good()
        .without("azp")
        .without("name")
        .without("picture")
        .with("iss", &format!("\"{APPLE}\""))
        .with("aud", &format!("\"{APPLE_CLIENT}\""))
        .with("email_verified", "\"true\"")
        .and("is_private_email", "\"true\"")
        .and("nonce_supported", "true")
        .and("auth_time", &NOW_SECS.to_string())
}

fn apple_token(signer: &Signer, claims: &Claims) -> String {
    // Apple sends no `typ`.
    signer.token(format!(r#"{{"kid":"{}","alg":"RS256"}}"#, signer.id), claims.json())
}

fn rejected(answer: Result<Principal, AuthError>) -> Rejection {
    match answer {
        Err(AuthError::Rejected(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_of_google_is_verified_with_keys_over_http() {
    let server = Server::start(keys(&[&KAI.jwk()])).await;
    let verifier = verifier(vec![google(&server)], now());

    let principal = verifier.verify(&KAI.with_claims(&Claims::good())).await.unwrap();

    assert_eq!(SUBJECT, principal.user.as_str(), "as it is today");
    assert_eq!(format!("google_{SUBJECT}"), username(&principal.user));
    let by_nobody = verifier.verify(&UKA.with_claims(&Claims::good())).await;
    assert_eq!(Rejection::UnknownKey, rejected(by_nobody));
    assert_eq!(1, server.n_asked());
}

#[tokio::test]
async fn rotation_is_picked_up_without_an_error_for_a_valid_token() {
    let server = Server::start(keys(&[&KAI.jwk()])).await;
    let clock = now();
    let verifier = verifier(vec![google(&server)], clock.clone());
    verifier.verify(&KAI.with_claims(&Claims::good())).await.unwrap();

    server.answers(keys(&[&KAI.jwk(), &UKA.jwk()]));
    clock.pass_secs(11);

    for signer in [&UKA, &KAI] {
        assert!(verifier.verify(&signer.with_claims(&Claims::good())).await.is_ok());
    }
    assert_eq!(2, server.n_asked());
}

#[tokio::test]
async fn without_keys_nobody_can_tell() {
    let server = Server::start(Answer::HangUp).await;
    let verifier = verifier(vec![google(&server)], now());

    let answer = verifier.verify(&KAI.with_claims(&Claims::good())).await;

    assert_eq!(Some(AuthError::Unavailable), answer.err());
}

#[tokio::test]
async fn what_is_no_token_causes_no_fetch() {
    let server = Server::start(keys(&[&KAI.jwk()])).await;
    let verifier = verifier(vec![google(&server)], now());
    let good = KAI.with_claims(&Claims::good());

    for token in ["", "x", "a.b.c", &good[1..], &"x".repeat(9000)] {
        assert!(verifier.verify(token).await.is_err());
    }
    let none = KAI.with_header(r#"{"alg":"none","kid":"kai"}"#);
    assert_eq!(Rejection::Algorithm, rejected(verifier.verify(&none).await));

    assert_eq!(0, server.n_asked());
}

#[tokio::test]
async fn a_second_issuer_is_configuration_and_its_users_are_others() {
    let (of_google, of_apple) =
        (Server::start(keys(&[&KAI.jwk()])).await, Server::start(keys(&[&UKA.jwk()])).await);
    let verifier = verifier(vec![google(&of_google), apple(&of_apple)], now());

    let kai = verifier.verify(&KAI.with_claims(&Claims::good())).await.unwrap();
    let uka = verifier.verify(&apple_token(&UKA, &apple_claims())).await.unwrap();

    assert!(uka.email_verified, "the text \"true\" is true");
    assert_eq!((SUBJECT, "apple:"), (kai.user.as_str(), &uka.user.as_str()[..6]));
    assert_ne!(kai.user, uka.user, "one subject, two issuers, two users");
    assert_eq!(format!("apple_{SUBJECT}"), username(&uka.user));
}

#[tokio::test]
async fn one_issuers_key_does_not_vouch_for_another() {
    let (of_google, of_apple) =
        (Server::start(keys(&[&KAI.jwk()])).await, Server::start(keys(&[&UKA.jwk()])).await);
    let verifier = verifier(vec![google(&of_google), apple(&of_apple)], now());
    let check = async |token: String, reason: Rejection| {
        assert_eq!(reason, rejected(verifier.verify(&token).await));
    };

    check(UKA.with_claims(&Claims::good()), Rejection::UnknownKey).await;
    check(apple_token(&KAI, &apple_claims()), Rejection::UnknownKey).await;
    let same_id = UKA.token(KAI.header(), Claims::good().json());
    check(same_id, Rejection::Signature).await;
    let wrong_client = apple_claims().with("aud", &format!("\"{AUDIENCE}\""));
    check(apple_token(&UKA, &wrong_client), Rejection::Audience).await;
    let to_google = Claims::good().with("aud", &format!("\"{APPLE_CLIENT}\""));
    check(KAI.with_claims(&to_google), Rejection::Audience).await;
    let nobody = Claims::good().with("iss", "\"https://example.org\"");
    check(KAI.with_claims(&nobody), Rejection::Issuer).await;
    check(KAI.with_claims(&Claims::good().without("iss")), Rejection::Issuer).await;
    let colon = Claims::good().with("sub", "\"apple:1\"");
    check(KAI.with_claims(&colon), Rejection::Subject).await;
    let text = Claims::good().with("email_verified", "\"true\"");
    check(KAI.with_claims(&text), Rejection::Profile).await;
    let yes = apple_claims().with("email_verified", "\"yes\"");
    check(apple_token(&UKA, &yes), Rejection::Profile).await;
}

#[tokio::test]
async fn one_issuers_outage_is_not_anothers() {
    let (of_google, of_apple) =
        (Server::start(keys(&[&KAI.jwk()])).await, Server::start(Answer::HangUp).await);
    let verifier = verifier(vec![google(&of_google), apple(&of_apple)], now());

    let uka = verifier.verify(&apple_token(&UKA, &apple_claims())).await;

    assert_eq!(Some(AuthError::Unavailable), uka.err());
    assert!(verifier.verify(&KAI.with_claims(&Claims::good())).await.is_ok());
}

/// A complete issuer, from which something can be taken.
fn complete() -> serde_json::Value {
    serde_json::json!({
        "keySet": "https://example.org/keys", "issuers": ["https://example.org"],
        "audiences": ["a"], "authorizedParties": [], "subjects": "bare", "booleans": "json",
    })
}

#[test]
fn everything_is_required_and_what_is_missing_is_named() {
    let read = |issuer: &serde_json::Value| IssuerConfig::read_all(&format!("[{issuer}]"));
    assert!(read(&complete()).is_ok());

    for name in complete().as_object().unwrap().keys() {
        let mut issuer = complete();
        issuer.as_object_mut().unwrap().remove(name);
        let said = read(&issuer).unwrap_err().to_string();
        assert!(said.contains(&format!("missing field `{name}`")), "{said}");
    }
    let mut issuer = complete();
    issuer["audience"] = "typo".into();
    assert!(read(&issuer).unwrap_err().to_string().contains("unknown field `audience`"));
    assert!(IssuerConfig::read_all("").is_err());
}

/// Checks what is said about a verifier of these issuers.
#[track_caller]
fn refused(issuers: Vec<IssuerConfig>, why: &str) {
    let said = OidcVerifier::over_https(issuers, now()).unwrap_err().to_string();
    assert!(said.contains(why), "{said}");
}

#[test]
fn issuers_that_let_anybody_in_or_mix_up_users_are_refused() {
    let issuer = || {
        let json = format!("[{}]", complete());
        IssuerConfig::read_all(&json).unwrap().pop().unwrap()
    };
    let google = || IssuerConfig::google(vec![AUDIENCE.into()]);
    let under = |name: &str| IssuerConfig { subjects: Subjects::Under(name.into()), ..issuer() };

    refused(vec![], "there is none");
    refused(vec![IssuerConfig::google(vec![])], "audiences must not be empty");
    refused(vec![IssuerConfig::google(vec![String::new()])], "audiences: \"\" is blank");
    refused(vec![IssuerConfig::google(vec!["a b".into()])], "blank");
    refused(vec![IssuerConfig { issuers: vec![], ..issuer() }], "issuers must not be empty");
    refused(vec![IssuerConfig { issuers: vec!["x\n".into()], ..issuer() }], r#"issuers: "x\n" is"#);
    let parties = IssuerConfig { authorized_parties: vec![" a".into()], ..issuer() };
    refused(vec![parties], "authorizedParties: \" a\" is blank, or has");
    refused(vec![google(), issuer()], "the same subjects");
    refused(
        vec![under("apple"), IssuerConfig { issuers: vec!["x".into()], ..under("apple") }],
        "the same subjects",
    );
    refused(vec![google(), IssuerConfig { issuers: google().issuers, ..under("apple") }], "twice");
    for name in ["", "Apple", "a:b", "a_b", "google"] {
        refused(vec![under(name)], "the name in subjects");
    }
    let plain = IssuerConfig { key_set: "http://127.0.0.1/keys".into(), ..issuer() };
    refused(vec![plain], "https://");
    assert!(OidcVerifier::over_https(vec![google(), under("apple")], now()).is_ok());
}
