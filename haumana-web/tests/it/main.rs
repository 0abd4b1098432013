//! A replica in rows, tried without a browser.

#![allow(clippy::unwrap_used, reason = "tests")]

mod rows;
mod storage;
