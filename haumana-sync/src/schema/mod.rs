//! What records are: kinds, their fields, and the merge policy of each field.
//!
//! A [`Schema`] is a run-time value. It is checked once, when it is made. Then the engine, the wire
//! format and the replica share it. The engine knows no field by name; it asks the [`Kind`].
//!
//! There are three ways to write one: in Rust as below, by `#[derive(Record)]` on a struct
//! ([`crate::Record`]), and as a file ([`Schema::from_json`]; `from_toml` with the feature `toml`).
//! `docs/schema.md` in the repository has all types, policies and rules of change.
//!
//! # Reading order
//!
//! 1. [`Schema`] and [`Kind`]: what an app's records are.
//! 2. [`Field`] and [`FieldType`]: what a field holds, its limit, its default, and when two values
//!    are equal.
//! 3. [`Merge`], [`Deletes`], [`Group`]: what happens to concurrent edits.
//! 4. [`Schema::succeed`] and [`crate::succession`]: what may change once there are records.
//!
//! # Examples
//!
//! ```
//! use haumana_sync::schema::{Field, FieldType, Kind, Schema};
//!
//! let setlist = Kind::new(3, "setlist")
//!     .field(Field::new(1, "title", FieldType::text(200)).required(""))
//!     .field(Field::new(2, "notes", FieldType::lines(10_000)))
//!     .field(Field::new(3, "pieces", FieldType::list_of_ids(500)));
//! let schema = Schema::new([setlist])?;
//!
//! assert_eq!("setlist", schema.named("setlist").map(|kind| kind.name()).unwrap_or_default());
//! # Ok::<(), haumana_sync::schema::SchemaError>(())
//! ```

mod check;
mod error;
mod field;
mod file;
mod group;
mod kind;
mod succeed;
mod types;

pub use error::SchemaError;
pub(crate) use field::{Entries, TOTAL, elements, entries, json};
pub use field::{Field, FieldError};
pub use group::{Group, Unit};
pub use kind::{ContentHash, Deletes, Kind, ReservedKey, UnknownKeys};
pub use types::{Element, FieldType, Merge};

use crate::id::KindNumber;
use std::borrow::Cow;
use std::sync::Arc;

/// The kinds of record that an engine, a server or an app works with.
///
/// Cloning it is cheap: all clones share one value.
///
/// Server and devices need not have the same one. A device that has not been updated keeps kinds
/// and keys that it does not know and sends them back unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Sorted by number.
    kinds: Arc<[Arc<Kind>]>,
}

impl Schema {
    /// The most kinds of one schema.
    pub const KINDS: usize = 64;

    /// Makes a schema of `kinds`.
    ///
    /// The order of the kinds makes no difference. A schema without kinds is allowed, and keeps no
    /// records.
    ///
    /// ```
    /// use haumana_sync::schema::{Field, FieldType, Kind, Merge, Schema};
    ///
    /// // A text that merges by lines takes no policy: it keeps both edits.
    /// let notes = Field::new(1, "notes", FieldType::lines(10_000)).merge(Merge::Greatest);
    /// let refused = Schema::new([Kind::new(3, "song").field(notes)]).unwrap_err();
    ///
    /// assert_eq!((Some("song"), Some("notes")), (refused.kind(), refused.field()));
    /// ```
    ///
    /// # Errors
    ///
    /// [`SchemaError`] names the kind and the field that break a rule: a number or a name that
    /// occurs twice, is reserved or is not a name; a merge policy that does not fit the type; a
    /// default that the field cannot hold; a limit beyond the library's own.
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Result<Self, SchemaError> {
        let mut kinds: Vec<Kind> = kinds.into_iter().collect();
        check::check_all(&kinds)?;
        kinds.sort_unstable_by_key(Kind::number);
        Ok(Self { kinds: kinds.into_iter().map(Arc::new).collect() })
    }

    /// Returns the kinds, by number.
    pub fn kinds(&self) -> &[Arc<Kind>] {
        &self.kinds
    }

    /// Returns the kind of that number.
    pub fn kind(&self, number: KindNumber) -> Option<&Arc<Kind>> {
        let at = self.kinds.binary_search_by_key(&number, |kind| kind.number()).ok()?;
        self.kinds.get(at)
    }

    /// Returns the name of a kind. A kind that the schema does not have is named by its number.
    ///
    /// Use it for messages and logs, which must not fail on a record of another schema.
    pub fn name_of(&self, number: KindNumber) -> Cow<'_, str> {
        self.kind(number).map_or_else(|| number.code(), |kind| Cow::Borrowed(kind.name()))
    }

    /// Returns the kind of that name.
    ///
    /// The wire names kinds in this way. The search is linear.
    pub fn named(&self, name: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| kind.name() == name)
    }
}

/// Compiles the guide's examples.
#[cfg(doctest)]
#[doc = include_str!("../../docs/schema.md")]
struct Guide;
