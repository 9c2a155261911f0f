//! `assign`: a selection of a file set in place from another file, durable on return.

use super::args::{AccessArgs, AssignArgs, Common, RawArgs};
use super::{Outcome, files, progress};
use crate::array::Selection;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{AnyElement, AnyStore, ArrayStore, ArrayStoreExt, Context};
use crate::sys::Mode;
use crate::with_store;

/// Bytes of values that are moved at a time, at most: an eighth of the budget.
const LARGEST_PART_BYTES: u64 = 8 << 20;

pub(super) fn run(args: &AssignArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    files::refuse_unused(&args.raw, [args.file.as_path()])?;
    let access = AccessArgs { backend: None, io: args.access.io };
    let values = files::open(&args.from, &access, &RawArgs::default(), Mode::Read, &context)?;
    let mut store = files::open(&args.file, &args.access, &args.raw, Mode::ReadWrite, &context)?;
    let selection = files::selection(&args.selection, &store, &args.file)?;
    let (needs, has) = (selection.shape(store.spec().shape)?, values.spec().shape);
    if needs != has {
        let reason = format!("holds {has} values where the selection is {needs}");
        return Err(Error::new(ErrorKind::ShapeMismatch, "assign", reason).at(&args.from).into());
    }
    context.begin("assign", values.stats().bytes_on_disk);
    with_store!(&values, values => assign(&**values, &mut store, &selection, &context))
        .map_err(|error| error.at(&args.file))?;
    store.sync()?;
    Ok(Outcome::Done)
}

/// Sets `selection` of `store` to `values`, some rows at a time.
fn assign<T: AnyElement>(
    values: &dyn ArrayStore<Elem = T>,
    store: &mut AnyStore,
    selection: &Selection,
    context: &Context,
) -> Result<()> {
    let holds = store.spec().dtype;
    let store = T::of_any(store).ok_or_else(|| {
        let reason = format!("holds {holds}, the values are {}", T::DTYPE);
        Error::new(ErrorKind::DtypeMismatch, "assign", reason)
            .hint(format!("convert the values first: arraystore convert --dtype {holds}"))
    })?;
    let shape = store.spec().shape;
    let (rows, cols) = selection.resolve(shape)?;
    let part_bytes = LARGEST_PART_BYTES.min(context.available_bytes() / 8) as usize;
    let step = (part_bytes / size_of::<T>() / cols.len().max(1)).max(1);
    for top in (0..rows.len()).step_by(step) {
        let part = top..rows.len().min(top + step);
        let _memory = context.reserve((part.len() * cols.len() * size_of::<T>()) as u64)?;
        let block = values.select(&Selection::rows(part.clone()))?;
        let rows = rows.part(part).into();
        store.write(&Selection { rows, cols: selection.cols.clone() }, block.view())?;
        context.advance((block.len() * size_of::<T>()) as u64)?;
    }
    Ok(())
}
