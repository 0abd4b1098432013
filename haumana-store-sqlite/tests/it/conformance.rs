//! The laws of every store.

mod on_a_file {
    use crate::support::Opened;

    haumana_sync::conformance_tests!(Opened::new());
    haumana_sync::operate_tests!(Opened::new());
}

mod in_memory {
    use haumana_store_sqlite::SqliteStore;

    haumana_sync::conformance_tests!(SqliteStore::in_memory().unwrap());
    haumana_sync::operate_tests!(SqliteStore::in_memory().unwrap());
}

/// Several processes may start at once beside a file that is not there yet.
mod on_a_new_file_at_once {
    use crate::support::{Directory, options};
    use haumana_store_sqlite::SqliteStore;

    async fn open(directory: &Directory) -> SqliteStore {
        let options = options(&directory.file("haumana.db"));
        // Opening waits for the file, so each has a thread of its own.
        tokio::task::spawn_blocking(move || SqliteStore::open(&options)).await.unwrap().unwrap()
    }

    haumana_sync::conformance_tests!(opening Directory::new(), open);
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
