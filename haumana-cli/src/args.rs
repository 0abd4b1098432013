//! The command line.

use crate::device::USUAL_FOLDER;
use crate::verbs::Verb;
use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use haumana_sync::time::UnixMillis;
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of every command stand behind its own in help.
const LAST: usize = 900;

const AFTER_HELP: &str = "\
The commands for records take a kind first, such as `haumana list session`; `haumana add session
--help` shows its fields. Without a kind the first kind of the device's schema is meant. A text that
is the name of a kind stands behind `--`.

PIECE, or a record of another kind, is a title, a part of a title (whatever its case, with or
without ʻokina and kahakō), an id, or the beginning of an id. The closest match counts: of
\"Kāwika\" and \"Kawika\" each is found by its own title. SESSION and CONFLICT are ids or beginnings
of ids.

TIME is a time of this machine's zone, such as \"2026-11-23 18:00\", or one with its offset, such as
2026-11-23T18:00:00-10:00. People are shown times of this machine's zone (TZ); scripts get UTC.

If what you write in an editor or on the standard input cannot be saved, it is kept in a file of the
device's folder; `haumana status` lists such files.

Exit codes:
  0  done
  1  this machine: a file, the editor, an encoding, a schema, the device's database
  2  the command line cannot be understood
  3  there is no such record, kind, version or conflict, or more than one
  4  nobody is signed in, or the sign-in has run out
  5  the server cannot be reached, something else answers in its place, or it asks to come again
     later; edits are kept
  6  the server or this program refuses what was asked for, or you did when you were asked
  7  the account was erased on the server, and somebody has to decide";

/// A repertoire of oli and mele on the command line, offline first.
///
/// Edits are kept on this device and go to the server with `haumana sync`.
#[derive(Debug, Parser)]
#[command(name = "haumana", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// The folder of this device.
    #[arg(long, env = "HAUMANA_DEVICE", default_value = USUAL_FOLDER, value_name = "FOLDER")]
    #[arg(global = true, display_order = LAST)]
    pub(crate) device: PathBuf,

    /// The server; without it the one that the device was set up with, or http://127.0.0.1:8787.
    #[arg(long, env = "HAUMANA_SERVER", value_name = "URL")]
    #[arg(global = true, display_order = LAST + 1)]
    pub(crate) server: Option<String>,

    /// Answer in JSON, for scripts; failures too, on the standard error.
    #[arg(long, global = true, display_order = LAST + 2)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the folder of this device.
    ///
    /// Its records are pieces and sessions, or what a schema says: see --schema. The folder keeps
    /// the schema. Init with a later schema, which must succeed it, adds kinds and fields.
    Init(Init),
    /// Sign in.
    SignIn(SignIn),
    /// Add a record.
    Add(Verb),
    /// Edit a record.
    Edit(Verb),
    /// List records.
    List(Verb),
    /// Show a record.
    Show(Verb),
    /// Log practising: starts a session, or ends one, or logs one that is over.
    Practise(Practise),
    /// List sessions of practising, newest first, with what looks wrong about them.
    Sessions(Sessions),
    /// Mend when a session started or ended.
    Mend(Mend),
    /// Delete a session for good; asks first.
    DeleteSession(DeleteSession),
    /// Delete a record.
    Delete(Verb),
    /// Send what is pending and fetch what is new.
    Sync(Sync),
    /// Say who is signed in and what waits.
    Status,
    /// Show what lost against other edits, and decide about it.
    Conflicts(Conflicts),
    /// Show the versions of a record.
    History(Verb),
    /// Make the content of an earlier version the content again.
    Restore(Verb),
    /// Make all your records on the server what they were at a time, as edits.
    ///
    /// Records that were made since are deleted, and records that were deleted since come back. It
    /// says which time takes it back.
    Rewind {
        /// When.
        #[arg(long, value_name = "TIME", value_parser = time)]
        to: UnixMillis,
        /// Only say what would become of the records.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write everything that the server has of you into a file.
    Export {
        /// The file; compressed if its name ends with .gz. `-` is the standard output.
        file: PathBuf,
        /// Overwrite the file.
        #[arg(long)]
        force: bool,
    },
    /// Erase everything of you on the server, for good; asks first.
    ///
    /// That makes the account one that an export can be put into. What is on this device stays until
    /// the next sync, which asks about it.
    EraseAccount {
        /// Do not ask. Needed where there is no terminal.
        #[arg(long)]
        yes: bool,
    },
    /// Print what a shell needs to complete this command line, with the kinds and fields of the
    /// device's schema.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write it and those of the commands into a folder.
    Man {
        /// The folder; it is made if it is missing.
        folder: Option<PathBuf>,
    },
    /// Put an export into an account of the server that is empty.
    ///
    /// If it breaks off, the same again goes on.
    Import {
        /// The file, compressed or not; `-` is the standard input.
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// A file that says which kinds of record there are, in TOML, or in JSON if its name ends in
    /// .json, as `haumana-server --schema` takes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
    /// Ask the server which kinds of record there are.
    #[arg(long, conflicts_with = "schema")]
    pub(crate) schema_from_server: bool,
    /// Send the token to a server on another machine over http://, where everybody on the way can
    /// read it and use it: for a network that is yours alone. The device remembers it.
    #[arg(long)]
    pub(crate) plain_http: bool,
}

/// A token is a secret, so it has no flag: other programs can read the command line.
#[derive(Args, Debug)]
pub(crate) struct SignIn {
    /// A name; the local server gives a token to anyone. Without it and without --token-file the
    /// token is taken from HAUMANA_TOKEN.
    pub(crate) name: Option<String>,
    /// A file that holds an ID token; `-` is the standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Practise {
    /// Which piece; with --end it may be left out if one session is running.
    #[arg(required_unless_present = "end")]
    pub(crate) piece: Option<String>,
    /// End the session that is running.
    #[arg(long, conflicts_with_all = ["minutes", "from"])]
    pub(crate) end: bool,
    /// Log a session of so many minutes that ends now.
    #[arg(long, value_name = "N", conflicts_with = "from", value_parser = minutes())]
    pub(crate) minutes: Option<u32>,
    /// Log a session from this time.
    #[arg(long, value_name = "TIME", requires = "to")]
    pub(crate) from: Option<String>,
    /// … to this time.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub(crate) to: Option<String>,
    /// Log it although it is longer than 12 hours or lies in the future.
    #[arg(long)]
    pub(crate) insist: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Sessions {
    /// Only those of this piece.
    pub(crate) piece: Option<String>,
    /// How many sessions.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only those that look wrong.
    #[arg(long)]
    pub(crate) wrong: bool,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Mend {
    /// Which session; `haumana sessions` lists them.
    pub(crate) session: String,
    /// When it started.
    #[arg(long, value_name = "TIME", group = "what")]
    pub(crate) start: Option<String>,
    /// When it ended.
    #[arg(long, value_name = "TIME", group = "what")]
    pub(crate) end: Option<String>,
    /// How long it was, counted from its start, or with --end back from that.
    #[arg(long, value_name = "N", group = "what", value_parser = minutes())]
    pub(crate) minutes: Option<u32>,
    /// Mend it although it is then longer than 12 hours or lies in the future.
    #[arg(long)]
    pub(crate) insist: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteSession {
    /// Which session.
    pub(crate) session: String,
    /// Do not ask. Needed where there is no terminal, because no session comes back.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Sync {
    /// Try again for a while if the server cannot be reached.
    #[arg(long)]
    pub(crate) retry: bool,
    /// Go on until Ctrl-C, and show other devices' edits as they come. Nothing else can use the device
    /// meanwhile.
    #[arg(long)]
    pub(crate) follow: bool,
    /// What becomes of what is here after the account was erased on the server.
    #[arg(long, value_name = "WHAT")]
    pub(crate) erased: Option<Erased>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Erased {
    /// Forget it here too.
    Forget,
    /// Send it to the server as new.
    Upload,
}

#[derive(Args, Debug)]
pub(crate) struct Conflicts {
    #[command(subcommand)]
    pub(crate) decision: Option<Decision>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Decision {
    /// Leave the piece as it is.
    Keep {
        /// The conflict, or the beginning of its id; not needed if only one is open.
        conflict: Option<String>,
    },
    /// Put the lost value back.
    Restore {
        /// The conflict, or the beginning of its id; not needed if only one is open.
        conflict: Option<String>,
    },
    /// Put another value.
    Set(SetValue),
}

#[derive(Args, Debug)]
pub(crate) struct SetValue {
    /// The conflict, or the beginning of its id; not needed if only one is open.
    pub(crate) conflict: Option<String>,
    #[command(flatten)]
    pub(crate) from: ValueFrom,
}

/// Where the value comes from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct ValueFrom {
    /// The value; empty clears it.
    #[arg(long)]
    pub(crate) value: Option<String>,
    /// A file that holds it; `-` is the standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) value_file: Option<PathBuf>,
    /// Write it in your editor, beginning with what was kept and what was lost.
    #[arg(long)]
    pub(crate) editor: bool,
}

fn time(text: &str) -> Result<UnixMillis, String> {
    crate::local_time::read(text).ok_or_else(|| "this is no time".to_owned())
}

/// LIMIT: a session, in minutes: a year. What is longer is no session.
fn minutes() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=527_040)
}

impl Command {
    /// The options of a command for records of any kind.
    pub(crate) fn verb(&self) -> Option<&Verb> {
        match self {
            Self::Add(verb)
            | Self::Edit(verb)
            | Self::List(verb)
            | Self::Show(verb)
            | Self::Delete(verb)
            | Self::History(verb)
            | Self::Restore(verb) => Some(verb),
            _ => None,
        }
    }

    /// Says which options exclude each other, before anything is done.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Mend(Mend { start: Some(_), end: Some(_), minutes: Some(_), .. }) => {
                Err("two of --start, --end and --minutes say it all".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Puts the options that every command has before the command, so that a kind can follow its verb.
pub(crate) fn ordered(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words;
    let (mut before, mut after) = (Vec::from_iter(words.next()), Vec::new());
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let takes_next = matches!(&*text, "--device" | "--server");
        let is_end = text == "--";
        if takes_next || text == "--json" || OF_ALL.iter().any(|option| text.starts_with(option)) {
            before.push(word);
            if takes_next {
                before.extend(words.next());
            }
        } else {
            after.push(word);
        }
        if is_end {
            after.extend(words.by_ref());
        }
    }
    before.into_iter().chain(after).collect()
}

/// Options of every command that have their value with them.
const OF_ALL: [&str; 2] = ["--device=", "--server="];

/// The folder of the device that a command line names, before the command line is understood: its
/// schema says what there is to understand.
pub(crate) fn folder(words: &[OsString]) -> PathBuf {
    let mut options = words.iter().take_while(|word| *word != "--");
    while let Some(option) = options.next() {
        let joined = option.to_str().and_then(|option| option.strip_prefix("--device="));
        if let Some(folder) = joined {
            return folder.into();
        }
        if option == "--device" {
            return options.next().map(PathBuf::from).unwrap_or_default();
        }
    }
    std::env::var_os("HAUMANA_DEVICE").map_or_else(|| USUAL_FOLDER.into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::with_kinds;
    use clap::CommandFactory;

    #[test]
    fn options_of_every_command_stand_before_it_and_texts_stay() {
        let words = "haumana list --device a dish --json --server=b -- --json";

        let ordered = ordered(words.split(' ').map(OsString::from));

        let expected = "haumana --device a --json --server=b list dish -- --json";
        assert_eq!(expected, ordered.join(&OsString::from(" ")).to_string_lossy());
        assert_eq!(PathBuf::from("a"), folder(&ordered));
    }

    #[test]
    fn the_command_line_makes_sense() {
        with_kinds(Cli::command(), &haumana_sync::repertoire::schema(), |_| true).debug_assert();
    }
}
