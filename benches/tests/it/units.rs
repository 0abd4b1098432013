//! What the bill of the AWS stack is computed from is what is measured.

use haumana_benches::units::{YEARS, download, units};
use serde_json::Value;

#[test]
fn the_bill_is_computed_from_what_is_measured() {
    let printed: Value = serde_json::from_str(include_str!("../../units.json")).unwrap();

    let measured = units();

    let hint = "cargo run -p haumana-benches --bin units > benches/units.json";
    assert_eq!(printed, measured, "print them again: {hint}");
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
