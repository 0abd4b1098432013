//! What the rules before lost, beside ours: the same phones, the same histories, counted in the same way.
//!
//! `cargo run --release -p haumana-sim --example before -- --histories 1000 [--first SEED]`

use haumana_sim::before::{PAGE_BYTES, Rules, Score, run};
use std::process::ExitCode;

/// The rules, the most pieces at the beginning, and what a row is called.
const ROWS: [(&str, Rules, usize); 4] = [
    ("last push wins", Rules::Before { page_bytes: PAGE_BYTES }, 3),
    ("haumana-sync", Rules::Ours, 3),
    ("last push wins, more than a page", Rules::Before { page_bytes: 3000 }, 8),
    ("haumana-sync, as many pieces", Rules::Ours, 8),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (Some(histories), Some(first)) = (option("--histories", 1000), option("--first", 0)) else {
        eprintln!("usage: before [--histories N] [--first SEED]");
        return ExitCode::from(2);
    };
    println!(
        "| rules | edits | lost | stranded | doubled | garbled | histories with a loss | phones apart |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, rules, pieces) in ROWS {
        let mut sum = Score::default();
        for seed in first..first + histories {
            match run(rules, seed, pieces).await {
                Ok(score) => sum += score,
                Err(violation) => {
                    eprintln!("{name}, --first {seed} --histories 1: {}", violation.text);
                    return ExitCode::FAILURE;
                }
            }
        }
        let Score { edits, lost, stranded, doubled, garbled, with_a_loss, apart, .. } = sum;
        println!(
            "| {name} | {edits} | {lost} | {stranded} | {doubled} | {garbled} | {with_a_loss} | {apart} |"
        );
    }
    ExitCode::SUCCESS
}

/// The number behind a name; `None` if it is none.
fn option(name: &str, otherwise: u64) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    match arguments.next() {
        None => Some(otherwise),
        Some(_) => arguments.next()?.parse().ok(),
    }
}
