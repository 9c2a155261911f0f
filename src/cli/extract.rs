//! `extract`: rows × columns of a file, as `.npy`, `.csv` or text.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use ndarray::Axis;

use super::args::{Common, ExtractArgs, ExtractFormat};
use super::output::Output;
use super::{Outcome, files, progress, text, usage};
use crate::array::{Element, Order, Selection, Shape};
use crate::error::{Error, Result};
use crate::format::npy;
use crate::store::{
    AnyElement, ArrayStore, ArrayStoreExt, Context, CreateOptions, FileKind, Io, create,
};
use crate::sys::Mode;
use crate::with_store;

/// The least that is taken of the budget for values on their way.
const LEAST_PART_BYTES: u64 = 64 << 10;

/// Rows that are turned into text without a stop.
const TEXT_ROWS: usize = 256;

pub(super) fn run(args: &ExtractArgs, common: &Common) -> anyhow::Result<Outcome> {
    let context = progress::context(common)?;
    let format = format(args)?;
    files::refuse_unused(&args.raw, [args.file.as_path()])?;
    let store = files::open(&args.file, &args.access, &args.raw, Mode::Read, &context)?;
    let selection = files::selection(&args.selection, &store, &args.file)?;
    let bytes = selection.shape(store.spec().shape)?.dense_bytes(store.spec().dtype.item_size())?;
    context.begin("extract", bytes as u64);
    with_store!(&store, store => extract(&**store, &selection, format, args, &context))?;
    Ok(Outcome::Done)
}

/// As what to write: as said, else by the extension.
fn format(args: &ExtractArgs) -> Result<ExtractFormat> {
    if FileKind::of(&args.out) == FileKind::Npz {
        return Err(usage("a selection is written as .npy, .csv or text, not as .npz")
            .at(&args.out)
            .hint("write an .npy file and convert it: arraystore convert VALUES.npy VALUES.npz"));
    }
    let is_npy = FileKind::of(&args.out) == FileKind::Npy;
    if is_npy && args.format.is_some_and(|format| format != ExtractFormat::Npy) {
        return Err(usage("an .npy file holds no text: name the output otherwise").at(&args.out));
    }
    let is_csv = |extension: &OsStr| extension.eq_ignore_ascii_case("csv");
    Ok(args.format.unwrap_or_else(|| match args.out.extension() {
        _ if is_npy => ExtractFormat::Npy,
        Some(extension) if is_csv(extension) => ExtractFormat::Csv,
        _ => ExtractFormat::Text,
    }))
}

fn extract<T: AnyElement>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
    format: ExtractFormat,
    args: &ExtractArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let shape = selection.shape(store.spec().shape)?;
    if FileKind::of(&args.out) == FileKind::Npy {
        return extract_to_store(store, selection, shape, args, context);
    }
    let mut out = Output::open(&args.out, args.force.existing())?;
    let wrote = |result: std::io::Result<()>| match result {
        Err(error) if args.out != Path::new("-") => {
            Err(Error::io("write", error).at(&args.out).into())
        }
        // Told as what it is, so that a broken pipe is known.
        result => Ok(result?),
    };
    let separator = if format == ExtractFormat::Csv { b"," } else { b" " };
    if format == ExtractFormat::Npy {
        let header = npy::header_bytes(T::DTYPE, Order::C, &[shape.rows, shape.cols])?;
        wrote(out.write_all(&header))?;
    }
    for_each_part(store, selection, context, &mut |_, block| match format {
        ExtractFormat::Npy => wrote(write_binary(&mut out, block)),
        // Text takes long to make: a wish to stop is heard meanwhile.
        _ => block.axis_chunks_iter(Axis(0), TEXT_ROWS).try_for_each(|rows| {
            context.advance(0)?;
            wrote(write_rows(&mut out, rows, separator))
        }),
    })?;
    out.finish()
}

/// Into a file that is made as any store's: with its space set aside, durable, whole or not there.
fn extract_to_store<T: AnyElement>(
    store: &dyn ArrayStore<Elem = T>,
    selection: &Selection,
    shape: Shape,
    args: &ExtractArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let options = CreateOptions {
        io: Io::Positioned,
        existing: args.force.existing(),
        context: context.clone(),
        ..CreateOptions::new(shape, T::DTYPE)
    };
    let mut out = create::<T>(&args.out, &options).map_err(|error| error.at(&args.out))?;
    for_each_part(store, selection, context, &mut |top, block| {
        Ok(out.write(&Selection::rows(top..top + block.nrows()), block)?)
    })?;
    Ok(out.sync()?)
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
    // As many rows as a quarter of the budget holds: where rows are scattered, each part costs a pass.
    let part_bytes = (context.available_bytes() / 4).max(LEAST_PART_BYTES);
    let row_bytes = (cols * size_of::<T>()).max(1) as u64;
    let step = usize::try_from(part_bytes / row_bytes).unwrap_or(usize::MAX).clamp(1, rows.max(1));
    let _held = context.reserve(step as u64 * row_bytes)?;
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

/// The values as they lie in memory, row by row.
fn write_binary<T: Element>(
    out: &mut Output,
    block: ndarray::ArrayView2<'_, T>,
) -> std::io::Result<()> {
    for row in block.rows() {
        match row.as_slice() {
            Some(row) => out.write_all(bytemuck::cast_slice(row))?,
            None => row.iter().try_for_each(|value| out.write_all(bytemuck::bytes_of(value)))?,
        }
    }
    Ok(())
}
