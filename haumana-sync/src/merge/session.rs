//! Two records of one session. A session only gains, so there is no base and no order.

use crate::record::Session;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Joins two records of one session: commutative, associative, idempotent.
///
/// - The end: set beats absent, then the stronger word (`manual`, `automatic`, `estimated`, none),
///   then the later time.
/// - Piece, start and creation come together from the record with the smaller (`createdAt`,
///   canonical bytes).
/// - Unknown keys: of two values the one with the smaller bytes. Taking them from the same record
///   as the rest would not be associative, since a join holds keys of both.
pub fn join_sessions(a: &Session, b: &Session) -> Session {
    let end =
        |session: &Session| (session.ended_at.is_some(), session.ended_at_source, session.ended_at);
    let frame = |session: &Session| {
        (session.created_at, session.piece_id.to_string(), session.started_at.to_string())
    };
    let ended = if end(a) < end(b) { b } else { a };
    let framed = if frame(b) < frame(a) { b } else { a };
    let mut unknown: BTreeMap<_, _> = a.unknown.clone();
    for (name, value) in &b.unknown {
        match unknown.entry(name.clone()) {
            Entry::Vacant(slot) => {
                slot.insert(value.clone());
            }
            Entry::Occupied(mut slot) if value.as_str() < slot.get().as_str() => {
                slot.insert(value.clone());
            }
            Entry::Occupied(_) => {}
        }
    }
    Session {
        piece_id: framed.piece_id,
        started_at: framed.started_at,
        created_at: framed.created_at,
        ended_at: ended.ended_at,
        ended_at_source: ended.ended_at_source,
        unknown,
    }
}
