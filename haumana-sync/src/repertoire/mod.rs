//! The records of the first app: pieces of a repertoire, and the sessions of practising them.
//!
//! This is the only place in the library that knows hula. Numbers, names and the order of fields
//! are those of version 0.1, so stored bytes, hashes and digests do not change.
//!
//! Leave it out with `default-features = false` if your app has kinds of its own. It is also an
//! example of a schema that uses everything: groups, defaults, equality, and a content hash that
//! never changes.

mod piece;
mod session;
mod session_doubt;
mod since_0_1;

pub use piece::Piece;
pub use session::{EndedAtSource, Session};
pub use session_doubt::SessionDoubt;

use crate::engine::{Clock, Engine, EngineConfig, Random};
use crate::limits;
use crate::schema::{
    ContentHash, Deletes, Field, FieldType, Group, Kind, Merge, Schema, UnknownKeys,
};
use crate::store::Store;
use std::sync::{Arc, OnceLock};

/// Returns the schema of pieces and sessions.
///
/// It is made once. All clones share it.
pub fn schema() -> Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    let schema = || {
        // A test makes it, so it keeps the rules.
        #[allow(clippy::expect_used, reason = "the line above")]
        Schema::new([piece(), session()]).expect("the schema of pieces and sessions")
    };
    SCHEMA.get_or_init(schema).clone()
}

impl Engine {
    /// Makes an engine on `store` that keeps pieces and sessions.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: EngineConfig,
    ) -> Self {
        Self::of(schema(), store, clock, random, config)
    }
}

/// Returns the kind of pieces.
pub fn piece_kind() -> &'static Arc<Kind> {
    static PIECE: OnceLock<Arc<Kind>> = OnceLock::new();
    PIECE.get_or_init(|| {
        let schema = schema();
        schema.named("piece").cloned().unwrap_or_else(|| Arc::new(piece()))
    })
}

/// Returns the kind of sessions.
pub fn session_kind() -> &'static Arc<Kind> {
    static SESSION: OnceLock<Arc<Kind>> = OnceLock::new();
    SESSION.get_or_init(|| {
        let schema = schema();
        schema.named("session").cloned().unwrap_or_else(|| Arc::new(session()))
    })
}

/// One oli or mele.
fn piece() -> Kind {
    let text = |number, name, max| Field::new(number, name, FieldType::text(max)).with_text_hash();
    let lines = |number, name| {
        Field::new(number, name, FieldType::lines(limits::LONG_TEXT_BYTES)).with_text_hash()
    };
    let flag = |number, name| Field::new(number, name, FieldType::Flag).with_text_hash();
    Kind::new(0, "piece")
        .id_key("pieceId")
        .field(text(1, "title", limits::TITLE_CHARS).required("").trimmed())
        .field(text(2, "category", limits::WORD_CHARS).required("oli"))
        .field(lines(3, "lyrics").required("").trimmed())
        .field(text(4, "language", limits::WORD_CHARS).empty_is_absent().absent_is("haw"))
        .field(lines(5, "englishTranslation").empty_is_absent())
        .field(text(6, "author", limits::AUTHOR_CHARS).empty_is_absent())
        .field(text(7, "sourceUrl", limits::SOURCE_URL_CHARS).empty_is_absent())
        .field(lines(8, "notes").empty_is_absent())
        .field(flag(9, "includeInPractice").required_flag(true))
        .field(flag(10, "isFavorite").required_flag(false))
        .field(
            Field::new(11, "createdAt", FieldType::Time).merge(Merge::Fixed).required_edit_time(),
        )
        .content_hash(ContentHash::Fields((1..=10).collect()))
        .reserving(&["pieceId", "sessionId", "lastSyncedAt", "syncedAt", "locallyModified"])
        .exported_as("pieces", r#""locallyModified":false,"#)
}

/// One practice of one piece.
fn session() -> Kind {
    let sources = FieldType::one_of(["estimated", "automatic", "manual"]);
    Kind::new(1, "session")
        .id_key("sessionId")
        .field(Field::new(1, "pieceId", FieldType::Id).mandatory())
        .field(Field::new(2, "startedAt", FieldType::Time).mandatory())
        .field(Field::new(3, "endedAt", FieldType::Time))
        .field(Field::new(4, "endedAtSource", sources))
        .field(Field::new(5, "createdAt", FieldType::Time).required_as("startedAt"))
        .group(
            Group::new("startedAt", ["createdAt", "pieceId", "startedAt"])
                .merge(Merge::Least)
                .with_text_hash(),
        )
        .group(
            Group::new("endedAt", ["endedAtSource", "endedAt"])
                .merge(Merge::Greatest)
                .with_text_hash(),
        )
        .unknown_keys(UnknownKeys::Smallest)
        .deletes(Deletes::Stick)
        .reserving(&["sessionId", "lastSyncedAt", "syncedAt", "locallyModified"])
        .exported_as("practiceSessions", "")
        .without_touches_in_0_1()
}
