//! Moving from the earlier server's DynamoDB tables into haumana-sync, and back.
//!
//! [`import`] reads all items of a [`Source`] into an engine. A source is DynamoDB's export on disk
//! ([`ExportFolder`]) or the live tables ([`LiveTable`]). The import keeps no state of its own: the
//! record remembers what was read from its item. So a run can be stopped at any moment and repeated
//! at any time. [`export_user`] writes live records into a [`Sink`] in the earlier server's form.
//!
//! The two programs, `haumana-import` and `haumana-export-legacy`, are thin; see `docs/import.md`.
//!
//! **Invariant:** the only scans are of the earlier server's tables.
//! **Invariant:** nothing here writes records except through [`haumana_app::Phones::take_over`].
//!
//! # How an item gets in
//!
//! ```text
//!  Source ─▶ read: whose, and what ─▶ engine, as an edit of what was imported before ─▶ Report
//! ```
//! 1. A [`Source`] returns a page of items.
//! 2. [`read`] finds the user and the record of each. An item that cannot be imported is refused
//!    with a code.
//! 3. Up to 50 records of a user go into one call of the engine, and 8 users are worked on at once.
//! 4. The report has one outcome for each item.
//!
//! Each item is treated as a device that never sees a reply. The values that were last read from it
//! are the base of its present values. So a repeated import merges changes in the old table with
//! people's edits here. It never overwrites.
//!
//! # Why it can be stopped anywhere
//!
//! What was read from an item is remembered in the same commit that writes the record. There is no
//! list of finished items, no mark in the old table, and the order does not matter. A run that was
//! killed is repeated from its beginning, and finds that the first part is done.

mod attribute;
mod batch_write;
pub mod command;
mod dry_run;
mod error;
mod export_folder;
mod folder_sink;
mod import;
mod item;
mod legacy;
mod live;
mod report;
mod scan;
mod source;

pub use attribute::{Attribute, Item};
pub use batch_write::LiveTables;
pub use dry_run::DryRun;
pub use error::{Error, ErrorKind, Result, chain};
pub use export_folder::ExportFolder;
pub use folder_sink::FolderSink;
pub use import::{Watch, import};
pub use item::{Refused, Table, read};
pub use legacy::{Exported, Sink, export_user, item_of};
pub use live::Service;
pub use report::{Counts, Outcome, Place, Report};
pub use scan::{LiveTable, ScanOptions};
pub use source::{Chain, Found, Source};
