//! Attacks on the header.

use crate::tokens::{Claims, KAI, UKA, accepted, encode, message, refused};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding,
};
use aws_lc_rs::{hmac, signature::KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haumana_auth::verify::Rejection;

/// Signs good claims behind `header` with something that is not RS256.
fn signed_by(header: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = message(header, Claims::good().json());
    let signed = sign(message.as_bytes());
    format!("{message}.{}", encode(signed))
}

#[test]
fn the_header_that_google_sends_is_accepted() {
    accepted("alg, kid, typ", &KAI.with_header(KAI.header()));
    accepted("the other key", &UKA.with_header(UKA.header()));
}

#[test]
fn a_type_of_jwt_is_accepted_in_any_case_and_may_be_absent() {
    accepted("absent", &KAI.with_header(r#"{"alg":"RS256","kid":"kai"}"#));
    for kind in ["JWT", "jwt", "Jwt", "jWT"] {
        let header = format!(r#"{{"typ":"{kind}","kid":"kai","alg":"RS256"}}"#);
        accepted(kind, &KAI.with_header(header));
    }
}

#[test]
fn a_header_spelled_with_escapes_is_the_same_header() {
    let escaped = r#"{"\u0061lg":"RS\u0032\u0035\u0036","k\u0069d":"\u006bai","typ":"\u004aWT"}"#;

    accepted("escapes", &KAI.with_header(escaped));
    let none = escaped.replace(r"RS\u0032\u0035\u0036", r"\u006eone");
    refused("none, escaped", &KAI.with_header(none), Rejection::Algorithm);
    let critical = escaped.replace(r#""typ":"\u004aWT""#, r#""\u0063rit":[]"#);
    refused("crit, escaped", &KAI.with_header(critical), Rejection::UnknownHeader);
}

#[test]
fn any_algorithm_but_rs256_is_refused_although_the_signature_is_good() {
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""nOnE""#,
        r#""NONE""#,
        r#""""#,
        r#""rs256""#,
        r#""RS256 ""#,
        r#""Rs256""#,
        r#""HS256""#,
        r#""RS384""#,
        r#""RS512""#,
        r#""PS256""#,
        r#""ES256""#,
        r#""EdDSA""#,
        r#"["RS256"]"#,
        r#"{"RS256":1}"#,
        "null",
        "256",
        "true",
    ] {
        let header = format!(r#"{{"alg":{alg},"kid":"kai","typ":"JWT"}}"#);
        refused(alg, &KAI.with_header(header), Rejection::Algorithm);
    }
    refused("missing", &KAI.with_header(r#"{"kid":"kai"}"#), Rejection::Algorithm);
    refused("other case", &KAI.with_header(r#"{"ALG":"RS256","kid":"kai"}"#), Rejection::Algorithm);
}

#[test]
fn an_algorithm_that_stands_there_twice_is_refused() {
    for header in [
        r#"{"alg":"RS256","alg":"none","kid":"kai"}"#,
        r#"{"alg":"none","alg":"RS256","kid":"kai"}"#,
        r#"{"alg":"RS256","alg":"RS256","kid":"kai"}"#,
        r#"{"alg":"none","\u0061lg":"RS256","kid":"kai"}"#,
    ] {
        refused(header, &KAI.with_header(header), Rejection::HeaderJson);
    }
}

#[test]
fn a_token_of_algorithm_none_is_refused_without_signature_too() {
    let message = message(r#"{"alg":"none","kid":"kai"}"#, Claims::good().json());

    refused("empty signature", &format!("{message}."), Rejection::Shape);
    refused("any signature", &format!("{message}.AAAA"), Rejection::Algorithm);
}

#[test]
fn hs256_keyed_with_the_public_key_is_refused() {
    let der = KAI.public_der();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(&der)
    );
    let secrets = [
        ("pem", pem.clone().into_bytes()),
        ("pem without newline", pem.trim_end().as_bytes().to_vec()),
        ("der", der),
        ("modulus", KAI.modulus().to_vec()),
        ("modulus as text", encode(KAI.modulus()).into_bytes()),
        ("jwk", KAI.jwk().into_bytes()),
        ("nothing", vec![]),
    ];

    for (case, secret) in secrets {
        let mac = |message: &[u8]| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message).as_ref().to_vec()
        };
        let honest = signed_by(r#"{"alg":"HS256","kid":"kai","typ":"JWT"}"#, mac);
        let lying = signed_by(&KAI.header(), mac);
        refused(case, &honest, Rejection::Algorithm);
        refused(case, &lying, Rejection::Signature);
    }
}

#[test]
fn other_rsa_signatures_of_the_right_key_are_refused() {
    let others: [(&str, &'static dyn RsaEncoding); 3] =
        [("RS384", &RSA_PKCS1_SHA384), ("RS512", &RSA_PKCS1_SHA512), ("PS256", &RSA_PSS_SHA256)];

    for (alg, encoding) in others {
        let sign = |message: &[u8]| KAI.sign_with(encoding, message);
        let honest = signed_by(&format!(r#"{{"alg":"{alg}","kid":"kai"}}"#), sign);
        let lying = signed_by(&KAI.header(), sign);
        refused(alg, &honest, Rejection::Algorithm);
        refused(alg, &lying, Rejection::Signature);
    }
}

#[test]
fn signatures_on_elliptic_curves_are_refused() {
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let edwards = Ed25519KeyPair::generate().unwrap();
    let by_p256 =
        |message: &[u8]| p256.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
    let by_edwards = |message: &[u8]| edwards.sign(message).as_ref().to_vec();

    refused("ES256", &signed_by(r#"{"alg":"ES256","kid":"kai"}"#, by_p256), Rejection::Algorithm);
    refused(
        "EdDSA",
        &signed_by(r#"{"alg":"EdDSA","kid":"kai"}"#, by_edwards),
        Rejection::Algorithm,
    );
    refused("ES256 as RS256", &signed_by(&KAI.header(), by_p256), Rejection::Signature);
    refused("EdDSA as RS256", &signed_by(&KAI.header(), by_edwards), Rejection::Signature);
}

#[test]
fn a_key_id_that_is_not_a_text_with_something_in_it_is_refused() {
    refused("missing", &KAI.with_header(r#"{"alg":"RS256"}"#), Rejection::KeyId);
    for id in [r#""""#, "1", "null", "true", r#"["kai"]"#, r#"{"kai":1}"#] {
        let header = format!(r#"{{"alg":"RS256","kid":{id}}}"#);
        refused(id, &KAI.with_header(header), Rejection::KeyId);
    }
}

#[test]
fn a_key_id_that_stands_there_twice_is_refused() {
    for header in [
        r#"{"alg":"RS256","kid":"kai","kid":"kai"}"#,
        r#"{"alg":"RS256","kid":"uka","k\u0069d":"kai"}"#,
    ] {
        refused(header, &KAI.with_header(header), Rejection::HeaderJson);
    }
}

#[test]
fn a_key_id_that_no_key_has_is_refused_whatever_it_looks_like() {
    let long = "k".repeat(4000);
    for id in [
        "__proto__",
        "constructor",
        "../../../dev/null",
        "/etc/passwd",
        "' OR '1'='1",
        "kai'--",
        "kai\\u0000",
        "kai ",
        " kai",
        "Kai",
        "ka",
        "kaii",
        "*",
        "\u{43a}ai",
        &long,
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"{id}"}}"#);
        refused(id, &KAI.with_header(header), Rejection::UnknownKey);
    }
}

#[test]
fn a_key_id_of_ten_kilobytes_is_refused_by_length() {
    let header = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(10_000));

    refused("10 kB", &KAI.with_header(header), Rejection::TooLong);
}

#[test]
fn the_id_of_another_key_is_refused() {
    refused("uka's id, kai's signature", &KAI.with_header(UKA.header()), Rejection::Signature);
    refused("kai's id, uka's signature", &UKA.with_header(KAI.header()), Rejection::Signature);
}

#[test]
fn headers_that_bring_a_key_or_change_the_meaning_are_refused() {
    let embedded = format!(r#""jwk":{}"#, UKA.jwk());
    for extra in [
        &embedded,
        r#""jku":"https://example.org/jwks.json""#,
        r#""x5u":"https://example.org/cert.pem""#,
        r#""x5c":["MIIB"]"#,
        r#""x5t":"AAAA""#,
        r##""x5t#S256":"AAAA""##,
        r#""crit":["unknown"]"#,
        r#""crit":[]"#,
        r#""crit":["exp"]"#,
        r#""crit":null"#,
        r#""b64":false"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""cty":"JWT""#,
        r#""enc":"A128GCM""#,
        r#""nonce":"1""#,
        r#""anything":1"#,
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"kai","typ":"JWT",{extra}}}"#);
        refused(extra, &KAI.with_header(header), Rejection::UnknownHeader);
    }
}

#[test]
fn an_embedded_key_does_not_vouch_for_itself() {
    let header = format!(r#"{{"alg":"RS256","kid":"mine","jwk":{}}}"#, UKA.jwk());

    refused("jwk", &UKA.with_header(header), Rejection::UnknownHeader);
}

#[test]
fn other_types_of_token_are_refused() {
    for kind in [
        r#""at+jwt""#,
        r#""secevent+jwt""#,
        r#""application/jwt""#,
        r#""JWE""#,
        r#""JWT ""#,
        r#""""#,
        "1",
        "null",
        r#"["JWT"]"#,
        "true",
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"kai","typ":{kind}}}"#);
        refused(kind, &KAI.with_header(header), Rejection::Type);
    }
}

#[test]
fn a_public_key_is_what_it_says() {
    // The cases above mean something only if the shared keys are real and differ.
    assert_eq!(256, KAI.modulus().len());
    assert_ne!(KAI.pair.public_key().as_ref(), UKA.pair.public_key().as_ref());
}
