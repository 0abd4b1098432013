//! `haumana-server`: see the library of the same name.

fn main() -> std::process::ExitCode {
    haumana_server::main()
}
