//! `#[derive(Record)]`: a Rust struct as a kind of record.
//!
//! Use it through `haumana-sync` with the feature `derive`, which has the trait of the same name.
//!
//! ```
//! use haumana_sync::Record;
//! use haumana_sync::id::RecordId;
//! use haumana_sync::time::UnixMillis;
//! use std::collections::BTreeSet;
//!
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     title: String,
//!     #[record(lines)]
//!     notes: Option<String>,
//!     pieces: Vec<RecordId>,
//!     tags: BTreeSet<String>,
//!     #[record(counter)]
//!     performed: i64,
//!     #[record(merge = "greatest", indexed)]
//!     rehearsed_at: Option<UnixMillis>,
//! }
//!
//! assert_eq!("setlist", Setlist::kind().name());
//! ```
//!
//! # The struct
//!
//! | attribute | meaning |
//! |---|---|
//! | `kind = "setlist"` | the kind's name on the wire |
//! | `number = 3` | the kind's number, 3 to 250; stores keep it, so it never changes |
//! | `rename_all = "camelCase"` | how names of fields are spelt on the wire; else as serde's `rename_all` says, else as in Rust |
//! | `id_key = "setlistId"` | the key of the id in exports; else `id` |
//! | `deletes = "stick"` | a delete also wins against an edit that did not know of it; else `lose_to_edits` |
//! | `unknown_keys = "smallest"` | which value of a key without a field stays; else `later` |
//! | `group(leading = "ended_at", fields("source", "ended_at"), merge = "greatest")` | fields that move together, by their names in Rust; the one that is compared first in front. There may be several |
//!
//! # Its fields
//!
//! | attribute | meaning |
//! |---|---|
//! | `number = 7` | the field's number, which never changes. Without it a field has the number after that of the field before it, and the first one has 1. So append new fields, or number them |
//! | `name = "sourceUrl"` | its name on the wire; else as serde's `rename` says |
//! | `lines` | text that is merged line by line, then word by word: `String`, `Option<String>` |
//! | `list` | a list: `Vec<String>`, `Vec<RecordId>`, which are lists also without it |
//! | `set` | a set: `BTreeSet<String>`, `BTreeSet<RecordId>`, which are sets also without it |
//! | `counter` | a number that every device adds to: `i64` |
//! | `time` | a time: `UnixMillis`, which is one also without it, or `Option<String>` |
//! | `id` | the id of a record: `Option<RecordId>`, which is one also without it, or `Option<String>` |
//! | `words("easy", "hard")` | one of these words, weakest first; with `open`, other words are kept too |
//! | `merge = "greatest"` | the merge policy: `later`, `greatest`, `least`, `first` or `fixed` |
//! | `max_chars`, `max_bytes`, `max_elements` | the limit of a text, of lines, of a list or a set |
//! | `default = "oli"` | the value of a new record that does not set it |
//! | `default_is_field = "created_at"` | a new record that does not set it has the value of that field, named as in Rust |
//! | `mandatory` | a new record that does not set it is refused |
//! | `trimmed`, `empty_is_absent`, `absent_is = "haw"` | which differences between texts do not count |
//! | `indexed` | replicas keep an index of it |
//! | `skip` | not a field of the record; it gets its type's default when a record is read |
//!
//! The Rust type decides the rest: `String` is text, `bool` a flag, `i64`, `i32` and `u32` are
//! integers, `f64` is a number, `JsonText` is any JSON. Text, a flag, a number or a time that is
//! not an `Option` has a default in the schema: `""`, `false`, `0`, or the time of the edit that
//! creates the record. An absent list or set is empty.
//!
//! # Errors
//!
//! A wrong declaration does not compile. The error names the field and what is wrong.
//!
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(number = 3)] // a record names its kind: #[record(kind = "…", number = …)]
//! struct Setlist { title: String }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 2)] // the number of a kind is 3 to 250
//! struct Setlist { title: String }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     #[record(merge = "newest")] // there is no policy newest; there are later, greatest, …
//!     title: String,
//! }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     #[record(lines, merge = "first")] // lines are merged by their parts; they take no policy
//!     notes: String,
//! }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     #[record(counter)] // `counter` is for i64, not for `String`
//!     performed: String,
//! }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     title: String,
//!     #[record(number = 1)] // another field has the number 1: title
//!     notes: String,
//! }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! // the struct has no field ended
//! #[record(kind = "setlist", number = 3, group(leading = "begun", fields("begun", "ended")))]
//! struct Setlist { begun: Option<String>, ended_at: Option<String> }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3, deletes = "never")] // it is one of lose_to_edits, stick
//! struct Setlist { title: String }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     version: String, // the name version is reserved: it stands beside a record's fields
//! }
//! ```
//! ```compile_fail
//! use haumana_sync::Record;
//! #[derive(Record)]
//! #[record(kind = "setlist", number = 3)]
//! struct Setlist {
//!     opened: std::time::Duration, // a field of a record cannot be a `Duration`
//! }
//! ```

mod attributes;
mod expand;
mod names;

/// Makes a struct a kind of record. See the crate's documentation for its attributes.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::expand(&input).unwrap_or_else(|error| error.into_compile_error()).into()
}
