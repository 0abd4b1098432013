//! The protocol of the app on people's phones, and the import of the earlier server's tables.
//!
//! That app cannot change any more. It sends every piece that it holds, names no base and no
//! device, and reads replies under strict rules. This crate turns its requests into edits of
//! [`haumana_sync`], and the outcomes into replies that the app can read. Of the library it uses
//! only the public [`transaction`](haumana_sync::transaction).
//!
//! ```text
//!  POST /pieces ──▶ wire ──▶ plan: which base? ──▶ Transaction ──▶ reply, with new numbers
//!  POST /sessions ▶ wire ──▶ by group and rank ──▶ Transaction ──▶ reply
//! ```
//!
//! - [`Phones::sync_pieces`] and [`Phones::sync_sessions`] are `POST /pieces` and `POST /sessions`.
//! - [`Phones::take_over`] merges records of an earlier server's tables. It can be repeated while phones
//!   still write to those tables.
//! - [`wire`] reads requests and writes replies. The app's keys are a frozen list: a phone treats a
//!   field that is declared later as an unknown key.
//!
//! The hard part is to find the base of a phone's edit. The number that a piece carries names a
//! delivery ([`WireVersion`]): which version was sent, in which reply. But replies get lost, and a phone
//! that was set up from another one's backup has the same numbers. `docs/protocol.md` has the table of
//! all cases.
//!
//! A host needs this crate only for that app. Your own apps speak `POST /sync`, through
//! `haumana-replica` or by the protocol.
//!
//! # Words of this crate
//!
//! | word | what it means |
//! |---|---|
//! | number | the integer `version` on the wire: version, delivery and steps |
//! | delivery | one number that one reply gave for one piece |
//! | steps | how often the app has raised the number by itself since then |
//! | receipt | what is kept of a push, in case its reply is lost |
//! | copy | a phone that was set up from another one's backup, and so has the other's numbers |
//! | form | the app's editor, which saves every field at once |
//!
//! # Where its memory is
//!
//! The library gives a dialect two places that the library itself never reads. A *slot* beside each
//! record has its receipts, packed as rows. A slot in the head has the numbers that may not have
//! arrived, and the permanent differences of some phones. Both are written in the same commit as
//! the edit that they concern, so they always fit the record.
//!
//! # Reading order
//!
//! 1. [`Phones`]: the calls. [`wire`]: requests, replies and the number.
//! 2. `request`, `known`: one request on its way, and how little of the account is read for it.
//! 3. `pieces`: the rounds of a push. `plan`, `base`: which base a push has, and what its user
//!    changed.
//! 4. `receipts`, `given`: what is kept. `copy`, `ghost`, `stale`: the cases that made it hard.
//! 5. `pull`: the reply, and its numbers.
#![cfg_attr(docsrs, feature(doc_cfg))]

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

/// An engine, as this crate uses it.
///
/// It has the methods of this crate, since they cannot be on the engine itself.
#[derive(Clone, Copy, Debug)]
struct App<'e>(&'e Engine);
