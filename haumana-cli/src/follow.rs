//! `haumana sync --follow`: other devices' edits, as they come.

use crate::answer::{Answer, one_line, print};
use crate::args::Sync;
use crate::find::title_of;
use crate::local_time::minute;
use crate::online::{Online, inbox};
use crate::problem::Problem;
use crate::system::Machine;
use haumana_replica::{Cause, Change, Event, Following, Pace, Replica, Status};
use haumana_sync::engine::Clock;
use haumana_sync::id::Key;
use serde_json::json;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::time::sleep;

/// How long a device may have no live feed before the program says so. At the start it first syncs
/// and then connects.
const CONNECTING: Duration = Duration::from_secs(5);

impl Online<'_> {
    /// Syncs, and goes on until Ctrl-C, or until nobody reads the output.
    pub(crate) async fn follow(&self, args: &Sync, is_json: bool) -> Result<(), Problem> {
        let replica = self.device.replica().await?;
        let synced = self.sync_on(&replica, args).await?;
        if print(&synced, is_json).is_err() {
            return Ok(());
        }
        let shown = tokio::select! {
            followed = replica.follow_with(&self.transport, Pace::usual(), &Machine) => {
                return followed.map_err(|error| self.problem(error));
            }
            shown = show(&replica, is_json) => shown,
            stopped = tokio::signal::ctrl_c() => stopped,
        };
        // It is normal that the reader of a pipe ends first.
        shown.or(Ok(()))
    }
}

/// Writes the changes, and whether the device has a live feed.
async fn show(replica: &Replica, is_json: bool) -> io::Result<()> {
    let (mut changes, mut status) = (replica.changes(), replica.watch());
    let (mut following, mut printed) = (Following::Not, Following::Not);
    let mut open = status.borrow().open_conflicts;
    let mut stands = pin!(sleep(Duration::ZERO));
    loop {
        tokio::select! {
            changed = status.changed() => {
                let now = *status.borrow_and_update();
                if changed.is_ok() && now.following != following {
                    following = now.following;
                    let is_polling = following == Following::Polling;
                    stands.set(sleep(if is_polling { CONNECTING } else { Duration::ZERO }));
                }
                if now.open_conflicts != open {
                    open = now.open_conflicts;
                    print(&waiting(&now), is_json)?;
                }
            }
            () = &mut stands, if following != printed => {
                printed = following;
                print(&said(following), is_json)?;
            }
            event = changes.next() => match event {
                Some(Event::Changed(Change { keys, cause: Cause::Sync, .. })) => {
                    for key in keys.iter() {
                        print(&changed(replica, *key).await, is_json)?;
                    }
                }
                Some(Event::Missed) => print(&missed(), is_json)?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}

fn said(following: Following) -> Answer {
    let (word, text) = match following {
        Following::Live => ("live", "live: other devices' edits come at once (Ctrl-C ends it)"),
        Following::Polling => {
            ("polling", "the server cannot tell of edits now; asking every minute")
        }
        Following::Offline => ("offline", "the server cannot be reached; trying again"),
        _ => ("not", "not following"),
    };
    Answer::new(text.to_owned(), json!({ "following": word }))
}

/// What waits in the inbox by now.
fn waiting(status: &Status) -> Answer {
    let text = match inbox(status) {
        Some(values) => format!("inbox: {values}; see haumana conflicts"),
        None => "inbox: empty".to_owned(),
    };
    Answer::new(text, json!({ "openConflicts": status.open_conflicts }))
}

fn missed() -> Answer {
    let text = "more has changed than is shown here: see haumana list";
    Answer::new(text.to_owned(), json!({ "missed": true }))
}

async fn changed(replica: &Replica, key: Key) -> Answer {
    let schema = replica.schema().await;
    let kind = schema.kind(key.kind).map_or("record", |kind| kind.name());
    let is_deleted = replica.record(key).await.ok().flatten().is_none();
    let title = title_of(replica, key).await;
    let what = if is_deleted { "deleted " } else { "" };
    let text = format!("{} {what}{kind} {}", minute(Machine.now()), one_line(&title));
    let json = json!({
        "kind": kind, "id": key.id.to_string(), "title": title, "deleted": is_deleted,
    });
    Answer::new(text, json)
}
