//! The state of an account, without its content.

use crate::engine::edit::meta::Meta;
use crate::engine::edit::record::{HistoryMeta, parse};
use crate::engine::{Engine, Result};
use crate::id::{KindNumber, UserId};
use crate::store::{After, Head, Operate};
use crate::time::UnixMillis;
use std::collections::BTreeMap;

/// How many records, or entries of the history, are read at once.
const PAGE: usize = 500;

/// The state of an account.
///
/// It answers a person's question whether their records are still there, and does not show their
/// content to an operator. Names of devices are those that the devices gave themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The head; `None` if there is no such account.
    pub head: Option<Head>,
    /// The records of each kind, by its name.
    pub kinds: BTreeMap<String, KindCount>,
    /// When a record changed last.
    pub changed_at: Option<UnixMillis>,
    /// Devices that gave themselves a name, each with the time of its last change.
    pub devices: BTreeMap<String, UnixMillis>,
    /// How many entries of the inbox are open.
    pub open_conflicts: usize,
    /// The history.
    pub history: HistoryCount,
}

/// The records of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindCount {
    /// How many there are.
    pub live: usize,
    /// How many were deleted.
    pub deleted: usize,
    /// How many bytes their content has.
    ///
    /// This is the stored JSON of live records and tombstones, without what is kept beside it.
    pub bytes: usize,
}

/// The history of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryCount {
    /// How many entries there are.
    pub entries: usize,
    /// How many bytes they have.
    pub bytes: usize,
    /// How many of them are past their retention. They are in no answer, and the next sweep deletes
    /// them.
    pub past_retention: usize,
    /// When the oldest was superseded.
    pub oldest: Option<UnixMillis>,
}

impl Engine {
    /// Reads the state of an account. `all` is the engine's own store. What others write meanwhile
    /// may or may not be counted.
    ///
    /// It reads all records and the whole history, so it costs as much as [`Engine::verify`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, store, kai, song, .. } = example();
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    ///
    /// let summary = engine.summary(&*store, &kai).await?;
    ///
    /// assert_eq!(1, summary.kinds["song"].live);
    /// assert!(summary.devices.contains_key("phone"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::engine::ErrorKind::Unavailable) if the store cannot answer.
    pub async fn summary(&self, all: &dyn Operate, user: &UserId) -> Result<Summary> {
        let head = self.screen.store.head(user).await?;
        let mut summary = Summary { head, ..Summary::default() };
        let mut after = After::Start;
        loop {
            let page = self.screen.store.changes(user, after, PAGE).await?;
            for record in &page.records {
                if record.key.kind == KindNumber::CONFLICT {
                    summary.open_conflicts += usize::from(!record.deleted);
                    continue;
                }
                let name = self.schema().name_of(record.key.kind).into_owned();
                let count = summary.kinds.entry(name).or_default();
                match record.deleted {
                    true => count.deleted += 1,
                    false => count.live += 1,
                }
                count.bytes += record.content.len();
                summary.changed_at = summary.changed_at.max(Some(record.modified_at));
                let meta: Result<Meta> = parse(&record.meta);
                summary.see(meta.ok().and_then(|meta| meta.device), record.modified_at);
            }
            let Some(place) = page.rest_after() else { break };
            after = After::Place(place);
        }
        self.sum_up_history(all, user, &mut summary).await?;
        Ok(summary)
    }

    async fn sum_up_history(
        &self,
        all: &dyn Operate,
        user: &UserId,
        summary: &mut Summary,
    ) -> Result<()> {
        let oldest = self.context(self.clock.now()).oldest;
        let mut place = None;
        loop {
            let part = all.user_history(user, place.as_ref(), PAGE).await?;
            for entry in &part.entries {
                let history = &mut summary.history;
                history.entries += 1;
                history.bytes += entry.size_bytes();
                history.past_retention += usize::from(entry.at < oldest);
                history.oldest = Some(history.oldest.map_or(entry.at, |at| at.min(entry.at)));
                let meta: Result<HistoryMeta> = parse(&entry.meta);
                if let Ok(meta) = meta {
                    summary.see(meta.device, meta.at);
                }
            }
            place = part.next;
            if place.is_none() {
                return Ok(());
            }
        }
    }
}

impl Summary {
    fn see(&mut self, device: Option<String>, at: UnixMillis) {
        if let Some(device) = device {
            let seen = self.devices.entry(device).or_insert(at);
            *seen = at.max(*seen);
        }
    }
}
