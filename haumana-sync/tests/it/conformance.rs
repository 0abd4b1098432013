//! The model and the decorators keep the laws that they hold other stores to.

mod memory {
    use haumana_sync::store::MemoryStore;

    haumana_sync::conformance_tests!(MemoryStore::new());
    haumana_sync::operate_tests!(MemoryStore::new());
}

mod metered {
    use haumana_sync::store::{MemoryStore, MeteredStore};

    haumana_sync::conformance_tests!(MeteredStore::new(MemoryStore::new()));
}

mod faulty {
    use haumana_sync::store::{Fault, Faults, FaultyStore, MemoryStore};

    /// A decorator without faults must not be noticed.
    #[derive(Debug)]
    struct NoFaults;

    impl Faults for NoFaults {
        fn next(&self, _op: &'static str) -> Option<Fault> {
            None
        }
    }

    haumana_sync::conformance_tests!(FaultyStore::new(MemoryStore::new(), NoFaults));
}

mod shared {
    use haumana_sync::store::MemoryStore;
    use std::sync::Arc;

    /// Two handles on one store.
    fn open_two() -> (Arc<MemoryStore>, Arc<MemoryStore>) {
        let store = Arc::new(MemoryStore::new());
        (store.clone(), store)
    }

    haumana_sync::conformance_tests!(shared open_two());
}
