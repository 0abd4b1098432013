//! Times as people read and write them: in this machine's time zone.

use haumana_sync::record::Value;
use haumana_sync::time::UnixMillis;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use std::sync::LazyLock;

/// The zone of `TZ` or of the machine; UTC if neither is known.
static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::try_system().unwrap_or(TimeZone::UTC));

fn zoned(at: UnixMillis) -> Option<ZonedDateTime> {
    // Some of the first and last hours that a record can have are outside the range of local times.
    Timestamp::from_millisecond(at.0).ok().map(|at| at.to_zoned_datetime(ZONE.clone()))
}

/// A time to the minute, with the name of its zone.
pub(crate) fn minute(at: UnixMillis) -> String {
    match zoned(at) {
        Some(at) => at.strftime("%Y-%m-%d %H:%M %Z").to_string(),
        None => format!("{at}"),
    }
}

/// The day of a time.
pub(crate) fn day(at: UnixMillis) -> String {
    match zoned(at) {
        Some(at) => at.strftime("%Y-%m-%d").to_string(),
        None => format!("{at}").chars().take(10).collect(),
    }
}

/// A time in a field.
pub(crate) fn time_of(value: &Value) -> Option<UnixMillis> {
    value.as_text().and_then(UnixMillis::parse)
}

/// Like [`minute`], for a time in a field.
pub(crate) fn minute_of(value: &Value) -> Option<String> {
    time_of(value).map(minute)
}

/// Reads a time with an offset, or a time in this machine's zone: `2026-11-23 18:00`.
pub(crate) fn read(text: &str) -> Option<UnixMillis> {
    let text = text.trim();
    if let Some(at) = UnixMillis::parse(text) {
        return Some(at);
    }
    // It has at least a minute. A time with an offset that cannot be read is not read as local.
    let is_local = text.contains(':') && !text.contains(['Z', 'z', '+', '[']);
    let has_offset = text.matches('-').count() != 2;
    let at: Timestamp = match is_local && !has_offset {
        true => ZONE.to_timestamp(text.parse::<DateTime>().ok()?).ok()?,
        false => text.parse().ok()?,
    };
    Some(UnixMillis(at.as_millisecond()))
}
