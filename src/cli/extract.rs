//! `extract`: rows × columns of a file, as `.npy`, `.csv` or text.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use ndarray::Axis;

use super::args::{Common, ExtractArgs, ExtractFormat};
use super::output::Output;
use super::parts::for_each_part;
use super::{Outcome, files, progress, text, usage};
use crate::array::{Element, Order, Selection, Shape};
use crate::error::{Error, Result};
use crate::format::npy;
use crate::store::{AnyElement, ArrayStore, Context, CreateOptions, FileKind, Io, create};
use crate::sys::Mode;
use crate::with_store;

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

/// Whether the output is a file that a store keeps.
fn is_array(out: &Path) -> bool {
    matches!(FileKind::of(out), FileKind::Npy | FileKind::Hdf5)
}

/// As what to write: as said, else by the extension.
fn format(args: &ExtractArgs) -> Result<ExtractFormat> {
    if let FileKind::Npz | FileKind::Mtx = FileKind::of(&args.out) {
        return Err(usage("a selection is written as .npy, .csv or text, not as .npz or .mtx")
            .at(&args.out)
            .hint("write an .npy file and convert it: arraystore convert VALUES.npy VALUES.npz"));
    }
    let is_npy = is_array(&args.out);
    if is_npy && args.format.is_some_and(|format| format != ExtractFormat::Npy) {
        return Err(usage("an array file holds no text: name the output otherwise").at(&args.out));
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
    if is_array(&args.out) {
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
