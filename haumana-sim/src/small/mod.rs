//! Exhaustive small scope: not histories by chance, but *every* history up to a bound, on the engine as
//! it is, in memory.
//!
//! A history is a list of [`Turn`]s of up to three devices that all hold one record: phones, clients of
//! `/sync`, and one copy of either. In a turn a device's user edits (or does not), and the device syncs:
//! the reply is heard, or lost, or nothing is sent yet. Beside that a request comes again late, a device
//! is copied, a person restores the first version. An edit is of the short field, of the lines, or of
//! one field of each other policy at once; its time is later than all before, or earlier.
//!
//! # What is left out because it is the same
//!
//! - Devices of one sort that have done nothing yet are interchangeable: the first of them acts first.
//! - What a device does without the server is nobody's business until it syncs, so what is not sent yet
//!   is followed by the same device. Only the edit's time says that others acted in between.
//! - A sync without edits changes nothing for others: it counts only before an edit of its device.
//! - A copy is made of a device that has done something.
//!
//! # What is looked at
//!
//! After each history everybody syncs until nothing is left to say. Then [`judge`] looks: all agree; each
//! edit is in the record, or somebody who saw it replaced it, or it is kept; nothing is doubled or
//! garbled; each policy chose what it must; what is stored agrees with itself.
//!
//! # Why both models
//!
//! The random model goes far, and may miss a short history for years. This one tries all short
//! histories, so up to its bound nothing is missed. It has no judge with excuses: with three
//! devices and one record nearly everything is certain.

mod client;
mod handset;
pub mod judge;
mod ledger;
mod scene;
mod search;
mod turn;

pub use scene::Cast;
pub use search::{Bound, Found, search};
pub use turn::{End, Turn, What};

use haumana_sync::schema::{Element, Field, FieldType, Kind, Merge, Schema};

/// How the record begins: the middle line is the one that everybody edits.
///
/// Each line is there once, so that each is known by its text.
const LYRICS: &str = "a\nb\nc\nd\ne";

/// The pieces of the app, with a field of each other policy.
///
/// Each policy has one field, because histories grow with each choice.
fn schema() -> Schema {
    let piece = haumana_sync::repertoire::piece_kind();
    let piece = Kind::clone(piece)
        .field(Field::new(21, "most", FieldType::Integer).merge(Merge::Greatest))
        .field(Field::new(22, "least", FieldType::Integer).merge(Merge::Least))
        .field(Field::new(23, "earliest", FieldType::text(20)).merge(Merge::First))
        .field(Field::new(24, "fixed", FieldType::text(20)).merge(Merge::Fixed))
        .field(Field::new(25, "list", FieldType::List { of: Element::Text, max: 40 }))
        .field(Field::new(26, "set", FieldType::Set { of: Element::Text, max: 40 }))
        .field(Field::new(27, "count", FieldType::Counter));
    let session = Kind::clone(haumana_sync::repertoire::session_kind());
    // It is made here, so a refusal is a mistake to be seen at once.
    Schema::new([piece, session]).unwrap_or_else(|error| panic!("the small schema: {error}"))
}

/// Runs what never waits: the engine on the store in memory.
///
/// No runtime is needed, and none of its costs: millions of histories are played.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}
