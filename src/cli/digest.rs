//! `digest`: the logical matrix's fingerprint, printed as `sha256sum` prints its own.

use std::io::{self, Write};

use serde_json::json;

use super::Outcome;
use super::args::{Common, DigestArgs};
use super::{files, progress};
use crate::sys::Mode;

pub(super) fn run(args: &DigestArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    let mut documents = Vec::new();
    for path in &args.files {
        let store = files::open(path, &args.access, &args.raw, Mode::Read, &context)?;
        context.begin(&path.display().to_string(), store.stats().bytes_on_disk);
        let digest = store.digest(&context)?;
        if args.json {
            documents
                .push(json!({ "path": path.display().to_string(), "digest": digest.to_string() }));
        } else {
            writeln!(io::stdout().lock(), "{digest}  {}", path.display())?;
        }
    }
    if args.json {
        writeln!(io::stdout().lock(), "{:#}", serde_json::Value::from(documents))?;
    }
    Ok(Outcome::Done)
}
