//! Building and starting the emulator.
//!
//! The emulator is a program of its own, in `emulator/`, with a lock file of its own. It is built
//! once per machine and started once per process.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Names a service to be used instead of the emulator.
const ENDPOINT: &str = "HAUMANA_DYNAMODB_ENDPOINT";

/// Returns the URL of a service that speaks DynamoDB, as [`find_endpoint`] does.
///
/// # Panics
///
/// If the emulator cannot be built or started.
pub fn endpoint() -> &'static str {
    find_endpoint().expect("the emulator starts")
}

/// Returns the URL of a service that speaks DynamoDB: the one that `HAUMANA_DYNAMODB_ENDPOINT`
/// names, or an emulator that this process starts once, and that ends with the process.
///
/// The first call on a machine builds the emulator, which takes some minutes.
///
/// # Errors
///
/// If the emulator cannot be built or started.
pub fn find_endpoint() -> io::Result<&'static str> {
    static RUNNING: OnceLock<Result<Running, String>> = OnceLock::new();
    let running = RUNNING.get_or_init(|| match std::env::var(ENDPOINT) {
        Ok(url) if !url.is_empty() => Ok(Running { url, _child: None }),
        _ => build().and_then(|program| start(&program)).map_err(|error| error.to_string()),
    });
    running.as_ref().map(|running| &*running.url).map_err(|error| io::Error::other(error.clone()))
}

/// A service. If it is ours, also its process, which ends when its input does.
struct Running {
    url: String,
    _child: Option<Child>,
}

/// Builds the emulator, unless it is built already, and returns the program. Cargo's lock on the
/// folder makes several processes wait for one build.
fn build() -> io::Result<PathBuf> {
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
        // Flags for this workspace, such as those of coverage, are not for the emulator.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()?;
    match built.success() {
        true => Ok(target.join("release/haumana-dynamo-emulator")),
        false => Err(io::Error::other("the emulator of DynamoDB does not build")),
    }
}

fn start(program: &Path) -> io::Result<Running> {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    let address = line.trim().strip_prefix("listening on ");
    let missing = || io::Error::other("the emulator of DynamoDB does not say where it listens");
    let url = format!("http://{}", address.ok_or_else(missing)?);
    Ok(Running { url, _child: Some(child) })
}
