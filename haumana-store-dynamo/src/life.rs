//! Which generation the tables are in.
//!
//! It is one item in a partition of its own in the table of the history, whose items there never
//! expire. It only grows. So a process that lacks the setting cannot serve the tables in an earlier
//! generation. A restore brings back the number of its time.
//!
//! The condition of the write makes it safe with any number of processes: a lower number never
//! replaces a higher one. A process that was started with a lower one serves in the higher one.

use crate::items::{Item, key_item, n, number};
use crate::requests::Condition;
use crate::schema::{HISTORY, life_key};
use crate::store::{DynamoStore, corrupt};
use haumana_sync::store::{Generation, Result};

const GENERATION: &str = "_generation";

impl DynamoStore {
    /// Returns the generation of the tables: `asked`, or a higher one in which they were before.
    /// Writes it if it is new.
    ///
    /// Pass the result to the engine. After a restore to a point in time the tables are new ones
    /// with an earlier number. So an operator must raise `asked` then.
    ///
    /// # Guarantees
    ///
    /// - Later calls never return less, in any process.
    /// - Nothing is written if the tables know `asked` or a higher one.
    ///
    /// # Errors
    ///
    /// Those of every call of the store. The same call again is safe.
    pub async fn generation(&self, asked: Generation) -> Result<Generation> {
        loop {
            let known = self.known_generation().await?.unwrap_or_default();
            // If nothing was ever raised, there is no item, and none is needed.
            if asked <= known {
                return Ok(known);
            }
            if self.raise(asked).await? {
                return Ok(asked);
            }
            // Another process has raised it further meanwhile; the next read finds that.
        }
    }

    /// Returns the stored generation; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Those of every call of the store.
    pub async fn known_generation(&self) -> Result<Option<Generation>> {
        let op = "generation";
        let item = self.get(&mut self.reading(op), &life_key()).await?;
        let read = |item: Item| number(&item, GENERATION).map(Generation);
        item.map(read).transpose().map_err(corrupt(op))
    }

    /// Stores a generation. Returns whether a lower one, or none, was stored before.
    async fn raise(&self, next: Generation) -> Result<bool> {
        let mut item = key_item(&life_key());
        item.insert(GENERATION.to_owned(), n(next.0));
        let condition = Condition {
            text: "attribute_not_exists(#generation) OR #generation < :next",
            name: ("#generation", GENERATION),
            values: Item::from([(":next".to_owned(), n(next.0))]),
        };
        self.put_if("generation", HISTORY, &item, &condition).await
    }
}
