//! One oli or mele of the repertoire.

use super::piece_kind;
use crate::digest::Digest;
use crate::id::RecordId;
use crate::json::JsonText;
use crate::record::{Content, Value};
use crate::time::UnixMillis;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The content of one piece, without its id, owner and version.
///
/// Serializes to the stored form: every required key, the optional keys that are present,
/// `createdAt`, then the unknown keys.
///
/// It is for code that works with pieces by name. The engine treats them as [`Content`] of the kind
/// `piece`, like any other record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The title.
    ///
    /// At most [`TITLE_CHARS`](crate::limits::TITLE_CHARS) characters. White space at its ends
    /// makes no difference.
    pub title: String,
    /// `oli` or `mele`. Another value is kept as it came.
    pub category: String,
    /// The lyrics, byte for byte.
    ///
    /// Merged by line, then by word; at most [`LONG_TEXT_BYTES`](crate::limits::LONG_TEXT_BYTES).
    pub lyrics: String,
    /// The language code. An absent code means `haw`.
    pub language: Option<String>,
    /// The translation.
    pub english_translation: Option<String>,
    /// The composer.
    pub author: Option<String>,
    /// Where the piece was found.
    pub source_url: Option<String>,
    /// The student's notes.
    ///
    /// Merged like the lyrics.
    pub notes: Option<String>,
    /// Whether practice suggests it.
    pub include_in_practice: bool,
    /// Whether it is marked with a star.
    pub is_favorite: bool,
    /// When it was made; fixed by the first push.
    pub created_at: UnixMillis,
    /// Keys that this library does not know.
    ///
    /// They are written back as they came.
    pub unknown: BTreeMap<String, JsonText>,
}

impl Piece {
    /// Makes a piece with the default values.
    pub fn new(created_at: UnixMillis) -> Self {
        Self {
            title: String::new(),
            category: "oli".to_owned(),
            lyrics: String::new(),
            language: None,
            english_translation: None,
            author: None,
            source_url: None,
            notes: None,
            include_in_practice: true,
            is_favorite: false,
            created_at,
            unknown: BTreeMap::new(),
        }
    }

    /// Returns the value of the field `name`.
    pub fn get(&self, name: &str) -> Value {
        let text = |text: &String| Value::Text(text.clone());
        let optional = |value: &Option<String>| value.as_ref().map_or(Value::Null, text);
        match name {
            "title" => text(&self.title),
            "category" => text(&self.category),
            "lyrics" => text(&self.lyrics),
            "language" => optional(&self.language),
            "englishTranslation" => optional(&self.english_translation),
            "author" => optional(&self.author),
            "sourceUrl" => optional(&self.source_url),
            "notes" => optional(&self.notes),
            "includeInPractice" => Value::Flag(self.include_in_practice),
            "isFavorite" => Value::Flag(self.is_favorite),
            _ => self.unknown.get(name).cloned().map_or(Value::Null, Value::Json),
        }
    }

    /// Puts `value` into the field `name`, if the field can hold a value of that type. A reserved
    /// key is ignored.
    pub fn set(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("title", Value::Text(text)) => self.title = text,
            ("category", Value::Text(text)) => self.category = text,
            ("lyrics", Value::Text(text)) => self.lyrics = text,
            ("includeInPractice", Value::Flag(flag)) => self.include_in_practice = flag,
            ("isFavorite", Value::Flag(flag)) => self.is_favorite = flag,
            (_, value) => match (self.optional(name), value) {
                (Some(slot), Value::Text(text)) => *slot = Some(text),
                (Some(slot), _) => *slot = None,
                (None, _) if piece_kind().reserved_key(name).is_some() => {}
                (None, Value::Json(json)) => {
                    self.unknown.insert(name.to_owned(), json);
                }
                (None, _) => {
                    self.unknown.remove(name);
                }
            },
        }
    }

    /// Whether the field `name` has the same value in `other`.
    pub fn is_same(&self, other: &Piece, name: &str) -> bool {
        match name {
            "title" => self.title == other.title,
            "category" => self.category == other.category,
            "lyrics" => self.lyrics == other.lyrics,
            "language" => self.language == other.language,
            "englishTranslation" => self.english_translation == other.english_translation,
            "author" => self.author == other.author,
            "sourceUrl" => self.source_url == other.source_url,
            "notes" => self.notes == other.notes,
            "includeInPractice" => self.include_in_practice == other.include_in_practice,
            "isFavorite" => self.is_favorite == other.is_favorite,
            _ => self.unknown.get(name) == other.unknown.get(name),
        }
    }

    fn optional(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "language" => Some(&mut self.language),
            "englishTranslation" => Some(&mut self.english_translation),
            "author" => Some(&mut self.author),
            "sourceUrl" => Some(&mut self.source_url),
            "notes" => Some(&mut self.notes),
            _ => None,
        }
    }

    /// Returns the names of all its fields: the known ones, then its unknown keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let known = piece_kind().unit_names();
        known.chain(self.unknown.keys().map(String::as_str))
    }

    /// Hashes what the phones' app holds of it: everything except `createdAt` and unknown keys.
    /// Empty optional text counts as absent, and an absent language as `haw`.
    pub fn app_digest(&self, id: RecordId) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(id.bits().to_be_bytes());
        let language = self.language.as_deref().filter(|text| !text.is_empty());
        let texts: [&str; 8] = [
            &self.title,
            &self.category,
            &self.lyrics,
            language.unwrap_or("haw"),
            self.english_translation.as_deref().unwrap_or_default(),
            self.author.as_deref().unwrap_or_default(),
            self.source_url.as_deref().unwrap_or_default(),
            self.notes.as_deref().unwrap_or_default(),
        ];
        for text in texts {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update([u8::from(self.include_in_practice), u8::from(self.is_favorite)]);
        Digest::finish(hasher)
    }

    /// Returns the stored form.
    pub fn to_json(&self) -> String {
        // A map of strings, booleans and raw JSON, written to memory, cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("title", &self.title)?;
        map.serialize_entry("category", &self.category)?;
        map.serialize_entry("lyrics", &self.lyrics)?;
        let optional = [
            ("language", &self.language),
            ("englishTranslation", &self.english_translation),
            ("author", &self.author),
            ("sourceUrl", &self.source_url),
            ("notes", &self.notes),
        ];
        for (name, value) in optional {
            if let Some(text) = value {
                map.serialize_entry(name, text)?;
            }
        }
        map.serialize_entry("includeInPractice", &self.include_in_practice)?;
        map.serialize_entry("isFavorite", &self.is_favorite)?;
        map.serialize_entry("createdAt", &self.created_at.to_string())?;
        for (name, value) in &self.unknown {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StoredPiece)
    }
}

/// Reads the stored form, which this library wrote.
struct StoredPiece;

impl<'de> Visitor<'de> for StoredPiece {
    type Value = Piece;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored piece")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Piece, A::Error> {
        let mut piece = Piece::new(UnixMillis(0));
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match name.as_ref() {
                "title" => piece.title = map.next_value()?,
                "category" => piece.category = map.next_value()?,
                "lyrics" => piece.lyrics = map.next_value()?,
                "includeInPractice" => piece.include_in_practice = map.next_value()?,
                "isFavorite" => piece.is_favorite = map.next_value()?,
                "createdAt" => {
                    let text: String = map.next_value()?;
                    let at = UnixMillis::parse(&text);
                    piece.created_at = at.ok_or_else(|| A::Error::custom("createdAt"))?;
                }
                name => match piece.optional(name) {
                    Some(slot) => *slot = map.next_value()?,
                    None if piece_kind().reserved_key(name).is_some() => {
                        map.next_value::<IgnoredAny>()?;
                    }
                    None => {
                        let raw: Box<RawValue> = map.next_value()?;
                        let value = JsonText::new(&raw).ok_or_else(|| A::Error::custom("json"))?;
                        piece.unknown.insert(name.to_owned(), value);
                    }
                },
            }
        }
        Ok(piece)
    }
}

impl From<&Piece> for Content {
    fn from(piece: &Piece) -> Self {
        let mut content = Content::new(piece_kind(), piece.created_at);
        for name in piece.names() {
            content.set(name, piece.get(name));
        }
        content
    }
}
