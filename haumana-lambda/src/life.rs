//! The generation in which a function answers: that of its setting, or a higher one that the tables
//! know.
//!
//! If a table of DynamoDB is restored to an earlier point in time, it is another table, with old
//! data. Devices must notice that. Otherwise they would believe that the server still has the edits
//! that it lost. A higher generation tells them.
//!
//! The operator raises it by a setting. The tables remember the highest number in which they were
//! served, so a deployment without the setting does not go back.
//!
//! Asking the tables costs one small read. It happens at the first event with a user, and not at
//! the start of the process.

use axum::Router;
use haumana_store_dynamo::DynamoStore;
use haumana_sync::store::{Error, Generation};
use std::fmt;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Makes the router for a generation.
///
/// It is called once, as soon as the tables have answered.
pub type MakeRouter = Box<dyn Fn(Generation) -> Router + Send + Sync>;

/// Finds the generation, and keeps the router for it.
///
/// The generation is a setting with a default, so a deployment may easily lack it. In a lower
/// generation, devices would miss what was written after a restore. So the highest generation that
/// the tables know counts.
pub struct Life {
    store: Arc<DynamoStore>,
    /// The generation of the setting.
    asked: Generation,
    make: MakeRouter,
    /// Empty until the tables have answered. A failure is not kept.
    made: OnceCell<Router>,
}

impl Life {
    /// Asks nothing yet. `make` is called as soon as the tables have answered.
    pub fn new(store: Arc<DynamoStore>, asked: Generation, make: MakeRouter) -> Self {
        Self { store, asked, make, made: OnceCell::new() }
    }

    /// Returns the router. Asks the tables if they have not answered yet.
    ///
    /// # Errors
    ///
    /// Those of [`DynamoStore::generation`]. The next call asks again.
    pub async fn router(&self) -> Result<Router, Error> {
        let ask = || async {
            let generation = self.store.generation(self.asked).await?;
            if generation != self.asked {
                // The setting is lower than the tables' number. An operator should know that.
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
