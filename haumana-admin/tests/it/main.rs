//! The program, on a database with people in it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod drill;
mod people;
mod schemas;
mod stores;
mod world;
