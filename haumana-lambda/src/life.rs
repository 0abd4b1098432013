//! In which generation a function answers: what its setting says, or a higher one that the tables
//! know.
//!
//! A table of DynamoDB that is put back to an earlier point in time is another table, with old
//! data. Devices must notice, or they would believe that the server still has what it lost. A
//! number that rises, the generation, tells them.
//!
//! The operator raises it by a setting. The tables remember the highest number that they were
//! served in, so a deployment that forgets the setting does not go back.
//!
//! The question costs one small read, at the first event of somebody who is signed in, and not at
//! the start of the process.

use axum::Router;
use haumana_store_dynamo::DynamoStore;
use haumana_sync::store::{Error, Generation};
use std::fmt;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Makes what answers in a generation.
///
/// It is called once, as soon as the tables have answered.
pub type MakeRouter = Box<dyn Fn(Generation) -> Router + Send + Sync>;

/// What a function asks of the tables before it answers anybody for the first time.
///
/// The generation is a setting with a default, so it is easily left out of one deployment. Served in
/// an earlier generation, devices would miss what was written after a restore. The tables know the
/// highest one, and it counts.
pub struct Life {
    store: Arc<DynamoStore>,
    /// What the setting says.
    asked: Generation,
    make: MakeRouter,
    /// Empty until the tables have answered. A failure is not kept.
    made: OnceCell<Router>,
}

impl Life {
    /// Remembers what will be asked. `make` makes the router as soon as the answer is there.
    pub fn new(store: Arc<DynamoStore>, asked: Generation, make: MakeRouter) -> Self {
        Self { store, asked, make, made: OnceCell::new() }
    }

    /// Returns what answers. Asks the tables if nobody has yet.
    ///
    /// # Errors
    ///
    /// Those of [`DynamoStore::generation`]. The next call asks again.
    pub async fn router(&self) -> Result<Router, Error> {
        let ask = || async {
            let generation = self.store.generation(self.asked).await?;
            if generation != self.asked {
                // The setting says less than the tables, and an operator should know.
                tracing::warn!(asked = self.asked.0, generation = generation.0, "generation");
            }
            Ok((self.make)(generation))
        };
        self.made.get_or_try_init(ask).await.cloned()
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("asked", &self.asked).finish_non_exhaustive()
    }
}
