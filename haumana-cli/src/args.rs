//! The command line.

use crate::shell::{USUAL_FOLDER, named_folder};
use crate::verbs::Verb;
use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use haumana_sync::time::UnixMillis;
use std::ffi::OsString;
use std::path::PathBuf;

/// In help, options of every command come after the command's own.
const LAST: usize = 900;

const AFTER_HELP: &str = "\
The commands for records take a kind first, such as `haumana list session`; `haumana add session
--help` shows its fields. Without a kind they use the first kind of the device's schema. Put `--`
before a text that is the name of a kind.

PIECE, or a record of another kind, is a title, a part of a title (whatever its case, with or
without ʻokina and kahakō), an id, or the beginning of an id. The closest match is used, so
\"Kāwika\" and \"Kawika\" are each found by their own title. SESSION and CONFLICT are ids or
beginnings of ids.

TIME is a time in this machine's time zone, such as \"2026-11-23 18:00\", or one with its offset,
such as 2026-11-23T18:00:00-10:00. Times are printed in this machine's time zone (TZ), and with
--json in UTC.

If what you write in an editor or on the standard input cannot be saved, it is kept in a file in the
device's folder; `haumana status` lists such files.

Exit codes:
  0  done
  1  a problem on this machine: a file, the editor, an encoding, a schema, the device's database
  2  the command line cannot be understood
  3  there is no such record, kind, version or conflict, or more than one
  4  nobody is signed in, or the sign-in has expired
  5  the server cannot be reached, something else answers instead of it, or it asks to try again
     later; edits are kept
  6  the server or this program refuses the command, or you answered no when you were asked
  7  the account was erased on the server, and you have to decide what to do";

/// Records on the command line, offline first: a repertoire of oli and mele, or kinds of your own.
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

    /// The server. Without it, the server with which the device was set up, or
    /// http://127.0.0.1:8787.
    #[arg(long, env = "HAUMANA_SERVER", value_name = "URL", value_parser = server_url)]
    #[arg(global = true, display_order = LAST + 1)]
    pub(crate) server: Option<String>,

    /// Answer in JSON, for scripts; failures too, on the standard error.
    #[arg(long, global = true, display_order = LAST + 2)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the folder of this device.
    ///
    /// Its records are pieces and sessions, or the kinds of a schema: see --schema. The folder
    /// keeps the schema. Run init again with a later schema to add kinds and fields; it must be a
    /// schema that may follow the present one.
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
    /// Log a practice session: start one, end one, or log one that is over.
    Practise(Practise),
    /// List practice sessions, newest first, with what looks wrong about them.
    Sessions(Sessions),
    /// Correct when a session started or ended.
    Mend(Mend),
    /// Delete a session for good; asks first.
    DeleteSession(DeleteSession),
    /// Delete a record.
    Delete(Verb),
    /// Send pending edits and fetch new ones.
    Sync(Sync),
    /// Show who is signed in, how many edits wait to be sent, and how many conflicts are open.
    ///
    /// The number of open conflicts is that of the last sync.
    Status,
    /// Show values that lost against other edits, and decide about them.
    Conflicts(Conflicts),
    /// Show the versions of a record.
    History(Verb),
    /// Restore an earlier version of a record.
    Restore(Verb),
    /// Set all your records on the server to what they were at an earlier time, by ordinary edits.
    ///
    /// Records that were created since are deleted, and records that were deleted since come back.
    /// The command prints a time; rewind to that time to undo it.
    Rewind {
        /// The time.
        #[arg(long, value_name = "TIME", value_parser = time)]
        to: UnixMillis,
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write all your data on the server into a file.
    Export {
        /// The file; compressed if its name ends with .gz. `-` is the standard output.
        file: PathBuf,
        /// Overwrite the file.
        #[arg(long)]
        force: bool,
    },
    /// Erase all your data on the server, for good; asks first.
    ///
    /// After that, an export can be imported into the account. The records on this device stay
    /// until the next sync, which asks about them.
    EraseAccount {
        /// Do not ask. Needed if there is no terminal.
        #[arg(long)]
        yes: bool,
    },
    /// Print the shell script that completes this command line, with the kinds and fields of the
    /// device's schema.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write the pages of the program and of its commands into a folder.
    Man {
        /// The folder; it is created if it is missing.
        folder: Option<PathBuf>,
    },
    /// Import an export into an empty account on the server.
    ///
    /// If it is interrupted, run the same command again to continue.
    Import {
        /// The file, compressed or not; `-` is the standard input.
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// A schema file with the kinds of record, in TOML, or in JSON if its name ends in .json. It is
    /// the file of `haumana-server --schema`.
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
    /// Get the schema from the server.
    #[arg(long, conflicts_with = "schema")]
    pub(crate) schema_from_server: bool,
    /// Send the token to a server on another machine over http://, although everybody on the way
    /// can then read and use it. Only for a network that is yours alone. The device remembers this
    /// option.
    #[arg(long)]
    pub(crate) plain_http: bool,
}

/// A token is a secret, so it has no flag: other programs can read the command line.
#[derive(Args, Debug)]
pub(crate) struct SignIn {
    /// A name; the local server gives a token to anyone. Without a name and without --token-file,
    /// the token is read from HAUMANA_TOKEN.
    pub(crate) name: Option<String>,
    /// A file with an ID token; `-` is the standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Practise {
    /// The piece. With --end it is not needed if only one session is running.
    #[arg(required_unless_present = "end")]
    pub(crate) piece: Option<String>,
    /// End the running session.
    #[arg(long, conflicts_with_all = ["minutes", "from"])]
    pub(crate) end: bool,
    /// Log a session of N minutes that ends now.
    #[arg(long, value_name = "N", conflicts_with = "from", value_parser = minutes())]
    pub(crate) minutes: Option<u32>,
    /// Log a past session that started at this time; with --to.
    #[arg(long, value_name = "TIME", requires = "to")]
    pub(crate) from: Option<String>,
    /// The time at which that session ended; with --from.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub(crate) to: Option<String>,
    /// Log it even if it is longer than 12 hours or in the future.
    #[arg(long)]
    pub(crate) insist: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Sessions {
    /// Only sessions of this piece.
    pub(crate) piece: Option<String>,
    /// The number of sessions to list.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only sessions that look wrong.
    #[arg(long)]
    pub(crate) wrong: bool,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Mend {
    /// The session; `haumana sessions` lists them.
    pub(crate) session: String,
    /// When it started.
    #[arg(long, value_name = "TIME", group = "what")]
    pub(crate) start: Option<String>,
    /// When it ended.
    #[arg(long, value_name = "TIME", group = "what")]
    pub(crate) end: Option<String>,
    /// Its length in minutes, counted from its start, or with --end back from its end.
    #[arg(long, value_name = "N", group = "what", value_parser = minutes())]
    pub(crate) minutes: Option<u32>,
    /// Correct it even if it is then longer than 12 hours or in the future.
    #[arg(long)]
    pub(crate) insist: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteSession {
    /// The session.
    pub(crate) session: String,
    /// Do not ask. Needed if there is no terminal, because a deleted session does not come back.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Sync {
    /// Try again for a while if the server cannot be reached.
    #[arg(long)]
    pub(crate) retry: bool,
    /// Continue until Ctrl-C, and show other devices' edits as they come. Meanwhile nothing else
    /// can use the device.
    #[arg(long)]
    pub(crate) follow: bool,
    /// After the account was erased on the server: what to do with the records on this device.
    #[arg(long, value_name = "WHAT")]
    pub(crate) erased: Option<Erased>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Erased {
    /// Delete them here, too.
    Forget,
    /// Send them to the server as new records.
    Upload,
}

#[derive(Args, Debug)]
pub(crate) struct Conflicts {
    #[command(subcommand)]
    pub(crate) decision: Option<Decision>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Decision {
    /// Leave the record as it is.
    Keep {
        /// The conflict, or the beginning of its id; not needed if only one is open.
        conflict: Option<String>,
    },
    /// Restore the lost value.
    Restore {
        /// The conflict, or the beginning of its id; not needed if only one is open.
        conflict: Option<String>,
    },
    /// Set another value.
    Set(SetValue),
}

#[derive(Args, Debug)]
pub(crate) struct SetValue {
    /// The conflict, or the beginning of its id; not needed if only one is open.
    pub(crate) conflict: Option<String>,
    #[command(flatten)]
    pub(crate) from: ValueFrom,
}

/// The source of the value.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct ValueFrom {
    /// The value; empty clears it.
    #[arg(long)]
    pub(crate) value: Option<String>,
    /// A file with the value; `-` is the standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) value_file: Option<PathBuf>,
    /// Write the value in your editor, which starts with the kept value and the lost one.
    #[arg(long)]
    pub(crate) editor: bool,
}

fn time(text: &str) -> Result<UnixMillis, String> {
    crate::local_time::read(text).ok_or_else(|| "this is no time".to_owned())
}

/// LIMIT: the longest session, in minutes: a year.
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

/// Moves the options that every command has before the command, so that a kind can follow its verb.
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

/// Options of every command, in the form that includes their value.
const OF_ALL: [&str; 2] = ["--device=", "--server="];

/// The folder of the device that a command line names. It is needed before the command line can be
/// parsed, because the schema in it says which options there are.
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
    named_folder().map_or_else(|| USUAL_FOLDER.into(), PathBuf::from)
}

/// Treats an environment variable with an empty value as not set.
pub(crate) fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let is_empty = |name| std::env::var_os(name).is_some_and(|value| value.is_empty());
        let is_unset = arg.get_env().is_some_and(is_empty);
        // Clap cannot remove a variable again. An empty name matches none.
        if is_unset { arg.env("").hide_env(true) } else { arg }
    })
}

/// Reads the address of a server. The device remembers it, so a mistake must be found here and not
/// at a sync.
fn server_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let url = match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => reqwest::Url::parse(text),
        _ => return Err("it begins with http:// or https://, such as http://127.0.0.1:8787".into()),
    };
    let url = url.map_err(|error| error.to_string())?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        return Err("it has no user name, password, query or fragment".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::with_kinds;
    use clap::CommandFactory;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_path() {
        for url in ["http://127.0.0.1:8787", "https://sync.example/api/", "http://[::1]:1"] {
            assert_eq!(Ok(url.to_owned()), server_url(url));
        }
        for url in ["localhost:1", "http://", "http://a:b@c", "http://c/?x=1", "https://c#a"] {
            assert!(server_url(url).is_err(), "{url}");
        }
    }

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
