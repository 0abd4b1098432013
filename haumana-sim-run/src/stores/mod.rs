//! The stores that histories run on.

use crate::open::{Memory, Open};
use clap::ValueEnum;

/// A store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreName {
    /// In memory.
    Memory,
}

impl StoreName {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
        }
    }

    /// What opens it for one worker.
    pub fn opener(self) -> Box<dyn Open> {
        match self {
            Self::Memory => Box::new(Memory),
        }
    }
}
