//! The merge of one field. Pure, total, deterministic.
//!
//! [`merge_field`] gets three things: what is known of the base, the server's value, and the pushed
//! value, each with the time of its edit. It returns the value that stays, and which value lost, with
//! the [`Reason`].
//!
//! | the server's value since the base | the result |
//! |---|---|
//! | equals the pushed value | that value; nothing lost |
//! | any other, under [`Merge::Fixed`](crate::schema::Merge::Fixed) | the server's value; the pushed one lost |
//! | has not changed | the pushed value; nothing lost |
//! | has changed, the field is a counter | the sum of what each device counted; nothing lost |
//! | has changed, the field is text by lines, a list or a set | both edits, merged by their parts |
//! | has changed, any other field | the value that the [`Merge`](crate::schema::Merge) policy prefers; the other one lost |
//!
//! **Invariant:** versions decide whether the server's value has changed; values are never compared
//! for that. A value that changed and changed back has changed.
//!
//! **Invariant:** swapping the two sides of a concurrent edit gives the same value, except under
//! [`Merge::Fixed`](crate::schema::Merge::Fixed). Ties of time are broken by the bytes of the
//! values, never by who came first.
//!
//! Texts are merged by [`crate::text`]. The rules of whole records, such as a delete that meets an
//! edit, are in [`crate::engine`]. `docs/merging.md` in the repository describes every step exactly
//! enough for a second implementation.

mod elements;
mod field;
mod rank;

pub(crate) use elements::element_hash;
pub use field::{Base, FieldMerge, Reason, Side, Winner, merge_field};
