//! `trial`: the side of the trial protocol that works, for the harness of `compare`.

use std::io;

use super::Outcome;
use crate::harness;

pub(super) fn run() -> anyhow::Result<Outcome> {
    // No handler for Ctrl-C here: the harness ends its trials itself, and a closed input ends them too.
    harness::serve(&mut io::stdin().lock(), &mut io::stdout().lock())?;
    Ok(Outcome::Done)
}
