//! The replies to `GET /pieces/{id}/history` and `GET /records/{kind}/{id}/history`.

use super::{comma_separated, quoted};
use crate::engine::{EarlierValue, HistoryPage, LostValue, VersionEntry};
use crate::schema::Schema;
use crate::store::Version;
use std::fmt::Write as _;

// Writing into a String cannot fail, so the results are ignored.

/// Fixed overhead of a reply, in bytes.
const REPLY_OVERHEAD_BYTES: usize = 256;

/// Writes the body for a piece: as many of the versions as fit, at least one.
///
/// The other versions are on the next page. The reply says where that starts.
pub fn history_json(page: &HistoryPage, limit_bytes: usize) -> Vec<u8> {
    let record = format!(r#""pieceId":"{}""#, page.key.id);
    page_json(&record, page, limit_bytes)
}

/// Writes the body for a record of any kind, as [`history_json`].
pub fn record_history_json(schema: &Schema, page: &HistoryPage, limit_bytes: usize) -> Vec<u8> {
    let (kind, id) = (schema.name_of(page.key.kind), page.key.id);
    page_json(&format!(r#""kind":"{kind}","id":"{id}""#), page, limit_bytes)
}

fn page_json(record: &str, page: &HistoryPage, limit_bytes: usize) -> Vec<u8> {
    let mut next = page.next;
    let mut versions = String::new();
    let mut last: Option<Version> = None;
    for version in &page.versions {
        let mut entry = String::new();
        write_version(&mut entry, version);
        let bytes = versions.len() + entry.len() + REPLY_OVERHEAD_BYTES;
        if last.is_some() && limit_bytes < bytes {
            next = last;
            break;
        }
        if last.is_some() {
            versions.push(',');
        }
        versions.push_str(&entry);
        last = Some(version.version);
    }
    let next = next.map_or(String::new(), |next| format!(r#","next":{next}"#));
    format!(r#"{{{record},"versions":[{versions}]{next}}}"#).into_bytes()
}

fn write_version(out: &mut String, version: &VersionEntry) {
    let VersionEntry { version, at, device, deleted, changed, lost } = version;
    let device = quoted(device);
    let _ = write!(
        out,
        r#"{{"version":{version},"at":"{at}","deviceId":{device},"deleted":{deleted},"changed":["#
    );
    comma_separated(out, changed, write_changed);
    out.push_str(r#"],"lost":["#);
    comma_separated(out, lost, write_lost);
    out.push_str("]}");
}

fn write_changed(out: &mut String, changed: &EarlierValue) {
    let _ = write!(out, r#"{{"field":{}"#, quoted(&changed.field));
    if let Some(value) = &changed.value {
        let _ = write!(out, r#","earlier":{}"#, quoted(value));
    }
    out.push('}');
}

fn write_lost(out: &mut String, lost: &LostValue) {
    let (field, value) = (quoted(&lost.field), quoted(&lost.value));
    let (reason, at, device) = (quoted(&lost.reason), lost.at, quoted(&lost.device));
    let _ = write!(
        out,
        r#"{{"field":{field},"value":{value},"reason":{reason},"at":"{at}","deviceId":{device}}}"#
    );
}
