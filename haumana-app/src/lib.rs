//! The protocol of the app on people's phones, and the import of the tables that were there before.
//!
//! That app cannot change any more. It sends every piece that it holds, names no base and no device,
//! and reads replies under strict rules. This crate turns its requests into edits of
//! [`haumana_sync`], and the outcomes into replies that it can read. It uses nothing of the library but
//! its public [`transaction`](haumana_sync::transaction).
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
//! | receipt | what is remembered of a push, in case its reply is lost |
//! | copy | a phone that was set up from another one's backup, and so has the other's numbers |
//! | form | the app's editor, which saves every field at once |
//!
//! # Where its memory is
//!
//! The library gives a dialect two places that it never reads itself. A *slot* beside each record
//! holds its receipts, packed as rows. A slot in the head holds the numbers whose arrival is not
//! known, and by what some phones differ for good. Both are written in the commit of the edit that
//! they are about, so they cannot disagree with the record.
//!
//! # Reading order
//!
//! 1. [`Phones`]: the calls. [`wire`]: requests, replies and the number.
//! 2. `request`, `known`: one request on its way, and how little of the account is read for it.
//! 3. `pieces`: the rounds of a push. `plan`, `base`: which base a push has, and what its user
//!    changed.
//! 4. `receipts`, `given`: what is remembered. `copy`, `ghost`, `stale`: the cases that made it
//!    hard.
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
/// Methods of this crate are on it, since they cannot be on the engine itself.
#[derive(Clone, Copy, Debug)]
struct App<'e>(&'e Engine);
