//! How far a long sync is.

use haumana_replica::Replica;
use indicatif::{ProgressBar, ProgressStyle};
use std::future::Future;
use std::time::Duration;

/// A shorter sync shows no progress.
const PATIENCE: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(100);

/// Runs a sync, and shows on a terminal what it has done so far.
///
/// The number of edits to send is known, so it makes a bar. The number of records to receive is not
/// known, so they are only counted. Without a terminal nothing is shown.
pub(crate) async fn with_progress<T>(replica: &Replica, syncing: impl Future<Output = T>) -> T {
    tokio::pin!(syncing);
    tokio::select! {
        done = &mut syncing => return done,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    let to_send = replica.status().pending as u64;
    let bar = if to_send == 0 { ProgressBar::no_length() } else { ProgressBar::new(to_send) };
    let template = match to_send {
        0 => "{spinner} {msg} · {elapsed}",
        _ => "[{bar:30}] {pos}/{len} sent · {msg} · {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            done = &mut syncing => {
                bar.finish_and_clear();
                return done;
            }
            _ = ticks.tick() => {
                let status = replica.status();
                bar.set_position(to_send.saturating_sub(status.pending as u64));
                bar.set_message(format!("{} received", status.pulled));
                bar.tick();
            }
        }
    }
}

/// How much of an import has been sent; shown on a terminal only.
#[derive(Debug)]
pub(crate) struct Pages(ProgressBar);

impl Pages {
    pub(crate) fn begin(entries: usize) -> Self {
        let bar = ProgressBar::new(entries as u64);
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} sent · {elapsed}")
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(crate) fn show(&self, sent: usize) {
        self.0.set_position(sent as u64);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
