//! Writes a key, and for each target what to begin with: tokens that are really signed, and
//! headers, payloads, key sets and pushes near the border of what is accepted.

#[path = "../signer.rs"]
mod signer;

use aws_lc_rs::encoding::AsDer;
use signer::{FULL, GOOD, HEADER, ISSUED, SIGNER, key_file};
use std::fs;
use std::path::Path;

/// What stands in an attack where something else stands in a good header.
const HEADERS: &[(&str, &str)] = &[
    ("RS256", "none"),
    ("RS256", "HS256"),
    ("RS256", r"RS\u0032\u0035\u0036"),
    (r#""kid":"k""#, r#""kid":"k","kid":"k""#),
    (r#""kid":"k""#, r#""k\u0069d":"k""#),
    (r#""kid":"k""#, r#""kid":["k"]"#),
    (r#""JWT""#, r#""jwt""#),
    (r#""JWT""#, r#""at+jwt""#),
    (r#","typ":"JWT""#, ""),
    (r#""typ":"JWT""#, r#""crit":["exp"]"#),
    (r#""typ":"JWT""#, r#""b64":false"#),
];

/// The same for payloads.
const PAYLOADS: &[(&str, &str)] = &[
    (r#""aud":"a""#, r#""aud":["a"]"#),
    (r#""aud":"a""#, r#""aud":"a","azp":"a""#),
    ("accounts.google.com", "https://accounts.google.com"),
    (r#""sub":"1""#, r#""sub":"","x":"1""#),
    (r#""sub":"1""#, r#""sub":"1","\u0073ub":"2""#),
    (r#""sub":"1""#, r#""sub":"\ud800""#),
    (r#""sub":"1""#, r#""sub":"a:b""#),
    ("1750003540", "1750003540.0"),
    ("1750003540", "175000354e1"),
    ("1750003540", "-0"),
    ("1750003540", "18446744073709551615"),
    ("1750003540", "1749999700"),
    ("1750003540", "1750086400"),
    ("1749999940", "1750000300"),
    (r#""iat""#, r#""nbf":1750000300,"iat""#),
    (r#""iat""#, r#""x":[[[[[[[]]]]]]],"iat""#),
];

/// And for key sets.
const KEY_SETS: &[(&str, &str)] = &[
    (r#""e":"AQAB""#, r#""e":"Aw""#),
    (r#""e":"AQAB""#, r#""e":"AQ""#),
    (r#""e":"AQAB""#, r#""e":"AQAB","use":"sig","alg":"RS256","key_ops":["verify"]"#),
    (r#""e":"AQAB""#, r#""e":"AQAB","use":"enc""#),
    (r#""e":"AQAB""#, r#""e":"AQAB","d":"AQAB""#),
    (r#""n":""#, r#""n":"AA"#),
    (r#""kid":"k""#, r#""k\u0069d":"\u006b""#),
    (r#"[{"#, r#"[{"kty":"EC","kid":"x","crv":"P-256"},{"#),
    (r#"[{"#, r#"[{"kty":"oct","kid":"k","k":"AAAA"},{"#),
];

/// Bodies of `POST /sync`: a piece and a session, made, edited, and deleted.
const SYNCS: &[&str] = &[
    r#"{"deviceId":"a","push":[{"kind":"piece","id":"5EED0000-0000-4000-8000-000000000001","base":null,"editedAt":"2025-06-15T12:00:00Z","set":{"title":"t","lyrics":"a\nb","isFavorite":true,"notes":null,"mood":1.0}}]}"#,
    r#"{"deviceId":"b","push":[{"kind":"piece","id":"5EED0000-0000-4000-8000-000000000001","base":1,"editedAt":{"title":"2025-06-15T12:00:00Z"},"set":{"title":"u"}}]}"#,
    r#"{"deviceId":"a","push":[{"kind":"session","id":"5EED0000-0000-4000-8000-0000000000AA","base":null,"set":{"pieceId":"5EED0000-0000-4000-8000-000000000001","startedAt":"2025-06-15T12:00:00Z","mood":{"a":1}}}]}"#,
    r#"{"deviceId":"b","push":[{"kind":"session","id":"5EED0000-0000-4000-8000-0000000000AA","base":1,"set":{"endedAt":"2025-06-15T12:30:00Z","endedAtSource":"manual"}}]}"#,
    r#"{"deviceId":"a","push":[{"kind":"session","id":"5EED0000-0000-4000-8000-0000000000AA","base":1,"delete":true}]}"#,
];

/// Changes of them.
const SYNC_CHANGES: &[(&str, &str)] = &[
    (r#""mood""#, r#""sessionId""#),
    (r#""mood""#, r#""userId""#),
    (r#""mood""#, r#""_haumana""#),
    (r#""mood""#, r#""\u0075serId""#),
    (r#""base":1"#, r#""base":900"#),
    (r#""editedAt":"2025-06-15T12:00:00Z","#, ""),
];

fn main() {
    // The key is in place before anything is signed with it.
    if !key_file().exists() {
        let pkcs8 = SIGNER.0.as_der().unwrap();
        fs::write(key_file(), pkcs8.as_ref()).unwrap();
    }
    let headers = variants(&[HEADER], HEADERS);
    let payloads = variants(&[GOOD, FULL], PAYLOADS);
    let of_headers = headers.iter().map(|header| SIGNER.token(header, GOOD));
    let of_payloads = payloads.iter().map(|payload| SIGNER.token(HEADER, payload));
    let refused = of_headers.chain(of_payloads).filter(|token| signer::verify(token).is_err());
    let changes = ["~", "~\0\0e", "~\0*A\0+B"].map(str::to_owned);
    write("token", &[&ISSUED[..], &changes, &refused.collect::<Vec<_>>()].concat());
    write("header", &headers);
    write("payload", &payloads);
    let syncs = variants(SYNCS, SYNC_CHANGES);
    write("sync", &[&syncs[..], &[SYNCS.join("\0"), syncs.join("\0")]].concat());
    write("key_set", &variants(&[&SIGNER.jwks()], KEY_SETS));
}

/// The good texts, and each with each change that fits.
fn variants(good: &[&str], changes: &[(&str, &str)]) -> Vec<String> {
    let changed = good.iter().flat_map(|text| {
        let fitting = changes.iter().filter(|(from, _)| text.contains(from));
        fitting.map(|(from, to)| text.replacen(from, to, 1))
    });
    good.iter().map(|text| (*text).to_owned()).chain(changed).collect()
}

fn write(target: &str, seeds: &[String]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    for (n, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{n:02}")), seed).unwrap();
    }
    println!("{target}: {} seeds", seeds.len());
}
