//! What `--help` teaches about each subcommand: what it is for, and command lines that work. A test
//! finds a subcommand without a lesson, and an example that this command line does not take.

mod every;
#[cfg(test)]
mod tests;

use clap::Command;

use self::every::LESSONS;

/// What every `--help` ends with.
const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  it failed, or what was to be proven is not so; the reason is on standard error
  2  the command line is wrong; nothing was begun";

/// About one subcommand.
#[derive(Debug)]
pub struct Lesson {
    /// Names from the top, `token issue`; empty for the program itself.
    pub of: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Command lines, each with why one would type it.
    pub examples: &'static [(&'static str, &'static str)],
}

const fn lesson(
    of: &'static str,
    purpose: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Lesson {
    Lesson {
        of,
        purpose,
        examples,
    }
}

/// Puts the lessons into the help of a command and its subcommands.
#[must_use]
pub fn teach(command: Command) -> Command {
    teach_at(command, "")
}

fn teach_at(mut command: Command, at: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    for name in names {
        let below = path(at, &name);
        command = command.mut_subcommand(name, |subcommand| teach_at(subcommand, &below));
    }
    let Some(lesson) = LESSONS.iter().find(|lesson| lesson.of == at) else {
        return command;
    };
    let mut after = String::from("Examples:\n");
    for (why, line) in lesson.examples {
        after.push_str(&format!("  # {why}\n  {line}\n"));
    }
    after.push('\n');
    after.push_str(EXIT_STATUS);
    command.long_about(lesson.purpose).after_long_help(after)
}

fn path(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at} {name}")
    }
}
