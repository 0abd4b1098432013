//! What a command answers, on the standard output.
//!
//! Who closes the pipe, as `head` does, has read enough. The work is done by then, so that is no
//! failure; `println!` would panic.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Prints a line of an answer.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    print(format!("{line}\n").as_bytes())
}

/// Prints all of a text.
pub(crate) fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
