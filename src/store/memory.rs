//! The store that keeps its matrix in memory: the oracle that every other store is tested against.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis as NdAxis, s};

use super::copy::DenseTiles;
use super::{
    Access, ArrayStore, BatchVisitor, Capabilities, ColumnWriter, Context, GrowthAxis, Layout,
    Plan, Spec, Stats, Step, StepKind, Tile, TileOrder, TileWriter, Values, check_columns,
    check_shape, shape_error, shuffle,
};
use crate::array::{Element, Order, Selection, Shape};
use crate::error::Result;

/// A matrix in memory. Does nothing clever: every operation is a loop over cells.
#[derive(Debug, Clone)]
pub struct MemoryStore<T> {
    array: Array2<T>,
    spec: Spec,
}

impl<T: Element> MemoryStore<T> {
    /// A store that holds `array`.
    pub fn new(array: Array2<T>) -> Self {
        let spec = Spec {
            shape: Shape::new(array.nrows(), array.ncols()),
            dtype: T::DTYPE,
            layout: Layout::Dense(Order::C),
            file_shape: None,
        };
        Self { array, spec }
    }

    /// A store of zeros.
    pub fn zeros(shape: Shape) -> Self {
        Self::new(Array2::from_elem((shape.rows, shape.cols), T::default()))
    }

    /// The matrix.
    pub fn array(&self) -> ArrayView2<'_, T> {
        self.array.view()
    }
}

impl<T: Element> ArrayStore for MemoryStore<T> {
    type Elem = T;

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            write: true,
            in_place: true,
            grows: Some(GrowthAxis::Rows),
            ..Capabilities::default()
        }
    }

    fn stats(&self) -> Stats {
        Stats {
            bytes_on_disk: 0,
            stored: self.array.len() as u64,
            ignored_bytes: 0,
            read_from: None,
            chunks: None,
        }
    }

    fn read(&self, selection: &Selection, mut out: ArrayViewMut2<'_, T>) -> Result<()> {
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(out.dim(), (rows.len(), cols.len()))?;
        for (i, row) in rows.iter().enumerate() {
            for (j, col) in cols.iter().enumerate() {
                out[(i, j)] = self.array[(row, col)];
            }
        }
        Ok(())
    }

    fn write(&mut self, selection: &Selection, values: ArrayView2<'_, T>) -> Result<()> {
        let (rows, cols) = selection.resolve(self.spec.shape)?;
        check_shape(values.dim(), (rows.len(), cols.len()))?;
        for (i, row) in rows.iter().enumerate() {
            for (j, col) in cols.iter().enumerate() {
                self.array[(row, col)] = values[(i, j)];
            }
        }
        Ok(())
    }

    fn visit(
        &self,
        order: TileOrder,
        visitor: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
        context: &Context,
    ) -> Result<()> {
        let Shape { rows, cols } = self.spec.shape;
        let axis = if order == TileOrder::Columns { NdAxis(1) } else { NdAxis(0) };
        for (index, line) in self.array.axis_chunks_iter(axis, 1).enumerate() {
            let one = index..index + 1;
            let (rows, cols) = if axis == NdAxis(1) { (0..rows, one) } else { (one, 0..cols) };
            let bytes = size_of_val(&line) as u64;
            visitor(Tile { rows, cols, values: Values::Dense(line) })?;
            context.advance(bytes)?;
        }
        Ok(())
    }

    fn visit_rows(
        &self,
        rows: &[usize],
        batch: usize,
        visitor: &mut BatchVisitor<'_, T>,
        context: &Context,
    ) -> Result<()> {
        shuffle::visit_rows(self, None, rows, batch, visitor, context)
    }

    fn column_writer<'a>(
        &'a mut self,
        _context: &Context,
    ) -> Result<Box<dyn ColumnWriter<Elem = T> + 'a>> {
        Ok(Box::new(MemoryColumns(self)))
    }

    fn tile_writer<'a>(
        &'a mut self,
        _context: &Context,
    ) -> Result<Box<dyn TileWriter<Elem = T> + 'a>> {
        Ok(Box::new(DenseTiles(self)))
    }

    fn append(&mut self, values: ArrayView2<'_, T>) -> Result<()> {
        check_shape(values.dim(), (values.nrows(), self.spec.shape.cols))?;
        self.array.append(NdAxis(0), values).map_err(shape_error)?;
        self.spec.shape.rows = self.array.nrows();
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn plan(&self, access: &Access, _context: &Context) -> Result<Plan> {
        let (kind, shape) = match access {
            Access::Read(selection) => (StepKind::StridedGather, selection.shape(self.spec.shape)?),
            Access::Write(selection) => {
                (StepKind::StridedScatter, selection.shape(self.spec.shape)?)
            }
            Access::Shuffle { .. } => (StepKind::StridedGather, self.spec.shape),
            Access::Visit(_) => (StepKind::Windows, self.spec.shape),
            Access::FillColumns => (StepKind::StridedScatter, self.spec.shape),
        };
        Ok(Plan {
            steps: vec![Step::new(kind, 1, 0, 0)],
            bytes_requested: shape.dense_bytes(size_of::<T>())? as u64,
            memory_bytes: 0,
            ..Plan::default()
        })
    }
}

struct MemoryColumns<'a, T>(&'a mut MemoryStore<T>);

impl<T: Element> ColumnWriter for MemoryColumns<'_, T> {
    type Elem = T;

    fn write(&mut self, first: usize, columns: ArrayView2<'_, T>) -> Result<()> {
        check_columns(self.0.spec.shape, first, columns.dim())?;
        self.0.array.slice_mut(s![.., first..first + columns.ncols()]).assign(&columns);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
