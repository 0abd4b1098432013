//! `POST /sync` as a client writes and reads it.

use crate::push::{SentPush, quoted};
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Writes the body of a request.
pub(crate) fn request(
    device: &str,
    cursor: Option<&str>,
    limit: usize,
    pushes: &[SentPush],
) -> Vec<u8> {
    let cursor = cursor.map_or("null".to_owned(), quoted);
    let mut out = String::with_capacity(256 * (1 + pushes.len()));
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        r#"{{"deviceId":{},"cursor":{cursor},"limit":{limit},"push":["#,
        quoted(device)
    );
    for (n, push) in pushes.iter().enumerate() {
        if n != 0 {
            out.push(',');
        }
        push.write(&mut out);
    }
    out.push_str("]}");
    out.into_bytes()
}

/// A reply. The content of records is not looked into.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply<'a> {
    #[serde(borrow)]
    pub(crate) results: Vec<Answer<'a>>,
    #[serde(borrow)]
    changes: Vec<ChangeBody<'a>>,
    #[serde(borrow)]
    pub(crate) cursor: Option<Cow<'a, str>>,
    pub(crate) more: bool,
    pub(crate) reset: bool,
    /// Whether another installation has been seen to use this device's id.
    #[serde(default)]
    pub(crate) copy: bool,
    #[serde(default)]
    pub(crate) digest: Option<Digest>,
    #[serde(borrow)]
    server_time: Cow<'a, str>,
}

/// The answer to one push.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    pub(crate) outcome: Cow<'a, str>,
    pub(crate) version: Option<Version>,
    #[serde(borrow, default)]
    pub(crate) conflicts: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<ErrorBody<'a>>,
}

#[derive(Debug, Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeBody<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    version: Version,
    #[serde(borrow)]
    modified_at: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

/// Why the server refuses a push.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejection<'a> {
    /// A stable word.
    pub(crate) code: &'a str,
    /// The same for people; it names the field.
    pub(crate) message: Option<&'a str>,
}

/// One record as the server has it.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) key: Key,
    pub(crate) version: Version,
    pub(crate) modified_at: UnixMillis,
    pub(crate) value: Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// Reads a reply; `None` if it is none.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The changed records. Kinds that this library does not know are passed over.
    pub(crate) fn changes(&self) -> Option<Vec<Change<'a>>> {
        let known = |body: &&ChangeBody<'a>| matches!(body.kind.as_ref(), "piece" | "session");
        self.changes.iter().filter(known).map(ChangeBody::read).collect()
    }

    pub(crate) fn server_time(&self) -> UnixMillis {
        UnixMillis::parse(&self.server_time).unwrap_or_default()
    }
}

impl Answer<'_> {
    /// Why the push was rejected.
    pub(crate) fn rejection(&self) -> Option<Rejection<'_>> {
        let code = self.error.as_ref().map_or("rejected", |error| error.code.as_ref());
        let message = self.error.as_ref().and_then(|error| error.message.as_deref());
        (self.outcome == "rejected").then_some(Rejection { code, message })
    }
}

impl<'a> ChangeBody<'a> {
    fn read(&self) -> Option<Change<'a>> {
        let key = Key { kind: KindNumber::from_code(&self.kind)?, id: RecordId::parse(&self.id)? };
        let modified_at = UnixMillis::parse(&self.modified_at)?;
        let value = self.value.map(RawValue::get);
        Some(Change { key, version: self.version, modified_at, value })
    }
}
