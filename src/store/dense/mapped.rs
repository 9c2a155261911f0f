//! An array that owns its map: views without `unsafe`, for as long as any clone lives.

use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayView2, ShapeBuilder};

use crate::array::{DType, Element, Order, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::hdf5::Location;
use crate::format::raw::RawLayout;
use crate::format::{ByteOrder, DenseLayout};
use crate::store::hdf5;
use crate::store::open::dense_layout;
use crate::sys::{Device, DiskMedium, LockPolicy, Medium, Mode};

/// A dense matrix mapped for reading, as an ndarray view.
///
/// Clones share one map, which is kept until the last of them is dropped. The map holds the file's
/// reader lock: no store of this crate writes to the file meanwhile. A program that does not take
/// locks could; what its writes would do to a view is the one thing this type cannot guard against.
///
/// ```
/// # use arraystore::store::{ArrayStore, ArrayStoreExt, CreateOptions, MappedArray, create};
/// # use arraystore::array::{DType, Shape};
/// # let folder = tempfile::tempdir().expect("a folder for the example");
/// # let path = folder.path().join("a.npy");
/// # let mut store = create::<f32>(&path, &CreateOptions::new(Shape::new(3, 2), DType::F32))?;
/// # store.write_column(1, ndarray::arr1(&[1.0, 2.0, 3.0]).view())?;
/// # store.sync()?;
/// # drop(store);
/// let array = MappedArray::<f32>::open(&path)?;
/// assert_eq!(array.view().column(1).sum(), 6.0);
/// # Ok::<(), arraystore::Error>(())
/// ```
#[derive(Debug)]
pub struct MappedArray<T> {
    device: Arc<dyn Device>,
    layout: DenseLayout,
    element: std::marker::PhantomData<T>,
}

impl<T> Clone for MappedArray<T> {
    fn clone(&self) -> Self {
        Self {
            device: Arc::clone(&self.device),
            layout: self.layout.clone(),
            element: self.element,
        }
    }
}

impl<T: Element> MappedArray<T> {
    /// Maps the `.npy` file at `path`, or the contiguous dataset of an HDF5 file: `run.h5:/group/data`.
    ///
    /// # Errors
    /// Where the file cannot be opened or is locked by a writer, holds another element type, is of the
    /// other byte order, or holds its data unaligned. Booleans are refused: they would have to be
    /// checked first.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path.as_ref(), None)
    }

    /// Maps the headerless file at `path`.
    ///
    /// # Errors
    /// As [`MappedArray::open`].
    pub fn open_raw(path: impl AsRef<Path>, raw: &RawLayout) -> Result<Self> {
        Self::open_as(path.as_ref(), Some(raw))
    }

    fn open_as(path: &Path, raw: Option<&RawLayout>) -> Result<Self> {
        let medium = DiskMedium::mapped();
        let (device, layout) = match Location::of(path) {
            Some(location) => hdf5::contiguous(&location, &medium)?,
            None => {
                let device = medium.open(path, Mode::Read, LockPolicy::Enforce)?;
                let layout = dense_layout(&*device, raw)?;
                (device, layout)
            }
        };
        let refuse = |kind, reason: String| Err(Error::new(kind, "map", reason).at(path));
        if layout.dtype != T::DTYPE {
            let reason = format!("holds {}, not {}", layout.dtype, T::DTYPE);
            return refuse(ErrorKind::DtypeMismatch, reason);
        }
        if layout.byte_order == ByteOrder::Swapped {
            let reason = "is of the other byte order: it can be read, not viewed in place";
            return refuse(ErrorKind::Unsupported, reason.into());
        }
        if layout.dtype == DType::Bool {
            let reason = "holds booleans, which are checked as they are read: open it as a store";
            return refuse(ErrorKind::Unsupported, reason.into());
        }
        if layout.data_offset % align_of::<T>() as u64 != 0 {
            let reason =
                format!("data begin at byte {}, unaligned for {}", layout.data_offset, T::DTYPE);
            return refuse(ErrorKind::Unsupported, reason);
        }
        Ok(Self { device: Arc::from(device), layout, element: std::marker::PhantomData })
    }

    /// Rows and columns.
    pub fn shape(&self) -> Shape {
        self.layout.shape
    }

    /// The matrix, in place. Constant time; nothing is read until it is touched.
    pub fn view(&self) -> ArrayView2<'_, T> {
        let Shape { rows, cols } = self.layout.shape;
        let start = self.layout.data_offset;
        let end = start + (rows * cols * size_of::<T>()) as u64;
        let bytes =
            self.device.borrow(start..end).expect("a map opened for reading lends its bytes");
        let values = bytemuck::cast_slice(bytes);
        let view = match self.layout.order {
            Order::C => ArrayView2::from_shape((rows, cols), values),
            Order::Fortran => ArrayView2::from_shape((rows, cols).f(), values),
        };
        view.expect("opening checked the length against the shape")
    }
}
