//! What the bill of the AWS stack is computed from is what is measured.

use haumana_benches::units::{YEARS, download, units};
use serde_json::Value;

#[test]
fn the_bill_is_computed_from_what_is_measured() {
    let printed: Value = serde_json::from_str(include_str!("../../units.json")).unwrap();

    let measured = units();

    let hint = "print them again: cargo run -p haumana-benches --bin units > benches/units.json";
    let (units, bytes) = apart(printed);
    let (units_now, bytes_now) = apart(measured);
    assert_eq!(units, units_now, "{hint}");
    for (bytes, now) in bytes.into_iter().zip(bytes_now) {
        let is_near = now.abs_diff(bytes) <= bytes / 50;
        assert!(is_near, "{bytes} bytes of a download are {now} now; {hint}");
    }
}

/// The units, and the bytes of downloads: they have times in them, which no two runs share.
fn apart(mut printed: Value) -> (Value, Vec<u64>) {
    let sessions = printed["sessions"].as_array_mut().unwrap();
    let bytes = sessions.iter_mut().map(|of_years| of_years["gzipBytes"].take().as_u64().unwrap());
    let mut bytes: Vec<u64> = bytes.collect();
    bytes.push(printed["piecesRequestBytes"].take().as_u64().unwrap());
    (printed, bytes)
}

#[test]
fn all_sessions_are_downloaded_for_a_tenth_of_what_they_cost_one_by_one() {
    // Measured before there were packed copies, of 1 and 5 years.
    let before = [51.0, 413.0];

    for (years, before) in YEARS.into_iter().filter(|years| 0 < *years).zip(before) {
        let (download, _) = download(years);

        let most = if years == 1 { before / 4.0 } else { before / 10.0 };
        assert!(download.read_units <= most, "{download:?}, {before} before");
        assert_eq!(0.0, download.write_units, "{download:?}");
    }
}
