//! Attacks on the claims, all in tokens that a good key has signed.

use crate::tokens::{
    AUDIENCE, BARE_ISSUER, Claims, EMAIL, ISSUER, KAI, NOW_SECS, PARTY, SECOND_AUDIENCE, SUBJECT,
    accepted, refused, verify,
};
use haumana_auth::verify::Rejection;
use haumana_sync::time::UnixMillis;

/// Checks that each value of `claim`, and its absence, is refused for `reason`.
#[track_caller]
fn all_refused(claim: &str, values: &[&str], reason: Rejection) {
    for value in values {
        refused(value, &KAI.with_claims(&Claims::good().with(claim, value)), reason);
    }
}

#[track_caller]
fn missing_is_refused(claim: &str, reason: Rejection) {
    refused("missing", &KAI.with_claims(&Claims::good().without(claim)), reason);
}

#[track_caller]
fn all_accepted(claim: &str, values: &[&str]) {
    for value in values {
        accepted(value, &KAI.with_claims(&Claims::good().with(claim, value)));
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn from_now(secs: i64) -> String {
    (NOW_SECS + secs).to_string()
}

#[test]
fn a_good_token_says_who_is_asking() {
    let principal = verify(&KAI.with_claims(&Claims::good())).unwrap();

    assert_eq!(SUBJECT, principal.user.as_str());
    assert_eq!(Some(EMAIL), principal.email.as_deref());
    assert!(principal.email_verified);
    assert_eq!(Some("Kumu Hula"), principal.name.as_deref());
    assert_eq!(Some("https://example.org/p.png"), principal.picture.as_deref());
    assert_eq!(UnixMillis::from_secs(NOW_SECS + 3540), principal.expires_at);
}

#[test]
fn a_principal_prints_nothing_personal() {
    let principal = verify(&KAI.with_claims(&Claims::good())).unwrap();

    let printed = format!("{principal:?} {principal:#?}");

    for personal in [SUBJECT, EMAIL, "Kumu", "example.org"] {
        assert!(!printed.contains(personal), "{printed}");
    }
}

#[test]
fn a_token_with_the_least_that_is_needed_is_accepted() {
    let mut claims = Claims::good();
    for optional in ["azp", "email", "email_verified", "name", "picture"] {
        claims = claims.without(optional);
    }

    let principal = verify(&KAI.with_claims(&claims)).unwrap();

    assert_eq!(None, principal.email);
    assert!(!principal.email_verified);
}

#[test]
fn claims_that_nobody_reads_are_no_reason_to_refuse() {
    let claims = Claims::good()
        .and("at_hash", "\"x\"")
        .and("nonce", "null")
        .and("hd", "\"example.org\"")
        .and("groups", "[\"a\",{\"b\":[1.5]}]");

    accepted("unknown claims", &KAI.with_claims(&claims));
}

#[test]
fn an_audience_that_is_not_exactly_ours_is_refused() {
    all_accepted("aud", &[&quoted(AUDIENCE), &quoted(SECOND_AUDIENCE)]);
    // OpenID Connect lets issuers write one audience as a list.
    all_accepted("aud", &[&format!("[\"{AUDIENCE}\"]"), &format!("[ \"{SECOND_AUDIENCE}\" ]")]);

    missing_is_refused("aud", Rejection::Audience);
    all_refused(
        "aud",
        &[
            "null",
            "1234",
            "true",
            "{}",
            "[]",
            "\"\"",
            "\"other\"",
            &format!("{{\"{AUDIENCE}\":1}}"),
            "[\"other\"]",
            &format!("[[\"{AUDIENCE}\"]]"),
            &format!("[\"{AUDIENCE}\",\"{AUDIENCE}\"]"),
            &format!("[\"{AUDIENCE}\",\"{SECOND_AUDIENCE}\"]"),
            &format!("[\"{AUDIENCE}\",null]"),
            &format!("[\"{AUDIENCE}\",\"other\"]"),
            &format!("[\"other\",\"{AUDIENCE}\"]"),
            &quoted(&AUDIENCE.to_uppercase()),
            &quoted(&format!("{AUDIENCE} ")),
            &quoted(&format!(" {AUDIENCE}")),
            &quoted(&format!("{AUDIENCE}\\u0000")),
            &quoted(&format!("{AUDIENCE}\u{200b}")),
            &quoted(&AUDIENCE.replace('1', "\u{ff11}")),
            &quoted(&AUDIENCE[..AUDIENCE.len() - 1]),
            &quoted(&format!("{AUDIENCE}.example.org")),
            &quoted(&format!("{AUDIENCE},{SECOND_AUDIENCE}")),
            &quoted(PARTY),
        ],
        Rejection::Audience,
    );
}

#[test]
fn an_issuer_that_is_not_exactly_listed_is_refused() {
    all_accepted("iss", &[&quoted(ISSUER), &quoted(BARE_ISSUER)]);

    missing_is_refused("iss", Rejection::Issuer);
    all_refused(
        "iss",
        &[
            "null",
            "1",
            "[]",
            "\"\"",
            &format!("[\"{ISSUER}\"]"),
            &format!("[\"{ISSUER}\",\"{BARE_ISSUER}\"]"),
            "\"https://accounts.google.com/\"",
            "\"http://accounts.google.com\"",
            "\"HTTPS://ACCOUNTS.GOOGLE.COM\"",
            "\"Accounts.google.com\"",
            "\"accounts.google.com.\"",
            "\"accounts.google.com.example.org\"",
            "\"https://accounts.google.com@example.org\"",
            "\"accounts.g\u{43e}ogle.com\"",
            "\"accounts.g\\u043eogle.com\"",
            "\" accounts.google.com\"",
        ],
        Rejection::Issuer,
    );
}

#[test]
fn an_expiry_that_is_not_a_whole_number_of_seconds_is_refused() {
    missing_is_refused("exp", Rejection::Expiry);
    all_refused(
        "exp",
        &[
            &quoted(&from_now(60)),
            "null",
            "true",
            "-1",
            &format!("-{NOW_SECS}"),
            &format!("{}.0", from_now(60)),
            &format!("{}.5", from_now(60)),
            "1.75e9",
            "175000354e1",
            "175000354E+1",
            "1750003540e0",
            "1e300",
            "18446744073709551615",
            "[1]",
            "{}",
        ],
        Rejection::Expiry,
    );
    all_refused("exp", &["9223372036854775807"], Rejection::Lifetime);
}

#[test]
fn expiry_has_five_minutes_of_leeway() {
    let expired =
        |secs: i64| Claims::good().with("iat", &from_now(-3600)).with("exp", &from_now(-secs));

    accepted("299 s ago", &KAI.with_claims(&expired(299)));
    refused("300 s ago", &KAI.with_claims(&expired(300)), Rejection::Expired);
    refused("301 s ago", &KAI.with_claims(&expired(301)), Rejection::Expired);
    refused("0", &KAI.with_claims(&Claims::good().with("exp", "0")), Rejection::Expired);
    refused("-0", &KAI.with_claims(&Claims::good().with("exp", "-0")), Rejection::Expired);
}

#[test]
fn numbers_that_json_does_not_know_are_refused() {
    for number in [
        "\u{ff11}\u{ff17}\u{ff15}\u{ff10}\u{ff10}\u{ff10}\u{ff13}\u{ff15}\u{ff14}\u{ff10}",
        "\u{661}\u{667}\u{665}\u{660}\u{660}\u{660}\u{663}\u{665}\u{664}\u{660}",
        "175000354\u{660}",
        "+1750003540",
        "01750003540",
        "-01",
        "0x684ee180",
        "1_750_003_540",
        "1750003540n",
        "1750003540.",
        "1750003540e",
        "Infinity",
        "-Infinity",
        "NaN",
        "- 1",
        "",
    ] {
        let token = KAI.with_claims(&Claims::good().with("exp", number));
        refused(number, &token, Rejection::PayloadJson);
    }
}

#[test]
fn a_token_that_lives_longer_than_a_day_is_refused() {
    let day = 24 * 3600;
    let lives = |from: i64, to: i64| {
        KAI.with_claims(&Claims::good().with("iat", &from_now(from)).with("exp", &from_now(to)))
    };

    accepted("a day", &lives(0, day));
    refused("a second more", &lives(0, day + 1), Rejection::Lifetime);
    refused("issued long ago", &lives(-day, 60), Rejection::Lifetime);
    refused("a day from an early clock", &lives(299, day + 299), Rejection::Lifetime);
    refused("ten years", &lives(0, 3650 * day), Rejection::Lifetime);
}

#[test]
fn a_token_that_ends_before_it_begins_is_refused() {
    let claims = Claims::good().with("iat", &from_now(200)).with("exp", &from_now(100));

    refused("exp < iat", &KAI.with_claims(&claims), Rejection::Lifetime);
    let claims = Claims::good().with("iat", &from_now(100)).with("exp", &from_now(100));
    refused("exp = iat", &KAI.with_claims(&claims), Rejection::Lifetime);
    for begins in [100, 101, 299] {
        let claims = Claims::good().with("exp", &from_now(100)).with("nbf", &from_now(begins));
        refused("exp <= nbf", &KAI.with_claims(&claims), Rejection::Lifetime);
    }
}

#[test]
fn a_time_of_issue_that_is_not_a_whole_number_of_seconds_is_refused() {
    missing_is_refused("iat", Rejection::IssuedAt);
    all_refused(
        "iat",
        &[&quoted(&from_now(-60)), "null", "-1", "1.75e9", "1e300", "[]", "true"],
        Rejection::IssuedAt,
    );
}

#[test]
fn a_time_of_issue_has_five_minutes_of_leeway() {
    all_accepted("iat", &[&from_now(299), &from_now(300)]);
    all_refused("iat", &[&from_now(301), "9223372036854775807"], Rejection::Premature);
    let valid_already = Claims::good().with("iat", &from_now(301)).with("nbf", &from_now(-60));
    refused("a good nbf does not help", &KAI.with_claims(&valid_already), Rejection::Premature);
}

#[test]
fn a_token_that_is_not_valid_yet_is_refused() {
    all_accepted("nbf", &[&from_now(-60), &from_now(299), &from_now(300), "0", "-0"]);

    all_refused("nbf", &[&from_now(301), &from_now(3600)], Rejection::Premature);
    all_refused("nbf", &[&quoted(&from_now(-60)), "null", "-1", "1.5", "{}"], Rejection::NotBefore);
}

#[test]
fn a_subject_that_is_not_a_user_id_is_refused() {
    // Bytes are counted: an ʻokina has two.
    let longest = format!("s{}", "ʻ".repeat(127));
    all_accepted("sub", &[&quoted(&"s".repeat(255)), &quoted(&longest), "\"1\""]);

    missing_is_refused("sub", Rejection::Subject);
    all_refused(
        "sub",
        &[
            "\"\"",
            "null",
            "110248495921238986420",
            "[\"1\"]",
            "{}",
            &quoted(&"s".repeat(256)),
            &quoted(&"ʻ".repeat(128)),
            "\"apple:1\"",
            "\"1\\u00002\"",
            "\"1\\n2\"",
            "\"\\u007f\"",
            "\"\\u0085\"",
        ],
        Rejection::Subject,
    );
}

#[test]
fn half_a_character_is_no_text() {
    for text in [r#""\ud83c""#, r#""\udf3a\ud83c""#, r#""\ud83cx""#, r#""\u""#, r#""\u00""#] {
        for claim in ["sub", "name", "x"] {
            let token = KAI.with_claims(&Claims::good().with(claim, text));
            refused(text, &token, Rejection::PayloadJson);
        }
    }
    all_accepted("sub", &[r#""\ud83c\udf3a""#]);
}

#[test]
fn subjects_that_look_alike_are_different_users() {
    let alike =
        ["kai", "Kai", "kai ", " kai", "k\u{430}i", "kai\u{200b}", "ka\u{ef}", "kai\u{308}"];

    let users = alike.map(|subject| {
        verify(&KAI.with_claims(&Claims::good().with("sub", &quoted(subject)))).unwrap().user
    });

    assert_eq!(alike, users.each_ref().map(|user| user.as_str()), "to the byte");
}

#[test]
fn an_authorized_party_may_be_absent_or_listed() {
    accepted("absent", &KAI.with_claims(&Claims::good().without("azp")));
    all_accepted("azp", &[&quoted(PARTY)]);

    all_refused(
        "azp",
        &[
            "\"other\"",
            "\"\"",
            "null",
            "1",
            "[]",
            &format!("[\"{PARTY}\"]"),
            &format!("[\"{PARTY}\",\"{AUDIENCE}\"]"),
            &format!("{{\"{PARTY}\":1}}"),
            &quoted(AUDIENCE),
        ],
        Rejection::AuthorizedParty,
    );
}

#[test]
fn an_unverified_address_is_told_and_not_refused() {
    let claims = Claims::good().with("email_verified", "false");

    let principal = verify(&KAI.with_claims(&claims)).unwrap();

    assert!(!principal.email_verified, "`/auth/sync` decides on it");
}

#[test]
fn a_profile_of_other_types_is_refused() {
    all_refused("email_verified", &["\"true\"", "1", "null", "[true]"], Rejection::Profile);
    for claim in ["email", "name", "picture"] {
        all_refused(claim, &["1", "null", "[]", "{}", "true"], Rejection::Profile);
    }
}

#[test]
fn a_claim_that_stands_there_twice_is_refused_however_it_is_spelled() {
    let claims =
        ["iss", "azp", "aud", "sub", "email", "email_verified", "name", "picture", "iat", "exp"];
    let good = Claims::good().json();

    for claim in claims {
        let plain = format!("{},\"{claim}\":1}}", good.trim_end_matches('}'));
        refused(claim, &KAI.token(KAI.header(), plain), Rejection::PayloadJson);
        let escape = format!("\\u{:04x}{}", claim.as_bytes()[0], &claim[1..]);
        let behind = format!("{},\"{escape}\":1}}", good.trim_end_matches('}'));
        refused(&escape, &KAI.token(KAI.header(), behind), Rejection::PayloadJson);
        let before = format!("{{\"{escape}\":1,{}", &good[1..]);
        refused(&escape, &KAI.token(KAI.header(), before), Rejection::PayloadJson);
    }
    let twice = Claims::good().and("nbf", "1").and("nbf", "1");
    refused("nbf", &KAI.with_claims(&twice), Rejection::PayloadJson);
    let unread = Claims::good().and("x", "1").and("x", "1");
    refused("a claim nobody reads", &KAI.with_claims(&unread), Rejection::PayloadJson);
    let spelled = Claims::good().and("nbf", "1").and("n\\u0062f", "1");
    refused("nbf, spelled with an escape", &KAI.with_claims(&spelled), Rejection::PayloadJson);
    for inside in [r#"{"k":1,"\u006b":2}"#, r#"[{"a":{"k":1,"\u006B":1}}]"#, r#"{"":1,"":1}"#] {
        let within = Claims::good().and("x", inside);
        refused(inside, &KAI.with_claims(&within), Rejection::PayloadJson);
    }
}

#[test]
fn a_claim_in_other_letters_is_another_claim() {
    for (claim, other, reason) in [
        ("exp", "EXP", Rejection::Expiry),
        ("iat", "Iat", Rejection::IssuedAt),
        ("sub", "sub ", Rejection::Subject),
        ("iss", "i\u{17f}s", Rejection::Issuer),
        ("aud", "aud\\u0000", Rejection::Audience),
    ] {
        let json = Claims::good().json().replace(&format!("\"{claim}\""), &format!("\"{other}\""));
        refused(other, &KAI.token(KAI.header(), json), reason);
    }
}

#[test]
fn a_claim_spelled_with_escapes_is_the_same_claim() {
    let claims = Claims::good().without("sub").and("s\\u0075b", "\"from-escape\"");

    let principal = verify(&KAI.with_claims(&claims)).unwrap();

    assert_eq!("from-escape", principal.user.as_str());
}
