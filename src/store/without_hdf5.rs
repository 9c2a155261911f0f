//! HDF5 files where this was built without them: one answer to all.

use std::path::Path;
use std::sync::Arc;

use super::{AnyElement, AnyStore, ArrayStore, CreateOptions, OpenOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::format::DenseLayout;
use crate::format::hdf5::Location;
use crate::sys::{Device, Medium};

fn lacking<R>(operation: &'static str, path: &Path) -> Result<R> {
    Err(Error::new(ErrorKind::Unsupported, operation, "HDF5: this build lacks the feature hdf5")
        .at(path)
        .hint("build it with --features hdf5"))
}

pub(super) fn open(
    location: &Location,
    _medium: Arc<dyn Medium>,
    _options: &OpenOptions,
) -> Result<AnyStore> {
    lacking("open", &location.file)
}

pub(super) fn contiguous(
    location: &Location,
    _medium: &dyn Medium,
) -> Result<(Box<dyn Device>, DenseLayout)> {
    lacking("map", &location.file)
}

pub(super) fn create<T: AnyElement>(
    _medium: Arc<dyn Medium>,
    path: &Path,
    _options: &CreateOptions,
) -> Result<Box<dyn ArrayStore<Elem = T>>> {
    lacking("create", path)
}
