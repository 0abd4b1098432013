//! What a command answers, on the standard output.
//!
//! Who closes the pipe, as `head` does, has read enough. The work is done by then, so that is no
//! failure; `println!` would panic.

use crate::pages::print;
use std::fmt::Display;
use std::io;

/// Prints a line of an answer.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    print(format!("{line}\n").as_bytes())
}
