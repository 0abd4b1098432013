//! Prints what syncs cost on DynamoDB, per operation and for a month of 100 users.
//!
//! `cargo run --release -p haumana-benches --bin cost`

use haumana_benches::cost::{
    Cost, LEAST_OF_TEN, READ_MILLION, WRITE_MILLION, least_of_ten, measure,
};
use haumana_benches::month::{DAYS, Line, PIECES, USERS, ours, theirs, total};
use haumana_benches::{item_bytes, piece};

fn main() {
    println!("| operation | pieces | requests | read units | write units | $ per million |");
    println!("|---|---|---|---|---|---|");
    let mut of_month = Vec::new();
    for size in [100, PIECES, 10_000] {
        let costs = measure(size);
        costs.iter().for_each(|cost| print_row(size, cost));
        if size == PIECES {
            of_month = costs;
        }
    }
    println!("\nOn demand in us-east-1: ${READ_MILLION} per million read request units,");
    println!("${WRITE_MILLION} per million write request units. Without storage.");
    print_least(&of_month);
    print_month(&of_month);
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

/// The write units of a push of ten, beside the least that they can be.
fn print_least(costs: &[Cost]) {
    println!("\n| the least write units of 10 changed pieces in one transaction | units |");
    println!("|---|---|");
    for (part, units) in LEAST_OF_TEN {
        println!("| {part} | {units} |");
    }
    let least = least_of_ten();
    println!("| together | {least} |");
    for cost in costs.iter().filter(|cost| cost.name.starts_with("10 changed pieces pushed")) {
        let units = cost.consumed.write_units;
        println!("| {} (measured): {:.2} times the least | {units} |", cost.name, units / least);
    }
}

/// Dollars of a month, beside what the TypeScript functions would have cost.
fn print_month(costs: &[Cost]) {
    let item_bytes = item_bytes(&piece(PIECES));
    println!(
        "\nA month of {USERS} users, {DAYS} days, {PIECES} pieces of {item_bytes} bytes each."
    );
    println!("Dollars: users · days · times a day · (read units · {READ_MILLION} + write units ·");
    println!("{WRITE_MILLION}) / 1,000,000.\n");
    print_lines("haumana-sync", &ours(costs));
    print_lines("the TypeScript functions", &theirs(item_bytes));
    println!("\nThe functions before this read only the first MB of a partition: whoever has more");
    println!("does not get it.");
}

fn print_lines(of: &str, lines: &[Line]) {
    println!("| {of} | times a day | read units | write units | $ a month |");
    println!("|---|---|---|---|---|");
    lines.iter().for_each(|line| println!("{line}"));
    println!("| together | | | | {:.2} |\n", total(lines));
}
