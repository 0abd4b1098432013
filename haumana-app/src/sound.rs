//! Which stored records the app can read.
//!
//! The app's decoder refuses a whole reply for one missing key, at every sync. So a record that
//! lacks a key, for instance after an edit by hand in the storage, is left out of replies and
//! reported. All other records are sent.

use crate::App;
use crate::keys::PIECE_FIELDS;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::record::KnownFields;
use haumana_sync::repertoire::{piece_kind, session_kind};
use haumana_sync::store::Envelope;
use std::sync::LazyLock;

/// The keys of a session that the app reads.
///
/// The app ignores other keys.
const SESSION_KEYS: [&str; 5] = ["pieceId", "startedAt", "endedAt", "endedAtSource", "createdAt"];

impl App<'_> {
    /// Whether a record can be sent to a phone. If not, it is reported and set aside.
    pub(crate) fn is_sound(&self, user: &UserId, envelope: &Envelope) -> bool {
        if envelope.is_unreadable() {
            return false;
        }
        envelope.deleted || self.fits(user, envelope.key, &envelope.content)
    }

    /// As [`App::is_sound`], for the content of a live record.
    ///
    /// Records of other kinds are never sent to a phone, so they fit.
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

/// The fields of a piece that the app reads.
static OF_PIECES: LazyLock<KnownFields> =
    LazyLock::new(|| KnownFields::of(piece_kind(), is_of_piece));

/// The fields of a session that the app reads.
static OF_SESSIONS: LazyLock<KnownFields> =
    LazyLock::new(|| KnownFields::of(session_kind(), |name| SESSION_KEYS.contains(&name)));

fn is_of_piece(name: &str) -> bool {
    name == "createdAt" || PIECE_FIELDS.iter().any(|spec| spec.name == name)
}
