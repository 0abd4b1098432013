//! An offline-first sync engine with pluggable stores.
//!
//! Each device keeps its own copy of a person's records and works without a network. When devices
//! sync, this crate merges their edits field by field and line by line. An edit that loses a
//! conflict waits in an inbox; none disappears.
//!
//! The crate is the server half: the [`Engine`], the rules that merge, and the [`Store`] contract.
//! The client half is [`haumana-replica`](https://docs.rs/haumana-replica). Both work on the same
//! [`Schema`](schema::Schema).
//!
//! ```text
//!   phone          laptop                 server (yours, Lambda, haumana-server)
//!  ┌─────────┐    ┌─────────┐             ┌──────────────────────────────────┐
//!  │ Replica │    │ Replica │   requests  │ Engine ── merge ──▶ Store        │
//!  │ + edits │    │ + edits │ ──────────▶ │   │                 records      │
//!  └─────────┘    └─────────┘ ◀────────── │   └ Clock, Random   history      │
//!                              replies    │     (passed in)     one head/user│
//!                                         └──────────────────────────────────┘
//! ```
//!
//! On this page: [a merge](#a-merge), [two devices](#two-devices), [adding it to a
//! project](#add-it), [how to do common tasks](#how-to), [concepts](#concepts),
//! [guarantees](#guarantees), [errors](#errors), [what it does not do](#what-it-does-not-do),
//! [modules](#modules-in-reading-order), [features](#features), [platforms](#platforms),
//! [guides](#where-to-go-next).
//!
//! # A merge
//!
//! Two devices edit one text without a connection, and both edits stay:
//!
//! ```
//! use haumana_sync::text::{Later, TextMerge, merge_text};
//!
//! let (phone, tablet) = ("Aloha ʻoe\nHula\n", "Aloha oe\nHula\nPau\n");
//! let merged = merge_text("Aloha oe\nHula\n", phone, tablet, Later::Pushed, 1_000);
//! assert_eq!(TextMerge::Clean("Aloha ʻoe\nHula\nPau\n".into()), merged);
//! ```
//!
//! # Two devices
//!
//! A struct is a kind of record. Its attributes say how two edits of one field merge. Both devices
//! edit one record while they are offline, and agree after they have synced:
//!
#![cfg_attr(feature = "derive", doc = "```")]
#![cfg_attr(not(feature = "derive"), doc = "```ignore")]
//! use haumana_replica::storage::MemoryStorage;
//! use haumana_replica::transport::DirectTransport;
//! use haumana_replica::{Replica, SystemClock, SystemRandom};
//! use haumana_sync::engine::EngineConfig;
//! use haumana_sync::id::UserId;
//! use haumana_sync::schema::Schema;
//! use haumana_sync::store::{Generation, MemoryStore};
//! use haumana_sync::{Engine, Record};
//! use std::sync::Arc;
//!
//! #[derive(Debug, Default, PartialEq, Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     title: String, // the later edit wins
//!     #[record(lines)]
//!     notes: String, // merged line by line, then word by word
//!     #[record(counter)]
//!     performed: i64, // the sum of what all devices add
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = Schema::new([Setlist::kind()])?;
//!
//! // The server: an engine on a store. This one is in the same process.
//! let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
//! let config = EngineConfig::new(Generation(0));
//! let engine = Engine::of(schema.clone(), Arc::new(MemoryStore::new()), clock, random, config);
//! let server = DirectTransport::new(Arc::new(engine), 1 << 20);
//!
//! // Two devices of one person.
//! let kai = UserId::verified_by_caller("kai").ok_or("not a user id")?;
//! let builder = || Replica::builder(MemoryStorage::new(), schema.clone());
//! let device = || builder().account(kai.clone()).open();
//! let (phone, laptop) = (device().await?, device().await?);
//! let id = phone.add(&Setlist { notes: "Enter left\nBow\n".into(), ..Setlist::default() }).await?;
//! phone.sync(&server).await?;
//! laptop.sync(&server).await?;
//!
//! // Both edit the same record while they are offline.
//! phone.edit(id, |set: &mut Setlist| set.notes = "Enter right\nBow\n".into()).await?;
//! phone.edit(id, |set: &mut Setlist| set.performed += 1).await?;
//! laptop.edit(id, |set: &mut Setlist| set.notes.push_str("Exit\n")).await?;
//! laptop.edit(id, |set: &mut Setlist| set.performed += 1).await?;
//! for device in [&phone, &laptop, &phone] {
//!     device.sync(&server).await?;
//! }
//!
//! let set: Setlist = phone.get(id).await?.ok_or("not found")?;
//! assert_eq!(("Enter right\nBow\nExit\n", 2), (set.notes.as_str(), set.performed));
//! assert_eq!(Some(set), laptop.get(id).await?);
//! # Ok(())
//! # }
//! ```
//!
//! Devices do not have to be replicas. [`Engine::sync`] takes the JSON of any client that speaks
//! the protocol. As above, the host passes in `clock`, `random` and `config`:
//!
//! ```
//! # use haumana_sync::engine::{Clock, EngineConfig, Random};
//! # use haumana_sync::schema::{Field, FieldType, Kind, Schema};
//! # use haumana_sync::store::{Generation, MemoryStore};
//! # use haumana_sync::time::UnixMillis;
//! # use haumana_sync::{Engine, id::UserId, wire::sync::SyncRequest};
//! # use std::sync::Arc;
//! # use std::sync::atomic::{AtomicU64, Ordering};
//! # #[derive(Debug)]
//! # struct Fixed(AtomicU64);
//! # impl Clock for Fixed {
//! #     fn now(&self) -> UnixMillis { UnixMillis(1_700_000_000_000) }
//! # }
//! # impl Random for Fixed {
//! #     fn next_u64(&self) -> u64 { self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let note = Kind::new(3, "note").field(Field::new(1, "text", FieldType::lines(10_000)));
//! let schema = Schema::new([note])?;
//! # let clock = Arc::new(Fixed(AtomicU64::new(1)));
//! # let random = Arc::new(Fixed(AtomicU64::new(2)));
//! # let config = EngineConfig::new(Generation(0));
//! let engine = Engine::of(schema, Arc::new(MemoryStore::new()), clock, random, config);
//! let kai = UserId::verified_by_caller("kai").ok_or("not a user id")?;
//!
//! let push = br#"{"deviceId": "phone-3f9a", "push": [{"kind": "note", "base": null,
//!     "id": "5EED0000-0000-4000-8000-000000000001", "set": {"text": "Aloha"}}]}"#;
//! engine.sync(&kai, &SyncRequest::from_json(push)?, 1 << 20).await?;
//! let pull = br#"{"deviceId": "laptop-77c2"}"#;
//! let reply = engine.sync(&kai, &SyncRequest::from_json(pull)?, 1 << 20).await?;
//!
//! assert!(String::from_utf8(reply.into_json())?.contains("Aloha"));
//! # Ok(())
//! # }
//! ```
//!
//! # Add it
//!
//! The example with two devices needs these crates. Until the first release, add those of this project from a
//! checkout, with `--path`.
//!
//! ```text
//! cargo add haumana-sync --features derive
//! cargo add haumana-replica
//! cargo add tokio --features macros,rt
//! ```
//!
//! The example is the body of an async `main`. [`examples/setlists`] is a whole program of this
//! kind. A server needs no replica: it needs `haumana-sync` and a store.
//!
//! # How to
//!
//! Each link leads to an example that is compiled and run.
//!
//! | to | see |
//! |---|---|
//! | declare a kind of record | [`schema`]; as a struct: [`Record`] |
//! | choose how two edits of one field merge | [`Merge`](schema::Merge) |
//! | change the schema of stored records | [`succession`] |
//! | set the clock and the retention time of an engine | [`Clock`](engine::Clock), [`EngineConfig`](engine::EngineConfig) |
//! | sync a device | [`Engine::sync`]; without JSON: [`Engine::push`], [`Engine::pull`] |
//! | list conflicts and close them | [`Resolution`](engine::Resolution) |
//! | read the history of a record, restore a version | [`Engine::history_of`], [`Engine::restore_record`] |
//! | set an account back to an earlier time | [`Engine::rewind`] |
//! | export, import or erase an account | [`Engine::export`], [`Engine::import`], [`Engine::erase`] |
//! | check what is stored, and repair it | [`Engine::verify`], [`Engine::repair`] |
//! | notify connected devices of a commit | [`PokingStore`](live::PokingStore) |
//! | test code that uses a store | [`FaultyStore`](store::FaultyStore), [`MeteredStore`](store::MeteredStore) |
//! | merge two texts without an engine | [`merge_text`](text::merge_text) |
//!
//! # Concepts
//!
//! - **Record, kind, field.** A record has an id and fields. A [`Kind`](schema::Kind) declares the
//!   fields, and for each a type and a merge policy. The kinds are a [`Schema`](schema::Schema), a
//!   run-time value: from Rust, from a struct, or from a file.
//! - **Version.** Each change of a record's content makes its next version: 1, 2, 3 …
//! - **Base.** Every edit names the version that it was made on. The merge compares three values:
//!   the base, what the server has, and what the device pushes.
//! - **Merge policy.** It decides *concurrent* edits only: two edits of one field that did not know
//!   of each other. [`Merge::Later`](schema::Merge::Later) keeps the later edit.
//!   [`Merge::Greatest`](schema::Merge::Greatest) keeps the greater value. Lines, lists, sets and
//!   counters merge by their parts, so both edits are kept.
//! - **Inbox and history.** A value that loses goes to the history of its record, with the reason.
//!   Where a person has to know, it also waits in the inbox, as a
//!   [`Conflict`](engine::Conflict), until somebody keeps, restores or replaces it.
//! - **Revision and cursor.** Each commit of one user has the next revision. A device's
//!   [`Cursor`](engine::Cursor) is the revision up to which it has read. It is opaque to the
//!   device.
//! - **Head.** One small item per user, with the revision. A commit replaces it by
//!   compare-and-swap. A sync in which nothing changed reads the head and nothing else.
//! - **Epoch and generation.** A cursor counts in one epoch. Erasing or importing an account begins
//!   another epoch of that account; restoring a backup begins another
//!   [`Generation`](store::Generation) of all data. Devices notice, start over, and keep their
//!   edits.
//!
//! # Guarantees
//!
//! - Nothing that was accepted is lost: it is in the record, or in its history with the reason, for
//!   the retention time and up to the limit of the account's history.
//! - Devices that have synced and have nothing pending hold the same records.
//! - A repeated request changes nothing, even if it arrives late or out of order.
//! - One bad record blocks no other: it is refused by itself.
//! - No call reads or changes the records of another user.
//! - A device's clock decides between two edits of one field. It never orders the change feed.
//! - The work that one request can cause is bounded ([`limits`]).
//!
//! The repository lists [all promises with the tests that hold
//! them](https://github.com/haumana-sync/haumana-sync/blob/main/docs/promises.md).
//!
//! # Errors
//!
//! An error says what the caller can do. The text of an engine's or a store's error never holds the
//! user's data, so it can be logged.
//!
//! - **A call that failed**: [`engine::Error`]. Its [kind](engine::ErrorKind) says whether to send
//!   the same request again later, to tell the user, or to tell the operator. Sending a request
//!   again is always safe.
//! - **A body that is no request**: [`wire::BadRequest`], before the engine is called.
//! - **A record that was refused**: [`Refusal`](engine::Refusal), with a stable code and advice.
//!   The other records of the request are not affected.
//! - **A schema that contradicts itself**: [`SchemaError`](schema::SchemaError), before there is an
//!   engine.
//! - **A store that failed**: [`store::Error`]. The engine decides by its
//!   [kind](store::ErrorKind). Those who write a store choose the kind.
//!
//! Bad input is an error, not a panic. A function that panics on a mistake of its caller says so
//! under *Panics*.
//!
//! # What it does not do
//!
//! - It has no I/O, no clock, no random source and no async runtime. A host passes in a store, a
//!   [`Clock`](engine::Clock) and a [`Random`](engine::Random), and awaits.
//! - It does not check who is asking. The caller has to:
//!   [`UserId::verified_by_caller`](id::UserId::verified_by_caller) says so in its name.
//! - It does not encrypt. A store and its operator can read the records.
//! - It merges no rich text. Text merges by lines and words, other JSON as a whole.
//! - It shares no records between people. An account is one person's.
//! - It does not connect devices with each other. They sync through a server.
//!
//! Other systems do some of this: the [comparison] says when to choose one of them. haumana-sync is
//! new, and has no years in production.
//!
//! # Modules, in reading order
//!
//! 1. [`schema`]: what records are. [`record`]: their content, and [`Record`] for structs.
//! 2. [`engine`]: what requests mean. Start at [`Engine`]. [`wire`]: requests and replies as JSON.
//! 3. [`merge`] and [`text`]: how two edits become one. Pure functions.
//! 4. [`store`]: the contract of [`Store`], [`store::MemoryStore`], and stores that count calls or
//!    inject faults. `conformance`: the laws of the contract, to test your own store.
//! 5. [`live`]: how connected devices learn of each other's commits. [`succession`]: which schema
//!    may follow another. [`transaction`]: for hosts that speak a protocol of their own.
//! 6. [`id`], [`time`], [`value`], [`digest`], [`json`], [`limits`]: small types that all others
//!    use.
//!
//! # Features
//!
//! - `repertoire` (default): pieces and sessions, as [`repertoire`]. Without it the core knows no
//!   kind of record, and an engine is made with a schema: [`Engine::of`](engine::Engine::of).
//! - `derive`: `#[derive(Record)]`, which makes a Rust struct a kind of record.
//! - `toml`: schemas from TOML files.
//! - `conformance`: the laws of [`Store`], to test a store of your own, as `conformance`.
//! - `testing`: marks in the arms of the merge, which this project's own tests look at.
//!
//! # Platforms
//!
//! The crate needs Rust 1.89 or later, and `std`. It has no `unsafe` code of its own, needs no C
//! compiler, and compiles for `wasm32-unknown-unknown`. Before 1.0 a breaking change raises the
//! second number of the version; the [changes] say what to do.
//!
//! # Where to go next
//!
//! - An app: [`haumana-replica`](https://docs.rs/haumana-replica), records on a device.
//! - A service: [`haumana-api`](https://docs.rs/haumana-api), the engine as an axum router.
//! - A store: [`haumana-store-sqlite`](https://docs.rs/haumana-store-sqlite),
//!   [`haumana-store-postgres`](https://docs.rs/haumana-store-postgres),
//!   [`haumana-store-dynamo`](https://docs.rs/haumana-store-dynamo), or [`Store`] for your own.
//! - To learn: the [quick start], [your own app] in half an hour, [schemas] and merge policies,
//!   [how merging works], [writing a store], and [all guides].
//! - To decide: the [comparison] with other systems, the [security model], the [changes].
//!
//! [`examples/setlists`]: https://github.com/haumana-sync/haumana-sync/tree/main/examples/setlists
//! [all guides]: https://github.com/haumana-sync/haumana-sync/blob/main/docs/SUMMARY.md
//! [changes]: https://github.com/haumana-sync/haumana-sync/blob/main/CHANGELOG.md
//! [comparison]: https://github.com/haumana-sync/haumana-sync/blob/main/docs/comparison.md
//! [how merging works]: https://github.com/haumana-sync/haumana-sync/blob/main/docs/merging.md
//! [quick start]: https://github.com/haumana-sync/haumana-sync/blob/main/docs/quick-start.md
//! [schemas]: https://github.com/haumana-sync/haumana-sync/blob/main/docs/schema.md
//! [security model]: https://github.com/haumana-sync/haumana-sync/blob/main/SECURITY.md
//! [writing a store]: https://github.com/haumana-sync/haumana-sync/blob/main/docs/write-a-store.md
//! [your own app]: https://github.com/haumana-sync/haumana-sync/blob/main/docs/your-own-app.md
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod digest;
pub mod engine;
pub mod id;
pub mod json;
pub mod limits;
pub mod live;
mod mark;
pub mod merge;
pub mod record;
#[cfg(feature = "repertoire")]
pub mod repertoire;
pub mod schema;
pub mod store;
pub mod succession;
mod sync;
pub mod text;
pub mod time;
pub mod transaction;
pub mod value;
pub mod wire;

pub use engine::Engine;
#[cfg(feature = "derive")]
pub use haumana_derive::Record;
pub use record::Record;
pub use store::Store;
