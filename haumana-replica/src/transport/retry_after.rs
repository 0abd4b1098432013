//! The `Retry-After` header, which comes as seconds or as a date.

use std::time::SystemTime;

/// Returns how many seconds the server asks to wait; `None` if the header cannot be read.
///
/// A date is compared with the server's own `Date`, if there is one, because the clock of this
/// device may be wrong. A date in the past means no wait.
pub(super) fn secs(retry_after: &str, date: Option<&str>, now: SystemTime) -> Option<u64> {
    let text = retry_after.trim();
    if let Ok(secs) = text.parse() {
        return Some(secs);
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let from = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or(now);
    Some(until.duration_since(from).map_or(0, |wait| wait.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const NOON: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

    #[track_caller]
    fn check(retry_after: &str, date: Option<&str>, expected: Option<u64>) {
        // 2026-11-23T12:01:00Z: this device is a minute ahead.
        let now = UNIX_EPOCH + Duration::from_secs(1_795_435_260);
        assert_eq!(expected, secs(retry_after, date, now), "{retry_after}");
    }

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_read() {
        check(" 120 ", Some(NOON), Some(120));
        check("Mon, 23 Nov 2026 12:00:30 GMT", Some(NOON), Some(30));
        check("Monday, 23-Nov-26 12:00:30 GMT", Some(NOON), Some(30));
        check("Mon Nov 23 12:00:30 2026", Some(NOON), Some(30));
    }

    #[test]
    fn without_the_servers_date_the_devices_clock_must_do() {
        check("Mon, 23 Nov 2026 12:01:30 GMT", None, Some(30));
        check("Mon, 23 Nov 2026 12:01:30 GMT", Some("garbled"), Some(30));
    }

    #[test]
    fn a_date_that_has_passed_means_at_once_and_anything_else_nothing() {
        check("Mon, 23 Nov 2026 11:59:30 GMT", Some(NOON), Some(0));
        check("soon", Some(NOON), None);
        check("-5", Some(NOON), None);
        check("", Some(NOON), None);
    }
}
