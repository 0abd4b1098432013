#![doc = include_str!("../../../docs/write-a-store.md")]

pub use haumana_sync::store::MemoryStore;

#[cfg(test)]
mod tests {
    use super::MemoryStore;

    haumana_sync::conformance_tests!(MemoryStore::new());
    haumana_sync::operate_tests!(MemoryStore::new());
}
