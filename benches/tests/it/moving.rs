//! The measurement of imports, on a small table.

use haumana_benches::moving::{OldTable, USERS, take_over};
use haumana_sync::Store;
use haumana_sync::store::MemoryStore;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_table_is_taken_over_from_disk_and_live_and_then_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let old = OldTable::create(&folder.path().join("export"), 3).await.unwrap();
    let n_items = 3 * USERS as u64;

    for mut source in [[old.export(), old.export()], [Ok(old.live()), Ok(old.live())]] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let [new, again] = source.each_mut().map(|source| source.as_mut().unwrap());
        let new = take_over(&store, new.as_mut()).await.unwrap();
        let again = take_over(&store, again.as_mut()).await.unwrap();

        assert_eq!((n_items, n_items), (new.counts.created, again.counts.left), "{}", new.counts);
    }
}
