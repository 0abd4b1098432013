//! `haumana`: a person's records on the command line, on the replica that any client can embed.
//!
//! The schema of the device says which kinds and fields there are. Commands, options, columns and
//! help come from it. Without a schema file they are pieces and practice sessions.
//!
//! Every command is a function from a device to an [`Answer`]. One place prints answers, for people
//! or for scripts. Local commands work without a server. The device is held while it is read and
//! written, and never while a person writes or thinks.

mod answer;
mod args;
mod ask;
mod conflicts;
mod delete;
mod device;
mod differ;
mod editor;
mod edits;
mod fields;
mod find;
mod follow;
mod json;
mod kept;
mod local_time;
mod moving;
mod naming;
mod online;
mod options;
mod pages;
mod practise;
mod problem;
mod progress;
mod rewind;
mod schema;
mod sessions;
mod shell;
mod shows;
mod sign_in;
mod system;
mod text;
mod timing;
mod values;
mod verbs;
mod web;

use answer::{Answer, visible, visible_json};
use args::{Cli, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use device::Device;
use fields::Changes;
use haumana_sync::engine::RewindMode;
use haumana_sync::repertoire;
use haumana_sync::schema::Schema;
use online::Online;
use problem::Problem;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use verbs::{Asked, Verb};

fn main() -> ExitCode {
    let words = args::ordered(std::env::args_os());
    let is_said = |word: &str| words.iter().any(|said| said == word);
    let schema = match schema::of_device(&args::folder(&words)) {
        Ok(schema) => schema,
        // `init` may replace a schema that cannot be read.
        Err(_) if is_said("init") => repertoire::schema(),
        Err(problem) => return failed(&problem, is_said("--json")),
    };
    let command = args::without_empty_variables(Cli::command());
    let mut command = verbs::with_kinds(command, &schema, is_said);
    let matches = command.try_get_matches_from_mut(&words);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, &words, &schema),
    };
    if let Err(message) = check(&cli.command, &words, &schema) {
        command.error(ErrorKind::ArgumentConflict, message).exit();
    }
    let is_json = cli.json;
    if let Some(done) = printed(&cli.command, &schema) {
        return match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => failed(&problem, is_json),
        };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli, schema)),
        Err(error) => Err(Problem::File(".".into(), error)),
    };
    match done {
        Ok(answer) => {
            let printed = answer.map_or(Ok(()), |answer| answer::print(&answer, is_json));
            match printed {
                // The reader of the output may stop early; that is no failure.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    failed(&Problem::File("-".into(), error), is_json)
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Err(problem) => failed(&problem, is_json),
    }
}

/// Prints what is made from the command line itself; `None` for any other command.
fn printed(command: &Command, schema: &Schema) -> Option<Result<(), Problem>> {
    let whole = || verbs::with_kinds(Cli::command(), schema, |_| true);
    let (place, done) = match command {
        Command::Completions { shell } => (None, pages::completions(*shell, whole())),
        Command::Man { folder } => (folder.clone(), pages::man(folder.as_deref(), whole())),
        _ => return None,
    };
    Some(done.map_err(|error| Problem::File(place.unwrap_or_else(|| ".".into()), error)))
}

fn failed(problem: &Problem, is_json: bool) -> ExitCode {
    let said = if is_json {
        visible_json(&problem.to_json().to_string())
    } else {
        visible(&format!("haumana: {problem}"))
    };
    // If nobody reads the standard error, the exit code still tells.
    writeln!(io::stderr(), "{said}").ok();
    ExitCode::from(problem.exit())
}

/// Says why a command line is not understood. For records it also lists the kinds and fields.
fn misunderstood(error: &clap::Error, words: &[OsString], schema: &Schema) -> ExitCode {
    error.print().ok();
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    if let Some(known) = verbs::known(schema, error, &words) {
        writeln!(io::stderr(), "\n{}", visible(&known)).ok();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Says which options exclude each other, before anything is done.
fn check(command: &Command, words: &[OsString], schema: &Schema) -> Result<(), String> {
    let verb = command.verb();
    if let Some(verb) = verb.filter(|_| !words.iter().any(|word| word == "--")) {
        verb.check(schema)?;
    }
    match (command, verb.and_then(|verb| verb.clone().of(schema))) {
        (Command::Add(_) | Command::Edit(_), Some(asked)) => {
            Changes::of(&asked.kind, &asked.matches).check()
        }
        _ => command.check(),
    }
}

/// Runs one command; `None` if it has written its answer itself.
async fn run(cli: Cli, schema: Schema) -> Result<Option<Answer>, Problem> {
    if let Command::Init(args) = &cli.command {
        return init(&cli, args, schema).await.map(Some);
    }
    let device = Device::open(&cli.device, cli.server, schema)?;
    if let Command::SignIn(args) = cli.command {
        return sign_in::sign_in(device, args).await.map(Some);
    }
    let online = || Online::new(&device);
    let of = |verb: Verb| asked(verb, device.schema());
    let answer = match cli.command {
        Command::Init(_)
        | Command::SignIn(_)
        | Command::Completions { .. }
        | Command::Man { .. } => return Ok(None),
        Command::Add(verb) => edits::add(&device, &of(verb)?).await,
        Command::Edit(verb) => edits::edit(&device, &of(verb)?).await,
        Command::Delete(verb) => delete::delete(&device, &of(verb)?).await,
        Command::List(verb) => shows::list(&device.replica().await?, &of(verb)?).await,
        Command::Show(verb) => shows::show(&device.replica().await?, &of(verb)?).await,
        Command::Status => shows::status(&device, &device.replica().await?).await,
        Command::Practise(args) => practise::practise(&device.replica().await?, args).await,
        Command::Sessions(args) => sessions::list(&device.replica().await?, &args).await,
        Command::Mend(args) => sessions::mend(&device.replica().await?, &args).await,
        Command::DeleteSession(args) => delete::delete_session(&device, &args).await,
        Command::EraseAccount { yes } => online()?.erase_account(yes).await,
        Command::Sync(args) if args.follow => {
            return online()?.follow(&args, cli.json).await.map(|()| None);
        }
        Command::Sync(args) => online()?.sync(&args).await,
        Command::Conflicts(args) => match args.decision {
            None => online()?.list_conflicts().await,
            Some(decision) => online()?.decide(decision).await,
        },
        Command::History(verb) => online()?.history(&of(verb)?).await,
        Command::Restore(verb) => online()?.restore(&of(verb)?).await,
        Command::Rewind { to, dry_run } => {
            let mode = if dry_run { RewindMode::DryRun } else { RewindMode::Write };
            online()?.rewind(to, mode).await
        }
        Command::Import { file } => online()?.import(&file).await,
        Command::Export { file, force } => return online()?.export(&file, force).await,
    };
    answer.map(Some)
}

fn asked(verb: Verb, schema: &Schema) -> Result<Asked, Problem> {
    // The command line has exactly the kinds of the schema, and every schema has a kind.
    verb.of(schema).ok_or_else(|| Problem::Refused("there is no such kind".into()))
}

/// Makes the folder, after it has checked that the schema can be used.
async fn init(cli: &Cli, args: &args::Init, schema: Schema) -> Result<Answer, Problem> {
    let mut device = Device::new_or_open(&cli.device, cli.server.clone(), schema)?;
    device.settings.plain_http |= args.plain_http;
    device.check_server()?;
    let named = match &args.schema {
        Some(file) => Some(schema::read(file)?),
        None if args.schema_from_server => Some(schema::of_server(&device.server()).await?),
        None => schema::of_device(&cli.device).map(|_| None)?,
    };
    device.make()?;
    if let Some(schema) = &named {
        device = device.adopt(schema.clone()).await?;
    }
    let (folder, server) = (device.folder(), device.server());
    let mut text = format!("this device is in {}, its server is {server}", folder.display());
    let mut json = serde_json::json!({ "device": folder, "server": server });
    if let Some(schema) = named {
        let kinds: Vec<&str> = schema.kinds().iter().map(|kind| kind.name()).collect();
        text.push_str(&format!("\nits kinds of record: {}", kinds.join(", ")));
        json["kinds"] = kinds.into();
    }
    text.push_str(&format!("\nnext: {} sign-in NAME", device.program()));
    Ok(Answer::new(text, json))
}
