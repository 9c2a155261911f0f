//! `append`: rows or columns of one file behind those of another, in place, durable on return.

use std::fs;
use std::path::Path;

use super::args::{AccessArgs, AppendArgs, Common, RawArgs};
use super::{Outcome, files, progress, usage};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{AnyElement, AnyStore, ArrayStore, ArrayStoreExt, Context};
use crate::sys::Mode;
use crate::with_store;

pub(super) fn run(args: &AppendArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    files::refuse_unused(&args.raw, [args.file.as_path()])?;
    refuse_same(&args.file, &args.from)?;
    let access = AccessArgs { backend: None, io: args.access.io };
    let values = files::open(&args.from, &access, &RawArgs::default(), Mode::Read, &context)?;
    let mut store = files::open(&args.file, &args.access, &args.raw, Mode::ReadWrite, &context)?;
    // Each byte is read, and written.
    context.begin(
        "append",
        2 * values.spec().shape.dense_bytes(values.spec().dtype.item_size())? as u64,
    );
    with_store!(&values, values => append(&**values, &mut store, &context))
        .and_then(|()| store.sync())
        .map_err(|error| error.at(&args.file))?;
    Ok(Outcome::Done)
}

/// Refuses to append a file to itself, also under another name.
fn refuse_same(file: &Path, from: &Path) -> Result<()> {
    // What cannot be found is told when it is opened.
    let real = |path: &Path| fs::canonicalize(path).ok();
    if real(file).is_some_and(|file| real(from) == Some(file)) {
        return Err(usage("cannot be appended to itself").at(file));
    }
    Ok(())
}

fn append<T: AnyElement>(
    values: &dyn ArrayStore<Elem = T>,
    store: &mut AnyStore,
    context: &Context,
) -> Result<()> {
    let holds = store.spec().dtype;
    let store = T::of_any(store).ok_or_else(|| {
        let reason = format!("holds {holds}, the values are {}", T::DTYPE);
        Error::new(ErrorKind::DtypeMismatch, "append", reason)
            .hint(format!("convert the values first: arraystore convert --dtype {holds}"))
    })?;
    store.append_from(values, context)
}
