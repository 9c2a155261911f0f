//! `info`: what a file holds, without reading its data.

use std::io::{self, Write};

use bytesize::ByteSize;
use serde_json::json;

use super::Outcome;
use super::args::{AccessArgs, InfoArgs};
use super::files;
use crate::store::{Chunking, Context, FileKind, Layout};
use crate::sys::Mode;

pub(super) fn run(args: &InfoArgs) -> anyhow::Result<Outcome> {
    files::refuse_unused(&args.raw, [args.file.as_path()])?;
    let access = AccessArgs::default();
    let store = files::open(&args.file, &access, &args.raw, Mode::Read, &Context::default())?;
    let (spec, stats) = (store.spec(), store.stats());
    let format = match FileKind::of(&args.file) {
        FileKind::Npy => "npy",
        FileKind::Npz => "npz",
        FileKind::Mtx => "mtx",
        FileKind::Hdf5 => "hdf5",
        FileKind::Raw => "raw",
    };
    let (backend, order, layout) = match spec.layout {
        Layout::Dense(_) if stats.chunks.is_some() => ("chunks".to_owned(), None, None),
        Layout::Dense(order) => ("memmap".to_owned(), Some(order.to_string()), None),
        Layout::Sparse(compression) => {
            (format!("sparse-{compression}"), None, Some(compression.to_string()))
        }
    };
    let is_sparse = layout.is_some();
    let cells = spec.shape.rows as f64 * spec.shape.cols as f64;
    // Of another format it is known what it states, not what that comes to.
    let is_counted = is_sparse && stats.read_from.is_none();
    let density = (is_counted && cells > 0.0).then(|| stats.stored as f64 / cells);
    let in_place = store.capabilities().mapped;
    let mut out = io::stdout().lock();
    if args.json {
        let mut document = json!({
            "path": args.file.display().to_string(),
            "format": format,
            "backend": backend,
            "shape": [spec.shape.rows, spec.shape.cols],
            "file_shape": spec.file_shape,
            "dtype": spec.dtype.name(),
            "order": order,
            "layout": layout,
            "read_from": stats.read_from,
            "nnz": is_counted.then_some(stats.stored),
            "stated": (is_sparse && !is_counted).then_some(stats.stored),
            "density": density,
            "bytes_on_disk": stats.bytes_on_disk,
            "ignored_bytes": stats.ignored_bytes,
            "in_place": in_place,
        });
        if let Some(Chunking { rows, cols, stored_bytes }) = stats.chunks {
            let chunks = json!({ "rows": rows, "columns": cols, "stored_bytes": stored_bytes });
            document["chunks"] = chunks;
        }
        writeln!(out, "{document:#}")?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "file     {}", args.file.display())?;
    writeln!(out, "format   {format}, opened by {backend}")?;
    write!(out, "shape    {}", spec.shape)?;
    if let Some(shape) = &spec.file_shape {
        let axes: Vec<_> = shape.iter().map(ToString::to_string).collect();
        write!(
            out,
            " (in the file {})",
            if axes.is_empty() { "a scalar".into() } else { axes.join("x") }
        )?;
    }
    writeln!(out)?;
    writeln!(out, "dtype    {}", spec.dtype)?;
    if let Some(order) = order {
        writeln!(out, "order    {order}")?;
    }
    if let Some(layout) = layout {
        match stats.read_from {
            Some(format) => writeln!(out, "layout   {format}, read as {layout}")?,
            None => writeln!(out, "layout   {layout}")?,
        }
        let word = if is_counted { "nnz   " } else { "states" };
        writeln!(out, "{word}   {}", stats.stored)?;
        if let Some(density) = density {
            writeln!(out, "density  {density:.6}")?;
        }
    }
    let size = ByteSize(stats.bytes_on_disk);
    writeln!(out, "on disk  {size} ({} bytes)", stats.bytes_on_disk)?;
    if stats.ignored_bytes > 0 {
        let why = if is_sparse {
            "indptr ends before the entries do"
        } else {
            "an append was not finished"
        };
        let bytes = stats.ignored_bytes;
        writeln!(out, "ignored  {why}; {bytes} bytes behind the data are ignored")?;
    }
    if let Some(Chunking { rows, cols, stored_bytes }) = stats.chunks {
        writeln!(out, "chunks   {rows}x{cols}, of which {stored_bytes} bytes are stored")?;
        writeln!(
            out,
            "in place no: chunks are decoded as they are read; convert makes a file used in place"
        )?;
    } else if stats.read_from.is_some() {
        writeln!(
            out,
            "in place no: all of it is read before the first value is used; convert makes a file used in place"
        )?;
    } else if !in_place {
        writeln!(
            out,
            "in place no: values are copied to a scratch file first; convert makes a file used in place"
        )?;
    }
    Ok(Outcome::Done)
}
