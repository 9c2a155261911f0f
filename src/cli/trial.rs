//! `trial`: the side of the trial protocol that works, for the harness of `compare`.

use std::io;

use super::Outcome;
use super::args::TrialArgs;
use crate::harness;

pub(super) fn run(args: &TrialArgs) -> anyhow::Result<Outcome> {
    // No handler for Ctrl-C here: the harness ends its trials itself, and a closed input ends them too.
    let lie = args.lie.as_deref().map(str::parse).transpose()?;
    harness::serve(&mut io::stdin().lock(), &mut io::stdout().lock(), lie)?;
    Ok(Outcome::Done)
}
