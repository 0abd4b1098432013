//! The answers of commands, on the standard output.
//!
//! A reader such as `head` may close the pipe early. The work is done by then, so that is no
//! failure; `println!` would panic.

use crate::pages::print;
use std::fmt::Display;
use std::io;

/// Prints a line of an answer.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    print(format!("{line}\n").as_bytes())
}
