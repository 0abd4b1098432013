//! Instants: milliseconds UTC inside, `YYYY-MM-DDTHH:MM:SS.mmmZ` on the wire.
//!
//! A point in time is always an [`UnixMillis`]. A length of time is an `i64` whose name ends in
//! `_ms` or `_secs`. The library never asks the system for the time; see
//! [`Clock`](crate::engine::Clock).

use serde::{Deserialize, Serialize};
use std::fmt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01 UTC.
///
/// `Display` writes the form of the wire: UTC, three digits, `Z`. It clamps to the years 1 to 9999,
/// which [`UnixMillis::parse`] can read back. There are no leap seconds.
///
/// Additions saturate, so arithmetic on times from other people's devices cannot overflow.
///
/// ```
/// use haumana_sync::time::UnixMillis;
///
/// let noon = UnixMillis::parse("2026-11-28T12:00:00-10:00");
///
/// assert_eq!(noon, UnixMillis::parse("2026-11-28T22:00:00.000Z"));
/// assert_eq!(None, UnixMillis::parse("noon"));
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// The first instant of the year 0001: nothing earlier can be printed with a four-digit year.
const FIRST_MS: i64 = -62_135_596_800_000;
/// The last millisecond of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;

impl UnixMillis {
    /// Parses RFC 3339 with any offset and any number of fractional digits.
    ///
    /// Digits beyond milliseconds are cut, not rounded. It returns `None` for a time outside the
    /// years 1 to 9999, and for a time without an offset, whose time zone is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(ms) = parse_utc(text.as_bytes()) {
            return Some(Self(ms));
        }
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let ms = i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        (FIRST_MS..=LAST_MS).contains(&ms).then_some(Self(ms))
    }

    /// Returns the whole seconds, rounded down.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Makes an instant from whole seconds.
    pub fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Returns the instant `ms` later.
    ///
    /// A negative `ms` goes back. The result saturates at the range of 64 bits.
    ///
    /// ```
    /// use haumana_sync::time::UnixMillis;
    ///
    /// let retention_ms = 90 * 86_400_000;
    /// let oldest = UnixMillis(1_795_392_000_000).plus_ms(-retention_ms);
    ///
    /// assert_eq!("2026-08-25T00:00:00.000Z", oldest.to_string());
    /// ```
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.clamp(FIRST_MS, LAST_MS);
        let (year, month, day) = civil_from_days(ms.div_euclid(86_400_000));
        let rest = ms.rem_euclid(86_400_000);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, milli) = (rest / 1000 % 60, rest % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Reads the two forms that nearly every request uses, `…SSZ` and `…SS.mmmZ`. With the general
/// parser alone, three timestamps per piece were a tenth of the time of a sync.
fn parse_utc(text: &[u8]) -> Option<i64> {
    let milli = match text.len() {
        20 if text[19] == b'Z' => 0,
        24 if text[19] == b'.' && text[23] == b'Z' => digits(&text[20..23])?,
        _ => return None,
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
    let (hour, minute, second) =
        (digits(&text[11..13])?, digits(&text[14..16])?, digits(&text[17..19])?);
    let days = days_from_civil(year, month, day);
    let is_real = 1 <= year && civil_from_days(days) == (year, month, day);
    if !is_real || 23 < hour || 59 < minute || 59 < second {
        return None;
    }
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + milli)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, by eras of 400 years.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: Option<&str>) {
        let parsed = UnixMillis::parse(text).map(|at| at.to_string());
        assert_eq!(printed, parsed.as_deref(), "{text}");
    }

    #[test]
    fn prints_exactly_three_fractional_digits() {
        check("2025-06-18T12:00:00Z", Some("2025-06-18T12:00:00.000Z"));
        check("2025-06-18T12:00:00.1239Z", Some("2025-06-18T12:00:00.123Z"));
        check("2025-06-18T02:00:00.5-10:00", Some("2025-06-18T12:00:00.500Z"));
        check("1969-12-31T23:59:59.999Z", Some("1969-12-31T23:59:59.999Z"));
        check("2024-02-29T00:00:00.000Z", Some("2024-02-29T00:00:00.000Z"));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in ["", "2025-06-18", "2025-02-29T00:00:00Z", "2025-06-18T24:00:00Z", "now"] {
            check(text, None);
        }
        check("2025-13-01T00:00:00.000Z", None);
        check("0000-01-01T00:00:00Z", None);
    }

    #[test]
    fn agrees_with_the_general_parser_on_every_day_of_four_centuries() {
        for day in 0..146_097_i64 {
            let at = UnixMillis((day - 60_000) * 86_400_000 + 45_296_789);
            let nanos = i128::from(at.0) * 1_000_000;
            let known = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();

            assert_eq!(known.date().to_string(), at.to_string()[..10]);
            assert_eq!(Some(at), UnixMillis::parse(&at.to_string()));
        }
    }
}
