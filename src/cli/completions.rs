//! `aerostream completions`: what a shell needs to complete our command lines.

use std::io::Write;

use clap::{Command, ValueEnum};
use clap_complete::{Shell, generate};

/// Of `aerostream completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Shell that the script is for
    shell: ShellName,
}

/// Shells whose completions are tried by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    Bash,
    Zsh,
    Fish,
}

impl From<ShellName> for Shell {
    fn from(name: ShellName) -> Self {
        match name {
            ShellName::Bash => Self::Bash,
            ShellName::Zsh => Self::Zsh,
            ShellName::Fish => Self::Fish,
        }
    }
}

impl Options {
    /// Prints the script.
    ///
    /// # Errors
    /// Nobody reads the output.
    pub fn run(&self, command: Command) -> std::io::Result<()> {
        std::io::stdout().write_all(&script(self.shell, command))
    }
}

/// The script for a shell.
#[must_use]
pub fn script(shell: ShellName, mut command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    generate(Shell::from(shell), &mut command, name, &mut script);
    script
}
