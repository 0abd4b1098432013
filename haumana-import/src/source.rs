//! Sources of items.
//!
//! A source may return an item twice, for example after it has started over. The second one changes
//! nothing. A source must not leave an item out. If it cannot read all, it must fail and not end
//! early, because an import that reaches the end believes that it has seen everything.

use crate::attribute::Item;
use crate::error::Result;
use crate::item::Table;

/// One item as it was found, or the reason why it could not even be read.
///
/// The place is what a person needs to find the item again, such as `abc.json.gz:17` or
/// `haumana-pieces-prod:1204`.
#[derive(Clone, Debug)]
pub struct Found {
    /// The table that it is from.
    pub table: Table,
    /// Where it was found, for people. It contains nothing of its content.
    pub place: String,
    /// Its attributes; `None` if it is not an item.
    pub item: Option<Item>,
}

/// Returns the items of the earlier server's tables, page by page, each at least once.
///
/// A page may have items of many users. The import sorts them; it does not need them together.
#[async_trait::async_trait]
pub trait Source: Send {
    /// Returns the next page; `None` at the end. A page may be empty.
    ///
    /// # Errors
    ///
    /// [`crate::Error`] if the rest cannot be read. Starting over is harmless.
    async fn next(&mut self) -> Result<Option<Vec<Found>>>;
}

/// Several sources, one after the other.
///
/// Pieces and sessions are two sources. When a source ends it is dropped, with its files and
/// connections.
pub struct Chain(pub Vec<Box<dyn Source>>);

#[async_trait::async_trait]
impl Source for Chain {
    async fn next(&mut self) -> Result<Option<Vec<Found>>> {
        while let Some(first) = self.0.first_mut() {
            match first.next().await? {
                Some(page) => return Ok(Some(page)),
                None => drop(self.0.remove(0)),
            }
        }
        Ok(None)
    }
}
