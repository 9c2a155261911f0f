//! The compiled half of the Python package: opens files and moves bytes between them and NumPy arrays.
//!
//! Everything here speaks of rows and columns, as the library does. What NumPy's indices mean, N-D shapes, pickling and
//! Dask are the Python half's (`arraystore/`). No `unsafe`: memory that Python sees is NumPy's own or was given to it.

#![forbid(unsafe_code)]

mod cells;
mod errors;
mod files;
mod fill;
mod handle;
mod numbers;
mod plans;
mod selection;
mod store;
mod streams;

/// The compiled half of arraystore: use the package.
#[pyo3::pymodule]
mod _arraystore {
    #[pymodule_export]
    use crate::errors::panic_for_test;
    #[pymodule_export]
    use crate::files::{convert_file, run, verify_files};
    #[pymodule_export]
    use crate::handle::forked;
    #[pymodule_export]
    use crate::store::Store;
    #[pymodule_export]
    use crate::streams::Stream;
}
