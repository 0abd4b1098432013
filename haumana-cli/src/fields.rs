//! What the options of a command say about the fields of a record. Files and texts are included.

use crate::find;
use crate::naming::{Flag, flags, label, one_of, target, title_field};
use crate::options::{EDITOR, Given, LongField, SET, long_fields};
use crate::problem::Problem;
use crate::text::decode;
use crate::values::{element, elements, of_elements, whole};
use clap::ArgMatches;
use clap::parser::ValueSource;
use haumana_replica::{Content, Replica};
use haumana_sync::id::RecordId;
use haumana_sync::record::{Counter, FieldError, Value};
use haumana_sync::schema::{Element, Field, FieldType, Kind};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The fields of an edit, by their names on the wire.
pub(crate) type Fields = BTreeMap<String, Value>;

/// What the options of one command say about the fields of a record.
#[derive(Debug)]
pub(crate) struct Changes<'m> {
    kind: &'m Kind,
    matches: &'m ArgMatches,
    given: Vec<(String, Given)>,
}

impl<'m> Changes<'m> {
    /// Reads the options, but not yet the files that they name.
    pub(crate) fn of(kind: &'m Kind, matches: &'m ArgMatches) -> Self {
        let mut changes = Self { kind, matches, given: Vec::new() };
        for Flag { field, name, .. } in flags(kind) {
            if let Some(elements) = changes.many(&name) {
                let is_cleared = elements.iter().all(String::is_empty);
                let elements = if is_cleared { Vec::new() } else { elements };
                changes.give(field, Given::Elements(elements));
            }
            if let Some(elements) = changes.many(&format!("add-{name}")) {
                changes.give(field, Given::Add(elements));
            }
            if let Some(elements) = changes.many(&format!("remove-{name}")) {
                changes.give(field, Given::Remove(elements));
            }
            if let Ok(Some(given)) = matches.try_get_one::<Given>(&name) {
                changes.give(field, given.clone());
            }
        }
        if let Ok(Some(keys)) = matches.try_get_many::<(String, Value)>(SET) {
            let keys = keys.map(|(name, value)| (name.clone(), Given::Value(value.clone())));
            changes.given.extend(keys);
        }
        changes
    }

    fn give(&mut self, field: &Field, given: Given) {
        self.given.push((field.name().to_owned(), given));
    }

    fn many(&self, option: &str) -> Option<Vec<String>> {
        let values = self.matches.try_get_many::<String>(option).ok().flatten()?;
        Some(values.cloned().collect())
    }

    /// Says which options exclude each other: the standard input can be read once, and a field can
    /// be given once.
    pub(crate) fn check(&self) -> Result<(), String> {
        let inputs = self.inputs();
        if let [first, second, ..] = &inputs[..] {
            let (first, second) = (&first.option, &second.option);
            return Err(format!("--{first}-file and --{second}-file both read the standard input"));
        }
        let Some(field) = self.editor() else { return Ok(()) };
        let LongField { label, option, .. } = &field;
        match (self.is_said(option), self.file(&field)) {
            (false, None) => Ok(()),
            (true, _) => Err(format!("--{option} and the editor both give the {label}")),
            (_, Some(_)) => Err(format!("--{option}-file and the editor both give the {label}")),
        }
    }

    fn is_said(&self, option: &str) -> bool {
        self.matches.value_source(option) == Some(ValueSource::CommandLine)
    }

    fn file(&self, field: &LongField) -> Option<&Path> {
        let option = format!("{}-file", field.option);
        let file = self.matches.try_get_one::<PathBuf>(&option).ok().flatten();
        file.map(PathBuf::as_path)
    }

    /// The field that is to be written in an editor.
    pub(crate) fn editor(&self) -> Option<LongField> {
        let named = self.matches.try_get_one::<String>(EDITOR).ok().flatten()?;
        long_fields(self.kind).into_iter().find(|field| field.option == *named)
    }

    /// The fields that come from the standard input. After `check` there is at most one.
    pub(crate) fn inputs(&self) -> Vec<LongField> {
        let is_from_input = |field: &LongField| self.file(field).is_some_and(is_input);
        long_fields(self.kind).into_iter().filter(is_from_input).collect()
    }

    /// Sets a field to a text, instead of the value of an option.
    pub(crate) fn put(&mut self, name: &str, value: Value) {
        self.given.push((name.to_owned(), Given::Value(value)));
    }

    /// Reads the files, but not the standard input or the editor, for which a person may be needed.
    pub(crate) fn read_files(&mut self) -> Result<(), Problem> {
        for field in long_fields(self.kind) {
            if let Some(file) = self.file(&field).filter(|file| !is_input(file)) {
                let value = text_value(self.kind, &field.name, read_text(file)?);
                self.put(&field.name, value);
            }
        }
        Ok(())
    }

    /// Whether some record is named by something other than its id.
    pub(crate) fn has_names(&self) -> bool {
        let of_ids = |name: &str| element(self.kind.named(name)) == Some(Element::Id);
        let is_named = |given: &Given| matches!(given, Given::Named(_));
        self.given.iter().any(|(name, given)| is_named(given) || of_ids(name))
    }

    /// Finds the records that are named by their title or the beginning of their id.
    pub(crate) async fn find_names(&mut self, replica: &Replica) -> Result<(), Problem> {
        let schema = replica.schema().await;
        for (name, given) in &mut self.given {
            let field = self.kind.named(name);
            let kind = target(&schema, field);
            match given {
                Given::Named(text) => {
                    let id = id_of(replica, kind, label(self.kind, name), text).await?;
                    *given = Given::Value(Value::Text(id));
                }
                Given::Elements(texts) | Given::Add(texts) | Given::Remove(texts)
                    if element(field) == Some(Element::Id) =>
                {
                    for text in texts {
                        *text = id_of(replica, kind, label(self.kind, name), text).await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the new values of the fields. `seen` is the present content of the record.
    pub(crate) fn apply(&self, seen: Option<&Content>) -> Fields {
        let mut fields = Fields::new();
        for (name, given) in &self.given {
            let held = fields.get(name).cloned();
            let held = held.or_else(|| seen.map(|seen| seen.get(name))).unwrap_or(Value::Null);
            let value = applied(self.kind.named(name), given, &held);
            fields.insert(name.clone(), value);
        }
        fields
    }
}

/// The value that an option makes of the present value.
fn applied(field: &Field, given: &Given, held: &Value) -> Value {
    let number = |number: i64| whole(number).unwrap_or(Value::Null);
    match given {
        Given::Value(value) => value.clone(),
        // Its record was found before, or the command has ended.
        Given::Named(_) => Value::Null,
        Given::By(by) => number(Counter::of(held).sum().saturating_add(*by)),
        Given::Reach(reach) => number(*reach),
        Given::Elements(elements) => of_elements(elements),
        Given::Add(more) => {
            let is_set = matches!(field.field_type(), FieldType::Set { .. });
            let mut all = elements(held);
            for one in more {
                if !is_set || !all.contains(one) {
                    all.push(one.clone());
                }
            }
            of_elements(&all)
        }
        Given::Remove(gone) => {
            let mut all = elements(held);
            all.retain(|one| !gone.contains(one));
            of_elements(&all)
        }
    }
}

/// The id of the record that a person names.
async fn id_of(
    replica: &Replica,
    kind: Option<&Arc<Kind>>,
    label: &str,
    text: &str,
) -> Result<String, Problem> {
    match (RecordId::parse(text.trim()), kind) {
        (Some(id), _) => Ok(id.to_string()),
        (None, Some(kind)) => Ok(find::record(replica, kind, text).await?.key.id.to_string()),
        (None, None) => {
            Err(Problem::Refused(format!("the {label} takes ids, and {text:?} is none")))
        }
    }
}

/// Says which field cannot hold its value, and why.
pub(crate) fn check(kind: &Kind, fields: &Fields) -> Result<(), Problem> {
    for (name, value) in fields {
        let (what, field) = (label(kind, name), kind.named(name));
        // A target of a counter is a number, and not a counter yet.
        if *field.field_type() == FieldType::Counter {
            continue;
        }
        let why = match field.check(value) {
            Ok(()) => continue,
            Err(FieldError::TooLarge) => "is too long".into(),
            Err(FieldError::Invalid) if value.is_null() => "cannot be without a value".into(),
            Err(FieldError::Invalid) => field.expectation(),
        };
        return Err(Problem::Refused(format!("the {what} {why}")));
    }
    let title = title_field(kind).filter(|title| title.is_required());
    let given = title.and_then(|title| fields.get(title.name())).and_then(Value::as_text);
    match (title, given) {
        (Some(title), Some(text)) if text.trim().is_empty() => {
            let (one, what) = (one_of(kind), label(kind, title.name()));
            Err(Problem::Refused(format!("{one} needs a {what}")))
        }
        _ => Ok(()),
    }
}

/// A text for a field. An empty text clears a field that may be empty.
pub(crate) fn text_value(kind: &Kind, name: &str, text: String) -> Value {
    let can_be_clear = !kind.named(name).is_required();
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
