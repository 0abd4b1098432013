//! Building and starting the emulator.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Names a service to be used instead of the emulator.
const ENDPOINT: &str = "HAUMANA_DYNAMODB_ENDPOINT";

/// Returns the URL of a service that speaks DynamoDB: what `HAUMANA_DYNAMODB_ENDPOINT` names, or
/// an emulator that this process starts, once, and that ends with it.
///
/// The first call on a machine builds the emulator, which takes some minutes.
///
/// # Panics
///
/// If it cannot be built or started.
pub fn endpoint() -> &'static str {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    let running = RUNNING.get_or_init(|| match std::env::var(ENDPOINT) {
        Ok(url) if !url.is_empty() => Running { url, _child: None },
        _ => start(&build()),
    });
    &running.url
}

/// A service, and the process that it is if it is ours: it ends when its input does.
struct Running {
    url: String,
    _child: Option<Child>,
}

/// Builds the emulator, if it is not built, and returns the program. Cargo's lock on the folder
/// makes several processes wait for one build.
fn build() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| here.join("../target"), PathBuf::from)
        .join("emulator");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet"])
        .arg("--manifest-path")
        .arg(here.join("emulator/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // Flags for this workspace, such as those of coverage, are none for the emulator.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the emulator must build");
    target.join("release/haumana-dynamo-emulator")
}

fn start(program: &Path) -> Running {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the emulator starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("the emulator says where it listens");
    let address = line.trim().strip_prefix("listening on ").expect("an address");
    Running { url: format!("http://{address}"), _child: Some(child) }
}
