//! Dense matrices in files: every element, in C or Fortran order, over any kind of device.
//!
//! A thin typed layer ([`DenseStore`]) over an engine that works by item size. The memory-mapped and
//! the positioned store are this one store over two devices: same plans, same kernels.

mod append;
mod columns;
mod engine;
mod geometry;
mod growth;
mod kernel;
mod mapped;
mod plan;
mod tails;
mod turn;
mod visit;
mod windows;
mod write;

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

#[cfg(feature = "hdf5")]
pub(super) use kernel::swap_bytes;
pub use mapped::MappedArray;

use self::columns::{ColumnPlan, StagedColumns, StraightColumns};
use self::engine::{Engine, Within};
use self::geometry::Geometry;
use self::growth::{Growth, Stage};
use self::kernel::BlockOrder;
use self::plan::ReadPlan;
use self::tails::TailTiles;
use self::windows::SMALLEST_WINDOW_BYTES;
use super::copy::DenseTiles;
use super::stage::Scratch;
use super::{
    Access, ArrayStore, BatchVisitor, Capabilities, ColumnWriter, Context, Extents, Layout, Plan,
    Spec, Stats, Tile, TileOrder, TileWriter, check_shape, shuffle,
};
use crate::array::{Element, Order, Picks, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{ByteOrder, DenseLayout, StatedBy, matrix_shape, npy};
use crate::sys::{Device, DeviceKind, Existing, Medium, Mode};

/// The largest block in which an array that is not contiguous is copied to one that is.
const STAGING_BYTES: usize = 4 << 20;

/// A dense matrix in a file.
#[derive(Debug)]
pub struct DenseStore<T> {
    engine: Engine,
    /// None where the file is not written.
    growth: Option<Growth>,
    medium: Arc<dyn Medium>,
    mode: Mode,
    order: Order,
    spec: Spec,
    context: Context,
    element: PhantomData<T>,
}

impl<T: Element> DenseStore<T> {
    /// The matrix that lies on `device` as `layout` says, opened for `mode`.
    ///
    /// # Errors
    /// [`ErrorKind::DtypeMismatch`] where the elements are of another type.
    pub fn new(
        device: Box<dyn Device>,
        medium: Arc<dyn Medium>,
        mode: Mode,
        layout: DenseLayout,
        context: &Context,
    ) -> Result<Self> {
        Self::at_stage(Stage::Settled, device, medium, mode, layout, context)
    }

    fn at_stage(
        stage: Stage,
        device: Box<dyn Device>,
        medium: Arc<dyn Medium>,
        mode: Mode,
        layout: DenseLayout,
        context: &Context,
    ) -> Result<Self> {
        if layout.dtype != T::DTYPE {
            return Err(Error::new(
                ErrorKind::DtypeMismatch,
                "open",
                format!("holds {}, not {}", layout.dtype, T::DTYPE),
            ));
        }
        let swap_unit = match layout.byte_order {
            ByteOrder::Native => 1,
            ByteOrder::Swapped => T::DTYPE.swap_size(),
        };
        if swap_unit > 1 && mode != Mode::Read {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "open",
                "the file is of the other byte order: it can be read, not written",
            )
            .hint("convert it to a new file first"));
        }
        let geometry = Geometry::new(layout.shape, layout.order, T::DTYPE, layout.data_offset);
        let growth = match mode {
            Mode::ReadWrite => Some(Growth::new(stage, &*device, &layout)?),
            Mode::Read | Mode::CopyOnWrite => None,
        };
        Ok(Self {
            engine: Engine::new(device, geometry, swap_unit),
            growth,
            medium,
            mode,
            order: layout.order,
            spec: Spec {
                shape: layout.shape,
                dtype: T::DTYPE,
                layout: Layout::Dense(layout.order),
                file_shape: layout.file_shape,
            },
            context: context.clone(),
            element: PhantomData,
        })
    }

    /// A new `.npy` file of zeros, which appears under `path` at the first [`ArrayStore::sync`]. It states
    /// `file_shape`, where given, else `shape`.
    ///
    /// # Errors
    /// Where the shape is too large or `file_shape` is not seen as `shape` in this order, the file exists
    /// and `existing` refuses that, or no space is left.
    pub fn create_npy(
        medium: Arc<dyn Medium>,
        path: &Path,
        shape: Shape,
        order: Order,
        file_shape: Option<Vec<usize>>,
        existing: Existing,
        context: &Context,
    ) -> Result<Self> {
        if let Some(file_shape) = &file_shape {
            let seen = matrix_shape(file_shape, order)?;
            check_shape((seen.rows, seen.cols), (shape.rows, shape.cols))?;
        }
        let stated = file_shape.clone().unwrap_or_else(|| vec![shape.rows, shape.cols]);
        let header = npy::header_bytes(T::DTYPE, order, &stated)?;
        let layout = DenseLayout {
            dtype: T::DTYPE,
            shape,
            file_shape,
            order,
            byte_order: ByteOrder::Native,
            data_offset: header.len() as u64,
            stated_by: StatedBy::Header,
        };
        Self::create(medium, path, &header, layout, existing, context)
    }

    /// A new headerless file of zeros, which appears under `path` at the first [`ArrayStore::sync`].
    ///
    /// # Errors
    /// As [`DenseStore::create_npy`].
    pub fn create_raw(
        medium: Arc<dyn Medium>,
        path: &Path,
        shape: Shape,
        order: Order,
        existing: Existing,
        context: &Context,
    ) -> Result<Self> {
        let layout = DenseLayout {
            dtype: T::DTYPE,
            shape,
            file_shape: None,
            order,
            byte_order: ByteOrder::Native,
            data_offset: 0,
            stated_by: StatedBy::Caller,
        };
        Self::create(medium, path, &[], layout, existing, context)
    }

    /// A new file that begins with `header`, in front of the zeros that `layout` tells of.
    pub(super) fn create(
        medium: Arc<dyn Medium>,
        path: &Path,
        header: &[u8],
        layout: DenseLayout,
        existing: Existing,
        context: &Context,
    ) -> Result<Self> {
        let data_bytes = layout.shape.dense_bytes(size_of::<T>())? as u64;
        let mut device = medium.create(path, layout.data_offset + data_bytes, existing)?;
        device.write_at(0, header)?;
        Self::at_stage(Stage::New, device, medium, Mode::ReadWrite, layout, context)
    }

    /// (lines, positions) of the file for (rows, columns).
    fn split<P>(&self, rows: P, cols: P) -> (P, P) {
        match self.order {
            Order::C => (rows, cols),
            Order::Fortran => (cols, rows),
        }
    }

    /// How a contiguous block of (rows, columns) lies against the file, if it is contiguous.
    fn block_order(&self, dim: (usize, usize), rows_together: bool) -> BlockOrder {
        if dim.0 == 1 || dim.1 == 1 || rows_together == (self.order == Order::C) {
            BlockOrder::AsFile
        } else {
            BlockOrder::Across
        }
    }

    /// Elements of a block in which an array is made contiguous: half of what memory is left beside the `least_bytes` that
    /// the access itself takes, the other half is for that too. At least one: what that takes is what an access needs.
    fn staging_items(&self, least_bytes: u64) -> usize {
        let room = self.context.available_bytes().saturating_sub(least_bytes);
        let half = usize::try_from(room / 2).unwrap_or(usize::MAX);
        (STAGING_BYTES.min(half) / size_of::<T>()).max(1)
    }

    /// Reads into an array that is contiguous in neither order, block by block.
    fn read_staged(
        &self,
        rows: Picks<'_>,
        cols: Picks<'_>,
        mut out: ArrayViewMut2<'_, T>,
    ) -> Result<()> {
        let (lines, positions) = self.split(rows, cols);
        let least_bytes = ReadPlan::least_bytes(lines, &positions);
        let step = (self.staging_items(least_bytes) / cols.len().max(1)).max(1);
        for top in (0..rows.len()).step_by(step) {
            let part = top..rows.len().min(top + step);
            let bytes = (part.len() * cols.len() * size_of::<T>()) as u64;
            let (lines, positions) = self.split(rows.part(part.clone()), cols);
            // What is too little says what would do for both.
            drop(self.context.reserve(bytes + ReadPlan::least_bytes(lines, &positions))?);
            let _memory = self.context.reserve(bytes)?;
            let mut block = Array2::from_elem((part.len(), cols.len()), T::default());
            self.read_contiguous(rows.part(part.clone()), cols, block.view_mut())?;
            out.slice_mut(s![part, ..]).assign(&block);
        }
        Ok(())
    }

    fn read_contiguous(
        &self,
        rows: Picks<'_>,
        cols: Picks<'_>,
        out: ArrayViewMut2<'_, T>,
    ) -> Result<()> {
        let dim = out.dim();
        let rows_together = out.is_standard_layout();
        let order = self.block_order(dim, rows_together);
        let (lines, positions) = self.split(rows, cols);
        let values = out.into_slice_memory_order().expect("the caller found it contiguous");
        let within = Within::Nothing;
        self.engine.read_typed(lines, &positions, values, order, within, &self.context)
    }

    /// Whether columns lie one behind the other: also those of a single row, which is the same in both orders.
    fn has_straight_columns(&self) -> bool {
        self.order == Order::Fortran || self.spec.shape.rows == 1
    }

    /// Which way a visit in `order` passes the file: across its lines or along them.
    fn is_across(&self, order: TileOrder) -> bool {
        match order {
            TileOrder::Any => false,
            TileOrder::Rows => self.order == Order::Fortran,
            TileOrder::Columns => self.order == Order::C,
        }
    }

    /// Where what the memory does not hold is put aside.
    fn scratch(&self) -> Scratch {
        let near = self.engine.device.path().unwrap_or(Path::new("scratch")).to_owned();
        Scratch { medium: Arc::clone(&self.medium), near }
    }

    fn check_writable(&self) -> Result<()> {
        if self.mode != Mode::Read {
            return Ok(());
        }
        let error = Error::new(ErrorKind::ReadOnly, "write", "opened for reading only");
        Err(self.named(error))
    }

    /// `error`, about this file.
    fn named(&self, error: Error) -> Error {
        match self.engine.device.path() {
            Some(path) => error.at(path),
            None => error,
        }
    }

    /// An array as lines × positions of the file.
    fn as_lines<'v>(&self, values: ArrayView2<'v, T>) -> ArrayView2<'v, T> {
        match self.order {
            Order::C => values,
            Order::Fortran => values.reversed_axes(),
        }
    }

    /// Sets `positions` of `lines` to `values`, which are as long in both.
    fn write_lines(
        &mut self,
        lines: Picks<'_>,
        positions: Picks<'_>,
        values: ArrayView2<'_, T>,
    ) -> Result<()> {
        if let Some(values) = values.to_slice() {
            let bytes = bytemuck::must_cast_slice(values);
            return self.engine.write(lines, &positions, bytes, &self.context);
        }
        let is_across = values.t().is_standard_layout();
        let most = self.staging_items(SMALLEST_WINDOW_BYTES);
        let wide = most.min(positions.len()).max(1);
        let high = (most / wide).max(1);
        for top in (0..lines.len()).step_by(high) {
            let these = top..lines.len().min(top + high);
            for from in (0..positions.len()).step_by(wide) {
                let part = from..positions.len().min(from + wide);
                let block = values.slice(s![these.clone(), part.clone()]);
                let _memory = self.context.reserve((block.len() * size_of::<T>()) as u64)?;
                let block = if is_across {
                    write::turned(block, &self.context)
                } else {
                    block.iter().copied().collect()
                };
                self.engine.write(
                    lines.part(these.clone()),
                    &positions.part(part),
                    bytemuck::must_cast_slice(&block),
                    &self.context,
                )?;
            }
        }
        Ok(())
    }
}

impl<T: Element> ArrayStore for DenseStore<T> {
    type Elem = T;

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn capabilities(&self) -> Capabilities {
        let kind = self.engine.device.kind();
        Capabilities {
            write: self.mode != Mode::Read,
            in_place: self.mode == Mode::ReadWrite,
            mapped: kind == DeviceKind::Mapped,
            sparse: false,
            durable: self.mode == Mode::ReadWrite && kind != DeviceKind::Memory,
            grows: self.growth.as_ref().and_then(Growth::axis),
        }
    }

    fn stats(&self) -> Stats {
        self.settled_stats()
    }

    fn extents(&self) -> Option<Extents> {
        self.engine.extents()
    }

    fn read(&self, selection: &Selection, out: ArrayViewMut2<'_, T>) -> Result<()> {
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(out.dim(), (rows.len(), cols.len()))?;
        if out.is_standard_layout() || out.t().is_standard_layout() {
            self.read_contiguous(rows, cols, out)
        } else {
            self.read_staged(rows, cols, out)
        }
    }

    fn get(&self, row: usize, col: usize) -> Result<T> {
        let Shape { rows, cols } = self.spec.shape;
        if row >= rows || col >= cols {
            // The selection says what is wrong with it.
            Selection::cell(row, col).resolve(self.spec.shape)?;
        }
        let (line, position) = self.split(row, col);
        let mut value = [T::default()];
        let bytes = bytemuck::must_cast_slice_mut(&mut value);
        self.engine.read_run(line, position, bytes)?;
        visit::check_valid(&value, &self.engine)?;
        Ok(value[0])
    }

    fn write(&mut self, selection: &Selection, values: ArrayView2<'_, T>) -> Result<()> {
        self.check_writable()?;
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(values.dim(), (rows.len(), cols.len()))?;
        let (lines, positions) = self.split(rows, cols);
        self.write_lines(lines, positions, self.as_lines(values))
    }

    fn visit(
        &self,
        order: TileOrder,
        visitor: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
        context: &Context,
    ) -> Result<()> {
        let lends = self.engine.lends::<T>();
        let cut = self.engine.plan_visit(self.is_across(order), lends, context);
        self.engine.visit(self.order, cut, &self.scratch(), visitor, context)
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
        context: &Context,
    ) -> Result<Box<dyn ColumnWriter<Elem = T> + 'a>> {
        self.check_writable()?;
        if self.has_straight_columns() {
            let shape = self.spec.shape;
            return Ok(Box::new(StraightColumns::new(&mut self.engine, shape, context)?));
        }
        let scratch = self.scratch();
        Ok(Box::new(StagedColumns::new(&mut self.engine, scratch, context)?))
    }

    fn tile_writer<'a>(
        &'a mut self,
        context: &Context,
    ) -> Result<Box<dyn TileWriter<Elem = T> + 'a>> {
        self.check_writable()?;
        if TailTiles::memory_bytes(self) <= context.available_bytes() {
            return Ok(Box::new(TailTiles::new(self, context)?));
        }
        Ok(Box::new(DenseTiles(self)))
    }

    fn append(&mut self, values: ArrayView2<'_, T>) -> Result<()> {
        self.append_lines(self.as_lines(values))
    }

    fn sync(&mut self) -> Result<()> {
        match &mut self.growth {
            Some(growth) => growth.sync(&mut self.engine),
            None => Ok(()),
        }
    }

    fn plan(&self, access: &Access, context: &Context) -> Result<Plan> {
        match access {
            Access::Read(selection) => {
                let (rows, cols) = selection.resolve(self.spec.shape)?;
                let order = self.block_order((rows.len(), cols.len()), true);
                let (lines, positions) = self.split(rows, cols);
                Ok(self.engine.plan_read(lines, &positions, order, context).describe(&positions))
            }
            Access::Write(selection) => {
                let (rows, cols) = selection.resolve(self.spec.shape)?;
                let (lines, positions) = self.split(rows, cols);
                Ok(self.engine.describe_write(lines, &positions, context))
            }
            Access::Visit(order) => {
                let lends = self.engine.lends::<T>();
                let cut = self.engine.plan_visit(self.is_across(*order), lends, context);
                Ok(self.engine.describe_visit(cut, lends, context))
            }
            Access::Shuffle { batch } => shuffle::describe(self, *batch, context),
            Access::FillColumns if self.has_straight_columns() => {
                Ok(columns::describe_straight(&self.engine, context))
            }
            Access::FillColumns => Ok(ColumnPlan::new(&self.engine, context.available_bytes())
                .describe(&self.engine, context.budget())),
        }
    }
}
