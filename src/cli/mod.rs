//! The command line: arguments → configuration → one file per subcommand.
//!
//! Owns what people see: data on stdout, everything else on stderr, one line for an error, exit codes
//! (0 done, 1 the check said no, 2 usage, bad input or I/O). Decides nothing about arrays.

mod append;
mod args;
mod assign;
mod check;
mod compare;
mod completions;
mod convert;
mod create;
mod digest;
mod explain;
mod extract;
mod files;
mod info;
mod interrupt;
mod output;
mod parts;
mod peers;
mod probe;
mod progress;
mod report;
mod text;
mod trial;
mod verify;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;

use self::args::{Cli, Command};
use crate::error::{Error, ErrorKind, Result};

/// The exit codes.
const DONE: u8 = 0;
const SAID_NO: u8 = 1;
const FAILED: u8 = 2;

/// How a command that could be carried out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Done.
    Done,
    /// The check said no.
    No,
}

/// How this program was begun.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The command that begins it again: its file, or an interpreter's and what this is to that.
    pub program: Vec<OsString>,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Invocation {
    /// That of this process, which is the program itself.
    ///
    /// # Errors
    /// Where the system does not say which file this process runs.
    pub fn of_process() -> Result<Self> {
        let program = env::current_exe().map_err(|error| Error::io("find this program", error))?;
        Ok(Self {
            program: vec![program.into_os_string()],
            arguments: env::args_os().skip(1).collect(),
        })
    }
}

/// Parses the arguments, carries out the command, and turns what happened into an exit code.
pub fn run(invocation: &Invocation) -> u8 {
    let named = std::iter::once(OsString::from("arraystore"));
    let cli = match Cli::try_parse_from(named.chain(invocation.arguments.iter().cloned())) {
        Ok(cli) => cli,
        Err(error) => return mistaken(&error),
    };
    match carry_out(cli, invocation) {
        Ok(Outcome::Done) => DONE,
        Ok(Outcome::No) => SAID_NO,
        Err(error) if is_broken_pipe(&error) => DONE,
        Err(error) => {
            report_error(&error);
            FAILED
        }
    }
}

/// Answers arguments that are no command: help and version as asked for, mistakes in one line.
fn mistaken(error: &clap::Error) -> u8 {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as HelpInstead;
    if !error.use_stderr() {
        return match error.print() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => FAILED,
            _ => DONE,
        };
    }
    let mut stderr = io::stderr().lock();
    // Where even stderr is gone, there is nobody left to tell.
    let _ = match error.kind() {
        HelpInstead => write!(stderr, "{}", error.render()),
        _ => write!(stderr, "{}", in_one_line(&error.render().to_string())),
    };
    FAILED
}

/// clap's words on a mistake, `error: …` and `hint: …` in a line each: its first paragraph, its tips, and
/// how the command is used.
fn in_one_line(words: &str) -> String {
    let mut paragraphs = words
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut lines = paragraphs.next().unwrap_or_default() + "\n";
    for paragraph in paragraphs {
        if let Some(tip) = paragraph.strip_prefix("tip: ") {
            lines += &format!("hint: {tip}\n");
        } else if let Some(usage) = paragraph.strip_prefix("Usage: ") {
            lines += &format!("hint: the usage is {usage}; --help says more\n");
        }
    }
    lines
}

fn carry_out(cli: Cli, invocation: &Invocation) -> anyhow::Result<Outcome> {
    let common = cli.common;
    match cli.command {
        Command::Create(args) => create::run(&args, &common),
        Command::Info(args) => info::run(&args),
        Command::Extract(args) => extract::run(&args, &common),
        Command::Explain(args) => explain::run(&args, &common),
        Command::Assign(args) => assign::run(&args, &common),
        Command::Append(args) => append::run(&args, &common),
        Command::Convert(args) => convert::run(&args, &common),
        Command::Verify(args) => verify::run(&args, &common),
        Command::Digest(args) => digest::run(&args, &common),
        Command::Check(args) => check::run(&args, &common),
        Command::Probe(args) => probe::run(&args, &common),
        Command::Compare(args) => compare::run(&args, &common, invocation),
        Command::Report(args) => report::run(&args, &common),
        Command::Completions(args) => completions::run(&args),
        Command::Trial(args) => trial::run(&args),
    }
}

/// `error: …` in one line, then `hint: …` where there is one.
fn report_error(error: &anyhow::Error) {
    // Each error's own text already names its cause; a chain would say it twice. An error of the system
    // that names no file comes from where results are printed.
    let line = match error.downcast_ref::<io::Error>() {
        Some(error) => format!("cannot write to standard output: {error}"),
        None => error.to_string().replace('\n', " "),
    };
    let mut stderr = io::stderr().lock();
    // Where even stderr is gone, there is nobody left to tell.
    let _ = writeln!(stderr, "error: {line}");
    if let Some(hint) = error.downcast_ref::<Error>().and_then(Error::advice) {
        let _ = writeln!(stderr, "hint: {}", for_a_user(hint));
    }
}

/// A hint without what only helps who writes a program: `give --force …, or Existing::Replace in a program`.
fn for_a_user(hint: &str) -> &str {
    let program = hint.strip_suffix(" in a program");
    program.and_then(|words| words.rsplit_once(", or ")).map_or(hint, |(option, _)| option)
}

/// Whether whoever read our output went away, which is no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// A mistake in the arguments.
fn usage(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidArgument, "parse", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(arguments: &[&str]) -> String {
        let arguments = ["arraystore"].iter().chain(arguments);
        in_one_line(&Cli::try_parse_from(arguments).unwrap_err().render().to_string())
    }

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn hints_name_options_and_no_items_of_the_library() {
        let hint = "raise it with --memory, or Budget::new in a program";
        assert_eq!(for_a_user(hint), "raise it with --memory");
        for hint in ["give --shape, or --dtype, or both", "convert it first in a program"] {
            assert_eq!(for_a_user(hint), hint);
        }
    }

    #[test]
    fn mistakes_are_told_in_a_line() {
        let lines = mistake(&["create", "a.npy"]);
        assert!(
            lines.starts_with("error: the following required arguments were not provided: --shape")
        );
        let lines = mistake(&["create", "a.npy", "--shap", "3x3"]);
        let found: Vec<_> = lines.lines().collect();
        assert_eq!(found[0], "error: unexpected argument '--shap' found");
        assert_eq!(found[1], "hint: a similar argument exists: '--shape'");
        assert!(found[2].starts_with("hint: the usage is arraystore create"), "{lines}");
        let lines = mistake(&["info", "a.npy", "--shape", "3"]);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        let lines = mistake(&["info", "a.npy", "--memory", "7foo"]);
        assert!(lines.contains("'7foo' is not a size: write 160MiB or 2GB"), "{lines}");
    }
}
