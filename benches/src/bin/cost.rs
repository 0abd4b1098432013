//! Prints what syncs cost on DynamoDB, per operation and for a month of 100 users.
//!
//! `cargo run --release -p haumana-benches --bin cost`

use haumana_benches::cost::{Cost, READ_MILLION, WRITE_MILLION, measure};

/// The stated usage: people who are active, the pieces that each has, and what each does in a day.
const USERS: f64 = 100.0;
const PIECES: usize = 1_000;
const DAYS: f64 = 30.0;
/// The app is opened three times, syncs five times more, one of the syncs carries ten edits, and
/// the other device of the same person pulls them.
const FIRST_SYNCS: f64 = 3.0;
const NO_OPS: f64 = 5.0;
const PUSHES: f64 = 1.0;
const PULLS: f64 = 1.0;

fn main() {
    println!("| operation | pieces | requests | read units | write units | $ per million |");
    println!("|---|---|---|---|---|---|");
    for size in [100, PIECES, 10_000] {
        let costs = measure(size);
        for cost in &costs {
            print_row(size, cost);
        }
        if size == PIECES {
            print_month(&costs);
        }
    }
    println!("\nOn demand in us-east-1, November 2026: ${READ_MILLION} per million read request");
    println!("units, ${WRITE_MILLION} per million write request units. Without storage.");
}

fn print_row(size: usize, cost: &Cost) {
    let Cost { name, consumed } = cost;
    println!(
        "| {name} | {size} | {} | {} | {} | {:.2} |",
        consumed.requests,
        consumed.read_units,
        consumed.write_units,
        cost.million()
    );
}

/// Dollars of a month, beside what the TypeScript functions would have cost.
fn print_month(costs: &[Cost]) {
    let of = |name: &str| {
        costs.iter().find(|cost| cost.name.starts_with(name)).map_or(0.0, Cost::million) / 1e6
    };
    let day = FIRST_SYNCS * of("first sync of a started app, digest agrees")
        + NO_OPS * of("no-op")
        + PUSHES * of("10 changed pieces pushed among all")
        + PULLS * of("10 changed pieces pulled");
    // They query the partition twice in every sync, eventually consistent, and stop at the first
    // MB: what 1,000 pieces of 1.1 kB hold; a push puts each item, 2 units each, without history.
    let bytes = (PIECES as f64 * 1_100.0).min(1e6);
    let read = 2.0 * (bytes / 4096.0).ceil() * 0.5 * READ_MILLION / 1e6;
    let syncs = FIRST_SYNCS + NO_OPS + PUSHES + PULLS;
    let old = syncs * read + PUSHES * 10.0 * 2.0 * WRITE_MILLION / 1e6;
    let month = USERS * DAYS;
    eprintln!(
        "\na month of {USERS} users with {PIECES} pieces, {syncs} syncs a day: ${:.2};\n\
         the TypeScript functions: ${:.2} (and they skip what is behind 1 MB)\n",
        day * month,
        old * month
    );
}
