//! The log of the functions: standard output, one JSON object a line.
//!
//! CloudWatch keeps what a function prints. So everything in it must be safe to keep: numbers,
//! codes, hashes of users, and the text of errors, which by contract contains no user data.
//!
//! The message of a panic, and an error at the start, go to the standard error, as text.

use haumana_api::AUDIT;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The level of our own lines if the environment does not set one.
pub const DEFAULT_LEVEL: LevelFilter = LevelFilter::INFO;

/// Starts logging. A second call changes nothing.
///
/// Only our own crates follow `level`. At its lowest level the runtime prints whole events, with
/// tokens and lyrics, and libraries below it print requests. So lines of all other crates are off,
/// whatever the level. Lines of the audit log are written at every level.
pub fn start(level: LevelFilter) {
    let ours =
        ["haumana_api", "haumana_auth", "haumana_sync", "haumana_store_dynamo", "haumana_lambda"];
    let targets =
        ours.iter().fold(Targets::new().with_default(LevelFilter::OFF), |targets, name| {
            targets.with_target(*name, level)
        });
    // Exports, imports, rewinds and erasures are logged at every level.
    let targets = targets.with_target(AUDIT, LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(std::io::stdout);
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
}
