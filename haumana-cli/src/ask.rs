//! Questions to a person.

use crate::answer::visible;
use std::io::{self, BufRead, IsTerminal, Write};

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Yes,
    No,
    /// There is no terminal, so nobody was asked.
    Nobody,
}

/// Asks a question on the terminal. Anything but a clear yes is a no. A terminal that cannot show
/// the question counts as no, too.
pub(crate) fn ask(question: &str) -> Reply {
    let input = io::stdin();
    if !input.is_terminal() {
        return Reply::Nobody;
    }
    let question = format!("{} [y/N] ", visible(question));
    let shown = if io::stderr().is_terminal() {
        show(io::stderr(), &question)
    } else if io::stdout().is_terminal() {
        show(io::stdout(), &question)
    } else {
        return Reply::No;
    };
    let mut line = String::new();
    let said = shown.and_then(|()| input.lock().read_line(&mut line));
    match (said, line.trim().to_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => Reply::Yes,
        _ => Reply::No,
    }
}

fn show(mut output: impl Write, question: &str) -> io::Result<()> {
    output.write_all(question.as_bytes())?;
    output.flush()
}
