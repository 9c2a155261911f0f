//! `check`: whether files are whole, every byte of them read.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::args::{AccessArgs, CheckArgs, Common};
use super::{Outcome, files, progress, report_error};
use crate::error::{ErrorKind, Result};
use crate::store::Context;
use crate::sys::Mode;
use crate::with_store;

pub(super) fn run(args: &CheckArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    files::refuse_unused(&args.raw, args.files.iter().map(|path| path.as_path()))?;
    let mut documents = Vec::new();
    let mut outcome = Outcome::Done;
    let mut failure: Option<anyhow::Error> = None;
    for path in &args.files {
        let name = path.display().to_string();
        let damage = match check(path, args, &context) {
            Ok(()) => None,
            // What is wrong with the file is the answer; that it cannot be read is none.
            Err(error) if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Truncated) => {
                outcome = Outcome::No;
                let told = error.to_string();
                Some(told.strip_prefix(&format!("{name}: ")).unwrap_or(&told).to_owned())
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error.into()),
            Err(error) => {
                if let Some(earlier) = failure.replace(error.into()) {
                    report_error(&earlier);
                }
                continue;
            }
        };
        if args.json {
            documents.push(json!({ "path": name, "whole": damage.is_none(), "damage": damage }));
            continue;
        }
        let mut out = io::stdout().lock();
        match damage {
            None => writeln!(out, "{name}: whole")?,
            Some(damage) => writeln!(out, "{name}: damaged: {damage}")?,
        }
    }
    if args.json {
        writeln!(io::stdout().lock(), "{:#}", serde_json::Value::from(documents))?;
    }
    failure.map_or(Ok(outcome), Err)
}

fn check(path: &Path, args: &CheckArgs, context: &Context) -> Result<()> {
    let store = files::open(path, &AccessArgs::default(), &args.raw, Mode::Read, context)?;
    context.begin(&path.display().to_string(), store.stats().bytes_on_disk);
    with_store!(&store, store => store.check(context)).map_err(|error| error.at(path))
}
