//! Appending whole lines: the typed end of [`Growth`].

use ndarray::ArrayView2;

use super::DenseStore;
use super::geometry::Geometry;
use super::growth::Growth;
use crate::array::{Element, Order, Picks, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Stats;

impl<T: Element> DenseStore<T> {
    /// Appends `values`, lines × positions of the file.
    pub(super) fn append_lines(&mut self, values: ArrayView2<'_, T>) -> Result<()> {
        let (many, width) = values.dim();
        let grown = self.grown(many, width).map_err(|error| self.named(error))?;
        if many == 0 {
            return Ok(());
        }
        if let Err(error) = self.write_behind(grown, values) {
            let Self { engine, growth, .. } = self;
            if let Some(growth) = growth
                && growth.settled_lines() == engine.geometry.lines
            {
                growth.put_back(engine);
            }
            return Err(self.named(error));
        }
        self.engine.geometry.lines = grown;
        self.spec.shape = self.shape_of(grown);
        if let (Some(shape), Some(growth)) = (&mut self.spec.file_shape, &self.growth) {
            *shape = growth.shape_of(grown);
        }
        Ok(())
    }

    /// How many lines there are once `many` of `width` elements are appended, if they can be.
    fn grown(&self, many: usize, width: usize) -> Result<usize> {
        self.check_writable()?;
        let growth = self.growth.as_ref().ok_or_else(|| {
            let reason = "opened copy-on-write: the file stays as it is, and so does its length";
            Error::new(ErrorKind::Unsupported, "append", reason)
        })?;
        let Geometry { lines, line_items, .. } = self.engine.geometry;
        if width != line_items {
            let line = match self.order {
                Order::C => "row",
                Order::Fortran => "column",
            };
            let reason = format!("has {line}s of {line_items} elements, the values' have {width}");
            return Err(Error::new(ErrorKind::ShapeMismatch, "append", reason));
        }
        let grown = lines.saturating_add(many);
        self.shape_of(grown).dense_bytes(size_of::<T>())?;
        growth.check(grown)?;
        Ok(grown)
    }

    /// The matrix's shape where it has `lines` lines.
    fn shape_of(&self, lines: usize) -> Shape {
        let Shape { rows, cols } = self.spec.shape;
        match self.order {
            Order::C => Shape::new(lines, cols),
            Order::Fortran => Shape::new(rows, lines),
        }
    }

    /// Writes `values` behind the last of the lines, of which there are `grown` then.
    fn write_behind(&mut self, grown: usize, values: ArrayView2<'_, T>) -> Result<()> {
        let growth = self.growth.as_mut().expect("what does not grow was refused");
        growth.make_room(&mut self.engine, grown)?;
        let Geometry { lines: start, line_items, .. } = self.engine.geometry;
        let lines = Picks::Range { start, step: 1, count: values.nrows() };
        let positions = Picks::Range { start: 0, step: 1, count: line_items };
        self.write_lines(lines, positions, values)?;
        // So that the sync finds less to wait for.
        self.engine.device.write_back(self.engine.geometry.lines_range(start..grown));
        Ok(())
    }

    /// What the file amounts to, as others see it.
    pub(super) fn settled_stats(&self) -> Stats {
        let Geometry { lines, line_items, .. } = self.engine.geometry;
        let settled = self.growth.as_ref().map_or(lines, Growth::settled_lines);
        let settled_bytes = self.engine.geometry.offset(settled, 0);
        let ignored_bytes = match &self.growth {
            Some(growth) if !growth.is_settled() => 0,
            _ => self.engine.device.len() - settled_bytes,
        };
        Stats {
            bytes_on_disk: settled_bytes + ignored_bytes,
            stored: settled as u64 * line_items as u64,
            ignored_bytes,
            read_from: None,
            chunks: None,
        }
    }
}

/// What was appended and not synced goes with the handle.
impl<T> Drop for DenseStore<T> {
    fn drop(&mut self) {
        if let Some(growth) = &mut self.growth {
            growth.put_back(&mut self.engine);
        }
    }
}
