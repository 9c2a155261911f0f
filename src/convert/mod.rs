//! File → file out of core: order, dense ↔ sparse, element type, format.
//!
//! A thin layer on copying from store to store: decides what the output is to be, creates it, and
//! publishes it whole. Formats that are written from front to back and kept by no store, coordinates and Matrix
//! Market, are `listing`'s.

mod listing;

use std::fmt;
use std::path::Path;

use self::listing::Listing;
use crate::array::{Compression, DType, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    AnyStore, Context, CreateOptions, FileKind, Io, Layout, OpenOptions, Spec, StoredZeros,
    copy_any,
};
use crate::sys::Existing;

/// How a sparse output keeps its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SparseLayout {
    /// Compressed: along rows or columns.
    Compressed(Compression),
    /// One by one, with row and column: SciPy's COO.
    Coo,
}

/// `csr`, `csc` or `coo`.
impl fmt::Display for SparseLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed(compression) => compression.fmt(f),
            Self::Coo => f.write_str("coo"),
        }
    }
}

/// What the output is to be; what is not said stays as in the input, as far as the format allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Target {
    /// The order of a dense output.
    pub order: Option<Order>,
    /// The layout of a sparse output.
    pub layout: Option<SparseLayout>,
    /// The element type.
    pub dtype: Option<DType>,
    /// What becomes of zeros among the entries of a sparse input.
    pub zeros: StoredZeros,
    /// What to do where the output exists.
    pub existing: Existing,
}

/// What was converted.
#[derive(Debug, Clone)]
pub struct Converted {
    /// What the input is.
    pub from: Spec,
    /// What the output became.
    pub to: Spec,
}

impl Converted {
    /// The axes of an N-D input where the output has only the rows and columns that it was read as: a file in the
    /// other order, a sparse file or one without a header cannot tell of them.
    pub fn lost_axes(&self) -> Option<&[usize]> {
        let axes = self.from.file_shape.as_deref().filter(|axes| axes.len() > 2)?;
        self.to.file_shape.is_none().then_some(axes)
    }
}

/// Converts the file `input` to the file `output`, which appears under its name when it is whole and
/// durable.
///
/// # Errors
/// Where the input cannot be read, the target does not fit the output's extension, the output exists and
/// is not to be replaced, no space is left, or the context is cancelled. Then no output appears.
pub fn convert(
    input: &Path,
    output: &Path,
    target: Target,
    options: &OpenOptions,
    context: &Context,
) -> Result<Converted> {
    let from = AnyStore::open(input, options)?;
    let spec = from.spec();
    let dtype = target.dtype.unwrap_or(spec.dtype);
    let layout = match output_format(output, target, spec.layout)? {
        Format::Store(layout) => layout,
        Format::Listing(listing) => {
            context.begin("convert", from.stats().stored);
            listing::write(
                &from,
                listing,
                (dtype, target.zeros),
                (output, target.existing),
                context,
            )?;
            let to = Spec { dtype, file_shape: None, ..spec.clone() };
            return Ok(Converted { from: from.spec().clone(), to });
        }
    };
    // An N-D file keeps its shape where the order, and so the view of it as a matrix, stays the same.
    let one_dimensional = spec.file_shape.as_ref().is_some_and(|shape| shape.len() < 2);
    let file_shape = spec.file_shape.clone().filter(|_| layout == spec.layout || one_dimensional);
    let create = CreateOptions {
        shape: spec.shape,
        dtype,
        layout,
        io: Io::Positioned,
        existing: target.existing,
        file_shape,
        context: context.clone(),
    };
    let mut to = AnyStore::create(output, &create)?;
    context.begin("convert", spec.shape.dense_bytes(create.dtype.item_size())? as u64);
    copy_any(&from, &mut to, target.zeros, context)?;
    to.sync()?;
    Ok(Converted { from: from.spec().clone(), to: to.spec().clone() })
}

/// What an output is.
enum Format {
    /// What a store keeps.
    Store(Layout),
    /// What is written from front to back.
    Listing(Listing),
}

/// Why no zeros are left out of what is dense.
const NO_ENTRIES: &str = "a dense file holds every cell: there are no zeros to leave out";

/// What the output is: what is asked for, else what keeps rows or columns together as the input does.
fn output_format(output: &Path, target: Target, input: Layout) -> Result<Format> {
    let misfit = |reason: &'static str| {
        Err(Error::new(ErrorKind::InvalidArgument, "convert", reason).at(output))
    };
    match FileKind::of(output) {
        FileKind::Npz => {
            if target.order.is_some() {
                return misfit(
                    "an .npz file is sparse: it has a layout (csr, csc, coo), not an order",
                );
            }
            let natural = if input.is_columnar() { Compression::Csc } else { Compression::Csr };
            Ok(match target.layout.unwrap_or(SparseLayout::Compressed(natural)) {
                SparseLayout::Compressed(compression) => Format::Store(Layout::Sparse(compression)),
                SparseLayout::Coo => Format::Listing(Listing::Coo),
            })
        }
        FileKind::Mtx => {
            if target.order.is_some() || target.layout.is_some() {
                return misfit("a Matrix Market file has neither an order nor a layout");
            }
            Ok(Format::Listing(match input {
                Layout::Sparse(_) => Listing::MarketCoordinate,
                Layout::Dense(_) if target.zeros == StoredZeros::Dropped => {
                    return misfit(NO_ENTRIES);
                }
                Layout::Dense(_) => Listing::MarketArray,
            }))
        }
        kind @ (FileKind::Npy | FileKind::Raw | FileKind::Hdf5) => {
            if target.layout.is_some() {
                return misfit(
                    "a dense file has an order (c, f), not a layout; sparse files end in .npz",
                );
            }
            if target.zeros == StoredZeros::Dropped {
                return misfit(NO_ENTRIES);
            }
            if kind == FileKind::Hdf5 {
                return match target.order {
                    Some(Order::Fortran) => {
                        misfit("HDF5 keeps rows together: it has no other order")
                    }
                    Some(Order::C) | None => Ok(Format::Store(Layout::Dense(Order::C))),
                };
            }
            let natural = if input.is_columnar() { Order::Fortran } else { Order::C };
            Ok(Format::Store(Layout::Dense(target.order.unwrap_or(natural))))
        }
    }
}
