//! Which generation the tables are in.
//!
//! It is one item in a partition of its own in the table of the history, whose items there never
//! expire. It only grows, so that nobody serves the tables in an earlier generation by leaving a
//! setting out. A restore brings back the number of its time.
//!
//! The condition of the write makes it safe with any number of processes: a lower number never
//! replaces a higher one. A process that was started with a lower one serves in the higher.

use crate::items::{Item, key_item, n, number};
use crate::requests::Condition;
use crate::schema::{HISTORY, life_key};
use crate::store::{DynamoStore, corrupt};
use haumana_sync::store::{Generation, Result};

const GENERATION: &str = "_generation";

impl DynamoStore {
    /// Returns the generation that the tables are in: `asked`, or a higher one that they were in
    /// before. Writes down what is new.
    ///
    /// Pass what it returns to the engine. After a restore to a point in time the tables are other
    /// ones that know an earlier number, so an operator raises `asked` then.
    ///
    /// # Guarantees
    ///
    /// - What was returned once is never followed by less, whoever asks.
    /// - Nothing is written if the tables know `asked` or a higher one.
    ///
    /// # Errors
    ///
    /// Those of every call of the store. The same call again is safe.
    pub async fn generation(&self, asked: Generation) -> Result<Generation> {
        loop {
            let known = self.known_generation().await?.unwrap_or_default();
            // Where nothing was ever raised there is no item, and none is needed.
            if asked <= known {
                return Ok(known);
            }
            if self.raise(asked).await? {
                return Ok(asked);
            }
            // Somebody has raised it further meanwhile, which the next read finds.
        }
    }

    /// Returns the generation that is written down; `None` if there is none.
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

    /// Writes a generation down; tells whether a lower one, or none, was there.
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
