//! What the server says about itself; no token is needed.

use super::Route;
use crate::api::{Api, ApiConfig};
use crate::doc::{Doc, examples};
use crate::error::Failure;
use crate::host::Host;
use crate::limits;
use crate::reply::Reply;
use crate::served::Call;
use axum::Extension;
use axum::extract::rejection::NestedPathRejection;
use axum::extract::{NestedPath, State};
use axum::routing::get;
use haumana_auth::limits as of_tokens;
use haumana_sync::limits as of_records;
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(super) const CALLS: &[Route] =
    &[
        Route {
            call: Call::Health,
            method: "get",
            path: "/health",
            serve: || get(health),
            doc: || {
                Doc::public("health", "Whether the store answers")
                    .ok("Health", "It does.", json!({ "status": "ok" }))
                    .fails(&[503])
            },
        },
        Route {
            call: Call::Limits,
            method: "get",
            path: "/limits",
            serve: || get(show_limits),
            doc: || {
                Doc::public("limits", "Every limit that this host enforces").ok(
                    "Limits",
                    "The limits by name.",
                    local_limits(),
                )
            },
        },
        Route {
            call: Call::Schema,
            method: "get",
            path: "/schema",
            serve: || get(show_schema),
            doc: || {
                let what = "The kinds, in the form of schema files.";
                Doc::public("schema", "The kinds of record that this host keeps, and their fields")
                    .ok("Schema", what, examples::schema())
            },
        },
        Route {
            call: Call::OpenApi,
            method: "get",
            path: "/openapi.json",
            serve: || get(document),
            doc: || {
                let example = json!({ "openapi": "3.1.0", "paths": {} });
                Doc::public("openapi", "This document").ok("OpenApi", "OpenAPI 3.1.", example)
            },
        },
    ];

async fn health(State(api): State<Arc<Api>>) -> Result<Reply, Failure> {
    api.engine.health().await?;
    Ok(Reply::new(br#"{"status":"ok"}"#.to_vec()))
}

async fn show_limits(State(api): State<Arc<Api>>) -> Reply {
    Reply::new(limits_of(&api.config).to_string().into_bytes())
}

async fn show_schema(State(api): State<Arc<Api>>) -> Reply {
    Reply::new(api.engine.schema().to_json().into_bytes())
}

async fn document(
    Extension(document): Extension<Arc<Document>>,
    nested: Result<NestedPath, NestedPathRejection>,
) -> Reply {
    let path = nested.as_ref().map_or("/", NestedPath::as_str);
    Reply::new(document.at(path))
}

/// The OpenAPI document of a router.
#[derive(Debug)]
pub(crate) struct Document {
    value: Value,
    host: Host,
    /// The text for the path that was asked for first, which is the only one but for hosts that nest
    /// under a path with parameters.
    text: OnceLock<(String, Vec<u8>)>,
}

impl Document {
    pub(crate) fn new(value: Value, host: Host) -> Self {
        Self { value, host, text: OnceLock::new() }
    }

    /// The text, for a router at this path.
    fn at(&self, path: &str) -> Vec<u8> {
        let (known, text) = self.text.get_or_init(|| (path.to_owned(), self.write(path)));
        if known == path { text.clone() } else { self.write(path) }
    }

    fn write(&self, path: &str) -> Vec<u8> {
        let mut value = self.value.clone();
        value["servers"] = self.host.servers(path);
        value.to_string().into_bytes()
    }
}

fn limits_of(config: &ApiConfig) -> Value {
    let timeout_ms = u64::try_from(config.body_timeout.as_millis()).unwrap_or(u64::MAX);
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
        "pageRecords": of_records::PAGE_RECORDS,
        "userRecords": of_records::USER_RECORDS,
        "userBytes": of_records::USER_BYTES,
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
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        add! {
            "requestsOfAccount": load.of_account,
            "readsOfAccount": load.reads_of_account,
            "bodyBytesOfAccount": load.body_bytes_of_account,
            "queueTimeoutMs": ms(load.queue_timeout),
            "workTimeoutMs": ms(load.work_timeout),
        }
    }
    Value::Object(all)
}

fn local_limits() -> Value {
    limits_of(&ApiConfig::of_a_server())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LONG_TEXT_BYTES` as `longTextBytes`.
    fn spelt(constant: &str) -> String {
        let mut words = constant.split('_').map(str::to_lowercase);
        let first = words.next().unwrap();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    }

    #[test]
    fn every_limit_of_records_is_published_under_its_name() {
        let source = include_str!("../../../haumana-sync/src/limits.rs");
        let published = local_limits();

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
