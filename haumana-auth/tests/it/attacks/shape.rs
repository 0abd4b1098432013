//! Attacks on the shape.

use crate::tokens::{Claims, KAI, accepted, encode, refused, verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use haumana_auth::verify::Rejection;

fn good() -> String {
    KAI.with_claims(&Claims::good())
}

/// The three segments of a good token.
fn segments() -> [String; 3] {
    let token = good();
    let mut parts = token.split('.').map(str::to_owned);
    [(); 3].map(|()| parts.next().unwrap())
}

#[test]
fn another_number_of_segments_is_refused() {
    let [header, payload, signature] = segments();

    accepted("three", &format!("{header}.{payload}.{signature}"));
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.clone(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}.{signature}"),
        format!("{header}..{payload}.{signature}"),
    ] {
        refused(&token, &token, Rejection::Shape);
    }
}

#[test]
fn json_serialisations_are_refused() {
    let [header, payload, signature] = segments();
    let flat =
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    let signed = format!(r#"{{"protected":"{header}","signature":"{signature}"}}"#);
    let general = format!(r#"{{"payload":"{payload}","signatures":[{signed}]}}"#);

    refused("flattened", &flat, Rejection::Shape);
    refused("general", &general, Rejection::Shape);
}

#[test]
fn padding_is_refused() {
    let [header, payload, signature] = segments();
    refused("=", &format!("{header}=.{payload}.{signature}"), Rejection::Shape);
    refused("=", &format!("{header}.{payload}=.{signature}"), Rejection::Shape);
    refused("==", &format!("{header}.{payload}.{signature}=="), Rejection::Shape);
}

#[test]
fn the_standard_alphabet_is_refused() {
    // 0xfb and 0xff are written with the two characters in which the alphabets differ.
    let claims = Claims::good().and("x", "\"\u{fb}\u{ff}\u{3ff}\u{ffff}????>>>>\"").json();
    let token = KAI.token(KAI.header(), &claims);
    accepted("url-safe alphabet", &token);

    let [header, _, signature] = segments();
    let standard = STANDARD_NO_PAD.encode(&claims);
    assert!(standard.contains(['+', '/']));
    refused("standard", &format!("{header}.{standard}.{signature}"), Rejection::Shape);
    for foreign in ['+', '/'] {
        refused("one character", &good().replacen('e', &foreign.to_string(), 1), Rejection::Shape);
    }
}

#[test]
fn characters_outside_the_alphabet_are_refused_wherever_they_are() {
    let token = good();
    let foreign =
        [" ", "\t", "\n", "\r\n", "\0", "\u{feff}", "=", "%2e", "~", "ʻ", "\u{ff0e}", ","];

    for text in foreign {
        let middle = token.len() / 2;
        refused(text, &format!("{text}{token}"), Rejection::Shape);
        refused(text, &format!("{token}{text}"), Rejection::Shape);
        refused(text, &format!("{}{text}{}", &token[..middle], &token[middle..]), Rejection::Shape);
    }
}

/// Changes the last character of a segment into one that differs in unused bits only.
fn with_unused_bit(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(0, segment.len() % 4, "a segment of whole groups has no unused bits");
    let (rest, last) = segment.split_at(segment.len() - 1);
    let index = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[index + 1..index + 2])
}

#[test]
fn trailing_bits_that_are_not_zero_are_refused_in_every_segment() {
    let filled = |n: usize| Claims::good().and("x", &format!("\"{}\"", "x".repeat(n)));
    let claims = (0..3).map(filled).find(|claims| claims.json().len() % 3 != 0).unwrap();
    let token = KAI.token(r#"{"alg":"RS256", "kid":"kai"}"#, claims.json());
    accepted("canonical", &token);

    for at in 0..3 {
        let mut segments: Vec<_> = token.split('.').map(str::to_owned).collect();
        segments[at] = with_unused_bit(&segments[at]);
        refused(&format!("segment {at}"), &segments.join("."), Rejection::Shape);
    }
}

#[test]
fn a_token_longer_than_the_limit_is_refused_before_it_is_looked_at() {
    let with_filler = |n: usize| {
        KAI.with_claims(&Claims::good().and("filler", &format!("\"{}\"", "x".repeat(n))))
    };
    // Three more bytes are four more characters.
    let n = (8192 - with_filler(0).len()) / 4 * 3;
    let (longest, too_long) = (with_filler(n), with_filler(n + 6));
    assert!(longest.len() <= 8192 && 8192 < too_long.len(), "close to the limit on both sides");

    accepted("at the limit", &longest);
    refused("past the limit", &too_long, Rejection::TooLong);
    refused("8 MB", &"a".repeat(8_000_000), Rejection::TooLong);
    refused("8 MB of dots", &".".repeat(8_000_000), Rejection::TooLong);
}

#[test]
fn json_nested_deeply_is_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let short = deep(1500);
    let claims = Claims::good().and("x", &short);

    refused("payload", &KAI.with_claims(&claims), Rejection::PayloadJson);
    let header = format!(r#"{{"alg":"RS256","kid":"kai","x":{short}}}"#);
    refused("header", &KAI.with_header(header), Rejection::HeaderJson);
    let claims = Claims::good().and("x", &deep(10_000));
    refused("10,000 deep", &KAI.with_claims(&claims), Rejection::TooLong);
}

#[test]
fn json_nested_deeply_is_refused_without_the_length_limit_as_well() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let token = KAI.with_claims(&Claims::good().and("x", &deep));
    let policy =
        haumana_auth::verify::Policy { max_token_bytes: 1_000_000, ..crate::tokens::policy() };
    let now = haumana_sync::time::UnixMillis::from_secs(crate::tokens::NOW_SECS);

    let refused = haumana_auth::verify::verify(&token, crate::tokens::keys(), &policy, now);

    assert_eq!(Some(Rejection::PayloadJson), refused.err());
}

#[test]
fn huge_numbers_in_claims_nobody_reads_do_no_harm() {
    let digits = "9".repeat(1000);
    for number in ["1e999999", "-1e-999999", "18446744073709551616", &digits] {
        accepted(number, &KAI.with_claims(&Claims::good().and("x", number)));
    }
}

#[test]
fn huge_numbers_as_times_are_refused() {
    let digits = "9".repeat(1000);
    for number in ["1e999999", "18446744073709551616", &digits] {
        refused(number, &KAI.with_claims(&Claims::good().with("exp", number)), Rejection::Expiry);
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let payload = [Claims::good().json().as_bytes(), b"\xff"].concat();
    refused("payload", &KAI.token(KAI.header(), &payload), Rejection::PayloadJson);
    let payload = Claims::good().json().replace("Kumu", "Ku\u{0}mu").replace('\u{0}', "\\u0000");
    accepted("an escaped NUL in a name", &KAI.token(KAI.header(), payload));
    let overlong = [b"{\"alg\":\"RS256\",\"kid\":\"k\xc1\xa1i\"}".as_slice()].concat();
    refused("overlong form in the header", &KAI.with_header(overlong), Rejection::HeaderJson);
}

#[test]
fn a_payload_that_is_not_an_object_is_refused() {
    for payload in ["[]", "null", "1", "\"text\"", "true", "[{}]", " ", "{", "{}{}"] {
        refused(payload, &KAI.token(KAI.header(), payload), Rejection::PayloadJson);
    }
    for header in ["[]", "null", "\"RS256\"", "{\"alg\":\"RS256\",}", "{'alg':'RS256'}"] {
        refused(header, &KAI.with_header(header), Rejection::HeaderJson);
    }
}

#[test]
fn trailing_garbage_and_byte_order_marks_are_refused() {
    let claims = Claims::good().json();
    for garbage in ["x", "{}", "\0", ",", "\u{feff}", "//", "]"] {
        let token = KAI.token(KAI.header(), format!("{claims}{garbage}"));
        refused(garbage, &token, Rejection::PayloadJson);
    }
    let token = KAI.token(KAI.header(), format!("\u{feff}{claims}"));
    refused("byte order mark", &token, Rejection::PayloadJson);
    accepted("blanks", &KAI.token(KAI.header(), format!(" \r\n\t{claims}\n")));
    for foreign in ["\u{b}", "\u{c}", "\u{85}", "\u{a0}", "\u{2028}", "\u{3000}", "/**/", "#"] {
        let before = KAI.token(KAI.header(), format!("{foreign}{claims}"));
        refused(foreign, &before, Rejection::PayloadJson);
        let behind = KAI.token(KAI.header(), format!("{claims}{foreign}"));
        refused(foreign, &behind, Rejection::PayloadJson);
        let within = KAI.token(KAI.header(), claims.replacen(',', &format!(",{foreign}"), 1));
        refused(foreign, &within, Rejection::PayloadJson);
    }
}

#[test]
fn nothing_short_of_a_token_panics() {
    for text in ["a", "a.b.c", "AAAA.AAAA.AAAA", "e30.e30.e30", "ʻokina.ʻokina.ʻokina"] {
        assert!(verify(text).is_err(), "{text}");
    }
    assert!(verify(&format!("{0}.{0}.{0}", encode("{}"))).is_err());
}
