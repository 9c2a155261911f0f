//! Opening the files that arguments name.

use std::path::Path;

use super::args::{AccessArgs, RawArgs};
use super::usage;
use crate::array::Selection;
use crate::error::Result;
use crate::store::{AnyStore, Context, FileKind};
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
    let store = AnyStore::open(path, &access.options(layout, mode, context))?;
    if let Some(backend) = access.backend.filter(|backend| !backend.keeps(store.spec().layout)) {
        let name = clap::ValueEnum::to_possible_value(&backend);
        let name = name.map_or_else(String::new, |value| value.get_name().to_owned());
        return Err(usage(format!(
            "is {}: backend {name} does not keep such files",
            store.spec().layout
        ))
        .at(path)
        .hint("convert it first, or leave --backend out"));
    }
    Ok(store)
}

/// The selection that the arguments name in a matrix of this shape.
pub(super) fn selection(
    arguments: &super::args::SelectionArgs,
    shape: crate::array::Shape,
) -> Result<Selection> {
    let mut selection = Selection::all();
    if let Some(rows) = &arguments.rows {
        selection.rows = rows.resolve(shape.rows)?;
    }
    if let Some(columns) = &arguments.columns {
        selection.cols = columns.resolve(shape.cols)?;
    }
    Ok(selection)
}
