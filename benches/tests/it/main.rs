//! What a sync costs in store calls, and that no benchmark has rotted.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cost;
mod moving;
mod units;

use haumana_auth::Verifier;
use haumana_auth::verify::Rejection;
use haumana_benches::{Bench, Tokens, body, pieces, texts};
use haumana_sync::store::Calls;
use haumana_sync::text::{Later, TextMerge, merge_text};
use serde_json::Value;

fn reply(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_sync_without_changes_is_one_head_read_however_large_the_repertoire() {
    for bench in [Bench::memory(), Bench::sqlite()] {
        for size in [1, 300] {
            let held = bench.fill(size);
            bench.take_calls();
            let whole = body(held.pieces(), Some(&held.last));

            for sent in [body(&[], Some(&held.last)), whole] {
                bench.post(&held.user, &sent);
                assert_eq!(Calls { head: 1, ..Calls::default() }, bench.take_calls());
            }
        }
    }
}

#[test]
fn a_push_of_ten_writes_ten_and_reads_what_it_must() {
    for bench in [Bench::memory(), Bench::sqlite()] {
        let mut held = bench.fill(300);
        bench.take_calls();
        let sent = held.edit_ten();

        bench.post(&held.user, &sent);

        let calls = bench.take_calls();
        assert_eq!((1, 1, 1), (calls.head, calls.read, calls.commit));
        assert_eq!((10, 10), (calls.records_written, calls.history_written));
        assert_eq!((0, 0), (calls.index, calls.history));
    }
}

#[test]
fn a_pull_of_ten_reads_ten() {
    let bench = Bench::memory();
    let mut held = bench.fill(300);
    let sent = held.edit_ten();
    bench.post(&held.user, &sent);
    bench.take_calls();

    let pulled = reply(&bench.post(&held.user, &body(&[], Some(&held.last))));

    let calls = bench.take_calls();
    assert_eq!(10, pulled["serverPieces"].as_array().unwrap().len());
    assert_eq!((1, 1, 10, 0), (calls.head, calls.changes, calls.records_read, calls.index));
}

#[test]
fn every_place_pushes_and_pulls() {
    for bench in Bench::all() {
        let user = bench.new_user();
        let pushed = reply(&bench.post(&user, &body(&pieces(1), None)));
        let pulled = reply(&bench.post(&user, &body(&[], None)));

        assert_eq!(1, pushed["uploadedPieces"].as_array().unwrap().len(), "{}", bench.name);
        assert_eq!(1, pulled["serverPieces"].as_array().unwrap().len(), "{}", bench.name);
    }
}

#[test]
fn the_texts_of_the_benchmarks_merge_as_they_are_meant_to() {
    let merge = |[base, server, pushed]: texts::Texts| {
        merge_text(&base, &server, &pushed, Later::Pushed, 200_000)
    };

    assert!(matches!(merge(texts::one_edit_each(8)), TextMerge::Clean(_)));
    assert!(matches!(merge(texts::refrains(4)), TextMerge::Clean(_)));
    assert!(matches!(merge(texts::nothing_in_common(500)), TextMerge::Clash(_)));
}

#[test]
fn the_token_that_is_measured_is_accepted_and_the_long_one_is_refused_by_its_length() {
    let tokens = Tokens::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    assert!(tokens.verify(&tokens.good).is_ok());
    assert!(runtime.block_on(tokens.verifier().verify(&tokens.good)).is_ok());
    for n_bytes in [8_193, 8_000_000] {
        assert_eq!(Some(Rejection::TooLong), tokens.verify(&"a".repeat(n_bytes)).err());
    }
}
