//! The client half of haumana-sync: one person's records on one device, offline first.
//!
//! ```text
//!  your app ── add, get, edit, list, changes ──▶ Replica ──▶ Storage    (SQLite, memory, yours)
//!                                                   │
//!                                               Transport             (HTTP, in process, yours)
//!                                                   ▼
//!                                            a haumana-sync server
//! ```
//!
//! # Two devices
//!
//! A struct is a kind of record. Both devices edit one record while they are offline, and agree after
//! they have synced:
//!
//! ```
//! use haumana_replica::storage::MemoryStorage;
//! use haumana_replica::transport::DirectTransport;
//! use haumana_replica::{Replica, SystemClock, SystemRandom};
//! use haumana_sync::Record;
//! use haumana_sync::engine::{Engine, EngineConfig};
//! use haumana_sync::id::UserId;
//! use haumana_sync::schema::Schema;
//! use haumana_sync::store::{Generation, MemoryStore};
//! use std::sync::Arc;
//!
//! #[derive(Debug, Default, PartialEq, Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     title: String, // the later edit wins
//!     #[record(lines)]
//!     notes: String, // merged line by line
//!     #[record(counter)]
//!     performed: i64, // every device adds to it
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = Schema::new([Setlist::kind()])?;
//! // A server in this process. `HttpTransport` talks to one elsewhere.
//! let config = EngineConfig::new(Generation(0));
//! let store = Arc::new(MemoryStore::new());
//! let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
//! let engine = Engine::of(schema.clone(), store, clock, random, config);
//! let server = DirectTransport::new(Arc::new(engine), 1 << 20);
//! let kai = UserId::verified_by_caller("kai").ok_or("a name")?;
//! let open = || {
//!     let builder = Replica::builder(MemoryStorage::new(), schema.clone());
//!     builder.account(kai.clone()).open()
//! };
//! let (phone, laptop) = (open().await?, open().await?);
//!
//! let id = phone.add(&Setlist { title: "Merrie Monarch".into(), ..Setlist::default() }).await?;
//! phone.sync(&server).await?;
//! laptop.sync(&server).await?;
//!
//! phone.edit(id, |set: &mut Setlist| set.performed += 1).await?;
//! laptop
//!     .edit(id, |set: &mut Setlist| {
//!         set.performed += 1;
//!         set.notes = "Enter left".into();
//!     })
//!     .await?;
//! for device in [&phone, &laptop, &phone] {
//!     device.sync(&server).await?;
//! }
//!
//! let set: Setlist = phone.get(id).await?.ok_or("a setlist")?;
//! assert_eq!((2, "Enter left"), (set.performed, set.notes.as_str()));
//! assert_eq!(Some(set), laptop.get(id).await?);
//! # Ok(())
//! # }
//! ```
//!
//! # Records
//!
//! | typed, of a [`Record`](haumana_sync::Record) | by kind and field | |
//! |---|---|---|
//! | [`add`](Replica::add) | [`create`](Replica::create) | makes a record |
//! | [`get`](Replica::get) | [`record`](Replica::record) | reads one |
//! | [`list`](Replica::list) | [`records`](Replica::records) | reads all |
//! | [`list_where`](Replica::list_where) | [`records_where`](Replica::records_where) | finds those whose indexed field has a value ([`Filter`]) |
//! | [`edit`](Replica::edit) | [`set`](Replica::set) | changes fields |
//! | [`delete`](Replica::delete) | [`delete`](Replica::delete) | deletes one |
//!
//! If an edit cannot be made, the error names the kind, the field and the reason: [`Error::flaw`].
//! [`Replica::changes`] says which records changed, by an edit here or by a sync.
//! [`Replica::watch`] shows the state of the sync.
//!
//! The schema is kept beside the records. The app's next schema must succeed it
//! ([`Schema::succeed`](haumana_sync::schema::Schema::succeed)). Records of kinds that the schema
//! does not have are kept unchanged. They can be read once a later schema has the kind.
//!
//! # Pending edits
//!
//! An edit is stored locally at once, and sent when there is a server. An edited field stays
//! marked, with the edit time and the version that its user saw, until the server has answered
//! exactly that edit. So no edit is forgotten: neither one that is made while a reply is in flight,
//! nor one that is reverted after a reply was lost. The server decides the result of a merge. Until
//! then a view shows the pending edits on top of the last agreed state.
//!
//! # Following
//!
//! `Replica::follow` syncs at once when another device has changed something, for as long as the
//! account is signed in. The server pokes it over a connection that stays open
//! ([`Transport::live`]). Without such a connection it polls, and tries to connect again.
//! [`Replica::follow_with`] does the same with timers of your own. [`Status::following`] says
//! whether the device is live, polling or offline. [`Status::equal_at`] is when the device was last
//! proven to have the same records as the server.
//!
//! [`Transport::live`]: transport::Transport::live
//!
//! # A copy is another device
//!
//! Each installation has a random id, which is made with its storage. A SQLite file that was copied
//! or restored is detected when it is opened, and gets a new id. If two installations use one id,
//! the server says so, which has the same effect. Pending edits stay pending in both. A change
//! whose reply was lost is sent again unchanged, before any later change of the same field. So the
//! server can distinguish a lost reply from a copy.
//!
//! # A server with another past
//!
//! A server may be restored from a backup, erased and filled from an export, or set up anew. The
//! device then takes the server's records, and offers those that it held itself ([`Offer`]): whole
//! records and deletes, without a base, and marked as not being new edits. The server accepts what
//! it has lost. If the restore brought a record back, the record stays. What the server does not
//! accept is in the inbox. An edit that the server has not answered stays an edit, with its own
//! time.
//!
//! # What survives
//!
//! An edit is on the disk when the call returns ([`storage::Outlives::PowerLoss`]). What a sync
//! brings survives the end of the process at any moment. A loss of power may undo the syncs since
//! the last edit, all of them or the latest. Then the device has never seen those replies: it sends
//! its pending edits again, and receives the rest again.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod again;
mod asking;
mod builder;
mod changes;
mod content;
mod discard;
mod edit;
mod error;
mod feed;
mod find;
mod flaw;
mod follow;
mod groups;
mod history;
mod inbox;
mod index;
mod kinds;
mod maybe_send;
mod moving;
mod offer;
mod push;
mod record;
#[cfg(feature = "repertoire")]
mod repertoire;
mod replica;
mod retry;
mod rewind;
mod round;
mod sent;
mod settle;
mod status;
pub mod storage;
mod sync;
mod system;
pub mod transport;
mod typed;
mod unstored;
mod wire;

pub use builder::ReplicaBuilder;
pub use changes::{Changes, Event};
pub use content::Content;
pub use edit::EditError;
pub use error::{AnswerForm, Answered, Error, ErrorKind, LONGEST_ASKED, Result};
pub use feed::{Cause, Change};
pub use find::Filter;
pub use flaw::{Flaw, Reason};
pub use follow::Pace;
pub use history::{Changed, HistoryPage, Lost, RecordVersion};
pub use inbox::{Conflict, ConflictPage};
pub use index::Indexable;
pub use maybe_send::{MaybeSend, MaybeSync};
pub use moving::Imported;
pub use record::{Agreed, Earlier, Local, Offer, Pending, Removal, Touch};
pub use replica::{Erasure, Replica, ReplicaConfig, View};
pub use retry::{Backoff, Sleep};
pub use rewind::{Rewound, RewoundRecord};
pub use round::{Outgoing, Progress};
pub use status::{Following, Phase, Status};
pub use sync::Summary;
pub use system::{SystemClock, SystemRandom};

/// The README's Rust, which must compile and hold.
#[cfg(doctest)]
#[doc = include_str!("../docs/README.md")]
struct Readme;

/// The Rust of the tour.
#[cfg(doctest)]
#[doc = include_str!("../docs/tour.md")]
struct Tour;

/// The Rust of the guide to an app of one's own.
#[cfg(all(doctest, feature = "http", feature = "sqlite"))]
#[doc = include_str!("../docs/your-own-app.md")]
struct OwnApp;

/// The Rust of the guide to the replica.
#[cfg(all(doctest, feature = "http", feature = "sqlite"))]
#[doc = include_str!("../docs/replica.md")]
struct Guide;
