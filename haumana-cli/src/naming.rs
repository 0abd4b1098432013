//! The words for kinds and fields, which come from the schema.

use haumana_sync::schema::{Field, FieldType, Kind, Schema};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A word of the first version for a field of pieces that differs from the field's name. A field
/// that is not in the list has the word that follows from its name and type.
struct Nickname {
    field: &'static str,
    flag: &'static str,
    label: &'static str,
    aliases: &'static [&'static str],
}

const KIND_WITH_NICKNAMES: &str = "piece";
const NICKNAMES: [Nickname; 4] = [
    Nickname {
        field: "englishTranslation",
        flag: "translation",
        label: "translation",
        aliases: &[],
    },
    Nickname { field: "sourceUrl", flag: "source-url", label: "source", aliases: &[] },
    Nickname { field: "isFavorite", flag: "favorite", label: "favorite", aliases: &["favourite"] },
    Nickname { field: "includeInPractice", flag: "practice", label: "practice", aliases: &[] },
];

/// Fields of pieces that lists of the first version did not show.
const NOT_LISTED: [&str; 5] =
    ["author", "includeInPractice", "isFavorite", "language", "sourceUrl"];

/// Options of commands, which no field can use.
const TAKEN: [&str; 12] = [
    "columns",
    "device",
    "discard-edits",
    "editor",
    "help",
    "json",
    "limit",
    "pending",
    "server",
    "set",
    "version",
    "yes",
];

fn nickname(kind: &Kind, field: &str) -> Option<&'static Nickname> {
    let is_meant = kind.name() == KIND_WITH_NICKNAMES;
    NICKNAMES.iter().find(|nickname| is_meant && nickname.field == field)
}

/// The word for a field in answers.
pub(crate) fn label<'a>(kind: &Kind, field: &'a str) -> &'a str {
    nickname(kind, field).map_or(field, |nickname| nickname.label)
}

/// Whether lists leave the field out although it is short.
pub(crate) fn is_left_out(kind: &Kind, field: &Field) -> bool {
    let is_old = kind.name() == KIND_WITH_NICKNAMES && NOT_LISTED.contains(&field.name());
    is_old || is_creation_time(field)
}

/// Whether a field says when its record was made.
pub(crate) fn is_creation_time(field: &Field) -> bool {
    let is_time = *field.field_type() == FieldType::Time;
    is_time && (field.is_edit_time() || field.same_as().is_some())
}

/// The word for several records of a kind.
pub(crate) fn plural(kind: &Kind) -> String {
    let name = kind.name();
    let is_hissing = ["s", "x", "z", "ch", "sh"].iter().any(|end| name.ends_with(end));
    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if is_hissing => format!("{name}es"),
        _ => format!("{name}s"),
    }
}

/// The words for one record of a kind: `a piece`.
pub(crate) fn one_of(kind: &Kind) -> String {
    let is_vowel = kind.name().starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {}", if is_vowel { "an" } else { "a" }, kind.name())
}

/// The field by which people name records of a kind: its first text.
pub(crate) fn title_field(kind: &Kind) -> Option<&Field> {
    let is_text = |field: &&Field| matches!(field.field_type(), FieldType::Text { .. });
    kind.fields().iter().find(is_text)
}

/// The kind that a field of ids refers to, by the field's own name: `pieceId` refers to `piece`.
pub(crate) fn target<'s>(schema: &'s Schema, field: &Field) -> Option<&'s Arc<Kind>> {
    let name = field.name();
    let kind = name.strip_suffix("Ids").or_else(|| name.strip_suffix("Id"));
    kind.and_then(|kind| schema.named(kind))
}

/// The options of one field.
#[derive(Clone, Debug)]
pub(crate) struct Flag<'k> {
    pub(crate) field: &'k Field,
    /// The option, without its dashes.
    pub(crate) name: String,
    /// Other names of it, which help does not show.
    pub(crate) aliases: Vec<String>,
}

/// The options of all fields of a kind. No two have the same name.
pub(crate) fn flags(kind: &Kind) -> Vec<Flag<'_>> {
    let mut taken: BTreeSet<String> = TAKEN.map(str::to_owned).into();
    let mut flags = Vec::new();
    for field in kind.fields() {
        let nickname = nickname(kind, field.name()).map(|nickname| nickname.flag.to_owned());
        let names = [
            nickname.unwrap_or_else(|| from_type(field)),
            kebab(field.name()),
            field.name().to_owned(),
        ];
        let is_free = |name: &String| forms(name).iter().all(|form| !taken.contains(form));
        let numbered = || format!("field-{}", field.number());
        let name = names.into_iter().find(is_free).unwrap_or_else(numbered);
        taken.extend(forms(&name));
        flags.push(Flag { field, name, aliases: Vec::new() });
    }
    for flag in &mut flags {
        let extra = nickname(kind, flag.field.name()).map_or(&[][..], |nickname| nickname.aliases);
        let spelt = kebab(flag.field.name());
        let all = extra.iter().map(|alias| (*alias).to_owned()).chain([spelt]);
        flag.aliases = all.filter(|alias| taken.insert(alias.clone())).collect();
    }
    flags
}

/// An option and the options that belong to it, for every type of field.
fn forms(name: &str) -> [String; 4] {
    [name.to_owned(), format!("{name}-file"), format!("add-{name}"), format!("remove-{name}")]
}

/// The usual option of a field: for `isDone`, which is true or false, it is `--done`.
fn from_type(field: &Field) -> String {
    let name = kebab(field.name());
    match (field.field_type(), name.strip_prefix("is-")) {
        (FieldType::Flag, Some(rest)) => rest.to_owned(),
        _ => name,
    }
}

/// `sourceUrl` in the spelling of options: `source-url`.
fn kebab(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let is_after_small = before.is_some_and(|before| !before.is_ascii_uppercase());
        let is_before_small = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && before.is_some() && (is_after_small || is_before_small) {
            out.push('-');
        }
        out.push(if *letter == '_' { '-' } else { letter.to_ascii_lowercase() });
    }
    let words: Vec<&str> = out.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_sync::repertoire::piece_kind;

    fn names(kind: &Kind) -> Vec<String> {
        flags(kind).into_iter().map(|flag| flag.name).collect()
    }

    #[test]
    fn options_are_spelt_as_options_are() {
        for (name, expected) in [
            ("sourceUrl", "source-url"),
            ("sourceURL", "source-url"),
            ("URLOfSource", "url-of-source"),
            ("ended_at", "ended-at"),
            ("step2", "step2"),
            ("a_B", "a-b"),
        ] {
            assert_eq!(expected, kebab(name), "{name}");
        }
    }

    #[test]
    fn kinds_have_their_plurals() {
        for (name, expected) in
            [("piece", "pieces"), ("dish", "dishes"), ("story", "stories"), ("day", "days")]
        {
            assert_eq!(expected, plural(&Kind::new(3, name)));
        }
    }

    #[test]
    fn options_of_pieces_are_those_of_the_first_version() {
        let expected = "title category lyrics language translation author source-url notes \
                        practice favorite created-at";

        let mut names = names(piece_kind());
        names.retain(|name| expected.split(' ').any(|old| old == name));

        assert_eq!(expected, names.join(" "));
    }

    #[test]
    fn fields_that_would_share_an_option_have_options_of_their_own() {
        let mut kind = Kind::new(3, "odd");
        let all = ["json", "fooBar", "foo_bar", "notes", "notesFile", "isDone", "done", "editor"];
        for (name, number) in all.into_iter().zip(1..) {
            let field_type = if name == "isDone" { FieldType::Flag } else { FieldType::text(9) };
            kind = kind.field(Field::new(number, name, field_type));
        }

        let names = names(&kind);

        let expected = "field-1 foo-bar foo_bar notes notesFile done field-7 field-8";
        assert_eq!(expected, names.join(" "));
    }
}
