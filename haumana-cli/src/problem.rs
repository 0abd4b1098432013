//! What can go wrong, for people and for scripts.

use crate::shell::program;
use haumana_replica::transport::is_loopback;
use haumana_replica::{Error, ErrorKind};
use std::io;
use std::path::PathBuf;

/// What everybody wants to know when the server cannot be reached.
const KEPT: &str = "What you edited is kept on this device";

/// What went wrong, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is no device in {0}; run: {program} init", program = program(.0))]
    NoDevice(PathBuf),
    #[error("nobody is signed in on this device; run: {0} sign-in NAME")]
    NotSignedIn(String),
    #[error("the sign-in has run out or is another person's{cause}; run: {command}")]
    SignInAgain { command: String, cause: String },
    #[error(
        "the token of this device is for {is_for}, and {url} is another server; to sign in there, \
         run: {program} --server {url} sign-in NAME"
    )]
    OtherServer { program: String, is_for: String, url: String },
    #[error(
        "{url} is on another machine, and everybody on the way could read the token; use https://, \
         or say that they may: {program} --server {url} init --plain-http"
    )]
    PlainHttp { program: String, url: String },
    #[error("there is no token: name somebody, or give --token-file, or set HAUMANA_TOKEN")]
    NoToken,
    #[error("this is not an ID token")]
    NotAToken,
    #[error("{0} can be read by others; run: chmod 600 {0}")]
    Exposed(PathBuf),
    #[error("{0} gives no tokens by name, as the local server does; use --token-file")]
    NoDevTokens(String),
    #[error("no {what} matches {text:?}")]
    NotFound { what: String, text: String },
    #[error("no conflict is open")]
    NoConflict,
    #[error("the server has no such {0} or version; if it is new, run: haumana sync")]
    NotOnServer(String),
    #[error("there is no kind {name:?} on this device; there are {known}")]
    NoSuchKind { name: String, known: String },
    #[error("cannot use the schema {0}: {1}")]
    Schema(String, String),
    #[error("the records on this device were written under another schema: {0}")]
    OtherSchema(String),
    #[error("more than one {what} matches {text:?}; be more exact:\n{list}")]
    Ambiguous { what: String, text: String, list: String },
    #[error("{0}")]
    Refused(String),
    #[error("a session of it is running since {0}; end it with: haumana practise --end")]
    Running(String),
    #[error("{0} exists; --force overwrites it")]
    Exists(PathBuf),
    #[error(
        "{0}\na part of the export is in the account, which takes nothing else until it is whole. \
         The same import again goes on; haumana erase-account gives it up"
    )]
    HalfImported(Box<Problem>),
    #[error("no editor: set VISUAL or EDITOR, or use a flag such as --lyrics-file")]
    NoEditor,
    #[error("the editor {0} failed; nothing was changed")]
    Editor(String),
    #[error("the editor {0} saved and then failed, so nothing was changed")]
    EditorSaved(String),
    #[error("{0} is neither UTF-8 nor UTF-16 with a byte order mark; save it as UTF-8")]
    NotText(String),
    #[error("{problem}\nwhat you wrote is kept in {file}; take it up again with: {again}")]
    Unsaved { problem: Box<Problem>, file: PathBuf, again: String },
    #[error("the {0} was deleted meanwhile; haumana restore brings it back")]
    DeletedMeanwhile(String),
    #[error(
        "deleting {title} would lose {what} for good: no server has seen it. Sync first, or say \
         --discard-edits"
    )]
    WouldLose { title: String, what: String },
    #[error("nobody can be asked here, and it cannot be brought back; say --yes")]
    NeedsYes,
    #[error("nothing was deleted; --yes deletes without a question")]
    Declined,
    #[error("cannot use {0}: {1}")]
    File(PathBuf, io::Error),
    #[error("cannot use {0}: {1}")]
    Database(PathBuf, String),
    #[error("cannot use {0}: another program holds it; is another haumana using this device?")]
    Held(PathBuf),
    #[error("no server answers at {url}{cause}{hint}. {KEPT}", hint = server_hint(.url))]
    NoServer { url: String, cause: String },
    #[error(
        "not a server of this kind but something else answers at {url}: {answered}. Perhaps this \
         network wants you to sign in, something in between blocks it, or the address is wrong. \
         {KEPT}"
    )]
    NotTheServer { url: String, answered: String },
    #[error(
        "what answers at {url} says what this program does not understand{said}. Perhaps it is \
         newer or older than this program. {KEPT}"
    )]
    NotUnderstood { url: String, said: String },
    #[error(
        "the server at {url} finds the request too large, and it cannot be made smaller. {KEPT}"
    )]
    TooLarge { url: String },
    #[error("the server at {0} asks to come again {1}. {KEPT}")]
    Busy(String, String),
    #[error(
        "the account was erased on the server, and nothing was sent. `haumana sync --erased \
         forget` forgets it on this device too; `--erased upload` sends what is here as new"
    )]
    Erased,
    #[error("{0}")]
    Server(Error),
}

/// The code of a failure for scripts, and the exit code of the process.
type Codes = (&'static str, u8);

impl Problem {
    fn codes(&self) -> Codes {
        match self {
            Self::NoDevice(_) => ("no_device", 4),
            Self::NotSignedIn(_) => ("not_signed_in", 4),
            Self::SignInAgain { .. } => ("sign_in_again", 4),
            Self::OtherServer { .. } => ("other_server", 4),
            Self::PlainHttp { .. } => ("plain_http", 6),
            Self::NoToken | Self::NotAToken => ("no_token", 4),
            Self::Exposed(_) => ("token_exposed", 1),
            Self::NoDevTokens(_) => ("no_dev_tokens", 6),
            Self::NotFound { .. }
            | Self::NoConflict
            | Self::NotOnServer(_)
            | Self::DeletedMeanwhile(_) => ("not_found", 3),
            Self::NoSuchKind { .. } => ("no_such_kind", 3),
            Self::Schema(..) | Self::OtherSchema(_) => ("schema", 1),
            Self::Ambiguous { .. } => ("ambiguous", 3),
            Self::Refused(_) => ("refused", 6),
            Self::Running(_) => ("session_running", 6),
            Self::Exists(_) => ("file_exists", 1),
            Self::NoEditor | Self::Editor(_) | Self::EditorSaved(_) => ("editor", 1),
            Self::NotText(_) => ("encoding", 1),
            Self::Unsaved { problem, .. } | Self::HalfImported(problem) => problem.codes(),
            Self::File(..) => ("file", 1),
            Self::Database(..) | Self::Held(_) => ("database", 1),
            Self::WouldLose { .. } => ("unsynced_edits", 6),
            Self::NeedsYes => ("needs_yes", 6),
            Self::Declined => ("declined", 6),
            Self::NoServer { .. } => ("no_server", 5),
            Self::NotTheServer { .. } => ("not_the_server", 5),
            Self::Busy(..) => ("busy", 5),
            Self::NotUnderstood { .. } => ("not_understood", 6),
            Self::TooLarge { .. } => ("payload_too_large", 6),
            Self::Erased => ("erased", 7),
            Self::Server(_) => ("server", 6),
        }
    }

    /// The stable code for scripts. If the server gave one, it is the server's.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Server(error) => error.code().unwrap_or(self.codes().0),
            Self::Unsaved { problem, .. } | Self::HalfImported(problem) => problem.code(),
            _ => self.codes().0,
        }
    }

    /// The failure for scripts.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({ "error": self.to_string(), "code": self.code() });
        if let Self::Unsaved { file, .. } = self {
            json["file"] = file.display().to_string().into();
        }
        json
    }

    /// The same problem, with the kind of the record that it is about.
    #[must_use]
    pub(crate) fn about(self, kind: &str) -> Self {
        match self {
            Self::NotOnServer(_) => Self::NotOnServer(kind.to_owned()),
            other => other,
        }
    }

    /// Whether another program holds the device.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// The exit code of the process.
    pub(crate) fn exit(&self) -> u8 {
        self.codes().1
    }

    /// A failure of the replica on this device.
    pub(crate) fn local(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NoAccount => Self::NotSignedIn("haumana".into()),
            ErrorKind::Invalid => Self::Refused(match error.flaw() {
                Some(flaw) => flaw.to_string(),
                None => "a field cannot hold this value".to_owned(),
            }),
            ErrorKind::Storage | ErrorKind::NoSpace | ErrorKind::InUse => {
                Self::Database("the device's database".into(), chain(&error))
            }
            _ => Self::Server(error),
        }
    }

    /// A failure of a call to the server at `url`, made as `account`. `program` is the beginning of
    /// a command line for the device.
    pub(crate) fn of_call(error: Error, url: &str, account: &str, program: &str) -> Self {
        let url = url.to_owned();
        let later = || match error.retry_after_secs() {
            Some(secs) => format!("in {secs} s"),
            None => "later".to_owned(),
        };
        match error.kind() {
            ErrorKind::Offline => Self::NoServer { url, cause: why(&error) },
            ErrorKind::Unavailable => Self::Busy(url, later()),
            ErrorKind::NeedsSignIn => Self::SignInAgain {
                command: format!("{program} sign-in {account}"),
                cause: why(&error),
            },
            ErrorKind::Erased => Self::Erased,
            ErrorKind::PastRetention => {
                Self::Refused("it is past its retention, and its content is gone".into())
            }
            ErrorKind::ConflictClosed => {
                Self::Refused("the conflict was closed another way".into())
            }
            ErrorKind::NotFound => Self::NotOnServer("record".to_owned()),
            ErrorKind::NotEmpty => Self::Refused(
                "the account holds something already, if only deleted pieces; an import needs an \
                 empty one, which haumana erase-account makes of it"
                    .into(),
            ),
            ErrorKind::TooLarge | ErrorKind::Protocol => match error.answered() {
                Some(answered) => Self::NotTheServer { url, answered: answered.to_string() },
                None if error.kind() == ErrorKind::TooLarge => Self::TooLarge { url },
                None => Self::NotUnderstood { url, said: said(&error) },
            },
            _ => Self::local(error),
        }
    }
}

/// The server's own message, for an answer that this program does not know.
fn said(error: &Error) -> String {
    match (error.explanation(), error.code()) {
        (Some(text), Some(code)) => format!(": {text} ({code})"),
        (None, Some(code)) => format!(": {code}"),
        _ => String::new(),
    }
}

/// Why a server cannot be reached: the text of the innermost cause.
pub(crate) fn why(error: &Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    cause.map_or(String::new(), |cause| format!(" ({cause})"))
}

/// Whether an address is on this machine.
pub(crate) fn is_near(url: &str) -> bool {
    is_loopback(url)
}

/// A hint for the case that no server answers.
fn server_hint(url: &str) -> &'static str {
    match is_near(url) {
        true => "; start one with: cargo run --release, or name another with --server",
        false => "; is this device online, and the address right? --server names another",
    }
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
