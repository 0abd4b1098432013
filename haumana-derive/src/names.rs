//! How names are spelt on the wire.

use syn::{Error, LitStr, Result};

/// A way to spell the names of all fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Snake,
    Camel,
    Pascal,
    Lower,
    Upper,
    ScreamingSnake,
}

impl Case {
    const ALL: [(Case, &'static str); 6] = [
        (Case::Snake, "snake_case"),
        (Case::Camel, "camelCase"),
        (Case::Pascal, "PascalCase"),
        (Case::Lower, "lowercase"),
        (Case::Upper, "UPPERCASE"),
        (Case::ScreamingSnake, "SCREAMING_SNAKE_CASE"),
    ];

    /// Reads the value of `rename_all`.
    pub(crate) fn read(text: &LitStr) -> Result<Self> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text.value());
        found.map(|(case, _)| *case).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
            Error::new_spanned(text, format!("rename_all is one of {}", names.join(", ")))
        })
    }

    /// Spells the Rust name of a field, which is in snake case.
    pub(crate) fn spell(self, name: &str) -> String {
        match self {
            Case::Snake | Case::Lower => name.to_owned(),
            Case::Upper | Case::ScreamingSnake => name.to_ascii_uppercase(),
            Case::Pascal => name.split('_').map(capital).collect(),
            Case::Camel => {
                let pascal: String = name.split('_').map(capital).collect();
                let first = pascal.chars().next().map(|first| first.to_ascii_lowercase());
                first.into_iter().chain(pascal.chars().skip(1)).collect()
            }
        }
    }
}

fn capital(word: &str) -> String {
    let first = word.chars().next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(word.chars().skip(1)).collect()
}

/// Checks a name on the wire, by the rules of a schema.
pub(crate) fn check(name: &str) -> std::result::Result<(), String> {
    const RESERVED: [&str; 7] =
        ["_haumana", "id", "userId", "version", "modifiedAt", "kind", "deleted"];
    if RESERVED.contains(&name) {
        return Err(format!(
            "the name {name} is reserved: it stands beside a record's fields; give another one \
             with #[record(name = \"…\")]"
        ));
    }
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let fits = name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
    if begins && fits && name.len() <= 64 {
        return Ok(());
    }
    Err(format!("{name:?} is no name: it has 1 to 64 letters, digits and _, a letter first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_as_serde_spells_them() {
        let spelt = Case::ALL.map(|(case, _)| case.spell("english_translation_2"));

        assert_eq!(
            [
                "english_translation_2",
                "englishTranslation2",
                "EnglishTranslation2",
                "english_translation_2",
                "ENGLISH_TRANSLATION_2",
                "ENGLISH_TRANSLATION_2",
            ],
            spelt.each_ref().map(String::as_str)
        );
    }
}
