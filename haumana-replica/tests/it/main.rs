//! Tests of the replica.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod again;
mod asking;
mod bases;
mod brought_back;
mod copies;
mod counts;
mod discard;
mod edits;
mod elsewhere;
mod feed;
mod finding;
mod follow;
mod full;
mod host;
mod hostile;
mod hostile_feeds;
mod http;
mod inbox;
mod killing;
mod kinds;
mod large;
mod model;
mod moving;
mod offers;
mod paging;
mod pokes;
mod retry;
mod schemas;
mod scripted;
mod speed;
mod storage;
mod stories;
mod support;
mod together;
mod typed;
