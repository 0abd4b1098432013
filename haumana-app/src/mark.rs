//! Marks that tests tie to the arms of the code that they reach.
//!
//! Each arm of a decision has a mark that exactly one named test must reach. So an arm that no test
//! needs is found, and so is a test that reaches another arm than it says.

#[cfg(feature = "testing")]
pub(crate) use cov_mark::hit;

/// Says that the arm was reached. Without the feature `testing` nothing is compiled for it.
#[cfg(not(feature = "testing"))]
macro_rules! hit {
    ($mark:ident) => {};
}

#[cfg(not(feature = "testing"))]
pub(crate) use hit;
