//! What callers of a store often need.

use super::{Batch, Envelope, ErrorKind, Head, Result, Store};
use crate::id::{Key, UserId};

/// LIMIT: how often a commit whose answer was lost is repeated.
const REPEATS: usize = 3;

/// Convenience methods of [`Store`]; every store has them.
///
/// ```
/// use haumana_sync::conformance::sample::{next_batch, piece, record, user};
/// use haumana_sync::store::{MemoryStore, StoreExt};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (store, kai) = (MemoryStore::new(), user("kai"));
/// let batch = next_batch(None, vec![record(piece(1), 1, "Hula")], Vec::new());
///
/// store.commit_settled(&kai, None, &batch).await?;
///
/// assert_eq!(1, store.read_one(&kai, piece(1)).await?.map_or(0, |record| record.version));
/// assert_eq!(None, store.read_one(&kai, piece(2)).await?);
/// # Ok::<(), haumana_sync::store::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait::async_trait]
pub trait StoreExt: Store {
    /// Reads one envelope; see [`Store::read`].
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    async fn read_one(&self, user: &UserId, key: Key) -> Result<Option<Envelope>> {
        Ok(self.read(user, &[key]).await?.into_iter().next().flatten())
    }

    /// Commits. If the outcome is unknown, it repeats the identical call, a few times.
    ///
    /// After a lost answer only the identical call can find out whether the commit was done: if it
    /// was, the call is answered `Ok`.
    ///
    /// # Errors
    ///
    /// As [`Store::commit`]. [`ErrorKind::Unknown`] means that the outcome is still unknown after
    /// the repeats.
    async fn commit_settled(
        &self,
        user: &UserId,
        expected: Option<&Head>,
        batch: &Batch,
    ) -> Result<()> {
        let mut result = self.commit(user, expected, batch).await;
        for _ in 0..REPEATS {
            match &result {
                Err(error) if error.kind() == ErrorKind::Unknown => {
                    result = self.commit(user, expected, batch).await;
                }
                _ => break,
            }
        }
        result
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
