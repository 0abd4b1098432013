//! `GET /limits`: the limits that this host enforces, and those of each field of its schema.
//!
//! A client asks here instead of having numbers of its own, because a host may lower them. A client
//! that knows them can warn its user before it sends anything.
//!
//! Names are stable. They are those of the constants in `haumana_sync::limits`, spelt as on the
//! wire, and a test compares the two. Times end in `Ms` or `Secs`, sizes in `Bytes` or `Chars`. The
//! number of requests at work is not published: it follows from the number of cores, and a client
//! can do nothing with it.

use crate::api::ApiConfig;
use crate::limits;
use crate::live::LiveLimits;
use haumana_auth::limits as of_tokens;
use haumana_sync::limits as of_records;
use haumana_sync::schema::{Element, FieldType, Kind, Schema};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Every limit of a host of this schema, by name. `live` is `None` on a host without a live feed.
pub(super) fn all(config: &ApiConfig, live: Option<&LiveLimits>, schema: &Schema) -> Value {
    let timeout_ms = in_ms(config.body_timeout);
    let mut all = Map::from_iter([
        ("requestBytes".to_owned(), config.request_limit_bytes.into()),
        ("replyBytes".to_owned(), config.reply_limit_bytes.into()),
        ("bodyTimeoutMs".to_owned(), timeout_ms.into()),
    ]);
    macro_rules! add {
        ($($name:literal: $limit:expr,)*) => { $( all.insert($name.into(), $limit.into()); )* };
    }
    // The names are those of the constants, as they are spelt on the wire.
    add! {
        "tokenBytes": of_tokens::TOKEN_BYTES,
        "tokenLeewaySecs": of_tokens::TOKEN_LEEWAY_SECS,
        "tokenLifetimeSecs": of_tokens::TOKEN_LIFETIME_SECS,
        "tokenDepth": of_tokens::TOKEN_DEPTH,
        "requestIdBytes": limits::REQUEST_ID_BYTES,
        "retryAfterSecs": limits::RETRY_AFTER_SECS,
        "listEntries": limits::LIST_ENTRIES,
        "defaultListEntries": limits::DEFAULT_LIST_ENTRIES,
        "recordBytes": of_records::RECORD_BYTES,
        "longTextBytes": of_records::LONG_TEXT_BYTES,
        "titleChars": of_records::TITLE_CHARS,
        "authorChars": of_records::AUTHOR_CHARS,
        "sourceUrlChars": of_records::SOURCE_URL_CHARS,
        "wordChars": of_records::WORD_CHARS,
        "unknownKeyBytes": of_records::UNKNOWN_KEY_BYTES,
        "unknownKeyDepth": of_records::UNKNOWN_KEY_DEPTH,
        "fields": of_records::FIELDS,
        "elements": of_records::ELEMENTS,
        "counterDevices": of_records::COUNTER_DEVICES,
        "deviceIdChars": of_records::DEVICE_ID_CHARS,
        "requestIdChars": of_records::REQUEST_ID_CHARS,
        "requestRecords": of_records::REQUEST_RECORDS,
        "importEntries": of_records::IMPORT_ENTRIES,
        "requestDepth": of_records::REQUEST_DEPTH,
        "wordBytes": of_records::WORD_BYTES,
        "recordRawBytes": of_records::RECORD_RAW_BYTES,
        "recordKeys": of_records::RECORD_KEYS,
        "refusals": of_records::REFUSALS,
        "pushes": of_records::PUSHES,
        "rewindListed": of_records::REWIND_LISTED,
        "pageRecords": of_records::PAGE_RECORDS,
        "userRecords": of_records::USER_RECORDS,
        "userBytes": of_records::USER_BYTES,
        "userConflicts": of_records::USER_CONFLICTS,
        "userHistoryBytes": of_records::USER_HISTORY_BYTES,
        "storedBytes": of_records::STORED_BYTES,
        "cursorBytes": of_records::CURSOR_BYTES,
        "version": of_records::VERSION,
        "versionClaimed": of_records::VERSION_CLAIMED,
        "versionLeap": of_records::VERSION_LEAP,
        "versionLeapChance": of_records::VERSION_LEAP_CHANCE,
        "versionAhead": of_records::VERSION_AHEAD,
        "receipts": of_records::RECEIPTS,
        "trail": of_records::TRAIL,
        "commitTries": of_records::COMMIT_TRIES,
    }
    if let Some(load) = &config.load {
        add! {
            "requestsOfAccount": load.of_account,
            "readsOfAccount": load.reads_of_account,
            "bodyBytesOfAccount": load.body_bytes_of_account,
            "bodyBytes": load.body_bytes,
            "unsentBytesOfAccount": load.unsent_bytes_of_account,
            "unsentBytes": load.unsent_bytes,
            "queueTimeoutMs": in_ms(load.queue_timeout),
            "workTimeoutMs": in_ms(load.work_timeout),
        }
    }
    all.insert("live".to_owned(), live.map_or(Value::Null, of_live));
    all.insert("kinds".to_owned(), of_kinds(schema));
    Value::Object(all)
}

/// A time that is too long for the number is written as the largest number.
fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn of_live(limits: &LiveLimits) -> Value {
    json!({
        "ofAccount": limits.of_account,
        "inAll": limits.in_all,
        "heartbeatMs": in_ms(limits.heartbeat),
        "pollMs": in_ms(limits.poll),
        "lifetimeMs": in_ms(limits.lifetime),
        "retryMs": in_ms(limits.retry),
    })
}

/// The limits of the fields, by kind. A field without limits is left out.
fn of_kinds(schema: &Schema) -> Value {
    let kinds = schema.kinds().iter();
    Value::Object(kinds.map(|kind| (kind.name().to_owned(), of_fields(kind))).collect())
}

fn of_fields(kind: &Kind) -> Value {
    let fields = kind.fields().iter();
    let limited =
        fields.filter_map(|field| Some((field.name().to_owned(), of_type(field.field_type())?)));
    Value::Object(limited.collect())
}

/// The limits of values of the type; `None` if the type has no limit in numbers.
fn of_type(field_type: &FieldType) -> Option<Value> {
    match field_type {
        FieldType::Text { max_chars } => Some(json!({ "chars": max_chars })),
        FieldType::Lines { max_bytes } => Some(json!({ "bytes": max_bytes })),
        FieldType::Enum { open: true, .. } => Some(json!({ "chars": of_records::WORD_CHARS })),
        FieldType::Json => Some(json!({ "bytes": of_records::RECORD_BYTES })),
        FieldType::List { of: Element::Text, max } | FieldType::Set { of: Element::Text, max } => {
            Some(json!({ "elements": max, "elementChars": Element::TEXT_CHARS }))
        }
        FieldType::List { max, .. } | FieldType::Set { max, .. } => {
            Some(json!({ "elements": max }))
        }
        FieldType::Counter => Some(json!({
            "devices": of_records::COUNTER_DEVICES, "deviceChars": of_records::DEVICE_ID_CHARS,
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;

    /// `LONG_TEXT_BYTES` as `longTextBytes`.
    fn spelt(constant: &str) -> String {
        let mut words = constant.split('_').map(str::to_lowercase);
        let first = words.next().unwrap();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    }

    #[test]
    fn every_number_of_the_load_that_does_not_follow_from_cores_is_published() {
        let mut config = ApiConfig::of_a_server();
        config.load = Some(Load::of_cores(3));

        let published = all(&config, None, &haumana_sync::repertoire::schema());

        // A new one does not compile until it is named here. Two follow from the cores of the host,
        // and mean nothing to a client.
        let Load {
            light: _,
            heavy: _,
            of_account,
            reads_of_account,
            body_bytes,
            body_bytes_of_account,
            unsent_bytes,
            unsent_bytes_of_account,
            queue_timeout,
            work_timeout,
        } = Load::of_cores(3);
        for (name, number) in [
            ("requestsOfAccount", of_account),
            ("readsOfAccount", reads_of_account),
            ("bodyBytes", body_bytes),
            ("bodyBytesOfAccount", body_bytes_of_account),
            ("unsentBytes", unsent_bytes),
            ("unsentBytesOfAccount", unsent_bytes_of_account),
        ] {
            assert_eq!(Some(&Value::from(number)), published.get(name), "{name}");
        }
        assert_eq!(in_ms(queue_timeout), published["queueTimeoutMs"]);
        assert_eq!(in_ms(work_timeout), published["workTimeoutMs"]);
    }

    #[test]
    fn every_limit_of_records_is_published_under_its_name() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../haumana-sync/src/limits.rs");
        let source = std::fs::read_to_string(path).unwrap();
        let published = all(&ApiConfig::of_a_server(), None, &haumana_sync::repertoire::schema());

        let names = source.lines().filter_map(|line| line.strip_prefix("pub const "));
        // A text is no limit.
        let names = names.filter(|rest| !rest.contains(": &str"));
        let names: Vec<_> = names.map(|rest| rest.split(':').next().unwrap()).collect();

        assert!(10 < names.len(), "the limits were found");
        for name in names {
            assert!(published.get(spelt(name)).is_some(), "{name} must be published");
        }
    }
}
