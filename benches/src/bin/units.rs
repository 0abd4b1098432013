//! Prints the units that the bill of the AWS stack is computed from:
//! `cargo run -p haumana-benches --bin units > benches/units.json`

fn main() {
    println!("{:#}", haumana_benches::units::units());
}
