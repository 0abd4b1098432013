//! Laws of handles that open empty storage at the same time.

use super::races::{check_nothing_is_lost, write};
use super::sample::{Author, everything, piece, record, together, user};
use crate::Store;

/// The first handle makes what the storage needs. Then all handles work together.
pub async fn handles_that_open_empty_storage_at_once_work_together(stores: &[&dyn Store]) {
    assert!(2 <= stores.len(), "the law needs several handles");
    for (store, number) in stores.iter().zip(0..) {
        let name = format!("noe {number}");
        let stored = Author::new(*store, &name).put(vec![record(piece(1), 1, "Hula")]).await;
        for other in stores {
            let seen = everything(*other, &user(&name), &[]).await;
            assert_eq!(stored, seen.stream, "what one handle commits the others read");
        }
    }

    let kai = user("kai");
    let writers = stores.iter().zip(0..).map(|(store, writer)| write(*store, &kai, writer));
    together(writers.collect()).await;

    for store in stores {
        check_nothing_is_lost(*store, &kai, stores.len() as u128).await;
    }
}
