//! Concurrent edits of one session. Neither knew of the other, so neither is a correction of it.

use crate::record::{Session, SessionGroup};
use std::cmp::Ordering;

/// Orders two concurrent values of one group: the smaller one loses. Equal values are equal.
///
/// - The end: set beats absent, then the stronger word (`manual`, `automatic`, `estimated`, none),
///   then the later time.
/// - Piece, start and creation: the record with the least (`createdAt`, `pieceId`, `startedAt`).
/// - An unknown key: a value beats none, then the smaller bytes.
pub fn compare_sessions(group: &SessionGroup, a: &Session, b: &Session) -> Ordering {
    match group {
        SessionGroup::Frame => {
            let frame =
                |session: &Session| (session.created_at, session.piece_id, session.started_at);
            frame(b).cmp(&frame(a))
        }
        SessionGroup::End => {
            let end = |session: &Session| {
                (session.ended_at.is_some(), session.ended_at_source, session.ended_at)
            };
            end(a).cmp(&end(b))
        }
        SessionGroup::Unknown(name) => match (a.unknown.get(name), b.unknown.get(name)) {
            (Some(a), Some(b)) => b.as_str().cmp(a.as_str()),
            (a, b) => a.is_some().cmp(&b.is_some()),
        },
    }
}

/// Joins two records of one session of which neither knew the other: commutative, associative,
/// idempotent. What stays in each group is the greater by [`compare_sessions`].
pub fn join_sessions(a: &Session, b: &Session) -> Session {
    let mut joined = a.clone();
    for group in b.groups() {
        if compare_sessions(&group, &joined, b) == Ordering::Less {
            group.copy(b, &mut joined);
        }
    }
    joined
}
