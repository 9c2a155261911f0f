//! The command line: arguments → configuration → one file per subcommand.
//!
//! Owns what people see: data on stdout, everything else on stderr, one line for an error, exit codes
//! (0 done, 1 the check said no, 2 usage, bad input or I/O). Decides nothing about arrays.

mod args;
mod assign;
mod compare;
mod completions;
mod convert;
mod create;
mod digest;
mod extract;
mod files;
mod info;
mod interrupt;
mod output;
mod progress;
mod report;
mod text;
mod trial;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command};
use crate::error::{Error, ErrorKind};

/// How a command that could be carried out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Done.
    Done,
    /// The check said no.
    No,
}

/// Parses the arguments, carries out the command, and turns what happened into an exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with code 0, mistakes to stderr with code 2, as clap knows.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(2),
            };
        }
    };
    match carry_out(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report_error(&error);
            ExitCode::from(2)
        }
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<Outcome> {
    let common = cli.common;
    match cli.command {
        Command::Create(args) => create::run(&args, &common),
        Command::Info(args) => info::run(&args),
        Command::Extract(args) => extract::run(&args, &common),
        Command::Assign(args) => assign::run(&args, &common),
        Command::Convert(args) => convert::run(&args, &common),
        Command::Verify(args) => verify::run(&args, &common),
        Command::Digest(args) => digest::run(&args, &common),
        Command::Compare(args) => compare::run(&args, &common),
        Command::Report(args) => report::run(&args, &common),
        Command::Completions(args) => completions::run(&args),
        Command::Trial => trial::run(),
    }
}

/// `error: …` in one line, then `hint: …` where there is one.
fn report_error(error: &anyhow::Error) {
    // Each error's own text already names its cause; a chain would say it twice.
    let line = error.to_string().replace('\n', " ");
    let mut stderr = io::stderr().lock();
    // Where even stderr is gone, there is nobody left to tell.
    let _ = writeln!(stderr, "error: {line}");
    if let Some(hint) = error.downcast_ref::<Error>().and_then(Error::advice) {
        let _ = writeln!(stderr, "hint: {hint}");
    }
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
