//! Copying a matrix from store to store in bounded memory, as it is or converted to another type.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, ShapeBuilder, s};

use super::{
    AnyElement, AnyStore, ArrayStore, ColumnWriter, Compressed, Context, Layout, Spec, Stats, Tile,
    TileOrder, TileWriter, Values,
};
use crate::array::{Compression, DType, Element, Number, Order, Selection, Shape, dispatch};
use crate::error::Result;
use crate::with_store;

/// Bytes of a block that is made dense or converted at a time.
const PART_BYTES: usize = 4 << 20;

/// A list of waiting lines is full when there is one in so many bytes of the budget: a stage has three eighths of
/// it, its list an eighth of that, a place in the list some hundred bytes.
const WAITING_SHARE: u64 = 2048;

/// Runs of turned lines that are merged at once: one for so many bytes of the budget, within these bounds.
const MERGE_SHARE: u64 = 21 << 10;
const MERGE_WIDTHS: (u64, u64) = (4, 64);

/// Elements that are converted at a time, by way of a number that holds any of them.
const PART_NUMBERS: usize = 1 << 16;

/// Copies every cell of `from` to `to`, which has the same shape. Durable after `to` is synced.
///
/// # Errors
/// [`crate::ErrorKind::ShapeMismatch`] where the shapes differ; else as reading and writing.
pub fn copy<T: Element>(
    from: &dyn ArrayStore<Elem = T>,
    to: &mut dyn ArrayStore<Elem = T>,
    context: &Context,
) -> Result<()> {
    copy_entries(from, to, StoredZeros::Kept, context)
}

/// What becomes of zeros that a sparse source has among its entries, as values of the destination's type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum StoredZeros {
    /// They are entries of a sparse destination too.
    #[default]
    Kept,
    /// They are left out. The matrix is the same: −0.0, which is another value, stays an entry.
    Dropped,
}

fn copy_entries<T: Element>(
    from: &dyn ArrayStore<Elem = T>,
    to: &mut dyn ArrayStore<Elem = T>,
    zeros: StoredZeros,
    context: &Context,
) -> Result<()> {
    super::check_shape(dim(from.spec().shape), dim(to.spec().shape))?;
    if let Some(rows) = rows_of_blocks(from.spec(), to.spec(), context) {
        return copy_blocks(&mut |rows, block| from.read(rows, block), to, rows, context);
    }
    let route = Route::new(from.spec(), from.stats(), to.spec(), context);
    let mut sink = Sink::new(to, &route)?;
    let mut put = |tile: Tile<'_, T>| sink.put(&tile);
    from.visit(
        route.order,
        &mut |tile| tile.show_stored(zeros, T::is_zero_bits, &mut put),
        &route.visiting,
    )?;
    sink.finish()
}

/// The least part of a column that is read or written by itself: shorter ones make the disk move pages more than
/// once.
const LEAST_PIECE_BYTES: u64 = 4 << 10;

/// How many rows are turned at a time, where one of the files keeps rows together and the other columns, and both are
/// dense or the first keeps rows: each file is then passed over once, the one with a part of each column at a time.
/// That is better than a pass over the source for each group of columns, and than columns that wait in a log.
fn rows_of_blocks(from: &Spec, to: &Spec, context: &Context) -> Option<usize> {
    match (from.layout, to.layout) {
        (
            Layout::Dense(Order::C) | Layout::Sparse(Compression::Csr),
            Layout::Dense(Order::Fortran),
        )
        | (Layout::Dense(Order::Fortran), Layout::Dense(Order::C)) => {}
        _ => return None,
    }
    let (read, written) = (from.dtype.item_size() as u64, to.dtype.item_size() as u64);
    // Another type is converted from a block of its own.
    let item_bytes = if from.dtype == to.dtype { written } else { read + written };
    let row_bytes = (to.shape.cols as u64).saturating_mul(item_bytes).max(1);
    let room = context.available_bytes() / 8 * 5;
    let rows = room / row_bytes;
    let is_one_pass = row_bytes.saturating_mul(to.shape.rows as u64) <= room;
    let piece_bytes = rows.saturating_mul(if from.layout.is_columnar() { read } else { written });
    (piece_bytes >= LEAST_PIECE_BYTES && !is_one_pass)
        .then(|| usize::try_from(rows).unwrap_or(usize::MAX))
}

/// Fills a block of the selected rows.
type FillBlock<'f, T> = dyn FnMut(&Selection, ArrayViewMut2<'_, T>) -> Result<()> + 'f;

/// Copies `rows` rows at a time. A block keeps columns together: it is turned as it is read or as it is written.
fn copy_blocks<T: Element>(
    fill: &mut FillBlock<'_, T>,
    to: &mut dyn ArrayStore<Elem = T>,
    rows: usize,
    context: &Context,
) -> Result<()> {
    let shape = to.spec().shape;
    // Five eighths for blocks, two for the writer, one for reading.
    let writing = context.share(1, 4);
    let _memory = context.reserve((rows * shape.cols * size_of::<T>()) as u64)?;
    let mut writer = to.tile_writer(&writing)?;
    let mut block = Array2::from_elem((rows, shape.cols).f(), T::default());
    for top in (0..shape.rows).step_by(rows) {
        let these = top..shape.rows.min(top + rows);
        // A last block of fewer rows has columns of its own length, so that each is one run again.
        let height = rows.min(shape.rows - top);
        if height < rows {
            block = Array2::from_elem((height, shape.cols).f(), T::default());
        }
        fill(&Selection::rows(these.clone()), block.view_mut())?;
        let values = Values::Dense(block.view());
        writer.write(&Tile { rows: these, cols: 0..shape.cols, values })?;
        context.advance(0)?;
    }
    writer.finish()
}

/// Copies every cell of `from` to `to`, converting each as NumPy's `astype` does where the element types
/// differ.
///
/// # Errors
/// As [`copy`].
pub fn copy_any(
    from: &AnyStore,
    to: &mut AnyStore,
    zeros: StoredZeros,
    context: &Context,
) -> Result<()> {
    if from.spec().dtype == to.spec().dtype {
        return with_store!(from, from => copy_same(&**from, to, zeros, context));
    }
    super::check_shape(dim(from.spec().shape), dim(to.spec().shape))?;
    if let Some(rows) = rows_of_blocks(from.spec(), to.spec(), context) {
        return with_store!(to, to => copy_blocks(
            &mut |rows, mut block| read_numbers(from, rows, context, &mut |tile| {
                put_numbers(&tile, &mut block);
                Ok(())
            }),
            &mut **to,
            rows,
            context,
        ));
    }
    let route = Route::new(from.spec(), from.stats(), to.spec(), context);
    // Which of them are zero is known once they are converted.
    let dtype = match zeros {
        StoredZeros::Kept => from.spec().dtype,
        StoredZeros::Dropped => to.spec().dtype,
    };
    with_store!(to, to => {
        let mut sink = Sink::new(&mut **to, &route)?;
        let mut put = |tile: Tile<'_, Number>| sink.put_numbers(&tile);
        visit_numbers(from, route.order, (dtype, zeros), &mut put, &route.visiting)?;
        sink.finish()
    })
}

/// Reads the selected rows and shows them as numbers, in parts of bounded size.
fn read_numbers(
    from: &AnyStore,
    rows: &Selection,
    context: &Context,
    show: &mut dyn FnMut(Tile<'_, Number>) -> Result<()>,
) -> Result<()> {
    with_store!(from, from => {
        let dim = dim(rows.shape(from.spec().shape)?);
        let _memory = context.reserve((dim.0 * dim.1 * from.spec().dtype.item_size()) as u64)?;
        let mut block = Array2::from_elem(dim.f(), Default::default());
        from.read(rows, block.view_mut())?;
        let values = Values::Dense(block.view());
        tile_numbers(&Tile { rows: 0..dim.0, cols: 0..dim.1, values }, Axis(1), show)
    })
}

/// Puts numbers where they belong in a block.
fn put_numbers<T: Element>(tile: &Tile<'_, Number>, block: &mut ArrayViewMut2<'_, T>) {
    if let Values::Dense(numbers) = &tile.values {
        let mut part = block.slice_mut(s![tile.rows.clone(), tile.cols.clone()]);
        part.zip_mut_with(numbers, |value, &number| *value = T::from_number(number));
    }
}

/// (rows, columns), as arrays have it.
fn dim(shape: Shape) -> (usize, usize) {
    (shape.rows, shape.cols)
}

/// [`copy`] to a store that is known to be of the same type.
fn copy_same<T: AnyElement>(
    from: &dyn ArrayStore<Elem = T>,
    to: &mut AnyStore,
    zeros: StoredZeros,
    context: &Context,
) -> Result<()> {
    let to = T::of_any(to).expect("the caller compared the element types");
    copy_entries(from, to, zeros, context)
}

/// How a copy passes over its source, and how the budget is divided.
struct Route {
    order: TileOrder,
    /// Whether whole columns go through the destination's column writer.
    columns: bool,
    visiting: Context,
    writing: Context,
}

impl Route {
    fn new(from: &Spec, stats: Stats, to: &Spec, context: &Context) -> Self {
        // Rows are written as they come. Where only one side keeps columns together, the side that has to
        // turn them gets most of the memory: a visit across the file's lines, or the column writer.
        let (order, columns, visiting) = match to.layout {
            Layout::Sparse(_) if is_turned_by_passes(from, stats, to, context) => {
                (along(to.layout), false, context.share(3, 4))
            }
            Layout::Sparse(_) => (TileOrder::Any, false, context.share(1, 4)),
            Layout::Dense(Order::Fortran) => (TileOrder::Columns, true, context.share(3, 4)),
            Layout::Dense(Order::C) if from.layout.is_columnar() => {
                (TileOrder::Columns, true, context.share(1, 4))
            }
            Layout::Dense(Order::C) => (TileOrder::Rows, false, context.share(1, 2)),
        };
        // A column that exceeds the budget comes in parts, which only cell-wise writing takes.
        let item_bytes = from.dtype.item_size().max(to.dtype.item_size());
        let column_bytes = to.shape.rows.saturating_mul(item_bytes) as u64;
        let columns = columns && column_bytes <= visiting.available_bytes();
        let writing = context.rest(&visiting);
        // A sparse column longer than its store's window comes in parts too, and so does a long one that is converted:
        // these are put together here.
        let is_cut = from.dtype != to.dtype && to.shape.rows > PART_NUMBERS;
        let has_parts = columns && (is_cut || matches!(from.layout, Layout::Sparse(_)));
        if !has_parts {
            return Self { order, columns, visiting, writing };
        }
        let columns = column_bytes <= writing.available_bytes() / 2;
        let writing = if columns { writing.without(column_bytes) } else { writing };
        Self { order, columns, visiting, writing }
    }
}

/// The order in which a file of this layout keeps its lines.
fn along(layout: Layout) -> TileOrder {
    if layout.is_columnar() { TileOrder::Columns } else { TileOrder::Rows }
}

/// Whether a sparse file gets lines of the other axis by passes over the source, a group of its own lines in each,
/// rather than by letting the source's lines wait until they are turned. What of these exceeds the memory is put
/// aside in runs, and written and read again whenever runs are merged; each pass reads the source again.
fn is_turned_by_passes(from: &Spec, stats: Stats, to: &Spec, context: &Context) -> bool {
    if from.layout.is_columnar() == to.layout.is_columnar() {
        return false;
    }
    let lines = if from.layout.is_columnar() { from.shape.cols } else { from.shape.rows } as u64;
    let budget = context.available_bytes().max(1);
    let bytes = stats.stored.saturating_mul(8 + to.dtype.item_size() as u64);
    let runs = (bytes.saturating_mul(3) / budget).max(lines.saturating_mul(WAITING_SHARE) / budget);
    if runs == 0 {
        return false;
    }
    let width = (budget / MERGE_SHARE).clamp(MERGE_WIDTHS.0, MERGE_WIDTHS.1);
    let merges = 1 + u64::from(runs.ilog(width));
    // One pass more counts.
    let passes = 1 + bytes.saturating_mul(2).div_ceil(budget);
    passes.saturating_mul(stats.bytes_on_disk) < bytes.saturating_mul(2 * merges)
}

/// Shows every tile of `from` as numbers that elements of `dtype` are, in parts of bounded size: of a visit by columns,
/// whole columns where they are no longer than a part.
pub(crate) fn visit_numbers(
    from: &AnyStore,
    order: TileOrder,
    (dtype, zeros): (DType, StoredZeros),
    show: &mut dyn FnMut(Tile<'_, Number>) -> Result<()>,
    context: &Context,
) -> Result<()> {
    let round: fn(Number) -> Number =
        dispatch!(dtype, T => |number| T::from_number(number).to_number());
    let is_same = from.spec().dtype == dtype;
    // What becomes zero is zero.
    let mut stored = |tile: Tile<'_, Number>| tile.show_stored(zeros, Number::is_zero_bits, show);
    let mut rounded = |tile: Tile<'_, Number>| match &tile.values {
        _ if is_same => stored(tile),
        Values::Dense(block) => {
            let block = block.map(|&number| round(number));
            stored(Tile { values: Values::Dense(block.view()), ..tile.clone() })
        }
        Values::Sparse(block) => {
            let data: Vec<Number> = block.data.iter().map(|&number| round(number)).collect();
            let block = Compressed { data: &data, ..block.clone() };
            stored(Tile { values: Values::Sparse(block), ..tile.clone() })
        }
    };
    let axis = Axis(usize::from(order == TileOrder::Columns));
    with_store!(from, from => {
        from.visit(order, &mut |tile| tile_numbers(&tile, axis, &mut rounded), context)
    })
}

fn tile_numbers<T: Element>(
    tile: &Tile<'_, T>,
    axis: Axis,
    show: &mut dyn FnMut(Tile<'_, Number>) -> Result<()>,
) -> Result<()> {
    match &tile.values {
        Values::Sparse(_) => tile.for_each_sparse(PART_NUMBERS, &mut |rows, cols, block| {
            let data: Vec<Number> = block.data.iter().map(|value| value.to_number()).collect();
            let Compressed { compression, offsets, indices, .. } = *block;
            let block = Compressed { compression, offsets, indices, data: &data };
            show(Tile { rows, cols, values: Values::Sparse(block) })
        }),
        Values::Dense(block) => {
            // Whole lines along the axis, or where they are longer, parts of one after another.
            let extent = |axis: Axis| block.len_of(axis).max(1);
            let other = Axis(1 - axis.index());
            let wide = extent(other).min(PART_NUMBERS);
            let step = PART_NUMBERS / wide;
            for (index, lines) in block.axis_chunks_iter(axis, step).enumerate() {
                for (place, part) in lines.axis_chunks_iter(other, wide).enumerate() {
                    let numbers = part.map(|value| value.to_number());
                    let (mut rows, mut cols) = (tile.rows.clone(), tile.cols.clone());
                    let (along, across) = if axis == Axis(0) {
                        (&mut rows, &mut cols)
                    } else {
                        (&mut cols, &mut rows)
                    };
                    along.start += index * step;
                    along.end = along.start + part.len_of(axis);
                    across.start += place * wide;
                    across.end = across.start + part.len_of(other);
                    show(Tile { rows, cols, values: Values::Dense(numbers.view()) })?;
                }
            }
            Ok(())
        }
    }
}

/// Where tiles go.
enum Sink<'a, T: Element> {
    /// Any tile, written where it belongs.
    Tiles(Box<dyn TileWriter<Elem = T> + 'a>),
    /// Tiles of whole columns.
    Columns(Box<dyn ColumnWriter<Elem = T> + 'a>, Parts<T>),
}

/// A column that comes in parts.
struct Parts<T> {
    rows: usize,
    column: Vec<T>,
}

impl<'a, T: Element> Sink<'a, T> {
    fn new(to: &'a mut dyn ArrayStore<Elem = T>, route: &Route) -> Result<Self> {
        Ok(if route.columns {
            let parts = Parts { rows: to.spec().shape.rows, column: Vec::new() };
            Self::Columns(to.column_writer(&route.writing)?, parts)
        } else {
            Self::Tiles(to.tile_writer(&route.writing)?)
        })
    }

    fn put_numbers(&mut self, tile: &Tile<'_, Number>) -> Result<()> {
        let (rows, cols) = (tile.rows.clone(), tile.cols.clone());
        match &tile.values {
            Values::Dense(block) => {
                let block = block.map(|&number| T::from_number(number));
                self.put(&Tile { rows, cols, values: Values::Dense(block.view()) })
            }
            Values::Sparse(block) => {
                let data: Vec<T> =
                    block.data.iter().map(|&number| T::from_number(number)).collect();
                let Compressed { compression, offsets, indices, .. } = *block;
                let block = Compressed { compression, offsets, indices, data: &data };
                self.put(&Tile { rows, cols, values: Values::Sparse(block) })
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Columns(writer, _) => writer.finish(),
            Self::Tiles(writer) => writer.finish(),
        }
    }

    fn put(&mut self, tile: &Tile<'_, T>) -> Result<()> {
        match self {
            Self::Tiles(writer) => writer.write(tile),
            Self::Columns(writer, parts) if tile.rows.len() < parts.rows => {
                parts.put(tile, &mut **writer)
            }
            Self::Columns(writer, _) => {
                tile.for_each_dense(Axis(1), PART_BYTES, &mut |_, cols, block| {
                    writer.write(cols.start, block)
                })
            }
        }
    }
}

impl<T: Element> Parts<T> {
    /// Takes a part, which lies behind those before; the last one completes the column.
    fn put(&mut self, tile: &Tile<'_, T>, writer: &mut dyn ColumnWriter<Elem = T>) -> Result<()> {
        self.column.resize(self.rows, T::default());
        let part = &mut self.column[tile.rows.clone()];
        let part = ArrayViewMut2::from_shape((tile.rows.len(), tile.cols.len()), part);
        tile.copy_to(part.expect("only a single column comes in parts"));
        if tile.rows.end < self.rows {
            return Ok(());
        }
        let column = ArrayView2::from_shape((self.rows, 1), &self.column);
        writer.write(tile.cols.start, column.expect("a column of its own length"))
    }
}

/// Writes tiles as dense blocks: what stores do that take cells in place.
pub(super) struct DenseTiles<'a, S>(pub &'a mut S);

impl<S: ArrayStore> TileWriter for DenseTiles<'_, S> {
    type Elem = S::Elem;

    fn write(&mut self, tile: &Tile<'_, S::Elem>) -> Result<()> {
        tile.for_each_dense(Axis(0), PART_BYTES, &mut |rows, cols, block| {
            self.0.write(&Selection::block(rows, cols), block)
        })
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::store::{ArrayStoreExt, Budget, CreateOptions, Io, MemoryStore, create};

    /// Blocks of rows become parts of columns, the last block shorter than the others.
    #[test]
    fn row_major_files_become_fortran_order_block_by_block() {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape::new(5000, 3);
        let context = Context::new(Budget::new(32 << 10));
        let values = Array2::from_shape_fn((5000, 3), |(row, col)| (row * 3 + col) as f32 + 1.0);
        let oracle = MemoryStore::new(values.clone());
        let layouts = [Layout::Dense(Order::C), Layout::Sparse(Compression::Csr)];
        for (layout, io) in layouts.into_iter().zip([Io::Mapped, Io::Positioned]) {
            let options = |layout| CreateOptions {
                io,
                existing: crate::sys::Existing::Replace,
                context: context.clone(),
                ..CreateOptions::new(shape, DType::F32).layout(layout)
            };
            let name =
                if layout == Layout::Sparse(Compression::Csr) { "from.npz" } else { "from.npy" };
            let mut from = create::<f32>(folder.path().join(name), &options(layout)).unwrap();
            copy(&oracle, &mut *from, &context).unwrap();
            let fortran = options(Layout::Dense(Order::Fortran));
            let mut to = create::<f32>(folder.path().join("to.npy"), &fortran).unwrap();
            let rows = rows_of_blocks(from.spec(), to.spec(), &context);
            assert!(rows.is_some_and(|rows| rows < 5000 && 5000 % rows != 0), "{rows:?}");
            copy(&*from, &mut *to, &context).unwrap();
            assert!(to.to_array().unwrap() == values, "{layout}");
            assert_eq!(context.available_bytes(), 32 << 10, "memory is given back");
        }
    }
}
