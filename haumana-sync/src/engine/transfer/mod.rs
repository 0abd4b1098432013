//! Accounts as documents: exports, and imports into empty accounts.

pub(in crate::engine) mod check;
pub(in crate::engine) mod export;
pub(in crate::engine) mod import;
pub(in crate::engine) mod read;
pub(in crate::engine) mod walk;
pub(in crate::engine) mod write;
