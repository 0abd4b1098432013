//! Exhaustive tests of a small scope: not random histories, but *every* history up to a bound, on
//! the real engine, in memory.
//!
//! A history is a list of [`Turn`]s of up to three devices that all hold one record: phones,
//! clients of `/sync`, and one copy of either. In a turn a device's user edits (or does not), and
//! the device syncs. The reply arrives, or is lost, or nothing is sent yet. Besides, a request may
//! be repeated late, a device may be copied, and a person may restore the first version. An edit is
//! of the short field, of the lines, or of one field of each other policy at once. Its time is
//! later than all before, or earlier.
//!
//! # What is left out because it is equal
//!
//! - Devices of one sort that have done nothing yet are interchangeable: the first of them acts
//!   first.
//! - What a device does without the server matters to others only when it syncs. So after an unsent
//!   edit the same device acts next. Only the edit's time says that others acted in between.
//! - A sync without edits changes nothing for others: it counts only before an edit of its device.
//! - Only a device that has done something is copied.
//!
//! # What is checked
//!
//! After each history all devices sync until nothing is left to send. Then [`judge`] checks: all
//! agree; each edit is in the record, or somebody who saw it replaced it, or it is kept; nothing is
//! doubled or garbled; each policy chose the right value; the stored data agrees with itself.
//!
//! # Why there are two models
//!
//! The random model makes long histories, and may miss a short one for years. This one tries all
//! short histories, so up to its bound nothing is missed. Its judge has no excuses: with three
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

/// How the record begins. Users edit the middle line.
///
/// Each line is there once, so that its text identifies it.
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
    // A schema made here keeps every rule, so a refusal is a mistake of this code.
    Schema::new([piece, session]).unwrap_or_else(|error| panic!("the small schema: {error}"))
}

/// Runs a future that never waits: the engine on the store in memory.
///
/// It needs no runtime, and has none of its costs: millions of histories are played.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}
