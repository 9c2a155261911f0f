//! Matrices kept in files: the trait, the three ways to keep them, and copying between them.
//!
//! Owns [`ArrayStore`] and its implementations, dense and sparse, the plans that they follow and the
//! [`Context`] that long operations run in. All bytes pass through [`crate::sys`] devices. Knows
//! nothing of workloads, measurements or the command line; prints and times nothing.

mod any;
mod append;
mod behind;
mod buffer;
#[cfg(feature = "hdf5")]
mod chunked;
mod context;
mod copy;
mod dense;
mod digest;
#[cfg_attr(not(feature = "hdf5"), path = "without_hdf5.rs")]
mod hdf5;
mod memory;
mod open;
mod pieces;
mod plan;
mod product;
mod reader;
mod shuffle;
mod sparse;
mod spec;
mod stage;
mod tile;
mod traits;
mod verify;

pub use crate::format::raw::RawLayout;
pub use any::{AnyElement, AnyStore};
pub(crate) use context::join;
pub use context::{Budget, Cancel, Context, Observer, Progress, Reservation};
pub(crate) use copy::visit_numbers;
pub use copy::{StoredZeros, copy, copy_any};
pub use dense::{DenseStore, MappedArray};
#[cfg(feature = "program")]
pub(crate) use digest::digest_block;
pub use memory::MemoryStore;
pub use open::{CreateOptions, FileKind, Io, OpenOptions, create, open};
pub use plan::{Access, Plan, Step, StepKind, TileOrder};
pub use product::Along;
#[cfg(feature = "program")]
pub(crate) use product::multiply_as_f64;
pub use shuffle::BatchVisitor;
pub use sparse::{SparseStore, SparseView};
pub use spec::{Capabilities, Chunking, Extents, GrowthAxis, Layout, Spec, Stats};
pub use tile::{Compressed, Entries, Indices, OwnedIndices, Tile, Values};
pub use traits::{ArrayStore, ArrayStoreExt, ColumnSource, ColumnWriter, TileWriter};
pub use verify::{Difference, compare};

use crate::array::Shape;
use crate::error::{Error, ErrorKind, Result};

/// Checks that a buffer has the shape that an operation needs.
pub(crate) fn check_shape(has: (usize, usize), needs: (usize, usize)) -> Result<()> {
    if has == needs {
        return Ok(());
    }
    let (has, needs) = (Shape::new(has.0, has.1), Shape::new(needs.0, needs.1));
    Err(Error::new(
        ErrorKind::ShapeMismatch,
        "check shape",
        format!("the values are {has} where {needs} is needed"),
    ))
}

/// Checks that a group of whole columns from `first` on fits a matrix of `shape`.
pub(crate) fn check_columns(shape: Shape, first: usize, dim: (usize, usize)) -> Result<()> {
    check_shape(dim, (shape.rows, dim.1))?;
    match first.checked_add(dim.1) {
        Some(end) if end <= shape.cols => Ok(()),
        _ => Err(Error::new(
            ErrorKind::OutOfBounds,
            "write columns",
            format!("{} columns from {first} on do not fit in {} columns", dim.1, shape.cols),
        )),
    }
}

fn shape_error(source: ndarray::ShapeError) -> Error {
    Error::new(ErrorKind::ShapeMismatch, "shape", "").caused_by(source)
}
