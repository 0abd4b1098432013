//! A text in the person's own editor.

use crate::kept::{Draft, Purpose, Written};
use crate::problem::Problem;
use crate::text::{as_before, decode};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// Opens the editor on `text` and waits for its end. The device is not held meanwhile.
///
/// While it runs, Ctrl-C is for the editor, which gets it from the terminal too. If this program
/// ended, it would leave the editor behind, with the person's text in it.
///
/// `VISUAL` is used before `EDITOR`, and either may have arguments. If the text cannot be used, it
/// is kept in a file: when the editor saved and then failed, or saved in an unknown encoding.
pub(crate) fn write<'d>(purpose: Purpose<'d>, text: &str) -> Result<Written<'d>, Problem> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|editor| !editor.trim().is_empty());
    let editor = editor.ok_or(Problem::NoEditor)?;
    let draft = Draft::new(&purpose, text.as_bytes())?;
    let ended = run(&editor, draft.path()).map_err(|_| Problem::Editor(editor.clone()))?;
    let Ok(written) = decode(&draft.read()?) else {
        let problem = Problem::NotText(format!("what {editor} saved"));
        return Err(draft.unsaved(&purpose, None, problem));
    };
    let written = Written::new(purpose, draft, as_before(text, &written));
    match ended.success() {
        true => Ok(written),
        false if written.text == text => Err(Problem::Editor(editor)),
        false => Err(written.unsaved(Problem::EditorSaved(editor))),
    }
}

#[cfg(unix)]
fn run(editor: &str, file: &Path) -> io::Result<ExitStatus> {
    // From here on these signals no longer end this process. The editor starts with the usual
    // handling.
    let _interrupts = signal(SignalKind::interrupt())?;
    let _quits = signal(SignalKind::quit())?;
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status()
}

#[cfg(not(unix))]
fn run(editor: &str, file: &Path) -> io::Result<ExitStatus> {
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    Command::new(program).args(words).arg(file).status()
}
