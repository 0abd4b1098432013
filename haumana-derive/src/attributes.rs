//! Reading the attributes of a struct and of its fields.

use crate::names::{Case, check};
use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput, Error, Field, Ident, Lit, LitInt, LitStr, Result, Token};

/// Words for the policy of deletes, and the variants of `Deletes`.
const DELETES: [(&str, &str); 2] = [("lose_to_edits", "LoseToEdits"), ("stick", "Stick")];
/// Words for the policy of keys without a field, and the variants of `UnknownKeys`.
const UNKNOWN_KEYS: [(&str, &str); 2] = [("later", "Later"), ("smallest", "Smallest")];

/// The attributes of the struct.
pub(crate) struct KindAttributes {
    pub(crate) name: String,
    pub(crate) number: u8,
    pub(crate) case: Case,
    pub(crate) id_key: Option<String>,
    pub(crate) deletes: Option<Ident>,
    pub(crate) unknown_keys: Option<Ident>,
    pub(crate) groups: Vec<GroupAttributes>,
}

/// Fields that move together, by their names in Rust.
pub(crate) struct GroupAttributes {
    pub(crate) leading: LitStr,
    pub(crate) fields: Vec<LitStr>,
    pub(crate) merge: Option<String>,
}

/// The declared type of a field, if its Rust type is not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    Lines,
    List,
    Set,
    Counter,
    Time,
    Id,
    Words { words: Vec<String> },
}

impl Declared {
    fn is_structural(&self) -> bool {
        matches!(self, Self::Lines | Self::List | Self::Set | Self::Counter)
    }
}

/// The attributes of a field.
pub(crate) struct FieldAttributes {
    pub(crate) span: Span,
    pub(crate) number: Option<u16>,
    pub(crate) name: Option<String>,
    pub(crate) declared: Option<Declared>,
    pub(crate) is_open: bool,
    pub(crate) merge: Option<String>,
    /// The limit, and the attribute that gave it.
    pub(crate) max: Option<(&'static str, usize)>,
    pub(crate) default: Option<Lit>,
    /// The Rust name of the field whose value is the default.
    pub(crate) default_is_field: Option<LitStr>,
    pub(crate) is_mandatory: bool,
    pub(crate) is_trimmed: bool,
    pub(crate) empty_is_absent: bool,
    pub(crate) absent_is: Option<String>,
    pub(crate) is_indexed: bool,
    pub(crate) is_skipped: bool,
}

impl KindAttributes {
    pub(crate) fn read(input: &DeriveInput) -> Result<Self> {
        let (mut kind, mut number, mut case) = (None, None, None);
        let (mut id_key, mut deletes, mut unknown_keys) = (None, None, None);
        let mut groups = Vec::new();
        for attribute in own(&input.attrs) {
            attribute.parse_nested_meta(|meta| match word(&meta).as_str() {
                "kind" => set(&meta, &mut kind, |meta| meta.value()?.parse::<LitStr>()),
                "number" => set(&meta, &mut number, |meta| meta.value()?.parse::<LitInt>()),
                "rename_all" => set(&meta, &mut case, |meta| Case::read(&meta.value()?.parse()?)),
                "id_key" => set(&meta, &mut id_key, string),
                "deletes" => set(&meta, &mut deletes, |meta| choice(meta, &DELETES)),
                "unknown_keys" => set(&meta, &mut unknown_keys, |meta| choice(meta, &UNKNOWN_KEYS)),
                "group" => {
                    groups.push(GroupAttributes::read(&meta)?);
                    Ok(())
                }
                other => Err(meta.error(format!(
                    "a record has no attribute {other}; there are kind, number, rename_all, id_key, \
                     deletes, unknown_keys and group"
                ))),
            })?;
        }
        let missing = "a record names its kind: #[record(kind = \"…\", number = …)]";
        let name = kind.ok_or_else(|| Error::new_spanned(&input.ident, missing))?;
        let number = number.ok_or_else(|| Error::new_spanned(&input.ident, missing))?;
        check(&name.value()).map_err(|message| Error::new_spanned(&name, message))?;
        let fits = number.base10_parse::<u8>().ok().filter(|number| (3..=250).contains(number));
        let fits =
            fits.ok_or_else(|| Error::new_spanned(&number, "the number of a kind is 3 to 250"))?;
        let case = case.or(serde_case(&input.attrs)?).unwrap_or(Case::Snake);
        let name = name.value();
        Ok(Self { name, number: fits, case, id_key, deletes, unknown_keys, groups })
    }
}

impl GroupAttributes {
    fn read(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let (mut leading, mut fields, mut merge) = (None, None, None);
        meta.parse_nested_meta(|meta| match word(&meta).as_str() {
            "leading" => set(&meta, &mut leading, |meta| meta.value()?.parse::<LitStr>()),
            "fields" => set(&meta, &mut fields, texts),
            "merge" => set(&meta, &mut merge, policy),
            other => Err(meta.error(format!(
                "a group has no attribute {other}; there are leading, fields and merge"
            ))),
        })?;
        match (leading, fields) {
            (Some(leading), Some(fields)) => Ok(Self { leading, fields, merge }),
            _ => Err(meta.error("a group is written group(leading = \"…\", fields(\"…\", \"…\"))")),
        }
    }
}

impl FieldAttributes {
    pub(crate) fn read(field: &Field) -> Result<Self> {
        let mut read = Self {
            span: field.span(),
            number: None,
            name: None,
            declared: None,
            is_open: false,
            merge: None,
            max: None,
            default: None,
            default_is_field: None,
            is_mandatory: false,
            is_trimmed: false,
            empty_is_absent: false,
            absent_is: None,
            is_indexed: false,
            is_skipped: false,
        };
        for attribute in own(&field.attrs) {
            attribute.parse_nested_meta(|meta| read.take(&meta))?;
        }
        read.read_serde(&field.attrs)?;
        read.check()?;
        Ok(read)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match word(meta).as_str() {
            "number" => set(meta, &mut self.number, |meta| {
                let number: LitInt = meta.value()?.parse()?;
                let number = number.base10_parse::<u16>().ok().filter(|number| *number != 0);
                number.ok_or_else(|| meta.error("the number of a field is 1 to 65535"))
            }),
            "name" => set(meta, &mut self.name, string),
            "lines" => self.declare(meta, Declared::Lines),
            "list" => self.declare(meta, Declared::List),
            "set" => self.declare(meta, Declared::Set),
            "counter" => self.declare(meta, Declared::Counter),
            "time" => self.declare(meta, Declared::Time),
            "id" => self.declare(meta, Declared::Id),
            "words" => {
                let words = texts(meta)?.iter().map(LitStr::value).collect();
                self.declare(meta, Declared::Words { words })
            }
            "merge" => set(meta, &mut self.merge, policy),
            "max_chars" => self.limit(meta, "max_chars"),
            "max_bytes" => self.limit(meta, "max_bytes"),
            "max_elements" => self.limit(meta, "max_elements"),
            "default" => set(meta, &mut self.default, |meta| meta.value()?.parse()),
            "default_is_field" => {
                set(meta, &mut self.default_is_field, |meta| meta.value()?.parse())
            }
            "mandatory" => flag(meta, &mut self.is_mandatory),
            "absent_is" => set(meta, &mut self.absent_is, string),
            "open" => flag(meta, &mut self.is_open),
            "trimmed" => flag(meta, &mut self.is_trimmed),
            "empty_is_absent" => flag(meta, &mut self.empty_is_absent),
            "indexed" => flag(meta, &mut self.is_indexed),
            "skip" => flag(meta, &mut self.is_skipped),
            other => Err(meta.error(format!(
                "a field has no attribute {other}; there are number, name, lines, list, set, \
                 counter, time, id, words, open, merge, max_chars, max_bytes, max_elements, default, \
                 default_is_field, mandatory, trimmed, empty_is_absent, absent_is, indexed and skip"
            ))),
        }
    }

    fn declare(&mut self, meta: &ParseNestedMeta<'_>, declared: Declared) -> Result<()> {
        if self.declared.replace(declared).is_some() {
            return Err(meta.error("a field has one type"));
        }
        Ok(())
    }

    fn limit(&mut self, meta: &ParseNestedMeta<'_>, name: &'static str) -> Result<()> {
        set(meta, &mut self.max, |meta| {
            let limit: LitInt = meta.value()?.parse()?;
            Ok((name, limit.base10_parse()?))
        })
    }

    /// Serde's attributes for the field's name count here, too.
    fn read_serde(&mut self, attributes: &[Attribute]) -> Result<()> {
        for attribute in attributes.iter().filter(|one| one.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                match word(&meta).as_str() {
                    "rename" if meta.input.peek(Token![=]) => {
                        let name = string(&meta)?;
                        self.name.get_or_insert(name);
                    }
                    "rename" => {
                        return Err(
                            meta.error("say the record's name with #[record(name = \"…\")]")
                        );
                    }
                    "skip" => self.is_skipped = true,
                    _ => pass_over(&meta)?,
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let flaw = |message: &str| Err(Error::new(self.span, message));
        let is_structural = self.declared.as_ref().is_some_and(Declared::is_structural);
        if is_structural && self.merge.as_deref().is_some_and(|merge| merge != "later") {
            return flaw(
                "lines, lists, sets and counters are merged by their parts; they take no policy",
            );
        }
        if self.is_open && !matches!(self.declared, Some(Declared::Words { .. })) {
            return flaw("open belongs to words");
        }
        let defaults = [self.default.is_some(), self.default_is_field.is_some(), self.is_mandatory];
        if 1 < defaults.into_iter().filter(|is_said| *is_said).count() {
            return flaw("of default, default_is_field and mandatory a field has one");
        }
        let fits = match (&self.declared, self.max) {
            (_, None) => true,
            (None, Some((name, _))) => name != "max_bytes",
            (Some(Declared::Lines), Some((name, _))) => name == "max_bytes",
            (Some(Declared::List | Declared::Set), Some((name, _))) => name == "max_elements",
            _ => false,
        };
        if !fits {
            return flaw(
                "max_chars is of text, max_bytes of lines, max_elements of a list or a set",
            );
        }
        if let Some(name) = &self.name {
            return check(name).map_err(|message| Error::new(self.span, message));
        }
        Ok(())
    }
}

fn own(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("record"))
}

fn word(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn string(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}

/// The texts in parentheses after a word.
fn texts(meta: &ParseNestedMeta<'_>) -> Result<Vec<LitStr>> {
    let content;
    syn::parenthesized!(content in meta.input);
    let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    Ok(texts.into_iter().collect())
}

fn policy(meta: &ParseNestedMeta<'_>) -> Result<String> {
    const POLICIES: [&str; 5] = ["later", "greatest", "least", "first", "fixed"];
    let name = string(meta)?;
    let is_known = POLICIES.contains(&name.as_str());
    is_known.then(|| name.clone()).ok_or_else(|| {
        let known = POLICIES.join(", ");
        meta.error(format!("there is no policy {name}; there are {known}"))
    })
}

/// Reads one of some words. Each is a variant of an enum.
fn choice(meta: &ParseNestedMeta<'_>, choices: &[(&str, &str)]) -> Result<Ident> {
    let text: LitStr = meta.value()?.parse()?;
    let chosen = choices.iter().find(|(name, _)| *name == text.value());
    let known: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let unknown = || Error::new_spanned(&text, format!("it is one of {}", known.join(", ")));
    chosen.map(|(_, variant)| Ident::new(variant, text.span())).ok_or_else(unknown)
}

fn set<T>(
    meta: &ParseNestedMeta<'_>,
    slot: &mut Option<T>,
    read: impl FnOnce(&ParseNestedMeta<'_>) -> Result<T>,
) -> Result<()> {
    let value = read(meta)?;
    match slot.replace(value) {
        Some(_) => Err(meta.error("it is said twice")),
        None => Ok(()),
    }
}

fn flag(meta: &ParseNestedMeta<'_>, slot: &mut bool) -> Result<()> {
    if std::mem::replace(slot, true) { Err(meta.error("it is said twice")) } else { Ok(()) }
}

/// Skips an attribute of serde that does not concern names.
fn pass_over(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Lit>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

fn serde_case(attributes: &[Attribute]) -> Result<Option<Case>> {
    let mut case = None;
    for attribute in attributes.iter().filter(|one| one.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename_all") && meta.input.peek(Token![=]) {
                case = Some(Case::read(&meta.value()?.parse()?)?);
                return Ok(());
            }
            pass_over(&meta)
        })?;
    }
    Ok(case)
}
