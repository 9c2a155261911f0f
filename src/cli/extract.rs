//! `extract`: rows × columns of a file, as `.npy`, `.csv` or text.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use super::args::{Common, ExtractArgs};
use super::output::Output;
use super::{Outcome, files, progress, text};
use crate::array::{Element, Selection, Shape};
use crate::store::{
    AnyElement, ArrayStore, ArrayStoreExt, Context, CreateOptions, FileKind, Io, create,
};
use crate::sys::Mode;
use crate::with_store;

/// Bytes of values that are moved at a time.
const PART_BYTES: usize = 8 << 20;

pub(super) fn run(args: &ExtractArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    let store = files::open(&args.file, &args.access, &args.raw, Mode::Read, &context)?;
    let selection = files::selection(&args.selection, store.spec().shape)?;
    let bytes = selection.shape(store.spec().shape)?.dense_bytes(store.spec().dtype.item_size())?;
    context.begin("extract", bytes as u64);
    with_store!(&store, store => extract(&**store, &selection, args, &context))?;
    Ok(Outcome::Done)
}

fn extract<T: AnyElement>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
    args: &ExtractArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let shape = selection.shape(store.spec().shape)?;
    if FileKind::of(&args.out) == FileKind::Npy {
        let options = CreateOptions {
            io: Io::Positioned,
            existing: args.force.existing(),
            context: context.clone(),
            ..CreateOptions::new(shape, T::DTYPE)
        };
        let mut out = create::<T>(&args.out, &options)?;
        for_each_part(store, selection, context, &mut |top, block| {
            out.write(&Selection::rows(top..top + block.nrows()), block)?;
            Ok(())
        })?;
        return Ok(out.sync()?);
    }
    let separator = if is_csv(&args.out) { b"," } else { b" " };
    let mut out = Output::open(&args.out, args.force.existing())?;
    for_each_part(store, selection, context, &mut |_, block| {
        write_rows(&mut out, block, separator).context("cannot write the values")
    })?;
    out.finish()
}

/// Shows the selected cells some rows at a time: (rows before, block).
fn for_each_part<T: Element>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
    context: &Context,
    show: &mut dyn FnMut(usize, ndarray::ArrayView2<'_, T>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Shape { rows, cols } = selection.shape(store.spec().shape)?;
    let picks = selection.rows.resolve(store.spec().shape.rows)?;
    let step = (PART_BYTES / size_of::<T>() / cols.max(1)).max(1);
    for top in (0..rows).step_by(step) {
        let rows = picks.part(top..rows.min(top + step)).into();
        let block = store.select(&Selection { rows, cols: selection.cols.clone() })?;
        show(top, block.view())?;
        context.advance((block.len() * size_of::<T>()) as u64)?;
    }
    Ok(())
}

fn write_rows<T: Element>(
    out: &mut Output,
    block: ndarray::ArrayView2<'_, T>,
    separator: &[u8],
) -> std::io::Result<()> {
    for row in block.rows() {
        for (index, value) in row.iter().enumerate() {
            if index > 0 {
                out.write_all(separator)?;
            }
            text::write_value(out, value)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}
