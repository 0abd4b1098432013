//! Keys that stand beside a record's fields and are never content.

use crate::id::KindNumber;

/// A key that names, numbers or times a record in what crosses the wire. A reply that held one of
/// them twice could not be read by the phones' app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedKey {
    /// The key.
    pub name: &'static str,
    /// What a client is told that sets it.
    pub message: &'static str,
}

macro_rules! reserved {
    ($($name:literal)*) => {
        [$(ReservedKey {
            name: $name,
            message: concat!($name, " is not content and cannot be set"),
        }),*]
    };
}

const RESERVED_KEYS: [ReservedKey; 9] = reserved!(
    "pieceId" "sessionId" "userId" "version" "modifiedAt" "lastSyncedAt" "syncedAt"
    "locallyModified" "_haumana"
);

/// Those that stand beside the phones' records only.
const PHONES_KEYS: [&str; 5] =
    ["pieceId", "sessionId", "lastSyncedAt", "syncedAt", "locallyModified"];

/// Returns the reserved key of that name; `None` if a record of this kind may have it as a field.
///
/// `pieceId` is a field of a session.
pub fn reserved_key(kind: KindNumber, name: &str) -> Option<ReservedKey> {
    reserved_keys(kind).find(|key| key.name == name)
}

/// Returns the keys that are never content of a record of this kind.
pub fn reserved_keys(kind: KindNumber) -> impl Iterator<Item = ReservedKey> {
    let is_field = move |name: &str| match kind {
        KindNumber::SESSION => name == "pieceId",
        KindNumber::PIECE | KindNumber::CONFLICT => false,
        // These are the phones' own; a record of another app may have them.
        _ => PHONES_KEYS.contains(&name),
    };
    RESERVED_KEYS.into_iter().filter(move |key| !is_field(key.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::BESIDE_KEY;

    #[test]
    fn what_exports_keep_beside_a_record_is_no_content() {
        assert!(
            [KindNumber::PIECE, KindNumber::SESSION]
                .iter()
                .all(|kind| { reserved_key(*kind, BESIDE_KEY).is_some() })
        );
    }

    #[test]
    fn records_of_other_apps_may_have_the_phones_keys_and_no_others() {
        let kind = KindNumber::new(3);

        assert_eq!(None, reserved_key(kind, "pieceId"));
        assert_eq!(None, reserved_key(kind, "syncedAt"));
        assert!(
            ["version", "modifiedAt", "userId", BESIDE_KEY]
                .iter()
                .all(|key| reserved_key(kind, key).is_some())
        );
    }

    #[test]
    fn a_session_has_a_piece_and_a_piece_is_one() {
        assert_eq!(None, reserved_key(KindNumber::SESSION, "pieceId"));
        assert!(reserved_key(KindNumber::PIECE, "pieceId").is_some());
    }
}
