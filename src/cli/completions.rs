//! `completions`: a script for a shell, on stdout.

use std::io::{self, Write};

use clap::CommandFactory;

use super::Outcome;
use super::args::{Cli, CompletionsArgs};

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "arraystore", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Outcome::Done)
}
