//! Which stored records the app can read. One that it cannot read would make it refuse the whole reply,
//! at every sync.
//!
//! The app's decoder refuses a whole reply for one missing key. So a record that lacks one, as
//! after an edit by hand in the storage, is left out of replies and reported; all others go
//! through.

use crate::App;
use crate::keys::PIECE_FIELDS;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::record::KnownFields;
use haumana_sync::repertoire::{piece_kind, session_kind};
use haumana_sync::store::Envelope;
use std::sync::LazyLock;

/// The keys of a session that the app reads.
///
/// Of other keys the app takes no notice.
const SESSION_KEYS: [&str; 5] = ["pieceId", "startedAt", "endedAt", "endedAtSource", "createdAt"];

impl App<'_> {
    /// Whether a record can be given to a phone. One that cannot is reported and set aside.
    pub(crate) fn is_sound(&self, user: &UserId, envelope: &Envelope) -> bool {
        if envelope.is_unreadable() {
            return false;
        }
        envelope.deleted || self.fits(user, envelope.key, &envelope.content)
    }

    /// As [`App::is_sound`], of the content of a live record.
    ///
    /// Records of other kinds are never given to a phone, so they fit.
    pub(crate) fn fits(&self, user: &UserId, key: Key, content: &str) -> bool {
        let fits = match key.kind {
            KindNumber::PIECE => OF_PIECES.fits(content),
            KindNumber::SESSION => OF_SESSIONS.fits(content),
            _ => true,
        };
        if !fits {
            crate::mark::hit!(record_that_the_app_cannot_read_is_set_aside);
            self.0.tell_unreadable(user, key);
        }
        fits
    }
}

/// What the app reads of a piece.
static OF_PIECES: LazyLock<KnownFields> =
    LazyLock::new(|| KnownFields::of(piece_kind(), is_of_piece));

/// What the app reads of a session.
static OF_SESSIONS: LazyLock<KnownFields> =
    LazyLock::new(|| KnownFields::of(session_kind(), |name| SESSION_KEYS.contains(&name)));

fn is_of_piece(name: &str) -> bool {
    name == "createdAt" || PIECE_FIELDS.iter().any(|spec| spec.name == name)
}
