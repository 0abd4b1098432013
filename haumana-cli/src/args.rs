//! The command line.

use crate::device::USUAL_FOLDER;
use crate::fields::FieldFlags;
use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
PIECE is a title, a part of a title (whatever its case, with or without ʻokina and kahakō), an id,
or the beginning of an id. The closest match counts: of \"Kāwika\" and \"Kawika\" each is found by its
own title. SESSION and CONFLICT are ids or beginnings of ids.

TIME is a time of this machine's zone, such as \"2026-11-23 18:00\", or one with its offset, such as
2026-11-23T18:00:00-10:00. People are shown times of this machine's zone (TZ); scripts get UTC.

If what you write in an editor or on the standard input cannot be saved, it is kept in a file of the
device's folder; `haumana status` lists such files.

Exit codes:
  0  done
  1  this machine: a file, the editor, an encoding, the device's database
  2  the command line cannot be understood
  3  there is no such piece, session, version or conflict, or more than one
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
    #[arg(global = true)]
    pub(crate) device: PathBuf,

    /// The server; without it the one that the device was set up with, or http://127.0.0.1:8787.
    #[arg(long, env = "HAUMANA_SERVER", value_name = "URL", global = true)]
    pub(crate) server: Option<String>,

    /// Answer in JSON, for scripts; failures too, on the standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the folder of this device.
    Init,
    /// Sign in.
    SignIn(SignIn),
    /// Add a piece.
    Add(Add),
    /// Edit a piece; without a flag, its lyrics in your editor.
    Edit(Edit),
    /// List the pieces on this device.
    List(List),
    /// Show a piece.
    Show {
        /// Which.
        piece: String,
    },
    /// Log practising: starts a session, or ends one, or logs one that is over.
    Practise(Practise),
    /// List sessions of practising, newest first, with what looks wrong about them.
    Sessions(Sessions),
    /// Mend when a session started or ended.
    Mend(Mend),
    /// Delete a session for good; asks first.
    DeleteSession(DeleteSession),
    /// Delete a piece; on a terminal it asks first.
    ///
    /// Edits that no server has seen are not deleted unless you say so.
    Delete(Delete),
    /// Send what is pending and fetch what is new.
    Sync(Sync),
    /// Say who is signed in and what waits.
    Status,
    /// Show what lost against other edits, and decide about it.
    Conflicts(Conflicts),
    /// Show the versions of a piece.
    History {
        /// Which; a deleted one by its whole id.
        piece: String,
        /// How many versions.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Make the content of an earlier version the content again.
    Restore {
        /// Which; a deleted one by its whole id.
        piece: String,
        /// The version, as `haumana history` shows it.
        version: u32,
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
    /// Put an export into an account of the server that is empty.
    ///
    /// If it breaks off, the same again goes on.
    Import {
        /// The file, compressed or not; `-` is the standard input.
        file: PathBuf,
    },
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
pub(crate) struct Add {
    /// The title.
    pub(crate) title: String,
    #[command(flatten)]
    pub(crate) fields: FieldFlags,
}

#[derive(Args, Debug)]
pub(crate) struct Edit {
    /// Which piece.
    pub(crate) piece: String,
    /// A new title.
    #[arg(long)]
    pub(crate) title: Option<String>,
    #[command(flatten)]
    pub(crate) fields: FieldFlags,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only pieces with this in their title.
    pub(crate) text: Option<String>,
    /// Only what waits for the server.
    #[arg(long)]
    pub(crate) pending: bool,
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
pub(crate) struct Delete {
    /// Which piece.
    pub(crate) piece: String,
    /// Do not ask. Where there is no terminal nobody is asked anyway: the piece can be restored.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Delete also edits that no server has seen; they are gone for good.
    #[arg(long)]
    pub(crate) discard_edits: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Sync {
    /// Try again for a while if the server cannot be reached.
    #[arg(long)]
    pub(crate) retry: bool,
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

/// LIMIT: a session, in minutes: a year. What is longer is no session.
fn minutes() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=527_040)
}

impl Command {
    /// Says which options exclude each other, before anything is done.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Add(args) => args.fields.check(),
            Self::Edit(args) => args.fields.check(),
            Self::Mend(Mend { start: Some(_), end: Some(_), minutes: Some(_), .. }) => {
                Err("two of --start, --end and --minutes say it all".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
