//! Calls of programs: a run with arguments, or a request for the program's documentation.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;

use super::man;
use super::page::{Page, Subcommand, help_text};
use crate::error::{During, Result};

/// Call of a program.
pub enum Call<'a> {
    /// A run with these arguments, of which the first is the program's name.
    Run(Vec<OsString>),
    /// A request for its documentation, which it leaves here.
    Describe(&'a mut Option<Description>),
}

impl Call<'_> {
    /// Returns the call of the process: a run with its arguments.
    pub fn of_process() -> Self {
        Call::Run(std::env::args_os().collect())
    }
}

/// Documentation of a program.
pub struct Description {
    page: &'static Page,
    commands: &'static [Subcommand],
    command: Command,
}

impl Description {
    /// Returns the documentation of the program with this entry point.
    ///
    /// # Panics
    /// If the entry point describes nothing, which one that only calls [`run`](super::run()) does not.
    pub fn of(main: impl FnOnce(Call<'_>) -> ExitCode) -> Self {
        let mut description = None;
        main(Call::Describe(&mut description));
        description.expect("a program describes itself")
    }

    pub(super) fn new(
        page: &'static Page,
        commands: &'static [Subcommand],
        command: Command,
    ) -> Self {
        Description {
            page,
            commands,
            command,
        }
    }

    /// Returns the line about the program that help and manual page begin with.
    pub fn about(&self) -> String {
        let about = self.command.get_about();
        about.map(ToString::to_string).unwrap_or_default()
    }

    /// Returns the program's clap command.
    pub fn command(&self) -> Command {
        self.command.clone()
    }

    /// Returns the long help, as `--help` prints it.
    pub fn help(&self) -> String {
        help_text(&self.command.clone().render_long_help().to_string())
    }

    /// Writes the manual page.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_man(&self, out: &mut dyn io::Write) -> io::Result<()> {
        man::write(self.page, self.commands, &self.command, out)
    }
}

/// Returns the absolute path of the running program's file.
///
/// # Errors
/// `Io` if it was removed, or, without `/proc`, if it is not where its name leads.
pub fn own_path() -> Result<PathBuf> {
    let own = std::env::current_exe().or_else(|error| {
        let name = PathBuf::from(std::env::args_os().next().unwrap_or_default());
        if name.components().count() > 1 {
            return name.canonicalize();
        }
        // As the shell has found it.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut directories = std::env::split_paths(&path);
        let found = directories.find_map(|directory| directory.join(&name).canonicalize().ok());
        found.ok_or(error)
    });
    own.during("find this program")
}
