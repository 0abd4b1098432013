//! `POST /sync`, as a client writes the request and reads the reply.

use crate::error::{Error, ErrorKind, Result};
use crate::kinds::Kinds;
use crate::record::Offer;
use crate::sent::{SentFields, SentOp, SentPush};
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, RecordId};
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

impl SentPush {
    /// Writes the push into a request.
    pub(crate) fn write(&self, out: &mut String) {
        let base = self.base.map_or("null".to_owned(), |base| base.to_string());
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            r#"{{"kind":"{}","id":"{}","base":{base},"editedAt":"#,
            self.kind.name(),
            self.key.id
        );
        let fields = match &self.op {
            SentOp::Delete(at) | SentOp::Offer(Offer { at, .. }, None) => {
                let _ = write!(out, r#""{at}","delete":true"#);
                None
            }
            SentOp::Set(fields) => {
                write_times(out, fields);
                Some(fields)
            }
            SentOp::Offer(Offer { at, .. }, Some(fields)) => {
                let _ = write!(out, r#""{at}""#);
                Some(fields)
            }
        };
        if let Some(fields) = fields {
            out.push_str(r#","set":{"#);
            for (n, (name, (value, _))) in fields.iter().enumerate() {
                let _ = write!(out, "{}{}:{}", comma(n), quoted(name), value.as_str());
            }
            out.push('}');
        }
        out.push_str(if self.is_offered { r#","offered":true}"# } else { "}" });
    }
}

/// Writes when fields were edited: one time for all, or one for each.
fn write_times(out: &mut String, fields: &SentFields) {
    let mut times = fields.values().map(|(_, at)| at);
    let first = times.next();
    if let Some(at) = first.filter(|first| times.all(|at| at == *first)) {
        let _ = write!(out, r#""{at}""#);
        return;
    }
    out.push('{');
    for (n, (name, (_, at))) in fields.iter().enumerate() {
        let _ = write!(out, r#"{}{}:"{at}""#, comma(n), quoted(name));
    }
    out.push('}');
}

fn comma(n: usize) -> &'static str {
    if n == 0 { "" } else { "," }
}

/// Writes text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    // A string, written to memory, cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

/// A reply. The content of records is not parsed.
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
    /// How many entries of the inbox are open.
    #[serde(borrow, default)]
    open_conflicts: Option<&'a RawValue>,
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
    /// The same for people. It names the field.
    pub(crate) message: Option<&'a str>,
}

/// One record on the server.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) key: Key,
    pub(crate) version: Version,
    pub(crate) modified_at: UnixMillis,
    pub(crate) value: Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// Reads a reply; `None` if it is not valid.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The changed records. An unknown kind is added.
    pub(crate) fn changes(&self, kinds: &mut Kinds) -> Result<Vec<Change<'a>>> {
        self.changes.iter().map(|body| body.read(kinds)).collect()
    }

    /// How many entries of the inbox are open, if the server says so.
    pub(crate) fn open_conflicts(&self) -> Option<u64> {
        serde_json::from_str(self.open_conflicts?.get()).ok()
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
    fn read(&self, kinds: &mut Kinds) -> Result<Change<'a>> {
        let protocol = || Error::new("sync", ErrorKind::Protocol);
        let kind = match kinds.named(&self.kind) {
            Some(kind) => kind.number(),
            None if is_name(&self.kind) => kinds.adopt(&self.kind)?.number(),
            None => return Err(protocol()),
        };
        let id = RecordId::parse(&self.id).ok_or_else(protocol)?;
        let key = Key { kind, id };
        let modified_at = UnixMillis::parse(&self.modified_at).ok_or_else(protocol)?;
        let value = self.value.map(RawValue::get);
        Ok(Change { key, version: self.version, modified_at, value })
    }
}

/// Whether a schema can have a kind with that name.
fn is_name(name: &str) -> bool {
    let is_word = |one: char| one.is_ascii_alphanumeric() || one == '_';
    !name.is_empty() && name.len() <= 64 && name.chars().all(is_word) && name != "conflict"
}
