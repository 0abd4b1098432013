//! What can go wrong, for people and for scripts.

use haumana_replica::{Error, ErrorKind};
use std::io;
use std::path::PathBuf;

/// What went wrong, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is no device in {0}; run: haumana init")]
    NoDevice(PathBuf),
    #[error("nobody is signed in on this device; run: haumana sign-in NAME")]
    NotSignedIn,
    #[error("the sign-in has run out or is another person's; run: haumana sign-in {0}")]
    SignInAgain(String),
    #[error("there is no token: name somebody, or give --token-file, or set HAUMANA_TOKEN")]
    NoToken,
    #[error("this is not an ID token")]
    NotAToken,
    #[error("{0} can be read by others; run: chmod 600 {0}")]
    Exposed(PathBuf),
    #[error("{0} gives no tokens by name, as the local server does; use --token-file")]
    NoDevTokens(String),
    #[error("no {what} matches {text:?}")]
    NotFound { what: &'static str, text: String },
    #[error("no conflict is open")]
    NoConflict,
    #[error("the server has no such piece or version; if it is new, run: haumana sync")]
    NotOnServer,
    #[error("more than one {what} matches {text:?}; be more exact:\n{list}")]
    Ambiguous { what: &'static str, text: String, list: String },
    #[error("{0}")]
    Refused(String),
    #[error("a session of it is running since {0}; end it with: haumana practise --end")]
    Running(String),
    #[error("{0} exists; --force overwrites it")]
    Exists(PathBuf),
    #[error("no editor: set VISUAL or EDITOR, or use a flag such as --lyrics-file")]
    NoEditor,
    #[error("the editor {0} failed; nothing was changed")]
    Editor(String),
    #[error("{problem}; what you wrote is kept in {file}")]
    Unsaved { problem: Box<Problem>, file: PathBuf },
    #[error("cannot use {0}: {1}")]
    File(PathBuf, io::Error),
    #[error("cannot use {0}: {1}{hint}", hint = database_hint(.1))]
    Database(PathBuf, String),
    #[error(
        "no server answers at {0}; start one with: cargo run --release, or name another with \
         --server. What you edited is kept on this device"
    )]
    NoServer(String),
    #[error("the server at {0} asks to come again {1}; what you edited is kept on this device")]
    Busy(String, String),
    #[error(
        "the account was erased on the server, and nothing was sent. `haumana sync --erased \
         forget` forgets it on this device too; `--erased upload` sends what is here as new"
    )]
    Erased,
    #[error("{0}")]
    Server(Error),
}

/// The code of a failure for scripts, and that of the process.
type Codes = (&'static str, u8);

impl Problem {
    fn codes(&self) -> Codes {
        match self {
            Self::NoDevice(_) => ("no_device", 4),
            Self::NotSignedIn => ("not_signed_in", 4),
            Self::SignInAgain(_) => ("sign_in_again", 4),
            Self::NoToken | Self::NotAToken => ("no_token", 4),
            Self::Exposed(_) => ("token_exposed", 1),
            Self::NoDevTokens(_) => ("no_dev_tokens", 6),
            Self::NotFound { .. } | Self::NoConflict | Self::NotOnServer => ("not_found", 3),
            Self::Ambiguous { .. } => ("ambiguous", 3),
            Self::Refused(_) => ("refused", 6),
            Self::Running(_) => ("session_running", 6),
            Self::Exists(_) => ("file_exists", 1),
            Self::NoEditor | Self::Editor(_) => ("editor", 1),
            Self::Unsaved { problem, .. } => problem.codes(),
            Self::File(..) => ("file", 1),
            Self::Database(..) => ("database", 1),
            Self::NoServer(_) => ("no_server", 5),
            Self::Busy(..) => ("busy", 5),
            Self::Erased => ("erased", 7),
            Self::Server(_) => ("server", 6),
        }
    }

    /// The stable code for scripts: the server's, if it gave one.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Server(error) => error.code().unwrap_or(self.codes().0),
            _ => self.codes().0,
        }
    }

    /// The exit code of the process.
    pub(crate) fn exit(&self) -> u8 {
        self.codes().1
    }

    /// A failure of the device's own records.
    pub(crate) fn local(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NoAccount => Self::NotSignedIn,
            ErrorKind::Invalid => Self::Refused("a field cannot hold this value".into()),
            ErrorKind::Storage => Self::Database("the device's database".into(), chain(&error)),
            _ => Self::Server(error),
        }
    }

    /// A failure of a call to the server at `url`, made as `account`.
    pub(crate) fn of_call(error: Error, url: &str, account: &str) -> Self {
        let later = || match error.retry_after_secs() {
            Some(secs) => format!("in {secs} s"),
            None => "later".to_owned(),
        };
        match error.kind() {
            ErrorKind::Offline => Self::NoServer(url.to_owned()),
            ErrorKind::Unavailable => Self::Busy(url.to_owned(), later()),
            ErrorKind::NeedsSignIn => Self::SignInAgain(account.to_owned()),
            ErrorKind::Erased => Self::Erased,
            ErrorKind::PastRetention => {
                Self::Refused("it is past its retention, and its content is gone".into())
            }
            ErrorKind::ConflictClosed => {
                Self::Refused("the conflict was closed another way".into())
            }
            ErrorKind::NotFound => Self::NotOnServer,
            ErrorKind::NotEmpty => Self::Refused(
                "the account holds something already; an import needs an empty one".into(),
            ),
            _ => Self::local(error),
        }
    }
}

/// What may help where the database cannot be used.
fn database_hint(cause: &str) -> &'static str {
    if cause.contains("locked") { "; is another haumana using this device?" } else { "" }
}

/// An error with everything that caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
