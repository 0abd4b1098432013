//! The commands for records. Each has a form for every kind of the device's schema.
//!
//! `haumana edit recipe poke --servings 2` names the kind. Without a kind it means the first kind
//! of the schema: for pieces and sessions, the pieces.

use crate::naming::{flags, one_of, plural, title_field};
use crate::options::{long_fields, settable, with_fields};
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use haumana_sync::schema::{Kind, Schema};
use std::sync::Arc;

/// The name of a positional argument. No field can have such a name.
pub(crate) const RECORD: &str = "<record>";
pub(crate) const TITLE: &str = "<title>";
pub(crate) const TEXT: &str = "<text>";
pub(crate) const VERSION: &str = "<version>";

/// Adds the arguments of a verb for one kind.
type Form = fn(Command, &Schema, &Kind) -> Command;

const VERBS: [(&str, Form); 7] = [
    ("add", add),
    ("edit", edit),
    ("list", list),
    ("show", show),
    ("delete", delete),
    ("history", history),
    ("restore", restore),
];

const UNSEEN: &str = "Edits that no server has seen are deleted only with --discard-edits.";

/// Commands for practising pieces only.
const PRACTICE: [&str; 4] = ["practise", "sessions", "mend", "delete-session"];

/// Gives the commands their forms for every kind. A schema may have thousands of fields. So only
/// the verbs and kinds that are on the command line get complete forms.
pub(crate) fn with_kinds(
    command: Command,
    schema: &Schema,
    is_said: impl Fn(&str) -> bool,
) -> Command {
    let Some(first) = schema.kinds().first() else { return command };
    let mut command = command;
    if ["--help", "-h", "help"].into_iter().any(&is_said) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        command = command.after_help(format!("{help}\n\n{}", kinds(schema)));
    }
    // All commands, in their order: a changed command moves to the end.
    let names = command.get_subcommands().map(|sub| sub.get_name().to_owned());
    for name in names.collect::<Vec<String>>() {
        let verb = VERBS.iter().find(|(verb, _)| *verb == name);
        command = command.mut_subcommand(&name, |sub| match verb {
            Some((verb, form)) if is_said(verb) => whole(sub, verb, *form, schema, &is_said),
            Some((verb, _)) => described(sub, verb, first),
            None => sub.hide(!has_practice(schema) && PRACTICE.contains(&&*name)),
        });
    }
    command
}

/// The form of a verb for every kind; the first kind need not be named.
fn whole(
    sub: Command,
    verb: &str,
    form: Form,
    schema: &Schema,
    is_said: impl Fn(&str) -> bool,
) -> Command {
    let Some(first) = schema.kinds().first() else { return sub };
    let of_kind = |kind: &Arc<Kind>| {
        let own = described(Command::new(kind.name().to_owned()), verb, kind);
        if is_said(kind.name()) { form(own, schema, kind) } else { own }
    };
    form(described(sub, verb, first), schema, first)
        .subcommands(schema.kinds().iter().map(of_kind))
        .subcommand_help_heading("Kinds")
        .subcommand_value_name("KIND")
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .disable_help_subcommand(true)
}

fn has_practice(schema: &Schema) -> bool {
    ["piece", "session"].iter().all(|kind| schema.named(kind).is_some())
}

/// Says what a verb does with records of a kind.
fn described(command: Command, verb: &str, kind: &Kind) -> Command {
    let (one, all) = (one_of(kind), plural(kind));
    let about = match verb {
        "add" => format!("Add {one}"),
        "edit" => match long_fields(kind).first() {
            Some(long) => {
                format!("Edit {one}; without a flag, its {} in your editor", long.label)
            }
            None => format!("Edit {one}"),
        },
        "list" => format!("List the {all} on this device"),
        "show" => format!("Show {one}"),
        "delete" => format!("Delete {one}; on a terminal it asks first"),
        "history" => format!("Show the versions of {one}"),
        _ => "Restore an earlier version of a record".to_owned(),
    };
    let command = command.about(about.clone());
    match verb {
        "delete" => command.long_about(format!("{about}.\n\n{UNSEEN}")),
        _ => command,
    }
}

/// The kinds of a schema and their fields, for help.
fn kinds(schema: &Schema) -> String {
    let mut out = "Kinds of record on this device, each with the options of its fields:".to_owned();
    for kind in schema.kinds() {
        let names: Vec<String> = settable(kind, true).map(|flag| flag.name).collect();
        out.push_str(&format!("\n  {}: {}", kind.name(), names.join(", ")));
    }
    out
}

/// The kinds and fields that exist, for a command line with an unknown kind or field; `None` if
/// something else is wrong with it.
pub(crate) fn known(schema: &Schema, error: &clap::Error, words: &[&str]) -> Option<String> {
    let verb = words.iter().position(|word| VERBS.iter().any(|(verb, _)| verb == word))?;
    let is_about_names = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict
    );
    if !is_about_names {
        return None;
    }
    let names: Vec<&str> = schema.kinds().iter().map(|kind| kind.name()).collect();
    let word = words.get(verb + 1).copied().unwrap_or_default();
    let kind = schema.named(word).or(schema.kinds().first())?;
    let options = settable(kind, true).map(|flag| format!("--{}", flag.name));
    let options = options.collect::<Vec<String>>().join(", ");
    let mut out = String::new();
    let is_kind = schema.named(word).is_some() || word.starts_with('-');
    if error.get(ContextKind::InvalidSubcommand).is_some() && !is_kind {
        out = format!("there is no kind {word:?} on this device\n");
    }
    out.push_str(&format!("kinds of record on this device: {}\n", names.join(", ")));
    Some(format!("{out}fields of {}: {options}", kind.name()))
}

/// The options of one of the commands, for any kind.
#[derive(Clone, Debug)]
pub(crate) struct Verb(ArgMatches);

impl FromArgMatches for Verb {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl Args for Verb {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

/// A command for records of one kind.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) kind: Arc<Kind>,
    pub(crate) matches: ArgMatches,
    /// The words by which a command line names the kind; empty if it need not.
    pub(crate) spoken: Vec<String>,
}

impl Verb {
    /// Refuses the name of a kind in the place of a text: it came too late to be the kind.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), String> {
        let texts = [RECORD, TITLE, TEXT].into_iter();
        let mut texts = texts.filter_map(|name| self.0.try_get_one::<String>(name).ok().flatten());
        match texts.find(|text| schema.named(text).is_some()) {
            Some(kind) => Err(format!(
                "the kind comes first, so write {kind} before any option; a text that is the name \
                 of a kind needs -- before it"
            )),
            None => Ok(()),
        }
    }

    /// The command for the named kind, or else for the first kind. A schema has at least one.
    pub(crate) fn of(self, schema: &Schema) -> Option<Asked> {
        let first = schema.kinds().first()?;
        let (kind, matches) = match self.0.subcommand() {
            Some((name, matches)) => (schema.named(name)?, matches.clone()),
            None => (first, self.0),
        };
        let is_first = kind.number() == first.number();
        let spoken = if is_first { Vec::new() } else { vec![kind.name().to_owned()] };
        Some(Asked { kind: kind.clone(), matches, spoken })
    }
}

impl Asked {
    /// A text on the command line; empty if it is missing.
    pub(crate) fn text(&self, name: &str) -> String {
        self.given(name).unwrap_or_default()
    }

    /// A text on the command line.
    pub(crate) fn given(&self, name: &str) -> Option<String> {
        self.matches.try_get_one::<String>(name).ok().flatten().cloned()
    }

    /// A number on the command line. It has a default, or is required.
    pub(crate) fn number<N: Copy + Default + Send + Sync + 'static>(&self, name: &str) -> N {
        self.matches.try_get_one(name).ok().flatten().copied().unwrap_or_default()
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.matches.try_get_one(name).ok().flatten() == Some(&true)
    }

    /// The words that name the kind on a command line, with a blank after them; empty if not
    /// needed.
    pub(crate) fn prefix(&self) -> String {
        self.spoken.iter().map(|word| format!("{word} ")).collect()
    }
}

fn add(command: Command, schema: &Schema, kind: &Kind) -> Command {
    let command = with_fields(command, schema, kind, true);
    let Some(title) = title_flag(kind) else { return command };
    let word = Arg::new(TITLE).value_name(title.to_uppercase()).conflicts_with(&title);
    let word = word.help(format!("The {title}"));
    let is_needed = title_field(kind).is_some_and(|field| field.is_required());
    command.arg(if is_needed { word.required_unless_present(title) } else { word })
}

fn edit(command: Command, schema: &Schema, kind: &Kind) -> Command {
    with_fields(command.arg(record(kind)), schema, kind, false)
}

fn list(command: Command, _: &Schema, kind: &Kind) -> Command {
    let (all, title) = (plural(kind), title_flag(kind).unwrap_or_else(|| "title".to_owned()));
    let names: Vec<String> = flags(kind).into_iter().map(|flag| flag.name).collect();
    let columns = Arg::new("columns").long("columns").value_name("FIELD,…").value_delimiter(',');
    let columns = columns.value_parser(clap::builder::PossibleValuesParser::new(names));
    command
        .arg(
            Arg::new(TEXT)
                .value_name("TEXT")
                .help(format!("Only {all} with this in their {title}")),
        )
        .arg(switch("pending", "Only records with pending edits"))
        .arg(columns.help("The fields to show instead of the usual ones"))
}

fn show(command: Command, _: &Schema, kind: &Kind) -> Command {
    command.arg(record(kind))
}

fn delete(command: Command, _: &Schema, kind: &Kind) -> Command {
    let yes =
        "Do not ask. Without a terminal it never asks, because a deleted record can be restored";
    let discard = "Also delete edits that no server has seen; they are lost for good";
    command.arg(record(kind)).arg(switch("yes", yes)).arg(switch("discard-edits", discard))
}

fn history(command: Command, _: &Schema, kind: &Kind) -> Command {
    let limit = Arg::new("limit").long("limit").value_name("LIMIT").default_value("20");
    let limit = limit.value_parser(value_parser!(usize)).help("The number of versions to list");
    command.arg(record(kind).help("The record; give the whole id of a deleted one")).arg(limit)
}

fn restore(command: Command, _: &Schema, kind: &Kind) -> Command {
    let version = Arg::new(VERSION).value_name("VERSION").required(true);
    let version = version.value_parser(value_parser!(u32));
    command
        .arg(record(kind).help("The record; give the whole id of a deleted one"))
        .arg(version.help("The version, as `haumana history` shows it"))
}

fn record(kind: &Kind) -> Arg {
    let name = kind.name();
    Arg::new(RECORD).value_name(name.to_uppercase()).required(true).help(format!("The {name}"))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// The option of the field by which people name records of a kind.
fn title_flag(kind: &Kind) -> Option<String> {
    let title = title_field(kind)?.name();
    flags(kind).into_iter().find(|flag| flag.field.name() == title).map(|flag| flag.name)
}
