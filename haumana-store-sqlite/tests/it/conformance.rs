//! The laws of every store.

mod on_a_file {
    use crate::support::Opened;

    haumana_sync::conformance_tests!(Opened::new());
}

mod in_memory {
    use haumana_store_sqlite::SqliteStore;

    haumana_sync::conformance_tests!(SqliteStore::in_memory().unwrap());
}

mod on_one_file_twice {
    use crate::support::{Opened, options};
    use haumana_store_sqlite::SqliteStore;

    fn open_two() -> (SqliteStore, Opened) {
        let one = Opened::new();
        let other = SqliteStore::open(&options(&one.path())).unwrap();
        // The directory goes with the handle that is dropped last.
        (other, one)
    }

    haumana_sync::conformance_tests!(shared open_two());
}
