//! The mistake of handles that open empty storage at once: each of them makes the database.

use super::LIMIT;
use super::backend::Backend;
use haumana_sync::Store;
use haumana_sync::conformance::sample::{task, together};
use haumana_sync::conformance::{
    Broken, handles_that_open_empty_storage_at_once_work_together as law,
    handles_that_open_empty_storage_on_threads_at_once_work_together as law_on_threads, on_threads,
    try_run,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::yield_now;

/// Where the database is, once somebody has made it.
#[derive(Default)]
struct Place(Mutex<Option<Arc<Backend>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Whoever finds no database looks again, under the lock, before it makes one.
    LooksAgain,
    /// Whoever finds no database makes one, in place of one that was made meanwhile.
    Replaces,
    /// As `LooksAgain`, but no call yields.
    LooksAgainBlocking,
    /// As `Replaces`, but no call yields.
    ReplacesBlocking,
}

async fn open(place: &Place, opening: Opening) -> Arc<Backend> {
    let found = place.0.lock().unwrap().clone();
    // Others open here, too.
    match opening {
        Opening::LooksAgain | Opening::Replaces => yield_now().await,
        // To make a database takes several writes to a disk.
        _ => std::thread::sleep(Duration::from_millis(5)),
    }
    let mut made = place.0.lock().unwrap();
    match opening {
        Opening::LooksAgain | Opening::LooksAgainBlocking => {
            Arc::clone(made.get_or_insert_with(|| Arc::new(Backend::new(None))))
        }
        Opening::Replaces | Opening::ReplacesBlocking => {
            let new = found.unwrap_or_else(|| Arc::new(Backend::new(None)));
            *made = Some(Arc::clone(&new));
            new
        }
    }
}

/// Runs the law on four handles that are opened at once.
pub(super) fn broken(opening: Opening) -> Result<(), Broken> {
    try_run("opening", LIMIT, move || async move {
        let place = Place::default();
        let opened = (0..4).map(|_| task(open(&place, opening))).collect();
        let opened: Vec<Arc<Backend>> = together(opened).await;
        let stores: Vec<&dyn Store> = opened.iter().map(|store| &**store as &dyn Store).collect();
        law(&stores).await;
    })
}

/// Runs the law on four handles that are opened at once, each on a thread.
pub(super) fn broken_on_threads(opening: Opening) -> Result<(), Broken> {
    try_run("opening", LIMIT, move || async move {
        let place = Arc::new(Place::default());
        let opened = (0..4).map(|_| {
            let place = Arc::clone(&place);
            move || async move { open(&place, opening).await }
        });
        let opened = on_threads(opened.collect()).await;
        law_on_threads(opened.into_iter().map(|store| store as Arc<dyn Store>).collect()).await;
    })
}
