//! The dialect of the shipped app: what phones say and hear, and the take-over of the tables before.
//!
//! The app on people's phones cannot change. It sends every piece that it holds, names no base and no
//! device, and reads replies under strict rules. This crate turns what it sends into edits of
//! [`haumana_sync`], and what becomes of them into replies that it can read. It stands on the library's
//! public [`transaction`](haumana_sync::transaction) alone.
//!
//! - [`Phones::sync_pieces`] and [`Phones::sync_sessions`] are `POST /pieces` and `POST /sessions`.
//! - [`Phones::take_over`] merges records of an earlier server's tables, again and again.
//! - [`wire`] reads requests and writes replies. The app's keys are a frozen list: a field that is
//!   declared later is to a phone a key that it does not know.
//!
//! Which edit a phone's piece is, is the hard part: the number that it carries names a delivery
//! ([`WireVersion`]), replies get lost, and a backup of a phone carries the number too.

mod base;
mod copy;
mod ghost;
mod given;
mod keys;
mod known;
mod mark;
mod phones;
mod pieces;
mod plan;
mod pull;
mod receipts;
mod request;
mod sessions;
mod sound;
mod stale;
mod takeover;
mod versions;
pub mod wire;

pub use keys::{FieldClass, FieldSpec, PIECE_FIELDS, field_spec};
pub use phones::Phones;
pub use takeover::{Earlier, EarlierRecord, IMPORT_DEVICE, TakenOver};
pub use wire::WireVersion;

use haumana_sync::Engine;

/// An engine, as this dialect works on it.
#[derive(Clone, Copy, Debug)]
struct App<'e>(&'e Engine);
