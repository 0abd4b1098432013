//! Attacks on the key set, as far as they concern its content. Fetching it is another matter.

use crate::tokens::{Claims, KAI, NOW_SECS, Signer, UKA, encode, jwk, key_set, policy};
use haumana_auth::verify::{self, KeySet, KeySetError, Rejection};
use haumana_sync::time::UnixMillis;
use num_bigint::BigUint;

/// Checks that the set has exactly these usable keys.
#[track_caller]
fn check(case: &str, jwks: &[&str], usable: &[&str]) {
    let ids = match key_set(jwks) {
        Ok(keys) => keys.ids().map(str::to_owned).collect(),
        Err(error) => {
            assert_eq!(KeySetError::NoUsableKey, error, "{case}");
            Vec::new()
        }
    };
    assert_eq!(usable, ids, "{case}");
}

#[track_caller]
fn unusable(case: &str, jwk: &str) {
    check(case, &[jwk], &[]);
    check(case, &[jwk, &UKA.jwk()], &["uka"]);
}

/// Kai's key with other members beside id, type and numbers.
fn kai_with(rest: &str) -> String {
    jwk("kai", KAI.modulus(), KAI.exponent(), rest)
}

fn verify_with(keys: &KeySet, signer: &Signer) -> Result<(), Rejection> {
    let token = signer.with_claims(&Claims::good());
    verify::verify(&token, keys, &policy(), UnixMillis::from_secs(NOW_SECS)).map(|_| ())
}

#[test]
fn what_is_not_a_key_set_is_refused() {
    for (text, error) in [
        ("", KeySetError::NotAKeySet),
        ("<html>", KeySetError::NotAKeySet),
        ("[]", KeySetError::NotAKeySet),
        ("{}", KeySetError::NotAKeySet),
        (r#"{"keys":{}}"#, KeySetError::NotAKeySet),
        (r#"{"keys":[]} x"#, KeySetError::NotAKeySet),
        (r#"{"keys":[],"keys":[]}"#, KeySetError::NotAKeySet),
        (r#"{"keys":[]}"#, KeySetError::NoUsableKey),
        (r#"{"keys":[1,null,"x",{},[]]}"#, KeySetError::NoUsableKey),
    ] {
        assert_eq!(Some(error), KeySet::from_jwks(text.as_bytes()).err(), "{text}");
    }
    assert_eq!(Some(KeySetError::NotAKeySet), KeySet::from_jwks(b"\xff").err());
}

#[test]
fn a_set_of_ten_megabytes_is_refused_before_it_is_read() {
    let padding = " ".repeat(10_000_000);
    let jwks = format!(r#"{{"keys":[{}]}}{padding}"#, KAI.jwk());

    assert_eq!(Some(KeySetError::TooLarge), KeySet::from_jwks(jwks.as_bytes()).err());
}

#[test]
fn keys_for_rs256_are_used() {
    check("use and alg", &[&KAI.jwk()], &["kai"]);
    check("use", &[&kai_with(r#""use":"sig""#)], &["kai"]);
    check("alg", &[&kai_with(r#""alg":"RS256""#)], &["kai"]);
    check("unknown members", &[&kai_with(r#""x":{"y":[1]}"#)], &["kai"]);
    check("two keys", &[&UKA.jwk(), &KAI.jwk()], &["kai", "uka"]);
}

#[test]
fn keys_for_something_else_are_skipped() {
    unusable("encryption", &kai_with(r#""use":"enc""#));
    unusable("use in capitals", &kai_with(r#""use":"SIG""#));
    unusable("use is a number", &kai_with(r#""use":1"#));
    for alg in ["RS384", "RS512", "PS256", "RSA-OAEP", "HS256", "none", "rs256", ""] {
        unusable(alg, &kai_with(&format!(r#""alg":"{alg}""#)));
    }
    for part in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        unusable("a private part", &kai_with(&format!(r#""{part}":"AQAB""#)));
    }
}

#[test]
fn keys_for_other_operations_are_skipped() {
    check("verify", &[&kai_with(r#""key_ops":["verify"]"#)], &["kai"]);
    check("and more", &[&kai_with(r#""key_ops":["encrypt","verify"],"use":"sig""#)], &["kai"]);
    for operations in [
        "[]",
        r#"["sign"]"#,
        r#"["encrypt","wrapKey"]"#,
        r#"["Verify"]"#,
        r#""verify""#,
        r#"["verify",1]"#,
        r#"{"verify":true}"#,
    ] {
        unusable(operations, &kai_with(&format!(r#""use":"sig","key_ops":{operations}"#)));
    }
    unusable("its use contradicts it", &kai_with(r#""use":"enc","key_ops":["verify"]"#));
}

#[test]
fn ids_that_look_alike_are_different_ids() {
    let named =
        |id: &str, signer: &Signer| jwk(id, signer.modulus(), signer.exponent(), r#""x":1"#);
    let (composed, decomposed) = ("k\u{101}", "ka\u{304}");
    let keys = key_set(&[&named(composed, &KAI), &named(decomposed, &UKA)]).unwrap();
    let signed = |id: &str| {
        let header = format!(r#"{{"alg":"RS256","kid":"{id}"}}"#);
        let token = KAI.token(header, Claims::good().json());
        verify::verify(&token, &keys, &policy(), UnixMillis::from_secs(NOW_SECS)).err()
    };

    assert_eq!(None, signed(composed));
    assert_eq!(Some(Rejection::Signature), signed(decomposed), "that is Uka's");
    for other in ["ka", "K\u{101}", "k\u{101} ", "k\u{101}\u{200b}"] {
        assert_eq!(Some(Rejection::UnknownKey), signed(other), "{other}");
    }
}

#[test]
fn other_types_of_key_are_skipped() {
    unusable("symmetric", r#"{"kty":"oct","kid":"kai","k":"c2VjcmV0","alg":"HS256"}"#);
    unusable("elliptic", r#"{"kty":"EC","kid":"kai","crv":"P-256","x":"AA","y":"AA"}"#);
    unusable("edwards", r#"{"kty":"OKP","kid":"kai","crv":"Ed25519","x":"AA"}"#);
    unusable("unknown", r#"{"kty":"XYZ","kid":"kai","n":"AQAB","e":"AQAB"}"#);
    unusable("lower case", &KAI.jwk().replace("\"RSA\"", "\"rsa\""));
    unusable("no type", &KAI.jwk().replace("\"kty\":\"RSA\",", ""));
}

#[test]
fn a_symmetric_key_with_the_right_id_verifies_nothing() {
    let oct = format!(r#"{{"kty":"oct","kid":"kai","k":"{}"}}"#, encode("secret"));
    let keys = key_set(&[&oct, &UKA.jwk()]).unwrap();

    assert_eq!(Err(Rejection::UnknownKey), verify_with(&keys, &KAI));
}

#[test]
fn keys_without_an_id_are_skipped() {
    unusable("empty", &KAI.jwk().replace("\"kid\":\"kai\"", "\"kid\":\"\""));
    unusable("number", &KAI.jwk().replace("\"kid\":\"kai\"", "\"kid\":7"));
    unusable("missing", &KAI.jwk().replace("\"kid\":\"kai\",", ""));
    unusable("twice", &KAI.jwk().replace("\"kid\":\"kai\"", "\"kid\":\"kai\",\"kid\":\"kai\""));
}

#[test]
fn two_keys_of_one_id_are_both_skipped() {
    let impostor = jwk("kai", UKA.modulus(), UKA.exponent(), r#""use":"sig""#);
    let symmetric = r#"{"kty":"oct","kid":"kai","k":"AAAA"}"#;

    check("impostor behind", &[&KAI.jwk(), &impostor, &UKA.jwk()], &["uka"]);
    check("impostor before", &[&impostor, &KAI.jwk(), &UKA.jwk()], &["uka"]);
    check("the same key twice", &[&KAI.jwk(), &KAI.jwk()], &[]);
    check("three", &[&KAI.jwk(), &impostor, &KAI.jwk()], &[]);
    check("one of another type", &[&KAI.jwk(), symmetric], &[]);
    let encrypting = jwk("kai", UKA.modulus(), UKA.exponent(), r#""use":"enc""#);
    check("one of another use", &[&KAI.jwk(), &encrypting], &[]);
    let escaped = impostor.replace("kai", r"\u006bai");
    check("one spelled with escapes", &[&KAI.jwk(), &escaped], &[]);
}

#[test]
fn weak_and_malformed_keys_are_skipped() {
    let (n, e) = (KAI.modulus(), KAI.exponent());
    let sig = r#""use":"sig""#;
    let mut even = n.to_vec();
    even[255] &= 0xfe;
    let mut short = n.to_vec();
    short[0] = 0x7f;
    let kai = |n: &[u8], e: &[u8]| jwk("kai", n, e, sig);

    unusable("1024 bits", &kai(&n[128..], e));
    unusable("2047 bits", &kai(&short, e));
    unusable("even modulus", &kai(&even, e));
    unusable("no modulus", &kai(&[], e));
    unusable("zero", &kai(&[0; 256], e));
    unusable("leading zero", &kai(&[&[0], n].concat(), e));
    unusable("16,384 bits", &kai(&n.repeat(8), e));
    unusable("e = 1", &kai(n, &[1]));
    unusable("e = 0", &kai(n, &[0]));
    unusable("e = 2", &kai(n, &[2]));
    unusable("e = 65536", &kai(n, &[1, 0, 0]));
    unusable("no e", &kai(n, &[]));
    unusable("e with leading zero", &kai(n, &[0, 1, 0, 1]));
    unusable("e of 40 bits", &kai(n, &[1, 0, 0, 0, 1]));
    unusable("e as large as n", &kai(n, n));
    unusable("n and e exchanged", &kai(e, n));
    unusable("n is negative", &KAI.jwk().replace("\"n\":\"", "\"n\":\"-"));
    unusable("padding", &KAI.jwk().replace("AQAB", "AQAB="));
    unusable("standard alphabet", &KAI.jwk().replace("AQAB", "AQ+/"));
    unusable("number", &KAI.jwk().replace("\"AQAB\"", "65537"));
    unusable("n missing", &KAI.jwk().replace("\"n\":", "\"m\":"));
    unusable("n twice", &KAI.jwk().replace("\"e\":", "\"n\":\"AQAB\",\"e\":"));
    unusable("alg twice", &KAI.jwk().replace("\"e\":", "\"alg\":\"RS256\",\"e\":"));
    check("e = 3", &[&kai(n, &[3])], &["kai"]);
}

#[test]
fn a_key_that_a_broken_chip_has_made_is_skipped() {
    // CVE-2017-15361: the primes are k·M + 65537^a mod M, M the product of the first primes.
    let primes = (2..=167_u32).filter(|n| (2..*n).all(|divisor| n % divisor != 0));
    let product: BigUint = primes.map(BigUint::from).product();
    let modulus = BigUint::from(65_537_u32).modpow(&BigUint::from(7_u32), &product)
        + (BigUint::from(1_u32) << 2047_usize) / &product * &product
        + &product;

    let of = |n: BigUint| jwk("kai", &n.to_bytes_be(), KAI.exponent(), r#""use":"sig""#);

    unusable("ROCA", &of(modulus.clone()));
    check("the next odd number", &[&of(modulus + 2_u32)], &["kai"]);
}

#[test]
fn with_an_exponent_of_one_everybody_could_sign() {
    // s^1 = s: the padded hash is its own signature. Such a key must never become usable.
    unusable("e = 1", &jwk("kai", KAI.modulus(), &[1], r#""alg":"RS256""#));
}

#[test]
fn rotation_takes_old_keys_out() {
    let before = key_set(&[&KAI.jwk()]).unwrap();
    let after = key_set(&[&UKA.jwk()]).unwrap();

    assert_eq!(Ok(()), verify_with(&before, &KAI));
    assert_eq!(Err(Rejection::UnknownKey), verify_with(&after, &KAI));
    assert_eq!(Err(Rejection::UnknownKey), verify_with(&before, &UKA));
    assert_eq!(Ok(()), verify_with(&after, &UKA));
}
