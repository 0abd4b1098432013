//! The fields of a piece: their names, their limits, and when the phones' app counts two values as
//! equal.
//!
//! The list is frozen. The app on people's phones knows only these fields, whatever the server's
//! schema has today. For this crate, a field that is declared later is a key that the app does not
//! know. It is kept, and passed on.

use haumana_sync::limits;
use haumana_sync::record::Value;
use haumana_sync::schema::FieldError;

/// How a field behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldClass {
    /// A switch. It is toggled outside of the app's form.
    Flag,
    /// Text that is decided as a whole.
    Short,
    /// Text that is merged by line.
    Long,
    /// A key that this library does not know. It is decided as a whole.
    Unknown,
}

/// The description of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its name on the wire.
    pub name: &'static str,
    /// How it behaves.
    pub class: FieldClass,
    /// Whether a stored piece always has it.
    pub required: bool,
    /// Whether the app's form trims it.
    pub trimmed: bool,
    /// The most characters; for long texts, the most bytes.
    pub max: usize,
}

const fn text(name: &'static str, required: bool, max: usize) -> FieldSpec {
    FieldSpec { name, class: FieldClass::Short, required, trimmed: false, max }
}

const fn long(name: &'static str, required: bool) -> FieldSpec {
    let max = limits::LONG_TEXT_BYTES;
    FieldSpec { name, class: FieldClass::Long, required, trimmed: required, max }
}

const fn flag(name: &'static str) -> FieldSpec {
    FieldSpec { name, class: FieldClass::Flag, required: true, trimmed: false, max: 0 }
}

/// The known fields of a piece that can be edited, in the order in which they are stored.
///
/// Their rules are those of the app's form and decoder: which fields it trims, which values count
/// as empty, and which fields it needs.
pub const PIECE_FIELDS: [FieldSpec; 10] = [
    FieldSpec { trimmed: true, ..text("title", true, limits::TITLE_CHARS) },
    text("category", true, limits::WORD_CHARS),
    long("lyrics", true),
    text("language", false, limits::WORD_CHARS),
    long("englishTranslation", false),
    text("author", false, limits::AUTHOR_CHARS),
    text("sourceUrl", false, limits::SOURCE_URL_CHARS),
    long("notes", false),
    flag("includeInPractice"),
    flag("isFavorite"),
];

const UNKNOWN: FieldSpec = FieldSpec {
    name: "",
    class: FieldClass::Unknown,
    required: false,
    trimmed: false,
    max: limits::RECORD_BYTES,
};

/// Returns the description of the field `name`. Unknown keys share one, with an empty name.
pub fn field_spec(name: &str) -> FieldSpec {
    let known = PIECE_FIELDS.iter().find(|spec| spec.name == name);
    known.copied().unwrap_or(UNKNOWN)
}

impl FieldSpec {
    /// Checks a value for this field.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field cannot hold it.
    pub fn check(&self, value: &Value) -> Result<(), FieldError> {
        let fits = match (self.class, value) {
            (FieldClass::Flag, Value::Flag(_)) => true,
            (FieldClass::Unknown, Value::Null) => true,
            (FieldClass::Unknown, Value::Json(json)) => json.as_str().len() <= self.max,
            (FieldClass::Long, Value::Text(text)) => text.len() <= self.max,
            (FieldClass::Short, Value::Text(text)) => {
                text.len() <= self.max || text.chars().count() <= self.max
            }
            (FieldClass::Long | FieldClass::Short, Value::Null) if !self.required => true,
            _ => return Err(FieldError::Invalid),
        };
        if fits { Ok(()) } else { Err(FieldError::TooLarge) }
    }

    /// Returns the hash by which the phones' app counts values as equal. These make no difference:
    /// white space at the ends of trimmed fields, empty against absent, and an absent language
    /// against `haw`.
    ///
    /// Two values with the same hash are no edit of each other. Hashes of base values are kept
    /// beside the record, so a comparison needs no read of the base.
    pub fn app_hash(&self, value: &Value) -> u64 {
        match value {
            Value::Text(text) if self.trimmed => Value::Text(text.trim().to_owned()).hash(),
            Value::Text(text) if !self.required && text.is_empty() => self.absent_hash(),
            Value::Null => self.absent_hash(),
            other => other.hash(),
        }
    }

    fn absent_hash(&self) -> u64 {
        if self.name == "language" {
            return Value::Text("haw".to_owned()).hash();
        }
        Value::Null.hash()
    }

    /// Whether `pushed`, from the app, leaves a field unchanged whose value has the hash `base`.
    ///
    /// It is not symmetric: `oli` over an unknown category is no edit, but the reverse is one.
    pub fn app_unchanged(&self, pushed: &Value, base: u64) -> bool {
        if self.app_hash(pushed) == base {
            return true;
        }
        // The form replaces a category that the app does not know by `oli`.
        self.name == "category" && pushed.as_text() == Some("oli") && !is_known_category(base)
    }
}

fn is_known_category(hash: u64) -> bool {
    ["oli", "mele"].iter().any(|known| Value::Text((*known).to_owned()).hash() == hash)
}
