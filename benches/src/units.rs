//! What the bill of the AWS stack is computed from: the units of what a user does in a day, and of
//! the sessions that every sync of the app downloads.
//!
//! They are in `units.json`, which `infrastructure/cdk/lib/bill.ts` reads; a test measures them again.

use crate::cost::{Ledger, measure};
use crate::month::{Line, PIECES, ours};
use flate2::write::GzEncoder;
use haumana_sync::digest::Digest;
use serde_json::{Value, json};
use std::io::Write;

/// How many years of practice the bill knows; once a day.
pub const YEARS: [usize; 3] = [0, 1, 5];
/// How many sessions are new since the last copy was made, in the middle.
const NEW: usize = 4;

/// What a download of all sessions costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Download {
    /// Years of one session a day.
    pub years: usize,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
    /// Bytes of the reply, compressed.
    pub gzip_bytes: usize,
}

/// A session as the app sends it when it starts, or with its end.
fn session(n: usize) -> Value {
    let chance = Digest::of([b"session".as_slice(), &n.to_be_bytes()]);
    let (day, minute) = (n % 28 + 1, chance.bits() % 60);
    let time =
        |hour: usize| format!("2026-{:02}-{day:02}T{hour:02}:{minute:02}:07Z", n / 28 % 12 + 1);
    json!({
        "sessionId": chance.into_id().to_string(),
        "pieceId": format!("5EED0000-0000-4000-8000-{:012X}", chance.bits() % 1_000),
        "startedAt": time(16), "endedAt": time(17), "endedAtSource": "manual", "createdAt": time(16),
    })
}

fn body(sessions: impl Iterator<Item = usize>) -> Vec<u8> {
    json!({ "sessions": sessions.map(session).collect::<Vec<_>>() }).to_string().into_bytes()
}

/// Measures a download of so many years, and what one new session costs on top.
///
/// # Panics
///
/// If there is no emulator.
pub fn download(years: usize) -> (Download, [f64; 2]) {
    let n = years * 365;
    let mut ledger = Ledger::fill(1);
    ledger.sessions(&body(0..n));
    // The first reader makes the copies, and the next few sessions are behind them.
    ledger.sessions(&body(0..0));
    ledger.sessions(&body(n..n + NEW));
    let (reply, consumed) = ledger.sessions(&body(0..0));
    let (_, with_one) = ledger.sessions(&body(n + NEW..n + NEW + 1));
    // As the functions do: `Compression::Small` of `haumana-api`.
    let mut gzip = GzEncoder::new(Vec::new(), haumana_api::Compression::Small.into());
    let gzip_bytes =
        gzip.write_all(&reply).and_then(|()| gzip.finish()).map_or(0, |gzip| gzip.len());
    let (read_units, write_units) = (consumed.read_units, consumed.write_units);
    let kept = [with_one.read_units - read_units, with_one.write_units - write_units];
    (Download { years, read_units, write_units, gzip_bytes }, kept)
}

/// Bytes of a sync of the app that has taken over the server's answer to its whole repertoire.
fn pieces_request_bytes() -> usize {
    Ledger::fill(PIECES).request_bytes()
}

/// Measures everything, as `units.json` has it.
pub fn units() -> Value {
    let line = |line: &Line| {
        json!({ "name": line.name, "timesADay": line.a_day,
            "readUnits": line.read_units, "writeUnits": line.write_units })
    };
    let mut day: Vec<Value> = ours(&measure(PIECES)).iter().map(line).collect();
    let measured = YEARS.map(download);
    let [.., (_, [read_units, write_units])] = measured;
    day.push(json!({ "name": "a practice session is kept", "timesADay": 1.0,
        "readUnits": read_units, "writeUnits": write_units }));
    let sessions = measured.map(|(download, _)| {
        let Download { years, read_units, write_units, gzip_bytes } = download;
        json!({ "years": years, "readUnits": read_units, "writeUnits": write_units,
            "gzipBytes": gzip_bytes })
    });
    json!({ "day": day, "piecesRequestBytes": pieces_request_bytes(), "sessions": sessions })
}
