//! Accounts as documents: exports, and imports into empty accounts.

pub(crate) mod check;
pub(crate) mod document;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod read;
pub(crate) mod walk;
pub(crate) mod write;
