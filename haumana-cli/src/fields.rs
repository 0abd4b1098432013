//! The fields of a piece as flags, files, and texts in an editor.

use crate::answer::label;
use crate::problem::Problem;
use crate::text::decode;
use clap::{ArgAction, Args, ValueEnum};
use haumana_sync::record::{FieldError, Value};
use haumana_sync::repertoire::piece_kind;
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
    pub(crate) const ALL: [Self; 3] = [Self::Lyrics, Self::Translation, Self::Notes];

    /// The option that gives it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Lyrics => "--lyrics",
            Self::Translation => "--translation",
            Self::Notes => "--notes",
        }
    }

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
    /// Says which options exclude each other: the standard input can be read once, and a field can
    /// be given once.
    pub(crate) fn check(&self) -> Result<(), String> {
        let inputs: Vec<&str> = self.inputs().map(|field| field.option()).collect();
        if let [first, second, ..] = inputs[..] {
            return Err(format!("{first}-file and {second}-file both read the standard input"));
        }
        let Some(field) = self.editor else { return Ok(()) };
        match self.given(field) {
            (None, None) => Ok(()),
            (Some(_), _) => Err(format!(
                "{0} and the editor both give the {1}",
                field.option(),
                label(field.name())
            )),
            (_, Some(_)) => Err(format!(
                "{0}-file and the editor both give the {1}",
                field.option(),
                label(field.name())
            )),
        }
    }

    fn given(&self, field: LongField) -> (Option<&String>, Option<&Path>) {
        let (text, file) = match field {
            LongField::Lyrics => (&self.lyrics, &self.lyrics_file),
            LongField::Translation => (&self.translation, &self.translation_file),
            LongField::Notes => (&self.notes, &self.notes_file),
        };
        (text.as_ref(), file.as_deref())
    }

    /// The fields that come from the standard input; at most one, once that was checked.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = LongField> {
        let is_input = |field: &LongField| self.given(*field).1.is_some_and(is_input);
        LongField::ALL.into_iter().filter(is_input)
    }

    /// Reads what the flags say, files included; not the standard input and the editor, for which a
    /// person may be waited for.
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
        for field in LongField::ALL {
            if let Some(file) = self.given(field).1.filter(|file| !is_input(file)) {
                fields.insert(field.name().to_owned(), text_value(field.name(), read_text(file)?));
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
        match piece_kind().named(name).check(value) {
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

/// Whether a file is the standard input, under one of its names.
pub(crate) fn is_input(path: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| path == Path::new(name))
}

/// Reads a text; `-` is the standard input.
pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    let read = if is_input(path) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    let bytes = read.map_err(|error| Problem::File(path.into(), error))?;
    decode(&bytes).map_err(|_| Problem::NotText(path.display().to_string()))
}
