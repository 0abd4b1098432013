//! The options of a kind's fields, and their values. All of it comes from the schema.

use crate::naming::{Flag, flags, label, target};
use crate::values::{about, element, parse, placeholder};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind, Merge, Schema};
use std::path::PathBuf;

/// The option for keys that the kind does not name. The next one opens an editor.
pub(crate) const SET: &str = "set";
pub(crate) const EDITOR: &str = "editor";

/// What an option says about a field.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    Value(Value),
    /// Adds this to a counter.
    By(i64),
    /// Sets a counter to this.
    Reach(i64),
    /// The elements of a list or a set.
    Elements(Vec<String>),
    Add(Vec<String>),
    Remove(Vec<String>),
    /// Another record, as a person names it.
    Named(String),
}

/// Adds the options of a kind's fields to a command.
pub(crate) fn with_fields(command: Command, schema: &Schema, kind: &Kind, is_new: bool) -> Command {
    let mut command = command;
    for flag in settable(kind, is_new) {
        command = command.args(options(schema, &flag, is_new));
    }
    let long: Vec<String> = long_fields(kind).into_iter().map(|long| long.option).collect();
    if let Some(first) = long.first().cloned() {
        let editor = Arg::new(EDITOR).long(EDITOR).value_name("FIELD").num_args(0..=1);
        let editor =
            editor.default_missing_value(first).value_parser(PossibleValuesParser::new(long));
        command = command.arg(editor.help("Write a text in your editor: VISUAL or EDITOR"));
    }
    let set = Arg::new(SET).long(SET).value_name("KEY=JSON").action(ArgAction::Append);
    let own = flags(kind).iter().map(|flag| flag.field.name().to_owned()).collect::<Vec<_>>();
    let set = set.value_parser(move |text: &str| unknown_key(&own, text));
    command.arg(set.help("A key that the schema does not have; null removes it"))
}

/// The options of the fields that a new record, or an edit, can have.
pub(crate) fn settable(kind: &Kind, is_new: bool) -> impl Iterator<Item = Flag<'_>> {
    let is_settable = move |flag: &Flag<'_>| {
        let is_fixed = flag.field.policy() == Merge::Fixed;
        !is_fixed || is_new && !flag.field.is_edit_time()
    };
    flags(kind).into_iter().filter(is_settable)
}

/// The options of one field.
fn options(schema: &Schema, flag: &Flag<'_>, is_new: bool) -> Vec<Arg> {
    let (name, field) = (&flag.name, flag.field.clone());
    let arg = Arg::new(name).long(name).aliases(&flag.aliases).help(about(&field));
    let arg = arg.value_name(placeholder(&field)).allow_negative_numbers(is_number(&field));
    let element = element(&field);
    if element.is_some() {
        let many = |option: String, help: &str| {
            let arg = Arg::new(&option).long(option).value_name(placeholder(&field));
            let arg = arg.action(ArgAction::Append).conflicts_with(name);
            arg.help(help.to_owned())
        };
        let mut all = vec![arg.action(ArgAction::Append)];
        if !is_new {
            all.push(many(format!("add-{name}"), "Add these values"));
            all.push(many(format!("remove-{name}"), "Remove these values"));
        }
        return all;
    }
    match field.field_type() {
        FieldType::Lines { .. } => {
            let file = Arg::new(format!("{name}-file")).long(format!("{name}-file"));
            let file = file.value_name("FILE").value_parser(value_parser!(PathBuf));
            let file = file
                .conflicts_with(name)
                .help("Read the text from a file; `-` is the standard input");
            vec![arg.value_parser(move |text: &str| given(&field, false, text)), file]
        }
        _ => {
            let is_named = target(schema, &field).is_some();
            vec![arg.value_parser(move |text: &str| given(&field, is_named, text))]
        }
    }
}

fn is_number(field: &Field) -> bool {
    use FieldType::{Counter, Integer, Json, Number};
    matches!(field.field_type(), Counter | Integer | Json | Number)
}

/// Reads one value on the command line.
fn given(field: &Field, is_named: bool, text: &str) -> Result<Given, String> {
    match (field.field_type(), parse(field, text)) {
        (FieldType::Counter, _) => counted(text),
        (FieldType::Id, Err(_)) if is_named && !text.is_empty() => {
            Ok(Given::Named(text.to_owned()))
        }
        (_, parsed) => parsed.map(Given::Value),
    }
}

/// Reads the change of a counter: `+2`, `-1`, or the number to set it to.
fn counted(text: &str) -> Result<Given, String> {
    let refused = |_| format!("{text:?} is not a whole number");
    let number = text.trim().parse::<i64>().map_err(refused)?;
    let is_signed = text.trim().starts_with(['+', '-']);
    Ok(if is_signed { Given::By(number) } else { Given::Reach(number) })
}

/// Reads `KEY=JSON`.
fn unknown_key(own: &[String], text: &str) -> Result<(String, Value), String> {
    let (name, json) = text.split_once('=').ok_or("write KEY=JSON, such as tempo=120")?;
    if own.iter().any(|own| own == name) {
        return Err(format!("the field {name} has an option of its own"));
    }
    match json.trim() {
        "null" => Ok((name.to_owned(), Value::Null)),
        json => {
            let json = JsonText::parse(json).ok_or_else(|| format!("{json:?} is not JSON"))?;
            Ok((name.to_owned(), Value::Json(json)))
        }
    }
}

/// A field that is long enough for an editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LongField {
    /// Its name on the wire.
    pub(crate) name: String,
    /// The word for it in answers.
    pub(crate) label: String,
    /// The option that sets it, without its dashes.
    pub(crate) option: String,
    /// The most bytes.
    pub(crate) limit: usize,
}

/// The fields of a kind that are long enough for an editor.
pub(crate) fn long_fields(kind: &Kind) -> Vec<LongField> {
    let long = |flag: Flag<'_>| match flag.field.field_type() {
        FieldType::Lines { max_bytes } => Some(LongField {
            name: flag.field.name().to_owned(),
            label: label(kind, flag.field.name()).to_owned(),
            option: flag.name,
            limit: *max_bytes,
        }),
        _ => None,
    };
    flags(kind).into_iter().filter_map(long).collect()
}
