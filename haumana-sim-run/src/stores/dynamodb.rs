//! DynamoDB: tables for each history, with the faults of a network and of a busy service.

use crate::open::Open;
use haumana_sim::{Backend, Profile};
use haumana_store_dynamo::testing::{FaultyHttp, Storm, Tables, find_endpoint};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The tables that are not deleted yet, and the faults on the way to them.
#[derive(Debug, Default)]
pub(super) struct Dynamodb {
    made: RefCell<Vec<Tables>>,
    storms: RefCell<Vec<FaultyHttp>>,
}

impl Dynamodb {
    /// # Errors
    ///
    /// If the emulator cannot be built or started.
    pub(super) fn new() -> io::Result<Self> {
        find_endpoint()?;
        Ok(Self::default())
    }
}

#[async_trait::async_trait(?Send)]
impl Open for Dynamodb {
    async fn open(&self, _profile: Profile, seed: u64) -> io::Result<Box<dyn Backend>> {
        let tables = Tables::named();
        self.made.borrow_mut().push(tables.clone());
        tables.store().create_tables().await.map_err(io::Error::other)?;
        let (store, storm) = tables.store_in(Storm::EVERYTHING, seed);
        self.storms.borrow_mut().push(storm);
        Ok(Box::new(Arc::new(store)))
    }

    async fn clear(&self) -> io::Result<()> {
        let made = self.made.take();
        for tables in made {
            tables.delete().await?;
        }
        Ok(())
    }

    fn faults(&self) -> BTreeMap<String, u64> {
        let mut faults = BTreeMap::new();
        for (name, n) in self.storms.take().iter().flat_map(FaultyHttp::struck) {
            *faults.entry(format!("dynamodb: {name}")).or_default() += n;
        }
        faults
    }
}
