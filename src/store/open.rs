//! Opening and creating files as stores: by extension, then by what the file says of itself.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::dense::DenseStore;
use super::hdf5;
use super::reader::DeviceReader;
use super::sparse::{SparseFile, SparseStore};
use super::{AnyElement, AnyStore, ArrayStore, Context, Layout};
use crate::array::{DType, Order, Shape, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::format::hdf5::Location;
use crate::format::raw::RawLayout;
use crate::format::{DenseLayout, npy};
use crate::sys::{Device, DiskMedium, Existing, LockPolicy, Medium, Mode};

/// How a file's bytes are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Io {
    /// By a memory map.
    Mapped,
    /// By positioned reads and writes.
    Positioned,
}

impl Io {
    /// The disk, reached this way.
    pub fn medium(self) -> Arc<dyn Medium> {
        match self {
            Self::Mapped => Arc::new(DiskMedium::mapped()),
            Self::Positioned => Arc::new(DiskMedium::positioned()),
        }
    }
}

/// What a file is, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// `.npy`: dense, with a header.
    Npy,
    /// `.npz`: sparse, as SciPy saves it.
    Npz,
    /// `.mtx`: Matrix Market, in text.
    Mtx,
    /// `.h5`, `.hdf5`, `.he5`, `.nc`, and a dataset in one, `run.h5:/group/data`: HDF5.
    Hdf5,
    /// Anything else: dense, without a header.
    Raw,
}

impl FileKind {
    /// The kind of the file at `path`.
    pub fn of(path: &Path) -> Self {
        if Location::of(path).is_some() {
            return Self::Hdf5;
        }
        match path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase).as_deref() {
            Some("npy") => Self::Npy,
            Some("npz") => Self::Npz,
            Some("mtx") => Self::Mtx,
            _ => Self::Raw,
        }
    }
}

/// How to open a file.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Reading, writing in place, or writing to memory only.
    pub mode: Mode,
    /// How bytes are reached: mapped where nothing else is said.
    pub io: Io,
    /// Whether locks are taken.
    pub lock: LockPolicy,
    /// What a headerless file holds.
    pub raw: Option<RawLayout>,
    /// The budget and threads of reads and writes that are not handed a context of their own.
    pub context: Context,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Read,
            io: Io::Mapped,
            lock: LockPolicy::Enforce,
            raw: None,
            context: Context::default(),
        }
    }
}

impl OpenOptions {
    /// For reading and writing.
    pub fn read_write() -> Self {
        Self { mode: Mode::ReadWrite, ..Self::default() }
    }
}

/// What file to create.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// Rows and columns.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// Dense in an order, or sparse in a compression. Must fit the extension: sparse for `.npz` only.
    pub layout: Layout,
    /// How bytes are reached.
    pub io: Io,
    /// What to do where the name is taken.
    pub existing: Existing,
    /// The shape that a `.npy` file states, where it is not two-dimensional: an N-D shape that is seen as
    /// `shape` in this layout.
    pub file_shape: Option<Vec<usize>>,
    /// As [`OpenOptions::context`].
    pub context: Context,
}

impl CreateOptions {
    /// A C-order matrix, mapped, refused where the file exists.
    pub fn new(shape: Shape, dtype: DType) -> Self {
        Self {
            shape,
            dtype,
            layout: Layout::Dense(Order::C),
            io: Io::Mapped,
            existing: Existing::Refuse,
            file_shape: None,
            context: Context::default(),
        }
    }

    /// The same in another layout.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }
}

impl AnyStore {
    /// Opens the file at `path`, whatever its element type.
    ///
    /// # Errors
    /// Where it cannot be opened, is locked, is not what its extension says, or is headerless and
    /// `options.raw` does not say what it holds.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self> {
        Self::open_on(options.io.medium(), path.as_ref(), options)
    }

    /// Opens the file at `path` of `medium`.
    ///
    /// # Errors
    /// As [`AnyStore::open`].
    pub fn open_on(medium: Arc<dyn Medium>, path: &Path, options: &OpenOptions) -> Result<Self> {
        if let Some(location) = Location::of(path) {
            return hdf5::open(&location, medium, options);
        }
        let OpenOptions { mode, lock, raw, context, .. } = options;
        let device = medium.open(path, *mode, *lock)?;
        if let kind @ (FileKind::Npz | FileKind::Mtx) = FileKind::of(path) {
            let file = SparseFile::read(&*device, kind == FileKind::Mtx)?;
            return dispatch!(file.dtype(), T => Ok(T::into_any(Box::new(
                SparseStore::<T>::from_file(device, file, medium, *mode, context)?
            ))));
        }
        let layout = dense_layout(&*device, raw.as_ref())?;
        dispatch!(layout.dtype, T => Ok(T::into_any(Box::new(
            DenseStore::<T>::new(device, medium, *mode, layout, context).map_err(|error| error.at(path))?
        ))))
    }

    /// Creates a file of zeros, which appears under `path` at the first sync.
    ///
    /// # Errors
    /// Where the layout does not fit the extension, the file exists and `options.existing` refuses
    /// that, or no space is left.
    pub fn create(path: impl AsRef<Path>, options: &CreateOptions) -> Result<Self> {
        Self::create_on(options.io.medium(), path.as_ref(), options)
    }

    /// Creates a file of zeros on `medium`.
    ///
    /// # Errors
    /// As [`AnyStore::create`].
    pub fn create_on(
        medium: Arc<dyn Medium>,
        path: &Path,
        options: &CreateOptions,
    ) -> Result<Self> {
        let CreateOptions { shape, existing, context, .. } = options;
        dispatch!(options.dtype, T => Ok(T::into_any(match (FileKind::of(path), options.layout) {
            (FileKind::Npy, Layout::Dense(order)) => {
                let file_shape = options.file_shape.clone();
                Box::new(DenseStore::<T>::create_npy(medium, path, *shape, order, file_shape, *existing, context)?)
            }
            (FileKind::Raw, Layout::Dense(order)) => {
                Box::new(DenseStore::<T>::create_raw(medium, path, *shape, order, *existing, context)?)
            }
            (FileKind::Hdf5, Layout::Dense(Order::C)) => {
                hdf5::create::<T>(medium, path, options)?
            }
            (FileKind::Npz, Layout::Sparse(compression)) => {
                Box::new(SparseStore::<T>::create(medium, path, *shape, compression, *existing, context)?)
            }
            (FileKind::Mtx, _) => return Err(Error::new(
                ErrorKind::Unsupported,
                "create",
                "a Matrix Market file is text, and not written in place",
            )
            .at(path)
            .hint("create a .npz or .npy file and convert that")),
            (_, layout) => return Err(Error::new(
                ErrorKind::InvalidArgument,
                "create",
                format!("layout {layout} does not fit the extension"),
            )
            .at(path)
            .hint("sparse matrices (csr, csc) are kept in .npz files, dense ones (c, f) in .npy or raw files, or (c) in .h5")),
        })))
    }
}

/// Opens the file at `path`, whose elements must be of type `T`.
///
/// # Errors
/// As [`AnyStore::open`], and [`ErrorKind::DtypeMismatch`].
pub fn open<T: AnyElement>(
    path: impl AsRef<Path>,
    options: &OpenOptions,
) -> Result<Box<dyn ArrayStore<Elem = T>>> {
    let path = path.as_ref();
    T::from_any(AnyStore::open(path, options)?).map_err(|error| error.at(path))
}

/// Creates a file of zeros of type `T`, which appears under `path` at the first sync.
///
/// # Errors
/// As [`AnyStore::create`], and [`ErrorKind::DtypeMismatch`] where `options` names another type.
pub fn create<T: AnyElement>(
    path: impl AsRef<Path>,
    options: &CreateOptions,
) -> Result<Box<dyn ArrayStore<Elem = T>>> {
    if options.dtype != T::DTYPE {
        return Err(Error::new(
            ErrorKind::DtypeMismatch,
            "create",
            format!("a file of {} cannot be used as {}", options.dtype, T::DTYPE),
        ));
    }
    T::from_any(AnyStore::create(path, options)?)
}

/// What the dense file on `device` holds: its header's word, or `raw` for a file without one.
pub(super) fn dense_layout(device: &dyn Device, raw: Option<&RawLayout>) -> Result<DenseLayout> {
    let at = |error: Error| match device.path() {
        Some(path) => error.at(path),
        None => error,
    };
    let is_npy = device.path().is_some_and(|path| FileKind::of(path) == FileKind::Npy);
    match raw {
        Some(raw) => raw.check(device.len()).map_err(at),
        None if is_npy => {
            let header = npy::read_header(&mut DeviceReader::new(device)).map_err(at)?;
            DenseLayout::from_npy(&header, device.len()).map_err(at)
        }
        None => Err(at(Error::new(
            ErrorKind::InvalidArgument,
            "open",
            "a file without a header needs its shape and dtype",
        )
        .hint("give --shape ROWSxCOLS and --dtype (and --order, --offset)"))),
    }
}
