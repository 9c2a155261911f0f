//! Dense matrices in chunks, as HDF5 keeps them, perhaps compressed: for reading only.
//!
//! Owns how an access meets each chunk as seldom as it can: a selection once; a visit by rows or columns that are whole chunks, or where
//! these exceed the budget, by way of a scratch file. What a chunk's bytes mean is [`crate::format::hdf5`]'s.

mod engine;
mod grid;

use std::marker::PhantomData;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

use self::engine::{Engine, list_bytes};
use self::grid::Grid;
use super::buffer::Buffer;
use super::dense::DenseStore;
use super::plan::WRITE_COST;
use super::stage::{Scratch, is_without_room};
use super::{
    Access, ArrayStore, BatchVisitor, Capabilities, Chunking, ColumnWriter, Context, Layout, Plan,
    Spec, Stats, Step, StepKind, Tile, TileOrder, TileWriter, Values, check_shape, shuffle,
};
use crate::array::{Element, Order, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::hdf5::{Chunks, Dataset};
use crate::format::{ByteOrder, DenseLayout, StatedBy, matrix_shape};
use crate::sys::{Device, Medium, Mode};

/// A matrix that is kept in chunks.
#[derive(Debug)]
pub(super) struct ChunkedStore<T> {
    engine: Engine,
    medium: Arc<dyn Medium>,
    spec: Spec,
    context: Context,
    element: PhantomData<T>,
}

/// Which lines are shown together, and how often each chunk is met for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Whether lines are rows.
    by_rows: bool,
    /// Lines of a tile.
    lines: usize,
    /// Positions of a tile: fewer than a line has only where it exceeds the budget.
    positions: usize,
    /// How often a chunk is decoded.
    passes: u64,
}

impl<T: Element> ChunkedStore<T> {
    /// The dataset whose chunks lie on `device`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where it is opened for writing.
    pub(super) fn new(
        device: Box<dyn Device>,
        medium: Arc<dyn Medium>,
        mode: Mode,
        dataset: &Dataset,
        chunks: Chunks,
        context: &Context,
    ) -> Result<Self> {
        if mode != Mode::Read {
            let reason = "a dataset in chunks can be read, not written";
            return Err(Error::new(ErrorKind::Unsupported, "open", reason).hint(
                "convert it to a new file first: an .npy, or an .h5, which is contiguous then",
            ));
        }
        let grid = Grid::new(&dataset.shape, &chunks.shape);
        let swap_unit = match dataset.byte_order {
            ByteOrder::Native => 1,
            ByteOrder::Swapped => T::DTYPE.swap_size(),
        };
        // As in an .npy file, axes are C's; but where chunks hold columns rather than rows, columns are what lies together.
        let is_columnar = dataset.shape.len() == 2
            && grid.height.min(grid.rows).saturating_mul(grid.cols)
                > grid.width.min(grid.cols).saturating_mul(grid.rows);
        let spec = Spec {
            shape: matrix_shape(&dataset.shape, Order::C)?,
            dtype: T::DTYPE,
            layout: Layout::Dense(if is_columnar { Order::Fortran } else { Order::C }),
            file_shape: (dataset.shape.len() != 2).then(|| dataset.shape.clone()),
        };
        let engine = Engine { device, grid, chunks, item_size: size_of::<T>(), swap_unit };
        Ok(Self { engine, medium, spec, context: context.clone(), element: PhantomData })
    }

    /// Whether columns lie together rather than rows.
    fn is_columnar(&self) -> bool {
        self.spec.layout.is_columnar()
    }

    /// How the matrix is cut into tiles of whole rows or whole columns, for `context`'s memory.
    fn cut(&self, by_rows: bool, context: &Context) -> Cut {
        let Shape { rows, cols } = self.spec.shape;
        let (lines, length) = if by_rows { (rows, cols) } else { (cols, rows) };
        let (_, decoding) = self.engine.at_once(context);
        // Beside the tile there are the chunk that is decoded, and the lists of what is wanted.
        let room = context.available_bytes().saturating_sub(decoding) / 4 * 3;
        let item = size_of::<T>() as u64;
        let grid = &self.engine.grid;
        let (listed, each) = match by_rows {
            true => (list_bytes(grid, 0, cols), list_bytes(grid, 1, 0)),
            false => (list_bytes(grid, rows, 0), list_bytes(grid, 0, 1)),
        };
        let line_bytes = (length as u64).saturating_mul(item) + each;
        let many = room.saturating_sub(listed) / line_bytes.max(1);
        let many = usize::try_from(many).unwrap_or(usize::MAX).min(lines);
        if many == 0 {
            let each = list_bytes(grid, 1, 0).max(list_bytes(grid, 0, 1));
            let positions = usize::try_from(room / (item + each)).unwrap_or(usize::MAX);
            let positions = positions.clamp(1, length.max(1));
            let passes = if by_rows { grid.height } else { grid.width };
            return Cut { by_rows, lines: 1, positions, passes: passes as u64 };
        }
        let lines = if by_rows { grid.whole_rows(many) } else { grid.whole_columns(many) };
        let passes = match by_rows {
            _ if many == self.lines(by_rows) => 1,
            true => grid.passes_by_rows(lines),
            false => grid.passes_by_columns(lines),
        };
        Cut { by_rows, lines, positions: length, passes }
    }

    fn lines(&self, by_rows: bool) -> usize {
        let Shape { rows, cols } = self.spec.shape;
        if by_rows { rows } else { cols }
    }

    /// The cut for a visit in `order`.
    fn cut_for(&self, order: TileOrder, context: &Context) -> Cut {
        let natural = self.cut(!self.is_columnar(), context);
        match order {
            TileOrder::Rows => self.cut(true, context),
            TileOrder::Columns => self.cut(false, context),
            TileOrder::Any => {
                let other = self.cut(self.is_columnar(), context);
                if other.passes < natural.passes { other } else { natural }
            }
        }
    }

    /// Whether it costs less to put all of it aside in a scratch file than to decode chunks as often as `cut` does.
    fn is_put_aside(&self, cut: Cut, context: &Context) -> bool {
        let natural = self.cut(!cut.by_rows, &context.share(1, 4));
        let all = self.dense_bytes();
        let stored = self.all_stored_bytes().max(all / 4);
        let aside = natural.passes * stored + (1 + WRITE_COST) * all;
        cut.passes * stored > aside
    }

    fn dense_bytes(&self) -> u64 {
        (self.spec.shape.rows as u64)
            .saturating_mul(self.spec.shape.cols as u64)
            .saturating_mul(size_of::<T>() as u64)
    }

    fn all_stored_bytes(&self) -> u64 {
        self.engine.chunks.stored_bytes()
    }

    /// Shows tiles as `cut` says, read from the chunks.
    fn visit_chunks(
        &self,
        cut: Cut,
        visitor: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
        context: &Context,
    ) -> Result<()> {
        let (lines, length) = match cut.by_rows {
            true => (self.spec.shape.rows, self.spec.shape.cols),
            false => (self.spec.shape.cols, self.spec.shape.rows),
        };
        let mut buffer = Buffer::<T>::new(cut.lines * cut.positions, context)?;
        for top in (0..lines).step_by(cut.lines) {
            let these = top..lines.min(top + cut.lines);
            for from in (0..length.max(1)).step_by(cut.positions.max(1)) {
                let part = from.min(length)..length.min(from + cut.positions);
                let (rows, cols) = match cut.by_rows {
                    true => (these.clone(), part),
                    false => (part, these.clone()),
                };
                self.show(rows, cols, cut.by_rows, &mut buffer, visitor, context)?;
            }
        }
        Ok(())
    }

    fn show(
        &self,
        rows: Range<usize>,
        cols: Range<usize>,
        by_rows: bool,
        buffer: &mut Buffer<T>,
        visitor: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
        context: &Context,
    ) -> Result<()> {
        let dim = (rows.len(), cols.len());
        let shape = dim.set_f(!by_rows);
        let values = buffer.part(dim.0 * dim.1);
        let selection = Selection::block(rows.clone(), cols.clone());
        let out = ArrayViewMut2::from_shape(shape, values).map_err(super::shape_error)?;
        self.read_within(&selection, out, context)?;
        let values = &*buffer.part(dim.0 * dim.1);
        let values = ArrayView2::from_shape(shape, values).map_err(super::shape_error)?;
        visitor(Tile { rows, cols, values: Values::Dense(values) })
    }

    fn read_within(
        &self,
        selection: &Selection,
        out: ArrayViewMut2<'_, T>,
        context: &Context,
    ) -> Result<()> {
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(out.dim(), (rows.len(), cols.len()))?;
        let wanted = self.engine.wanted(rows, cols, context)?;
        self.engine.read(&wanted, out, context)
    }

    /// All of it in a nameless dense file, whose lines are rows; none where no scratch file can be made.
    fn aside(&self, context: &Context) -> Result<Option<DenseStore<T>>> {
        let layout = DenseLayout {
            dtype: T::DTYPE,
            shape: self.spec.shape,
            file_shape: None,
            order: Order::C,
            byte_order: ByteOrder::Native,
            data_offset: 0,
            stated_by: StatedBy::Caller,
        };
        let Scratch { medium, near } = self.scratch();
        let device = match medium.scratch(&near, self.dense_bytes()) {
            Ok(device) => device,
            Err(error) if is_without_room(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut store = DenseStore::new(device, medium, Mode::ReadWrite, layout, context)?;
        let reading = context.share(1, 4);
        let writing = context.rest(&reading);
        let cut = self.cut(!self.is_columnar(), &reading);
        if cut.by_rows || cut.positions < self.spec.shape.rows {
            let mut writer = store.tile_writer(&writing)?;
            self.visit_chunks(cut, &mut |tile| writer.write(&tile), &reading)?;
            writer.finish()?;
        } else {
            let mut writer = store.column_writer(&writing)?;
            let mut put = |tile: Tile<'_, T>| match &tile.values {
                Values::Dense(columns) => writer.write(tile.cols.start, columns.view()),
                Values::Sparse(_) => unreachable!("tiles of chunks are dense"),
            };
            self.visit_chunks(cut, &mut put, &reading)?;
            writer.finish()?;
        }
        Ok(Some(store))
    }

    /// Where what the memory does not hold is put aside.
    fn scratch(&self) -> Scratch {
        let near = self.engine.device.path().unwrap_or(Path::new("scratch")).to_owned();
        Scratch { medium: Arc::clone(&self.medium), near }
    }

    fn read_only<R>(&self, operation: &'static str) -> Result<R> {
        let error = Error::new(ErrorKind::ReadOnly, operation, "opened for reading only");
        Err(self.engine.named(error))
    }
}

impl<T: Element> ArrayStore for ChunkedStore<T> {
    type Elem = T;

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn stats(&self) -> Stats {
        Stats {
            bytes_on_disk: self.engine.device.len(),
            stored: self.dense_bytes() / size_of::<T>() as u64,
            ignored_bytes: 0,
            read_from: None,
            chunks: Some(Chunking {
                rows: self.engine.grid.height,
                cols: self.engine.grid.width,
                stored_bytes: self.all_stored_bytes(),
            }),
        }
    }

    fn read(&self, selection: &Selection, out: ArrayViewMut2<'_, T>) -> Result<()> {
        self.read_within(selection, out, &self.context)
    }

    fn write(&mut self, _selection: &Selection, _values: ArrayView2<'_, T>) -> Result<()> {
        self.read_only("write")
    }

    fn visit(
        &self,
        order: TileOrder,
        visitor: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
        context: &Context,
    ) -> Result<()> {
        let cut = self.cut_for(order, context);
        if self.is_put_aside(cut, context)
            && let Some(aside) = self.aside(context)?
        {
            return aside.visit(order, visitor, context);
        }
        self.visit_chunks(cut, visitor, context)
    }

    fn visit_rows(
        &self,
        rows: &[usize],
        batch: usize,
        visitor: &mut BatchVisitor<'_, T>,
        context: &Context,
    ) -> Result<()> {
        shuffle::visit_rows(self, Some(&self.scratch()), rows, batch, visitor, context)
    }

    fn column_writer<'a>(
        &'a mut self,
        _context: &Context,
    ) -> Result<Box<dyn ColumnWriter<Elem = T> + 'a>> {
        self.read_only("write")
    }

    fn tile_writer<'a>(
        &'a mut self,
        _context: &Context,
    ) -> Result<Box<dyn TileWriter<Elem = T> + 'a>> {
        self.read_only("write")
    }

    fn append(&mut self, _values: ArrayView2<'_, T>) -> Result<()> {
        self.read_only("append")
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn plan(&self, access: &Access, context: &Context) -> Result<Plan> {
        let item = size_of::<T>();
        match access {
            Access::Read(selection) => {
                let (rows, cols) = selection.resolve(self.spec.shape)?;
                let wanted = self.engine.wanted(rows, cols, context)?;
                let (chunks, bytes) = (wanted.chunks(), self.engine.stored_bytes(&wanted));
                let step = Step::new(StepKind::DecodeChunks, chunks as u64, bytes, 0);
                Ok(Plan {
                    steps: vec![step],
                    bytes_requested: selection.shape(self.spec.shape)?.dense_bytes(item)? as u64,
                    memory_bytes: self.engine.at_once(context).1 + wanted.list_bytes(),
                    ..Plan::default()
                })
            }
            Access::Visit(order) => {
                let cut = self.cut_for(*order, context);
                let memory =
                    self.engine.at_once(context).1 + (cut.lines * cut.positions * item) as u64;
                let decode = |passes: u64| {
                    let chunks = self.engine.chunks.stored().len() as u64;
                    Step::new(
                        StepKind::DecodeChunks,
                        passes * chunks,
                        passes * self.all_stored_bytes(),
                        0,
                    )
                };
                let all = self.dense_bytes();
                let steps = match self.is_put_aside(cut, context) {
                    true => vec![
                        decode(self.cut(!self.is_columnar(), &context.share(1, 4)).passes),
                        Step::new(StepKind::CopyMembers, 1, 0, all),
                        Step::new(StepKind::ReadLog, 1, all, 0),
                    ],
                    false => vec![decode(cut.passes)],
                };
                Ok(Plan { steps, bytes_requested: all, memory_bytes: memory, ..Plan::default() })
            }
            Access::Shuffle { batch } => shuffle::describe(self, *batch, context),
            Access::Write(_) | Access::FillColumns => self.read_only("plan"),
        }
    }
}

#[cfg(test)]
mod tests;
