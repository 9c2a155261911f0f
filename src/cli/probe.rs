//! `probe`: what this machine can do on a file system.

use std::io::{self, Write};

use serde_json::json;

use super::args::{Common, ProbeArgs};
use super::{Outcome, interrupt};
use crate::harness::probe;
use crate::report::limits;

pub(super) fn run(args: &ProbeArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = common.context().with_cancel(interrupt::cancel()?);
    let probed = probe(&args.folder, &context)?;
    let mut out = io::stdout().lock();
    if args.json {
        let document = json!({ "environment": probed.environment, "limits": probed.limits });
        writeln!(out, "{document:#}")?;
    } else {
        out.write_all(limits(&probed.environment, &probed.limits).as_bytes())?;
    }
    Ok(Outcome::Done)
}
