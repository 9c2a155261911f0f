//! Datasets of HDF5 files as stores: a contiguous one is a dense file whose elements begin somewhere, used in place; one in chunks is
//! read chunk by chunk.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::chunked::ChunkedStore;
use super::dense::DenseStore;
use super::{AnyElement, AnyStore, ArrayStore, CreateOptions, OpenOptions};
use crate::array::{Order, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::format::hdf5::{
    Dataset, Location, Source, SourceError, Storage, header_bytes, read_dataset,
};
use crate::format::{ByteOrder, DenseLayout, StatedBy, matrix_shape};
use crate::sys::{Device, LockPolicy, Medium, Mode};

/// What a new file's dataset is called where its path does not say.
const USUAL_NAME: &str = "/data";

/// Opens the dataset at `location`.
pub(super) fn open(
    location: &Location,
    medium: Arc<dyn Medium>,
    options: &OpenOptions,
) -> Result<AnyStore> {
    let OpenOptions { mode, lock, context, .. } = options;
    let device = medium.open(&location.file, *mode, *lock)?;
    let at = |error: Error| error.at(&location.file);
    let (device, dataset) = read(device, location.dataset.as_deref()).map_err(at)?;
    dispatch!(dataset.dtype, T => Ok(T::into_any(match &dataset.storage {
        Storage::Contiguous { address } => {
            let layout = layout(&dataset, *address).map_err(at)?;
            Box::new(DenseStore::<T>::new(device, medium, *mode, layout, context).map_err(at)?)
        }
        Storage::Chunked(chunks) => {
            let chunks = chunks.clone();
            Box::new(ChunkedStore::<T>::new(device, medium, *mode, &dataset, chunks, context).map_err(at)?)
        }
    })))
}

/// The contiguous dataset at `location`, opened for reading.
pub(super) fn contiguous(
    location: &Location,
    medium: &dyn Medium,
) -> Result<(Box<dyn Device>, DenseLayout)> {
    let device = medium.open(&location.file, Mode::Read, LockPolicy::Enforce)?;
    let at = |error: Error| error.at(&location.file);
    let (device, dataset) = read(device, location.dataset.as_deref()).map_err(at)?;
    match dataset.storage {
        Storage::Contiguous { address } => Ok((device, layout(&dataset, address).map_err(at)?)),
        Storage::Chunked(_) => {
            let reason = "keeps the dataset in chunks: it can be read, not viewed in place";
            Err(at(Error::new(ErrorKind::Unsupported, "map", reason)))
        }
    }
}

/// Creates a file with one contiguous dataset of zeros, which appears at its first sync.
pub(super) fn create<T: AnyElement>(
    medium: Arc<dyn Medium>,
    path: &Path,
    options: &CreateOptions,
) -> Result<Box<dyn ArrayStore<Elem = T>>> {
    let location = Location::of(path).expect("the caller looked at the extension");
    let CreateOptions { shape, existing, context, file_shape, .. } = options;
    let axes = file_shape.clone().unwrap_or_else(|| vec![shape.rows, shape.cols]);
    let seen = matrix_shape(&axes, Order::C)?;
    super::check_shape((seen.rows, seen.cols), (shape.rows, shape.cols))?;
    let name = location.dataset.as_deref().unwrap_or(USUAL_NAME);
    let header = header_bytes(T::DTYPE, &axes, name).map_err(|error| error.at(&location.file))?;
    let layout = DenseLayout {
        dtype: T::DTYPE,
        shape: *shape,
        file_shape: file_shape.clone(),
        order: Order::C,
        byte_order: ByteOrder::Native,
        data_offset: header.len() as u64,
        stated_by: StatedBy::Container,
    };
    let store =
        DenseStore::<T>::create(medium, &location.file, &header, layout, *existing, context)?;
    Ok(Box::new(store))
}

/// A contiguous dataset as a dense file.
fn layout(dataset: &Dataset, address: u64) -> Result<DenseLayout> {
    Ok(DenseLayout {
        dtype: dataset.dtype,
        shape: matrix_shape(&dataset.shape, Order::C)?,
        file_shape: (dataset.shape.len() != 2).then(|| dataset.shape.clone()),
        order: Order::C,
        byte_order: dataset.byte_order,
        data_offset: address,
        stated_by: StatedBy::Container,
    })
}

/// What the file on `device` says of the dataset `name`.
fn read(device: Box<dyn Device>, name: Option<&str>) -> Result<(Box<dyn Device>, Dataset)> {
    let lent = Arc::new(Lent { device, failure: Mutex::new(None) });
    let found = read_dataset(Shared(Arc::clone(&lent)), name);
    let lent = Arc::into_inner(lent).expect("what was read keeps nothing of the file");
    let failure = lent.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (failure, found) {
        (Some(failure), Err(_)) => Err(failure),
        (_, found) => Ok((lent.device, found?)),
    }
}

/// A device that is lent to the library that reads metadata.
#[derive(Debug)]
struct Lent {
    device: Box<dyn Device>,
    /// The device's own word on what went wrong: the library passes on no more than its text.
    failure: Mutex<Option<Error>>,
}

#[derive(Debug)]
struct Shared(Arc<Lent>);

impl Source for Shared {
    fn len(&self) -> u64 {
        self.0.device.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        self.0.device.read_into(offset, out).map_err(|error| {
            let told = SourceError::Source(error.to_string());
            self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            told
        })
    }
}
