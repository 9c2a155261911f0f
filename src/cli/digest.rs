//! `digest`: the logical matrix's fingerprint, printed as `sha256sum` prints its own.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::args::{Common, DigestArgs};
use super::{Outcome, files, progress, report_error};
use crate::error::{ErrorKind, Result};
use crate::store::Context;
use crate::sys::Mode;

pub(super) fn run(args: &DigestArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    files::refuse_unused(&args.raw, args.files.iter().map(|path| path.as_path()))?;
    let mut documents = Vec::new();
    let mut failure: Option<anyhow::Error> = None;
    for path in &args.files {
        let digest = match digest(path, args, &context) {
            Ok(digest) => digest,
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error.into()),
            // As sha256sum does: one bad file among many keeps no other from its digest.
            Err(error) => {
                if let Some(earlier) = failure.replace(error.into()) {
                    report_error(&earlier);
                }
                continue;
            }
        };
        if args.json {
            documents.push(json!({ "path": path.display().to_string(), "digest": digest }));
        } else {
            writeln!(io::stdout().lock(), "{digest}  {}", path.display())?;
        }
    }
    if args.json {
        writeln!(io::stdout().lock(), "{:#}", serde_json::Value::from(documents))?;
    }
    failure.map_or(Ok(Outcome::Done), Err)
}

fn digest(path: &Path, args: &DigestArgs, context: &Context) -> Result<String> {
    let store = files::open(path, &args.access, &args.raw, Mode::Read, context)?;
    context.begin(&path.display().to_string(), store.stats().bytes_on_disk);
    Ok(store.digest(context).map_err(|error| error.at(path))?.to_string())
}
