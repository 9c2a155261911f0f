//! The contract: [`ArrayStore`] with those who implement it, [`ArrayStoreExt`] with those who use it.

use std::fmt::Debug;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis as NdAxis};

use super::{
    Access, Along, BatchVisitor, Capabilities, Context, Entries, Extents, Plan, Spec, Stats, Tile,
    TileOrder, product, shape_error,
};
use crate::array::{Arithmetic, Axis, Digest, Element, Order, Selection};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::prefer_huge_pages;

/// A matrix kept somewhere, of one element type.
///
/// For all implementations: cells never written read as zero; a buffer of another shape than the
/// selection's is [`ErrorKind::ShapeMismatch`], an index outside the matrix
/// [`ErrorKind::OutOfBounds`]; a write that failed leaves all other cells as they were; what was
/// written is read back at once, and durable after [`ArrayStore::sync`]. Empty matrices are matrices.
/// No implementation prints or times itself.
pub trait ArrayStore: Debug + Send + Sync {
    /// The element type.
    type Elem: Element;

    /// Shape, element type and layout.
    fn spec(&self) -> &Spec;

    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// What its file amounts to.
    fn stats(&self) -> Stats;

    /// Where the file's arrays lie, as of the last sync, for a program that maps them itself. None where they cannot be used
    /// there: compressed, of the other byte order, unaligned, or in no file.
    fn extents(&self) -> Option<Extents> {
        None
    }

    /// Copies the selected cells into `out`, whose shape must be the selection's.
    ///
    /// # Errors
    /// Where the selection or shape does not fit, or reading fails.
    fn read(&self, selection: &Selection, out: ArrayViewMut2<'_, Self::Elem>) -> Result<()>;

    /// [`ArrayStore::read`] into cells that are zero already: a sparse store writes its entries and nothing else.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn read_into_zeros(
        &self,
        selection: &Selection,
        out: ArrayViewMut2<'_, Self::Elem>,
    ) -> Result<()> {
        self.read(selection, out)
    }

    /// The selected cells of a sparse store as entries: nothing is made dense, and memory is taken for what is there.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the store is dense; else as [`ArrayStore::read`].
    fn select_entries(&self, _selection: &Selection) -> Result<Entries<Self::Elem>> {
        Err(Error::new(ErrorKind::Unsupported, "read", "a dense matrix has no entries"))
    }

    /// The element in row `row` and column `col`. For many, read a selection: each read by itself is a call.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn get(&self, row: usize, col: usize) -> Result<Self::Elem> {
        let mut out = [Self::Elem::default()];
        let cell = ArrayViewMut2::from_shape((1, 1), &mut out).map_err(shape_error)?;
        self.read(&Selection::cell(row, col), cell)?;
        Ok(out[0])
    }

    /// Sets the selected cells. Where an index is repeated, the last value stays.
    ///
    /// # Errors
    /// Where the selection or shape does not fit, the store is read-only, or writing fails.
    fn write(&mut self, selection: &Selection, values: ArrayView2<'_, Self::Elem>) -> Result<()>;

    /// Shows every cell to `visitor` exactly once, in tiles that the context's budget holds.
    ///
    /// # Errors
    /// Where reading fails, the budget is too small, the context is cancelled, or the visitor fails.
    fn visit(
        &self,
        order: TileOrder,
        visitor: &mut dyn FnMut(Tile<'_, Self::Elem>) -> Result<()>,
        context: &Context,
    ) -> Result<()>;

    /// Shows every cell to `visitor` exactly once, as [`ArrayStore::visit`] does in any order; where the store can, to several
    /// threads at once, each with a tile of its own.
    ///
    /// # Errors
    /// As [`ArrayStore::visit`].
    fn visit_concurrently(
        &self,
        visitor: &(dyn Fn(Tile<'_, Self::Elem>) -> Result<()> + Sync),
        context: &Context,
    ) -> Result<()> {
        self.visit(TileOrder::Any, &mut |tile| visitor(tile), context)
    }

    /// Shows the rows of these indices in this order, `batch` at a time (the last batch may be shorter), as a training
    /// loop takes them: far fewer reads than a batch for itself, and no more memory than the context's budget. The
    /// visitor is told the place of a batch's first row in the order.
    ///
    /// Where the file is many times larger than the memory, rows are put aside in a scratch file beside it; where none
    /// can be made, it is read more often.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] where an index is; [`ErrorKind::InvalidArgument`] for batches of no rows;
    /// [`ErrorKind::Budget`], with what would do, where it does not hold a batch; else as [`ArrayStore::visit`].
    fn visit_rows(
        &self,
        rows: &[usize],
        batch: usize,
        visitor: &mut BatchVisitor<'_, Self::Elem>,
        context: &Context,
    ) -> Result<()>;

    /// Begins to write columns in bulk, in any order, within the context's budget.
    ///
    /// # Errors
    /// Where the store is read-only or the budget is too small.
    fn column_writer<'a>(
        &'a mut self,
        context: &Context,
    ) -> Result<Box<dyn ColumnWriter<Elem = Self::Elem> + 'a>>;

    /// Begins to write tiles in bulk, as a visit shows them, within the context's budget. A sparse store takes
    /// a sparse tile's entries without making it dense.
    ///
    /// # Errors
    /// As [`ArrayStore::column_writer`].
    fn tile_writer<'a>(
        &'a mut self,
        context: &Context,
    ) -> Result<Box<dyn TileWriter<Elem = Self::Elem> + 'a>>;

    /// Appends whole lines of the file's own axis ([`Capabilities::grows`]): rows below the last one in C order and CSR,
    /// columns behind the last one in Fortran order and CSC. `values` has as many columns (rows) as the matrix, and any
    /// number of rows (columns), also none.
    ///
    /// They are in the matrix at once: [`ArrayStore::spec`] has the new shape, and they are read and written like
    /// others. They are in the *file* once [`ArrayStore::sync`] has returned. Until then others see what the last
    /// sync left, whatever happens: a handle dropped before that takes the lines away again, and a crash leaves a
    /// file that opens without them. A dense file grows in place; a sparse one is written anew, in one pass, by the sync
    /// that follows however many appends.
    ///
    /// A file without a header is the exception: nothing can tell how much of it counts, so after a crash it may be
    /// longer than the shape that is stated for it, and is refused until it is cut to that. After the sync the
    /// shape to state is the new one. Of an N-D file the first axis grows (C order) or the last (Fortran order).
    ///
    /// An append that fails leaves the lines that were there; errors of the device say at which byte.
    ///
    /// ```
    /// # use arraystore::array::{DType, Shape};
    /// # use arraystore::store::{ArrayStore, ArrayStoreExt, CreateOptions, OpenOptions, create, open};
    /// # let folder = tempfile::tempdir().expect("a folder for the example");
    /// # let path = folder.path().join("a.npy");
    /// # create::<f32>(&path, &CreateOptions::new(Shape::new(1000, 3), DType::F32))?.sync()?;
    /// let mut store = open::<f32>(&path, &OpenOptions::read_write())?; // 1000x3, in C order
    /// store.append(ndarray::arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).view())?;
    /// assert_eq!(store.spec().shape, Shape::new(1002, 3));
    /// assert_eq!(store.get(1001, 2)?, 6.0);
    /// store.sync()?; // now, and not before, the file has 1002 rows
    /// # Ok::<(), arraystore::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::ShapeMismatch`] where the lines are of another length, [`ErrorKind::Unsupported`] where the store
    /// does not grow, [`ErrorKind::ReadOnly`] where it is opened for reading, [`ErrorKind::NoSpace`] before anything
    /// is written where the disk is full; else where writing fails.
    fn append(&mut self, values: ArrayView2<'_, Self::Elem>) -> Result<()>;

    /// Appends so many lines of zeros, as [`ArrayStore::append`] does: at no cost for each in a sparse store.
    ///
    /// # Errors
    /// As [`ArrayStore::append`].
    fn append_zeros(&mut self, lines: usize) -> Result<()> {
        super::append::append_zeros(self, lines)
    }

    /// Reads all of it, to see whether it is whole: every element is looked at, every index of a sparse file, and the
    /// checksums that its format has.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] or [`ErrorKind::Truncated`] with what is wrong; else as [`ArrayStore::visit`].
    fn check(&self, context: &Context) -> Result<()> {
        self.visit(TileOrder::Any, &mut |_| Ok(()), context)
    }

    /// Makes everything written durable on the device, and only then returns `Ok`.
    ///
    /// # Errors
    /// Where writing fails.
    fn sync(&mut self) -> Result<()>;

    /// How `access` would be done with this budget, the caller's array lying as the file does: in another
    /// order it is brought into the file's block by block first. No I/O.
    ///
    /// # Errors
    /// Where a selection does not fit or the budget is too small.
    fn plan(&self, access: &Access, context: &Context) -> Result<Plan>;
}

/// Takes columns in any order, singly or in groups, and brings them into place within a budget.
///
/// Columns given twice keep what came last; columns not given stay as they are. Dropped without
/// [`ColumnWriter::finish`], what was given may or may not have arrived.
pub trait ColumnWriter {
    /// The element type.
    type Elem: Element;

    /// Takes the columns from `first` on: one for each column of `columns`, which has as many rows as
    /// the matrix.
    ///
    /// # Errors
    /// Where a column does not fit or writing fails.
    fn write(&mut self, first: usize, columns: ArrayView2<'_, Self::Elem>) -> Result<()>;

    /// Brings everything into place. Durable only after [`ArrayStore::sync`].
    ///
    /// # Errors
    /// Where writing fails or the context is cancelled.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Takes tiles in any order, and brings them into place within a budget.
///
/// As [`ColumnWriter`]: cells given twice keep what came last, cells not given stay as they are.
pub trait TileWriter {
    /// The element type.
    type Elem: Element;

    /// Sets the cells that the tile covers.
    ///
    /// # Errors
    /// Where the tile does not fit or writing fails.
    fn write(&mut self, tile: &Tile<'_, Self::Elem>) -> Result<()>;

    /// Brings everything into place. Durable only after [`ArrayStore::sync`].
    ///
    /// # Errors
    /// Where writing fails or the context is cancelled.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Makes columns: fills the buffer, as long as the matrix has rows, with the column of this index.
pub type ColumnSource<'s, T> = dyn FnMut(usize, &mut [T]) -> Result<()> + 's;

/// What every store can do by way of [`ArrayStore`]. Nobody implements this.
pub trait ArrayStoreExt: ArrayStore {
    /// Column `index`.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn column(&self, index: usize) -> Result<Array1<Self::Elem>> {
        Ok(self.select(&Selection::column(index))?.remove_axis(NdAxis(1)))
    }

    /// Row `index`.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn row(&self, index: usize) -> Result<Array1<Self::Elem>> {
        Ok(self.select(&Selection::row(index))?.remove_axis(NdAxis(0)))
    }

    /// The block of these rows and columns.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn block(&self, rows: impl Into<Axis>, cols: impl Into<Axis>) -> Result<Array2<Self::Elem>> {
        self.select(&Selection::block(rows, cols))
    }

    /// The selected cells, in memory, in C order.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn select(&self, selection: &Selection) -> Result<Array2<Self::Elem>> {
        self.select_in(Order::C, selection)
    }

    /// The selected cells, in memory, in this order: the file's own costs least.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn select_in(&self, order: Order, selection: &Selection) -> Result<Array2<Self::Elem>> {
        let shape = selection.shape(self.spec().shape)?;
        let mut out = match order {
            Order::C => Array2::zeros_in((shape.rows, shape.cols))?,
            Order::Fortran => Array2::zeros_in((shape.cols, shape.rows))?.reversed_axes(),
        };
        self.read_into_zeros(selection, out.view_mut())?;
        Ok(out)
    }

    /// The whole matrix, in memory.
    ///
    /// # Errors
    /// As [`ArrayStore::read`].
    fn to_array(&self) -> Result<Array2<Self::Elem>> {
        self.select(&Selection::all())
    }

    /// Sets column `index`.
    ///
    /// # Errors
    /// As [`ArrayStore::write`].
    fn write_column(&mut self, index: usize, values: ArrayView1<'_, Self::Elem>) -> Result<()> {
        self.write(&Selection::column(index), values.insert_axis(NdAxis(1)))
    }

    /// Appends all of `from`, within the context's budget: its rows or its columns, whichever this store grows by
    /// ([`Capabilities::grows`]).
    ///
    /// Where it fails, some lines may have been appended: dropped without a sync, a file is as it was.
    ///
    /// # Errors
    /// As [`ArrayStore::append`] and [`ArrayStore::read`]; where the context is cancelled.
    fn append_from(
        &mut self,
        from: &dyn ArrayStore<Elem = Self::Elem>,
        context: &Context,
    ) -> Result<()> {
        super::append::append_from(self, from, context)
    }

    /// Fills every column in turn, from left to right, with what `source` makes of (column, buffer).
    ///
    /// # Errors
    /// As [`ArrayStore::column_writer`], and whatever `source` fails with.
    fn fill_columns(
        &mut self,
        context: &Context,
        source: &mut ColumnSource<'_, Self::Elem>,
    ) -> Result<()> {
        let shape = self.spec().shape;
        let mut column = vec![Self::Elem::default(); shape.rows];
        let mut writer = self.column_writer(context)?;
        for index in 0..shape.cols {
            source(index, &mut column)?;
            let view = ArrayView2::from_shape((shape.rows, 1), &column).map_err(shape_error)?;
            writer.write(index, view)?;
        }
        writer.finish()
    }

    /// A·`factor`: this matrix times a dense one of as many rows as this has columns, and of few columns, in one pass over
    /// what is stored. Both factor and product are held in memory, in [`Arithmetic::Wide`] numbers: 8 bytes (16 for
    /// complex numbers) for each of their cells. Sums are made in these and rounded once; integers wrap, as in NumPy.
    ///
    /// ```
    /// # use arraystore::store::{ArrayStoreExt, Context, MemoryStore};
    /// let store = MemoryStore::new(ndarray::arr2(&[[1.0, 0.0], [2.0, 3.0]]));
    /// let product = store.multiply(ndarray::arr2(&[[10.0], [1.0]]).view(), &Context::default())?;
    /// assert_eq!(product, ndarray::arr2(&[[10.0], [23.0]]));
    /// # Ok::<(), arraystore::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::ShapeMismatch`] where `factor` has another number of rows, [`ErrorKind::Budget`] where the budget
    /// does not hold factor and product; else as [`ArrayStore::visit`].
    fn multiply(
        &self,
        factor: ArrayView2<'_, Self::Elem>,
        context: &Context,
    ) -> Result<Array2<Self::Elem>>
    where
        Self::Elem: Arithmetic,
    {
        product::multiply(self, factor, false, context)
    }

    /// Aᵀ·`factor`, likewise: `factor` has as many rows as this matrix.
    ///
    /// # Errors
    /// As [`ArrayStoreExt::multiply`].
    fn multiply_transposed(
        &self,
        factor: ArrayView2<'_, Self::Elem>,
        context: &Context,
    ) -> Result<Array2<Self::Elem>>
    where
        Self::Elem: Arithmetic,
    {
        product::multiply(self, factor, true, context)
    }

    /// The sum of each row or column.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`] where the budget does not hold a number for each row and column; else as
    /// [`ArrayStore::visit`].
    fn sums(&self, along: Along, context: &Context) -> Result<Vec<<Self::Elem as Arithmetic>::Wide>>
    where
        Self::Elem: Arithmetic,
    {
        product::sums(self, along, context)
    }

    /// How many elements of each row or column are not zero.
    ///
    /// # Errors
    /// As [`ArrayStoreExt::sums`].
    fn count_nonzero(&self, along: Along, context: &Context) -> Result<Vec<u64>> {
        product::count_nonzero(self, along, context)
    }

    /// The largest element of each row or column, as NumPy's `max` finds it: NaN where one is; complex numbers are
    /// compared by their real parts first. None of what has no element.
    ///
    /// # Errors
    /// As [`ArrayStoreExt::sums`].
    fn largest(&self, along: Along, context: &Context) -> Result<Vec<Option<Self::Elem>>>
    where
        Self::Elem: Arithmetic,
    {
        product::largest(self, along, context)
    }

    /// The matrix's fingerprint, digest v1. Costs one pass over what is stored.
    ///
    /// # Errors
    /// As [`ArrayStore::visit`].
    fn digest(&self, context: &Context) -> Result<Digest> {
        super::digest::digest(self, context)
    }
}

impl<S: ArrayStore + ?Sized> ArrayStoreExt for S {}

/// Arrays whose allocation can fail.
trait ZerosIn: Sized {
    fn zeros_in(dim: (usize, usize)) -> Result<Self>;
}

impl<T: Element> ZerosIn for Array2<T> {
    fn zeros_in(dim: (usize, usize)) -> Result<Self> {
        let len =
            crate::array::Shape::new(dim.0, dim.1).dense_bytes(size_of::<T>())? / size_of::<T>();
        let mut values: Vec<T> = Vec::new();
        values.try_reserve_exact(len).map_err(|source| {
            Error::new(ErrorKind::Budget, "allocate", "not enough memory for the selected cells")
                .caused_by(source)
        })?;
        prefer_huge_pages(&mut values);
        values.resize(len, T::default());
        Self::from_shape_vec(dim, values).map_err(shape_error)
    }
}
