//! A file as rows and columns: what it is, and reading and writing selections of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use arraystore::array::{DType, IndexWidth, Order, Shape};
use arraystore::store::{
    Access, AnyStore, ArrayStoreExt, CreateOptions, Extents, FileKind, Io, Layout, RawLayout,
    Stats, TileOrder,
};
use arraystore::sys::Mode;
use arraystore::{dispatch, with_store};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::types::{PyAnyMethods, PyDict, PyTuple, PyTupleMethods};
use pyo3::{Bound, FromPyObject, PyAny, PyResult, Python, intern, pyclass, pymethods};

use crate::cells::{counted, integer};
use crate::errors::{detached, interruptible};
use crate::files;
use crate::fill::fill;
use crate::handle::{Current, Identity, Opening};
use crate::numbers::{Block, Number, block, entries, typed, typed_mut};
use crate::plans::{as_dict, work_named};
use crate::selection::{Picked, indices, selection};
use crate::streams::{Stream, show_batches, show_columns};

/// What a file without a header holds: rows, columns, dtype, order, offset, and its shape where that has not two axes.
#[derive(FromPyObject)]
struct Headerless(usize, usize, String, String, u64, Option<Vec<usize>>);

/// What a new file is to hold: rows, columns, dtype, layout, shape in the file where that has not two axes; and whether one
/// of this name is replaced.
#[derive(FromPyObject)]
struct New(usize, usize, String, String, Option<Vec<usize>>, bool);

/// A matrix in a file.
#[pyclass(subclass, frozen, weakref, module = "arraystore._arraystore")]
#[derive(Debug)]
pub struct Store {
    pub(crate) current: Current,
    pub(crate) facts: Facts,
    /// Rows and columns, of which appending makes more.
    rows: AtomicUsize,
    cols: AtomicUsize,
}

/// What a file was as it was opened.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) dtype: DType,
    pub(crate) layout: Layout,
    file_shape: Option<Vec<usize>>,
    extents: Option<Extents>,
    stats: Stats,
}

impl Facts {
    fn of(store: &AnyStore) -> Self {
        let (spec, stats, extents) = (store.spec().clone(), store.stats(), store.extents());
        let (dtype, layout) = (spec.dtype, spec.layout);
        Self { dtype, layout, file_shape: spec.file_shape, extents, stats }
    }

    /// The order in which a block costs least.
    fn order(&self) -> Order {
        if self.layout.is_columnar() { Order::Fortran } else { Order::C }
    }

    /// Whether `[i]` is a row and `[i, j]` an element: of dense matrices that are matrices to NumPy, too.
    fn is_plain(&self) -> bool {
        matches!(self.layout, Layout::Dense(_)) && self.file_shape.is_none()
    }
}

impl Store {
    fn plan_of<'py>(&self, py: Python<'py>, access: &Access) -> PyResult<Bound<'py, PyDict>> {
        let (handle, context) = (self.current.get()?, self.current.opening().context());
        let plan = detached(py, || handle.read(|store| store.plan(access, &context)))?;
        as_dict(py, &plan)
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape::new(self.rows.load(Ordering::Relaxed), self.cols.load(Ordering::Relaxed))
    }

    /// What `read` makes of the open file, while other threads run.
    pub(crate) fn block<'py>(
        &self,
        py: Python<'py>,
        read: impl FnOnce(&AnyStore) -> arraystore::Result<Block> + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        let handle = self.current.get()?;
        detached(py, || handle.read(read))?(py)
    }
}

#[pymethods]
impl Store {
    /// Opens the file at `path`; `raw` says what one without a header holds, `made` that it is to be made.
    #[new]
    #[pyo3(signature = (path, *, mapped, mode, memory, threads=None, raw=None, made=None, expected=None))]
    #[expect(clippy::too_many_arguments, reason = "the Python half states them all, by name")]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        mapped: bool,
        mode: &str,
        memory: u64,
        threads: Option<usize>,
        raw: Option<Headerless>,
        made: Option<New>,
        expected: Option<Identity>,
    ) -> PyResult<Self> {
        let mode = match mode {
            "r" => Mode::Read,
            "r+" => Mode::ReadWrite,
            "c" => Mode::CopyOnWrite,
            _ => {
                return Err(PyValueError::new_err(format!("mode {mode:?} is none of r, r+ and c")));
            }
        };
        let io = if mapped { Io::Mapped } else { Io::Positioned };
        let mut opening = Opening { path, io, mode, raw: None, memory_bytes: memory, threads };
        detached(py, || {
            let mut axes = None;
            if let Some(Headerless(rows, cols, dtype, order, offset, file_shape)) = raw {
                axes = file_shape;
                let (dtype, order) = (dtype.parse()?, order.parse()?);
                opening.raw =
                    Some(RawLayout { dtype, shape: Shape::new(rows, cols), order, offset });
            }
            let current = match made {
                None => Current::open(opening, expected)?,
                Some(New(rows, cols, dtype, layout, file_shape, is_replaced)) => {
                    let options = CreateOptions {
                        shape: Shape::new(rows, cols),
                        dtype: dtype.parse()?,
                        layout: files::layout(&layout)?,
                        io,
                        existing: files::existing(is_replaced),
                        file_shape,
                        context: opening.context(),
                    };
                    let store = AnyStore::create(&opening.path, &options)?;
                    Current::made(opening, store)
                }
            };
            let (mut facts, shape) =
                current.handle().read(|store| Ok((Facts::of(store), store.spec().shape)))?;
            facts.file_shape = facts.file_shape.or(axes);
            let (rows, cols) = (shape.rows.into(), shape.cols.into());
            Ok(Self { current, facts, rows, cols })
        })
    }

    /// `self[i]` and `self[i, j]` by the shortest way; every other key is the Python half's.
    fn __getitem__<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, store) = (this.py(), this.get());
        let Shape { rows, cols } = store.shape();
        if store.facts.is_plain() {
            if let Some(row) = integer(key) {
                return store.row(py, counted(row, rows, 0)?);
            }
            if let Ok(pair) = key.cast_exact::<PyTuple>()
                && pair.len() == 2
                && let (Some(row), Some(col)) =
                    (integer(&pair.get_item(0)?), integer(&pair.get_item(1)?))
            {
                return store.element(py, counted(row, rows, 0)?, counted(col, cols, 1)?);
            }
        }
        this.call_method1(intern!(py, "_select"), (key,))
    }

    /// The cells of these rows and columns, as an array of two axes in the file's own order.
    fn read<'py>(
        &self,
        py: Python<'py>,
        rows: Picked<'_>,
        cols: Picked<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (order, selection) = (self.facts.order(), selection(rows, cols)?);
        self.block(
            py,
            |store| with_store!(store, store => Ok(block(store.select_in(order, &selection)?))),
        )
    }

    /// The entries of these rows and columns of a sparse file, compressed as that is: SciPy's indptr, indices and data, and the
    /// block's shape.
    fn read_entries<'py>(
        &self,
        py: Python<'py>,
        rows: Picked<'_>,
        cols: Picked<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let selection = selection(rows, cols)?;
        self.block(
            py,
            |store| with_store!(store, store => store.select_entries(&selection).map(entries)),
        )
    }

    /// Looks at all of it, to see whether it is whole: every element and index, and the checksums that its format has.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let (handle, context) = (self.current.get()?, self.current.opening().context());
        interruptible(py, context, |context| {
            handle.read(|store| with_store!(store, store => store.check(context)))
        })
    }

    /// Sets the cells of these rows and columns to `values`: an array of two axes, of the file's type.
    fn write(
        &self,
        py: Python<'_>,
        rows: Picked<'_>,
        cols: Picked<'_>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let selection = selection(rows, cols)?;
        let handle = self.current.get()?;
        dispatch!(self.facts.dtype, T => T::with_numpy(values, |values| {
            detached(py, || handle.write(|store| typed_mut::<T>(store).write(&selection, values)))
        }))
    }

    /// Sets columns from the first one on to what `source`, an iterator of arrays of two axes and the file's type, gives: one
    /// or more columns at a time. What it gives is written by a thread of its own while the next is being made.
    fn write_columns(&self, py: Python<'_>, source: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (handle, context) = (self.current.get()?, self.current.opening().context());
        dispatch!(self.facts.dtype, T => fill::<T>(py, &handle, context, source))
    }

    /// Appends lines: rows, or columns of a file that keeps these together.
    fn append_lines(&self, py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<()> {
        let handle = self.current.get()?;
        dispatch!(self.facts.dtype, T => T::with_numpy(values, |values| {
            let Shape { rows, cols } = detached(py, || handle.write(|store| {
                typed_mut::<T>(store).append(values)?;
                Ok(store.spec().shape)
            }))?;
            self.rows.store(rows, Ordering::Relaxed);
            self.cols.store(cols, Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Makes what was written durable.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let handle = self.current.get()?;
        detached(py, || handle.write(AnyStore::sync))
    }

    /// Closes the file, once nobody reads it any more.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.current.is_closed() {
            return Ok(());
        }
        let handle = self.current.get()?;
        detached(py, || handle.close())
    }

    /// Rows and columns.
    #[getter]
    fn matrix_shape(&self) -> (usize, usize) {
        let Shape { rows, cols } = self.shape();
        (rows, cols)
    }

    /// The file's own shape, where it has not two axes.
    #[getter]
    fn file_shape(&self) -> Option<Vec<usize>> {
        self.facts.file_shape.clone()
    }

    /// NumPy's name of the element type.
    #[getter]
    fn dtype_name(&self) -> &'static str {
        self.facts.dtype.numpy_name()
    }

    /// `c`, `f`, `csr` or `csc`.
    #[getter]
    fn layout(&self) -> String {
        self.facts.layout.to_string()
    }

    /// Length of the file, as it was opened.
    #[getter]
    fn bytes_on_disk(&self) -> u64 {
        self.facts.stats.bytes_on_disk
    }

    /// Elements that are stored: of a sparse file its entries, as far as these are known.
    #[getter]
    fn stored(&self) -> u64 {
        self.facts.stats.stored
    }

    /// The format of a sparse file that is read into CSR or CSC before its first value is used.
    #[getter]
    fn read_from(&self) -> Option<&'static str> {
        self.facts.stats.read_from
    }

    /// Where arrays lie in the file, for mapping it: of a dense one (offset,), of a sparse one the offset and the width in
    /// bytes of indptr and of indices, the offset of data and the number of entries. None where they cannot be used there.
    #[getter]
    fn extents(&self) -> Option<Vec<u64>> {
        Some(match self.facts.extents? {
            Extents::Dense { offset } => vec![offset],
            Extents::Sparse { indptr, indptr_width, indices, indices_width, data, entries } => {
                let bytes = |width: IndexWidth| width.bytes() as u64;
                vec![indptr, bytes(indptr_width), indices, bytes(indices_width), data, entries]
            }
        })
    }

    /// Length and time of modification of the file that was opened; none where it was made and has no name yet.
    #[getter]
    fn identity(&self) -> Option<Identity> {
        self.current.identity()
    }

    /// The path, as it was given.
    #[getter]
    fn path(&self) -> PathBuf {
        self.current.opening().path.clone()
    }

    /// The file itself, where the path names a dataset in one.
    #[getter]
    fn file(&self) -> PathBuf {
        self.current.file()
    }

    /// Whether the file holds other things too, as HDF5 files do.
    #[getter]
    fn contained(&self) -> bool {
        FileKind::of(&self.current.opening().path) == FileKind::Hdf5
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.current.is_closed()
    }

    /// This matrix times `factor`, an array of two axes and the file's type; transposed, its transpose.
    fn multiply<'py>(
        &self,
        py: Python<'py>,
        factor: &Bound<'py, PyAny>,
        transposed: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (handle, context) = (self.current.get()?, self.current.opening().context());
        dispatch!(self.facts.dtype, T => T::with_numpy(factor, |factor| {
            let multiply = |store: &AnyStore| {
                let store = typed::<T>(store);
                Ok(block(match transposed {
                    false => store.multiply(factor, &context)?,
                    true => store.multiply_transposed(factor, &context)?,
                }))
            };
            detached(py, || handle.read(multiply))?(py)
        }))
    }

    /// The matrix's fingerprint, digest v1.
    fn digest(&self, py: Python<'_>) -> PyResult<String> {
        let (handle, context) = (self.current.get()?, self.current.opening().context());
        interruptible(py, context, |context| {
            handle.read(|store| Ok(store.digest(context)?.to_string()))
        })
    }

    /// Rows of these indices, so many at a time, in this order: prepared ahead, `prefetch` batches of them.
    fn read_batches(
        &self,
        order: PyReadonlyArray1<'_, i64>,
        batch: usize,
        prefetch: usize,
    ) -> PyResult<Stream> {
        let order = indices(&order)?;
        let context = self.current.opening().context();
        Stream::begin(
            self.current.get()?,
            context,
            prefetch,
            move |store, context, sink| with_store!(store, store => show_batches(&**store, &order, batch, sink, context)),
        )
    }

    /// All columns from left to right, prepared ahead.
    fn read_columns(&self, prefetch: usize) -> PyResult<Stream> {
        let context = self.current.opening().context();
        Stream::begin(
            self.current.get()?,
            context,
            prefetch,
            |store, context, sink| with_store!(store, store => show_columns(&**store, sink, context)),
        )
    }

    /// How these cells would be read, or, where none are named, all of the file visited: steps and bytes, as a dict.
    #[pyo3(signature = (rows=None, cols=None))]
    fn planned<'py>(
        &self,
        py: Python<'py>,
        rows: Option<Picked<'_>>,
        cols: Option<Picked<'_>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let access = match (rows, cols) {
            (Some(rows), Some(cols)) => Access::Read(selection(rows, cols)?),
            _ => Access::Visit(TileOrder::Any),
        };
        self.plan_of(py, &access)
    }

    /// How the workload of this name would be done, as a dict.
    fn planned_work<'py>(
        &self,
        py: Python<'py>,
        work: &str,
        batch: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.plan_of(py, &work_named(work, batch)?)
    }
}
