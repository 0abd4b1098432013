//! The content of a piece in the app, and when two values count as equal. It is written from the
//! wire contract alone, so that it does not have the engine's mistakes.
//!
//! The table [`FIELDS`] repeats the schema of the app, on purpose: a mistake in the schema is then
//! a difference between two texts, and the model finds it.
//!
//! Lines of the lyrics can be followed like fields. A line that begins with `pauku 0: ` has an
//! owner, and no other user edits it. So the model can say what such a line must be, although the
//! merge of a whole text has many right results.

use serde_json::{Map, Value as Json};

/// How a field behaves.
///
/// The class decides how much the judge can require. A short text is that of one side; a long one
/// may be made of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A boolean beside the form.
    Flag,
    /// Text that is decided as a whole.
    Short,
    /// Text that is merged by line.
    Long,
}

/// A field on the wire: its name, its class, and whether the app requires it.
pub const FIELDS: [(&str, Class, bool); 10] = [
    ("title", Class::Short, true),
    ("category", Class::Short, true),
    ("lyrics", Class::Long, true),
    ("language", Class::Short, false),
    ("englishTranslation", Class::Long, false),
    ("author", Class::Short, false),
    ("sourceUrl", Class::Short, false),
    ("notes", Class::Long, false),
    ("includeInPractice", Class::Flag, true),
    ("isFavorite", Class::Flag, true),
];

/// Places in [`FIELDS`].
pub const TITLE: usize = 0;
/// See [`TITLE`].
pub const CATEGORY: usize = 1;
/// See [`TITLE`].
pub const LYRICS: usize = 2;
/// See [`TITLE`].
pub const LANGUAGE: usize = 3;
/// See [`TITLE`].
pub const NOTES: usize = 7;
/// See [`TITLE`].
pub const PRACTICE: usize = 8;
/// See [`TITLE`].
pub const FAVORITE: usize = 9;

/// How many lines of the lyrics have an owner, in runs with owned lines.
pub const LINES: usize = 4;

/// The parts that are followed through a run: the fields, and the owned lines of the lyrics.
///
/// Sets of edits are arrays of this length.
pub const ASPECTS: usize = FIELDS.len() + LINES;

/// The value of one field.
///
/// The wire has three ways to say nothing: no key, null, and empty text. For the app they are
/// equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Val {
    /// Absent or null.
    Nil,
    /// A boolean.
    Flag(bool),
    /// Text.
    Text(String),
}

impl Val {
    /// Returns the text, empty if there is none.
    pub fn text(&self) -> &str {
        match self {
            Val::Text(text) => text,
            _ => "",
        }
    }
}

/// The fields of a piece, in the order of [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(pub [Val; FIELDS.len()]);

impl Content {
    /// Reads the fields as the app does. The error names what it cannot decode.
    ///
    /// Unknown keys are ignored, as the app does.
    ///
    /// # Errors
    ///
    /// The name of a required key that is missing, or of one with the wrong type.
    pub fn read(json: &Map<String, Json>) -> Result<Self, String> {
        let mut fields = [const { Val::Nil }; FIELDS.len()];
        for (slot, (name, class, required)) in fields.iter_mut().zip(FIELDS) {
            *slot = match (json.get(name), class) {
                (None | Some(Json::Null), _) if !required => Val::Nil,
                (Some(Json::Bool(flag)), Class::Flag) => Val::Flag(*flag),
                (Some(Json::String(text)), Class::Short | Class::Long) => Val::Text(text.clone()),
                _ => return Err(format!("{name} is missing or of the wrong type")),
            };
        }
        Ok(Self(fields).shown())
    }

    /// Writes the fields as the app does: nil fields are left out.
    pub fn write(&self, json: &mut Map<String, Json>) {
        for (value, (name, _, _)) in self.0.iter().zip(FIELDS) {
            let value = match value {
                Val::Nil => continue,
                Val::Flag(flag) => Json::Bool(*flag),
                Val::Text(text) => Json::String(text.clone()),
            };
            json.insert(name.to_owned(), value);
        }
    }

    /// Returns the content as the app shows it: a missing language is Hawaiian, and an empty
    /// optional text is none.
    pub fn shown(mut self) -> Self {
        for (aspect, value) in self.0.iter_mut().enumerate() {
            *value = shown(aspect, std::mem::replace(value, Val::Nil));
        }
        self
    }

    /// Returns the value of a field or of an owned line. An owned line that is there twice or not
    /// at all is nil.
    ///
    /// So if a merge doubles or drops an owned line, that is seen as a change to nil.
    pub fn aspect(&self, aspect: usize) -> Val {
        if aspect < FIELDS.len() {
            return self.0[aspect].clone();
        }
        let mark = line_mark(aspect);
        let mut lines = self.0[LYRICS].text().lines().filter(|line| line.starts_with(&mark));
        match (lines.next(), lines.next()) {
            (Some(line), None) => Val::Text(line.to_owned()),
            _ => Val::Nil,
        }
    }
}

/// The value of one field as the app shows it.
pub fn shown(aspect: usize, value: Val) -> Val {
    let (_, class, required) = FIELDS[aspect];
    match value {
        value if required || class == Class::Flag || !value.text().is_empty() => value,
        _ if aspect == LANGUAGE => Val::Text("haw".to_owned()),
        _ => Val::Nil,
    }
}

/// The beginning of an owned line of the lyrics.
pub fn line_mark(aspect: usize) -> String {
    format!("pauku {}: ", aspect - FIELDS.len())
}

/// The name of a field or of an owned line.
pub fn aspect_name(aspect: usize) -> String {
    match FIELDS.get(aspect) {
        Some((name, _, _)) => (*name).to_owned(),
        None => format!("lyrics, line {}", aspect - FIELDS.len()),
    }
}

/// Whether its texts are merged, so that the result may be that of neither side.
pub fn is_long(aspect: usize) -> bool {
    FIELDS.get(aspect).is_none_or(|(_, class, _)| *class == Class::Long)
}

/// Whether the app's form saves it.
pub fn is_in_form(aspect: usize) -> bool {
    FIELDS.get(aspect).is_none_or(|(_, class, _)| *class != Class::Flag)
}

/// Whether `pushed` is no change of a field that was `base` (rule 2).
///
/// The app trims title and lyrics, and saves `oli` for an unknown category. Neither is an edit. The
/// relation is not symmetric.
pub fn is_unchanged(aspect: usize, pushed: &Val, base: &Val) -> bool {
    let is_known = |value: &Val| ["oli", "mele"].contains(&value.text());
    match aspect {
        TITLE | LYRICS => pushed.text().trim() == base.text().trim(),
        CATEGORY if pushed.text() == "oli" && !is_known(base) => true,
        _ => pushed == base,
    }
}
