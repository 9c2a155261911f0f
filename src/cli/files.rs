//! Opening the files that arguments name.

use std::path::Path;

use super::args::{AccessArgs, RawArgs, SelectionArgs};
use super::usage;
use crate::array::{Axis, AxisExpr, Order, Selection};
use crate::error::{Error, Result};
use crate::store::{AnyStore, Context, FileKind, Layout};
use crate::sys::Mode;

/// Opens `path` as the arguments say.
pub(super) fn open(
    path: &Path,
    access: &AccessArgs,
    raw: &RawArgs,
    mode: Mode,
    context: &Context,
) -> Result<AnyStore> {
    let layout = raw.layout().filter(|_| FileKind::of(path) == FileKind::Raw);
    if layout.is_none() && FileKind::of(path) == FileKind::Raw && path.is_file() {
        let needed = match (raw.shape, raw.dtype) {
            (None, Some(_)) => "--shape",
            (Some(_), None) => "--dtype",
            _ => "--shape and --dtype",
        };
        return Err(usage(format!("a file without a header needs {needed}"))
            .at(path)
            .hint("such as --shape 1000000x100 --dtype f32; also --order f and --offset BYTES"));
    }
    let store = AnyStore::open(path, &access.options(layout, mode, context))?;
    if let Some(backend) = access.backend.filter(|backend| !backend.keeps(store.spec().layout)) {
        let name = clap::ValueEnum::to_possible_value(&backend);
        let name = name.map_or_else(String::new, |value| value.get_name().to_owned());
        return Err(usage(format!(
            "is {}: backend {name} does not keep such files",
            match store.spec().layout {
                Layout::Dense(Order::C) => "dense, in C order".to_owned(),
                Layout::Dense(Order::Fortran) => "dense, in Fortran order".to_owned(),
                Layout::Sparse(compression) => compression.to_string(),
            }
        ))
        .at(path)
        .hint("convert it first, or leave --backend out"));
    }
    Ok(store)
}

/// Refuses what describes a file without a header where every file has one.
pub(super) fn refuse_unused<'p>(
    raw: &RawArgs,
    paths: impl IntoIterator<Item = &'p Path>,
) -> Result<()> {
    let is_given = raw.shape.is_some() || raw.dtype.is_some() || raw.order.is_some();
    let mut paths = paths.into_iter().peekable();
    let Some(&first) = paths.peek() else { return Ok(()) };
    if (is_given || raw.offset > 0) && paths.all(|path| FileKind::of(path) != FileKind::Raw) {
        let reason = "has a header of its own: --shape, --dtype, --order and --offset do not apply";
        return Err(usage(reason).at(first));
    }
    Ok(())
}

/// The selection that the arguments name in the matrix of `store`, which is the file at `path`.
pub(super) fn selection(
    arguments: &SelectionArgs,
    store: &AnyStore,
    path: &Path,
) -> Result<Selection> {
    let shape = store.spec().shape;
    let axis = |name: &str, expression: &Option<AxisExpr>, len: usize| match expression {
        None => Ok(Axis::All),
        Some(expression) => expression.resolve(len).map_err(|error| {
            Error::new(error.kind(), "select", format!("{name}: {error}")).at(path)
        }),
    };
    Ok(Selection {
        rows: axis("--rows", &arguments.rows, shape.rows)?,
        cols: axis("--columns", &arguments.columns, shape.cols)?,
    })
}
