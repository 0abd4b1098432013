//! Attacks on the signature.

use crate::tokens::{Claims, KAI, NOW_SECS, UKA, encode, jwk, key_set, message, policy, refused};
use aws_lc_rs::digest::{SHA256, SHA384, digest};
use aws_lc_rs::encoding::AsDer;
use haumana_auth::verify::{self, Rejection};
use haumana_sync::time::UnixMillis;
use num_bigint::BigUint;

const N_BYTES: usize = 256;
/// What PKCS#1 v1.5 puts before a SHA-256 (RFC 8017, 9.2, note 1).
const SHA256_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// The same without the NULL parameters.
const SHA256_INFO_WITHOUT_NULL: &[u8] = &[
    0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04,
    0x20,
];
const SHA384_INFO: &[u8] = &[
    0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
    0x00, 0x04, 0x30,
];

/// A good token, apart: what is signed, and the signature.
fn good() -> (String, Vec<u8>) {
    let message = message(KAI.header(), Claims::good().json());
    let signed = KAI.sign_with(&aws_lc_rs::signature::RSA_PKCS1_SHA256, message.as_bytes());
    (message, signed)
}

#[track_caller]
fn signature_refused(case: &str, message: &str, signature: &[u8]) {
    refused(case, &format!("{message}.{}", encode(signature)), Rejection::Signature);
}

#[test]
fn every_single_bit_counts() {
    let (message, signed) = good();

    for bit in 0..N_BYTES * 8 {
        let mut flipped = signed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        signature_refused(&format!("bit {bit}"), &message, &flipped);
    }
}

#[test]
fn other_lengths_are_refused() {
    let (message, signed) = good();

    for length in [1, 2, 128, N_BYTES - 1] {
        signature_refused("cut at the end", &message, &signed[..length]);
        signature_refused("cut at the beginning", &message, &signed[N_BYTES - length..]);
    }
    signature_refused("a zero before", &message, &[&[0], &signed[..]].concat());
    signature_refused("a zero behind", &message, &[&signed[..], &[0]].concat());
    signature_refused("twice", &message, &[&signed[..], &signed[..]].concat());
}

#[test]
fn constant_signatures_are_refused() {
    let (message, _) = good();
    let one = BigUint::from(1u8);
    let modulus = BigUint::from_bytes_be(KAI.modulus());

    signature_refused("zero", &message, &[0; N_BYTES]);
    signature_refused("all ones", &message, &[0xff; N_BYTES]);
    signature_refused("one", &message, &sized(&one));
    signature_refused("modulus", &message, KAI.modulus());
    signature_refused("modulus - 1", &message, &sized(&(modulus - one)));
}

#[test]
fn a_signature_plus_the_modulus_is_refused() {
    let (message, signed) = good();
    let sum = BigUint::from_bytes_be(&signed) + BigUint::from_bytes_be(KAI.modulus());

    signature_refused("same residue", &message, &sum.to_bytes_be());
}

#[test]
fn the_signature_of_another_message_is_refused() {
    let (_, signed) = good();
    let other = Claims::good().with("sub", "\"somebody-else\"");

    signature_refused("subject", &message(KAI.header(), other.json()), &signed);
    let spaced = KAI.header().replace(',', ", ");
    signature_refused("header", &message(spaced, Claims::good().json()), &signed);
}

#[test]
fn the_signature_of_another_key_is_refused() {
    let (message, _) = good();
    let by_uka = UKA.sign_with(&aws_lc_rs::signature::RSA_PKCS1_SHA256, message.as_bytes());

    signature_refused("uka signs for kai", &message, &by_uka);
}

#[test]
fn paddings_that_are_not_exact_are_refused() {
    let (message, signed) = good();
    let hash = digest(&SHA256, message.as_bytes());
    let hash = hash.as_ref();
    let exact = block(1, SHA256_INFO, hash, &[]);
    assert_eq!(signed, raw_sign(&exact), "this is how a good signature is made");

    let hash_384 = digest(&SHA384, message.as_bytes());
    let mut broken_filler = exact.clone();
    broken_filler[100] = 0xfe;
    let mut no_separator = exact.clone();
    let separator = N_BYTES - SHA256_INFO.len() - hash.len() - 1;
    no_separator[separator] = 0xff;
    let mut long_form = SHA256_INFO.to_vec();
    long_form.splice(1..2, [0x81, 0x31]);
    let forged = [
        ("block type 2", block(2, SHA256_INFO, hash, &[])),
        ("block type 0", block(0, SHA256_INFO, hash, &[])),
        ("garbage behind the hash", short_block(8, SHA256_INFO, hash)),
        ("garbage, no filler", short_block(0, SHA256_INFO, hash)),
        ("a filler byte that is not FF", broken_filler),
        ("no zero before the hash", no_separator),
        ("no NULL parameters", block(1, SHA256_INFO_WITHOUT_NULL, hash, &[])),
        ("no algorithm", block(1, &[], hash, &[])),
        ("length in the long form", block(1, &long_form, hash, &[])),
        ("a trailing byte in the structure", block(1, SHA256_INFO, hash, &[0])),
        ("SHA-384", block(1, SHA384_INFO, hash_384.as_ref(), &[])),
        ("SHA-384 named, SHA-256 given", block(1, SHA384_INFO, hash, &[])),
        ("half a hash", block(1, SHA256_INFO, &hash[..16], &[])),
    ];
    for (case, block) in forged {
        signature_refused(case, &message, &raw_sign(&block));
    }
}

#[test]
fn a_cube_root_is_no_signature() {
    // Bleichenbacher 2006: with e = 3 and a lenient reader of paddings, anyone can sign.
    let mut modulus = KAI.modulus().to_vec();
    modulus[0] |= 0x80;
    let keys = key_set(&[&jwk("three", &modulus, &[3], r#""use":"sig""#)]).unwrap();
    let header = r#"{"alg":"RS256","kid":"three"}"#;
    let message = message(header, Claims::good().json());
    let hash = digest(&SHA256, message.as_bytes());

    let target = BigUint::from_bytes_be(&short_block(8, SHA256_INFO, hash.as_ref()));
    let root = target.cbrt() + BigUint::from(1u8);
    let cube = sized(&root.pow(3));
    let prefix = 2 + 8 + 1 + SHA256_INFO.len() + hash.as_ref().len();
    assert_eq!(sized(&target)[..prefix], cube[..prefix], "the forgery is as good as it gets");

    let token = format!("{message}.{}", encode(sized(&root)));
    let now = UnixMillis::from_secs(NOW_SECS);
    let refused = verify::verify(&token, &keys, &policy(), now).err();
    assert_eq!(Some(Rejection::Signature), refused);
}

/// An encoded message (RFC 8017, 9.2) that fills the modulus.
fn block(kind: u8, info: &[u8], hash: &[u8], rest: &[u8]) -> Vec<u8> {
    let n_filler = N_BYTES - 3 - info.len() - hash.len() - rest.len();
    [&[0, kind], &vec![0xff; n_filler][..], &[0], info, hash, rest].concat()
}

/// An encoded message with too little filler, and zeros behind the hash.
fn short_block(n_filler: usize, info: &[u8], hash: &[u8]) -> Vec<u8> {
    let mut block = [&[0, 1], &vec![0xff; n_filler][..], &[0], info, hash].concat();
    block.resize(N_BYTES, 0);
    block
}

/// Signs a block as it is, with Kai's private key.
fn raw_sign(block: &[u8]) -> Vec<u8> {
    let pkcs8 = KAI.pair.as_der().unwrap();
    let private_exponent = private_exponent(pkcs8.as_ref());
    let modulus = BigUint::from_bytes_be(KAI.modulus());
    sized(&BigUint::from_bytes_be(block).modpow(&private_exponent, &modulus))
}

/// Finds the private exponent: the number that follows modulus and public exponent.
fn private_exponent(pkcs8: &[u8]) -> BigUint {
    let public = KAI.modulus();
    let at = pkcs8.windows(public.len()).position(|window| window == public).unwrap();
    let exponent = &pkcs8[at + public.len()..];
    let private = &exponent[2 + usize::from(exponent[1])..];
    assert_eq!([0x02, 0x82], private[..2], "an INTEGER with a length of two bytes");
    let length = usize::from(private[2]) << 8 | usize::from(private[3]);
    BigUint::from_bytes_be(&private[4..4 + length])
}

fn sized(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; N_BYTES - bytes.len()], bytes].concat()
}
