//! The fields of a piece as flags, files, and texts in an editor.

use crate::answer::label;
use crate::editor::{self, Written};
use crate::problem::Problem;
use clap::{ArgAction, Args, ValueEnum};
use haumana_sync::record::{FieldError, Value, field_spec};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Values; an empty one clears.
#[derive(Args, Debug)]
pub(crate) struct FieldFlags {
    /// oli or mele.
    #[arg(long)]
    category: Option<String>,
    /// Who made it.
    #[arg(long)]
    author: Option<String>,
    /// Where it is from.
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
    /// Its language, such as haw.
    #[arg(long)]
    language: Option<String>,
    /// Whether it is a favorite.
    #[arg(long, alias = "favourite", action = ArgAction::Set, value_name = "true|false")]
    favorite: Option<bool>,
    /// Whether it is practised.
    #[arg(long, action = ArgAction::Set, value_name = "true|false")]
    practice: Option<bool>,
    /// The lyrics.
    #[arg(long, value_name = "TEXT")]
    lyrics: Option<String>,
    /// A file with the lyrics; `-` is the standard input, here and below.
    #[arg(long, value_name = "FILE", conflicts_with = "lyrics")]
    lyrics_file: Option<PathBuf>,
    /// The translation.
    #[arg(long, value_name = "TEXT")]
    translation: Option<String>,
    /// A file with the translation.
    #[arg(long, value_name = "FILE", conflicts_with = "translation")]
    translation_file: Option<PathBuf>,
    /// Notes.
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// A file with notes.
    #[arg(long, value_name = "FILE", conflicts_with = "notes")]
    notes_file: Option<PathBuf>,
    /// Write a text in your editor: VISUAL or EDITOR.
    #[arg(long, value_name = "FIELD", num_args = 0..=1, default_missing_value = "lyrics")]
    pub(crate) editor: Option<LongField>,
}

/// A field that is worth an editor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LongField {
    Lyrics,
    Translation,
    Notes,
}

impl LongField {
    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lyrics => "lyrics",
            Self::Translation => "englishTranslation",
            Self::Notes => "notes",
        }
    }
}

/// The fields of an edit, by their names on the wire.
pub(crate) type Fields = BTreeMap<String, Value>;

impl FieldFlags {
    /// Reads what the flags say, files included; not the editor.
    pub(crate) fn read(&self) -> Result<Fields, Problem> {
        let mut fields = Fields::new();
        let texts = [
            ("category", &self.category),
            ("author", &self.author),
            ("sourceUrl", &self.source_url),
            ("language", &self.language),
            ("lyrics", &self.lyrics),
            ("englishTranslation", &self.translation),
            ("notes", &self.notes),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                fields.insert(name.to_owned(), text_value(name, text.clone()));
            }
        }
        let files = [
            ("lyrics", &self.lyrics_file),
            ("englishTranslation", &self.translation_file),
            ("notes", &self.notes_file),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                fields.insert(name.to_owned(), text_value(name, read_text(file)?));
            }
        }
        let flags = [("isFavorite", self.favorite), ("includeInPractice", self.practice)];
        for (name, flag) in flags {
            if let Some(flag) = flag {
                fields.insert(name.to_owned(), Value::Flag(flag));
            }
        }
        Ok(fields)
    }
}

/// Says which field cannot hold its value, and why.
pub(crate) fn check(fields: &Fields) -> Result<(), Problem> {
    for (name, value) in fields {
        let what = label(name);
        match field_spec(name).check(value) {
            Ok(()) => {}
            Err(FieldError::TooLarge) => {
                return Err(Problem::Refused(format!("the {what} is too long")));
            }
            Err(FieldError::Invalid) => {
                return Err(Problem::Refused(format!("the {what} cannot hold this value")));
            }
        }
    }
    match fields.get("title").and_then(Value::as_text) {
        Some(title) if title.trim().is_empty() => {
            Err(Problem::Refused("a piece needs a title".into()))
        }
        _ => Ok(()),
    }
}

/// Text for a field. Empty clears where a field can be clear.
pub(crate) fn text_value(name: &str, text: String) -> Value {
    let can_be_clear = !matches!(name, "title" | "lyrics" | "category");
    if text.is_empty() && can_be_clear { Value::Null } else { Value::Text(text) }
}

/// Reads a text; `-` is the standard input.
pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| Problem::File(path.into(), error))
}

/// Lets the person write a field; `None` if it is as it was.
pub(crate) fn write_field(
    field: LongField,
    before: &Value,
    fields: &mut Fields,
) -> Result<Option<Written>, Problem> {
    let before = before.as_text().unwrap_or_default();
    let written = editor::write(before)?;
    if written.text == before {
        return Ok(None);
    }
    fields.insert(field.name().to_owned(), text_value(field.name(), written.text.clone()));
    Ok(Some(written))
}
