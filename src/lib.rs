//! Matrices larger than memory behind one trait, kept in three ways: memory-mapped dense, positioned-read
//! dense, and compressed sparse.
//!
//! [`store::create`] and [`store::open`] give a [`store::ArrayStore`], whatever the file: `.npy` and headerless
//! files are dense and reached by a map or by positioned calls, `.npz` files are sparse, as SciPy saves
//! them. Everything that long operations need, the memory budget first, is in a [`store::Context`].
//!
//! ```
//! use arraystore::array::{DType, Shape};
//! use arraystore::store::{
//!     ArrayStore, ArrayStoreExt, Context, CreateOptions, Io, OpenOptions, create, open,
//! };
//!
//! # fn main() -> arraystore::Result<()> {
//! # let folder = tempfile::tempdir().expect("a folder for the example");
//! # let path = folder.path().join("random.npy");
//! // A million rows would do as well: columns are staged within the budget and turned into rows at the end.
//! let options = CreateOptions::new(Shape::new(1000, 100), DType::F32);
//! let mut store = create::<f32>(&path, &options)?;
//! store.fill_columns(&Context::default(), &mut |column, values| {
//!     values.fill(column as f32);
//!     Ok(())
//! })?;
//! store.sync()?; // now, and not before, the file stands under its name, whole and durable
//! let kept = store.column(99)?;
//! drop(store);
//!
//! // The same file by positioned reads instead of a map.
//! let store = open::<f32>(&path, &OpenOptions { io: Io::Positioned, ..OpenOptions::default() })?;
//! assert_eq!(store.column(99)?, kept);
//! # Ok(())
//! # }
//! ```
//!
//! Where the element type is known only at run time, [`store::AnyStore`] opens the file. Where an ndarray view
//! is wanted, [`store::MappedArray`] owns its map and gives one without `unsafe`. Files are turned into
//! one another by [`convert::convert`].
//!
//! The feature `program`, on by default, adds the command line, the workloads and the bench harness.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

#[cfg(target_endian = "big")]
compile_error!(
    "arraystore maps little-endian files in place and supports little-endian machines only"
);

pub mod array;
pub mod convert;
pub mod error;
pub mod format;
pub mod store;
pub mod sys;

#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod harness;
#[cfg(feature = "program")]
pub mod measure;
#[cfg(feature = "program")]
pub mod record;
#[cfg(feature = "program")]
pub mod report;
#[cfg(feature = "program")]
pub mod workload;

pub use error::{Error, ErrorKind, Result};

/// The README's example is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
