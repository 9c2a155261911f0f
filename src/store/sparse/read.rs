//! Where what is read goes: into an array that is contiguous, or by way of one that is.

use ndarray::{Array2, ArrayViewMut2, Axis, Slice};

use super::SparseStore;
use super::gather::Cells;
use crate::array::{Compression, Element, Picks};
use crate::error::Result;

impl<T: Element> SparseStore<T> {
    /// Reads into an array that holds zeros where it is contiguous in either order.
    pub(super) fn read_picks(
        &self,
        rows: Picks<'_>,
        cols: Picks<'_>,
        mut out: ArrayViewMut2<'_, T>,
    ) -> Result<()> {
        if is_contiguous(&out) {
            return self.read_contiguous(rows, cols, out);
        }
        // Block by block of whole lines, so that none is read twice.
        const BLOCK_BYTES: u64 = 4 << 20;
        let axis = Axis(usize::from(self.engine.facts.compression == Compression::Csc));
        let line_bytes = (out.len_of(Axis(1 - axis.index())) * size_of::<T>()).max(1) as u64;
        let bytes = BLOCK_BYTES.min(self.engine.context.available_bytes() / 4).max(line_bytes);
        let _memory = self.engine.context.reserve(bytes)?;
        let step = (bytes / line_bytes) as usize;
        for top in (0..out.len_of(axis)).step_by(step) {
            let part = top..out.len_of(axis).min(top + step);
            let (rows, cols) = match axis.index() {
                0 => (rows.part(part.clone()), cols),
                _ => (rows, cols.part(part.clone())),
            };
            let mut block = Array2::from_elem((rows.len(), cols.len()), T::default());
            self.read_contiguous(rows, cols, block.view_mut())?;
            out.slice_axis_mut(axis, Slice::from(part)).assign(&block);
        }
        Ok(())
    }

    /// Reads into an array of zeros that lies contiguous in either order.
    fn read_contiguous(
        &self,
        rows: Picks<'_>,
        cols: Picks<'_>,
        out: ArrayViewMut2<'_, T>,
    ) -> Result<()> {
        let (row_stride, col_stride) =
            if out.is_standard_layout() { (cols.len(), 1) } else { (1, rows.len()) };
        let (line_stride, position_stride) = self.engine.split(row_stride, col_stride);
        let (lines, positions) = self.engine.split(rows, cols);
        let values = out.into_slice_memory_order().expect("the caller found it contiguous");
        let cells = bytemuck::cast_slice_mut(values);
        let mut out = Cells { cells, line_stride, position_stride };
        self.engine.read(lines, positions, &mut out, &self.engine.context)
    }
}

/// Whether an array is contiguous in either order.
pub(super) fn is_contiguous<T>(array: &ArrayViewMut2<'_, T>) -> bool {
    array.is_standard_layout() || array.t().is_standard_layout()
}
