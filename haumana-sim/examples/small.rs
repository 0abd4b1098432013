//! Every history of a small scope, on the engine in memory.
//!
//! `cargo run --release -p haumana-sim --example small -- --turns 3 [--cast pcc]`

use haumana_sim::small::{Bound, Cast, search};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let turns = option("--turns").map_or(Some(3), |turns| turns.parse().ok());
    let Some(turns) = turns else {
        eprintln!("usage: small [--turns N] [--cast ccc|pcc|ppc|ppp]");
        return ExitCode::from(2);
    };
    let wanted = option("--cast");
    let mut n_violations = 0;
    println!(
        "| devices | turns at most | histories | seconds | violations |\n|---|---|---|---|---|"
    );
    for cast in Cast::ALL {
        let name = cast.name();
        if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        let begun = Instant::now();
        let found = search(cast, Bound::of_turns(turns));
        let secs = begun.elapsed().as_secs_f64();
        let (histories, n) = (found.histories, found.n_violations);
        println!("| {name} | {turns} | {histories} | {secs:.1} | {n} |");
        found.violations.iter().for_each(|violation| eprintln!("  {violation}"));
        n_violations += n;
    }
    if n_violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What stands behind a name.
fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}
