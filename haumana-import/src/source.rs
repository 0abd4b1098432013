//! Where items come from.

use crate::attribute::Item;
use crate::error::Result;
use crate::item::Table;

/// One item as it was found, or the reason why it could not even be read.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which table it is of.
    pub table: Table,
    /// Where it was found, for people; holds nothing of its content.
    pub place: String,
    /// Its attributes; `None` if what stands there is no item.
    pub item: Option<Item>,
}

/// Gives the items of the earlier server's tables, page by page, each at least once.
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
