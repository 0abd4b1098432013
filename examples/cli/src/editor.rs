//! A text in the person's own editor.

use crate::problem::Problem;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use tempfile::NamedTempFile;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// A text that was written in the editor. Its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Written {
    file: NamedTempFile,
    pub(crate) text: String,
}

/// Opens the editor on `text` and waits for its end.
///
/// Ctrl-C while it runs is the editor's, which the terminal sends it to as well: an end of this
/// program would leave the editor behind, and what is written in it.
///
/// `VISUAL` goes before `EDITOR`, and either may have arguments. Editors end a file with a newline;
/// if the text had none at its end, that one is taken off again.
pub(crate) fn write(text: &str) -> Result<Written, Problem> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|editor| !editor.trim().is_empty());
    let editor = editor.ok_or(Problem::NoEditor)?;
    let io = |error| Problem::File(std::env::temp_dir(), error);
    let mut file =
        tempfile::Builder::new().prefix("haumana-").suffix(".txt").tempfile().map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    let ended = run(&editor, &file).map_err(|_| Problem::Editor(editor.clone()))?;
    if !ended.success() {
        return Err(Problem::Editor(editor));
    }
    // Read by its name: editors write a new file and give it the old one's name.
    let mut written = fs::read_to_string(file.path()).map_err(io)?;
    if !text.ends_with('\n') && written.ends_with('\n') {
        written.pop();
    }
    Ok(Written { file, text: written })
}

#[cfg(unix)]
fn run(editor: &str, file: &NamedTempFile) -> io::Result<ExitStatus> {
    // Once they are listened for they end nothing any more, until the end of this process; the
    // editor starts with the usual ones.
    let _interrupts = signal(SignalKind::interrupt())?;
    let _quits = signal(SignalKind::quit())?;
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file.path()).status()
}

#[cfg(not(unix))]
fn run(editor: &str, file: &NamedTempFile) -> io::Result<ExitStatus> {
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    Command::new(program).args(words).arg(file.path()).status()
}

impl Written {
    /// Keeps what was written although it could not be saved.
    pub(crate) fn unsaved(self, problem: Problem) -> Problem {
        let path: PathBuf = self.file.path().into();
        match self.file.keep() {
            Ok(_) => Problem::Unsaved { problem: Box::new(problem), file: path },
            Err(_) => problem,
        }
    }
}
