//! Schemas as files: the same keys in TOML and JSON.
//!
//! Unknown keys are refused. Otherwise a typing mistake would make a field that merges by another
//! policy than was meant. A file cannot say what only Rust can declare, such as
//! [`ContentHash`](super::ContentHash).

use super::field::FieldDefault;
use super::{
    Deletes, Element, Field, FieldType, Group, Kind, Merge, Schema, SchemaError, UnknownKeys,
};
use crate::limits;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most characters of a text whose declaration names no limit.
const TEXT_CHARS: usize = 4_096;
/// The most values of a list or a set whose declaration names no limit.
const ELEMENTS: usize = 1_000;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileSchema {
    #[serde(default)]
    kind: Vec<FileKind>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileKind {
    name: String,
    number: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown_keys: Option<FileUnknown>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deletes: Option<FileDeletes>,
    #[serde(default)]
    field: Vec<FileField>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    group: Vec<FileGroup>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum FileDeletes {
    LoseToEdits,
    Stick,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileGroup {
    leading: String,
    fields: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merge: Option<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum FileUnknown {
    Later,
    Smallest,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileField {
    name: String,
    number: u16,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "is_false")]
    open: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "is_false")]
    default_is_edit_time: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_is_field: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    mandatory: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    trimmed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    empty_is_absent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absent_is: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    indexed: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Schema {
    /// Reads a schema file in JSON.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] names the line and column of text that is no JSON, or of a key that is
    /// unknown. If a rule is broken, it names the kind and the field.
    pub fn from_json(text: &str) -> Result<Self, SchemaError> {
        let file: FileSchema =
            serde_json::from_str(text).map_err(|error| SchemaError::new(error.to_string()))?;
        file.into_schema()
    }

    /// Reads a schema file in TOML.
    ///
    /// # Errors
    ///
    /// As [`Schema::from_json`].
    ///
    /// # Examples
    ///
    /// ```
    /// use haumana_sync::schema::Schema;
    ///
    /// let text = r#"
    ///     [[kind]]
    ///     name = "recipe"
    ///     number = 3
    ///
    ///     [[kind.field]]
    ///     name = "title"
    ///     number = 1
    ///     type = "text"
    ///     default = ""
    ///
    ///     [[kind.field]]
    ///     name = "steps"
    ///     number = 2
    ///     type = "lines"
    /// "#;
    /// let schema = Schema::from_toml(text)?;
    ///
    /// assert_eq!(Some(2), schema.named("recipe").map(|kind| kind.fields().len()));
    ///
    /// let typo = Schema::from_toml(&text.replace("lines", "line")).unwrap_err();
    /// assert!(typo.to_string().starts_with("kind recipe, field steps: there is no type line"));
    /// # Ok::<(), haumana_sync::schema::SchemaError>(())
    /// ```
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self, SchemaError> {
        let file: FileSchema =
            toml::from_str(text).map_err(|error| SchemaError::new(error.to_string().trim_end()))?;
        file.into_schema()
    }

    /// Reads the schema file of this name: JSON if the name ends in `.json`, else TOML. Kinds with
    /// numbers below 3 have rules of their own, which a file cannot declare.
    ///
    /// # Errors
    ///
    /// As [`Schema::from_json`].
    #[cfg(feature = "toml")]
    pub fn from_file(name: &str, text: &str) -> Result<Self, SchemaError> {
        let is_json = name.to_ascii_lowercase().ends_with(".json");
        let schema = if is_json { Self::from_json(text) } else { Self::from_toml(text) }?;
        match schema.kinds.iter().find(|kind| kind.number().get() < 3) {
            Some(kind) => {
                Err(SchemaError::new("numbers of kinds are 3 to 250").in_kind(kind.name()))
            }
            None => Ok(schema),
        }
    }

    /// Writes the schema in the form that [`Schema::from_json`] reads.
    pub fn to_json(&self) -> String {
        let file = FileSchema { kind: self.kinds.iter().map(FileKind::of).collect() };
        // Strings, numbers and lists, written to memory, cannot fail.
        serde_json::to_string(&file).unwrap_or_default()
    }
}

impl FileSchema {
    fn into_schema(self) -> Result<Schema, SchemaError> {
        if self.kind.is_empty() {
            return Err(SchemaError::new("a schema has at least one [[kind]]"));
        }
        let kinds: Result<Vec<Kind>, SchemaError> =
            self.kind.into_iter().map(FileKind::into_kind).collect();
        Schema::new(kinds?)
    }
}

impl FileKind {
    fn into_kind(self) -> Result<Kind, SchemaError> {
        let mut kind = Kind::new(self.number, self.name.clone());
        if let Some(id_key) = self.id_key {
            kind = kind.id_key(id_key);
        }
        if let Some(FileUnknown::Smallest) = self.unknown_keys {
            kind = kind.unknown_keys(UnknownKeys::Smallest);
        }
        if let Some(FileDeletes::Stick) = self.deletes {
            kind = kind.deletes(Deletes::Stick);
        }
        for group in self.group {
            let name = group.leading.clone();
            let merge = read_policy(group.merge.as_deref());
            let merge = merge.map_err(|error| error.in_field(&name).in_kind(&self.name))?;
            kind = kind.group(Group::new(group.leading, group.fields).merge(merge));
        }
        for field in self.field {
            let name = field.name.clone();
            let read = field.into_field();
            kind = kind.field(read.map_err(|error| error.in_field(&name).in_kind(&self.name))?);
        }
        Ok(kind)
    }

    fn of(kind: &Arc<Kind>) -> Self {
        let is_smallest = kind.named("").policy() == Merge::Least;
        Self {
            name: kind.name().to_owned(),
            number: kind.number().get(),
            id_key: Some(kind.id_name().to_owned()).filter(|key| key != "id"),
            unknown_keys: is_smallest.then_some(FileUnknown::Smallest),
            deletes: (kind.delete_policy() == Deletes::Stick).then_some(FileDeletes::Stick),
            group: kind.groups().iter().map(FileGroup::of).collect(),
            field: kind.fields().iter().map(FileField::of).collect(),
        }
    }
}

impl FileField {
    fn into_field(self) -> Result<Field, SchemaError> {
        let field_type = self.field_type()?;
        let merge = self.merge()?;
        let mut field = Field::new(self.number, self.name, field_type).merge(merge);
        let default = self.default.map(|value| read_default(&field, &value)).transpose()?;
        let mut defaults = [
            default.map(FieldDefault::Value),
            self.default_is_edit_time.then_some(FieldDefault::EditTime),
            self.default_is_field.map(|other| FieldDefault::SameAs(other.into())),
            self.mandatory.then_some(FieldDefault::Mandatory),
        ]
        .into_iter()
        .flatten();
        field.default = defaults.next().unwrap_or_default();
        if defaults.next().is_some() {
            return Err(SchemaError::new("a field has one default, or is mandatory"));
        }
        field.equality.trimmed = self.trimmed;
        field.equality.empty_is_absent = self.empty_is_absent;
        field.equality.absent_is = self.absent_is.map(Value::Text);
        field.indexed = self.indexed;
        Ok(field)
    }

    fn field_type(&self) -> Result<FieldType, SchemaError> {
        let max = |default| self.max.unwrap_or(default);
        let field_type = match self.type_name.as_str() {
            "text" => FieldType::Text { max_chars: max(TEXT_CHARS) },
            "lines" => FieldType::Lines { max_bytes: max(limits::LONG_TEXT_BYTES) },
            "flag" => FieldType::Flag,
            "integer" => FieldType::Integer,
            "number" => FieldType::Number,
            "time" => FieldType::Time,
            "id" => FieldType::Id,
            "enum" => {
                FieldType::Enum { words: self.words.clone().unwrap_or_default(), open: self.open }
            }
            "json" => FieldType::Json,
            "list" => FieldType::List { of: self.element()?, max: max(ELEMENTS) },
            "set" => FieldType::Set { of: self.element()?, max: max(ELEMENTS) },
            "counter" => FieldType::Counter,
            other => {
                let known = "text, lines, flag, integer, number, time, id, enum, json, list, set and counter";
                return Err(SchemaError::new(format!(
                    "there is no type {other}; there are {known}"
                )));
            }
        };
        self.check_keys(&field_type)?;
        Ok(field_type)
    }

    /// Refuses keys that do not fit the type: they would have no effect.
    fn check_keys(&self, field_type: &FieldType) -> Result<(), SchemaError> {
        let is_enum = matches!(field_type, FieldType::Enum { .. });
        let has_elements = matches!(field_type, FieldType::List { .. } | FieldType::Set { .. });
        let misplaced = [
            ("max", self.max.is_some() && field_type.limit().is_none()),
            ("of", self.of.is_some() && !has_elements),
            ("words", self.words.is_some() && !is_enum),
            ("open", self.open && !is_enum),
            ("trimmed", self.trimmed && !field_type.is_text()),
            ("empty_is_absent", self.empty_is_absent && !field_type.is_text()),
            ("absent_is", self.absent_is.is_some() && !field_type.is_text()),
            ("default_is_edit_time", self.default_is_edit_time && *field_type != FieldType::Time),
        ];
        match misplaced.into_iter().find(|(_, is_misplaced)| *is_misplaced) {
            Some((key, _)) => {
                Err(SchemaError::new(format!("{key} is no key of type {}", field_type.name())))
            }
            None => Ok(()),
        }
    }

    fn element(&self) -> Result<Element, SchemaError> {
        match self.of.as_deref() {
            Some("text") => Ok(Element::Text),
            Some("id") => Ok(Element::Id),
            _ => Err(SchemaError::new("of is text or id")),
        }
    }

    fn merge(&self) -> Result<Merge, SchemaError> {
        read_policy(self.merge.as_deref())
    }

    fn of(field: &Field) -> Self {
        let field_type = field.field_type();
        let of = match field_type {
            FieldType::List { of: Element::Id, .. } | FieldType::Set { of: Element::Id, .. } => {
                Some("id")
            }
            FieldType::List { .. } | FieldType::Set { .. } => Some("text"),
            _ => None,
        };
        let (words, open) = match field_type {
            FieldType::Enum { words, open } => (Some(words.clone()), *open),
            _ => (None, false),
        };
        let default = match &field.default {
            FieldDefault::Value(value) => serde_json::to_value(value).ok(),
            _ => None,
        };
        let absent_is = field.equality.absent_is.as_ref().and_then(Value::as_text);
        Self {
            name: field.name().to_owned(),
            number: field.number(),
            type_name: field_type.name().to_owned(),
            max: field_type.limit().map(|(limit, _)| limit),
            of: of.map(str::to_owned),
            words,
            open,
            merge: Some(field.policy()).filter(|policy| *policy != Merge::Later).map(name_of),
            default,
            default_is_edit_time: field.default == FieldDefault::EditTime,
            default_is_field: field.same_as().map(str::to_owned),
            mandatory: field.is_mandatory(),
            trimmed: field.equality.trimmed,
            empty_is_absent: field.equality.empty_is_absent,
            absent_is: absent_is.map(str::to_owned),
            indexed: field.indexed,
        }
    }
}

impl FileGroup {
    fn of(group: &Group) -> Self {
        Self {
            leading: group.name().to_owned(),
            fields: group.fields().map(str::to_owned).collect(),
            merge: Some(group.policy()).filter(|policy| *policy != Merge::Later).map(name_of),
        }
    }
}

fn read_policy(name: Option<&str>) -> Result<Merge, SchemaError> {
    let Some(name) = name else { return Ok(Merge::Later) };
    let found = Merge::ALL.iter().find(|(_, known)| *known == name);
    found.map(|(merge, _)| *merge).ok_or_else(|| {
        let known: Vec<&str> = Merge::ALL.iter().map(|(_, name)| *name).collect();
        SchemaError::new(format!("there is no policy {name}; there are {}", known.join(", ")))
    })
}

fn name_of(policy: Merge) -> String {
    policy.name().to_owned()
}

fn read_default(field: &Field, value: &serde_json::Value) -> Result<Value, SchemaError> {
    let raw = serde_json::value::to_raw_value(value).ok();
    let read = raw.and_then(|raw| field.read(&raw)).filter(|value| !value.is_null());
    read.map(|value| field.normal(value))
        .ok_or_else(|| SchemaError::new("the field cannot hold its default"))
}
