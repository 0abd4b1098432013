//! What syncs cost on DynamoDB follows what changed, not what there is.

use haumana_benches::cost::{Ledger, least_of_ten};

#[test]
fn a_sync_without_changes_is_one_unit_however_large_the_repertoire() {
    for size in [10, 300] {
        let mut ledger = Ledger::fill(size);

        for cost in [ledger.no_op(), ledger.first_sync_agreeing()] {
            let consumed = cost.consumed;
            assert_eq!(
                (1, 1.0, 0.0),
                (consumed.requests, consumed.read_units, consumed.write_units)
            );
        }
    }
}

/// ADR 0018: the server follows whether its reply to an edit arrived.
#[test]
fn the_first_sync_after_a_push_writes_the_head_once_and_the_next_one_nothing() {
    for size in [10, 300] {
        let mut ledger = Ledger::fill(size);
        ledger.push_ten_among_all();

        let (first, next) = (ledger.sync_after_push().consumed, ledger.no_op().consumed);

        assert_eq!((2, 1.0), (first.requests, first.read_units), "{size}: {first:?}");
        assert!(first.write_units <= 4.0, "{size}: the head, 2 kB, twice: {first:?}");
        assert_eq!((1, 1.0, 0.0), (next.requests, next.read_units, next.write_units), "{size}");
    }
}

#[test]
fn a_first_sync_of_1000_pieces_reads_the_index_and_not_the_pieces() {
    let mut ledger = Ledger::fill(1_000);

    let consumed = ledger.first_sync_lacking_one().consumed;

    // The index has 1,000 entries of 141 bytes, 35 units; the head is read by the engine, and by
    // the store to see that the index is whole; the piece that differs is read.
    assert!(consumed.read_units <= 40.0, "{consumed:?}");
    assert_eq!(0.0, consumed.write_units);
}

/// ADR 0054: by what a phone differs for good is remembered.
#[test]
fn a_phone_that_differs_for_good_is_compared_once() {
    for size in [100, 1_000] {
        let mut ledger = Ledger::fill(size);

        let (first, next) = (ledger.sync_that_differs(), ledger.sync_that_differs());

        let (first, next) = (first.consumed, next.consumed);
        assert!(first.write_units <= 4.0, "{size}: the head, twice: {first:?}");
        assert_eq!((1, 1.0, 0.0), (next.requests, next.read_units, next.write_units), "{size}");
    }
}

#[test]
fn a_push_and_a_pull_of_ten_cost_the_same_of_few_and_of_many() {
    for size in [100, 1_000, 10_000] {
        let mut ledger = Ledger::fill(size);

        let (pushed, pulled) = (ledger.push_ten().consumed, ledger.pull_ten().consumed);

        assert!(pushed.requests <= 3, "head, records, transaction: {pushed:?}");
        assert_eq!(11.0, pushed.read_units, "the head and ten records");
        let least = least_of_ten();
        assert!(pushed.write_units <= 1.3 * least, "{pushed:?}, at least {least}");
        // Heads for the engine and for the page, the index, and each record.
        assert!(pulled.read_units <= 4.0 + 10.0, "{pulled:?}");
    }
}

#[test]
fn the_app_pushes_and_pulls_ten_among_all_for_the_price_of_ten() {
    for size in [100, 1_000] {
        let mut ledger = Ledger::fill(size);

        let pulled = ledger.pull_ten_among_all().consumed;
        let pushed = ledger.push_ten_among_all().consumed;

        // The head for the engine and for the page, the indexes of two tables, ten records.
        assert!(pulled.requests <= 5 && pulled.read_units <= 4.0 + 10.0, "{size}: {pulled:?}");
        assert!(pushed.requests <= 3, "{size}: head, records, transaction: {pushed:?}");
        assert_eq!(11.0, pushed.read_units, "{size}: the head and ten records");
    }
}

/// ADR 0055: the index is read as it is, the records as they were a moment ago.
#[test]
fn who_pulls_everything_reads_the_records_for_half() {
    let mut ledger = Ledger::fill(1_000);

    let (client, phone) = (ledger.pull_all_by_client(), ledger.pull_all());

    let (client, phone) = (client.consumed, phone.consumed);
    // The records are 260 units, the index 35; the engine and the store both ask a phone's index.
    assert!(client.read_units <= 180.0, "{client:?}");
    assert!(phone.read_units <= 205.0, "{phone:?}");
    assert_eq!((0.0, 0.0), (client.write_units, phone.write_units));
}
