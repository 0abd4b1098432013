//! Completions for shells and manual pages, made from the command line itself.
//!
//! Both are made from the same description that parses the arguments, so they cannot be out of
//! date. Packages run these two commands when they are built.

use clap::Command;
use clap_complete::Shell;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Prints the completions for a shell.
///
/// The whole script is made first and printed at once.
pub(crate) fn completions(shell: Shell, mut command: Command) -> io::Result<()> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    print(&script)
}

/// Prints the manual page of the program, or writes it and those of its commands into a folder.
pub(crate) fn man(folder: Option<&Path>, command: Command) -> io::Result<()> {
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
        return clap_mangen::generate_to(command, folder);
    }
    // The same as in the folder: with the options that clap adds, and without the command `help`.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    print(&page)
}

/// Prints all of it. The reader may stop before the end.
pub(crate) fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
