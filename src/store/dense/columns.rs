//! Writing columns in bulk: straight into place where columns lie together, else held and logged, then
//! transposed block by block.
//!
//! Writing one column at a time into rows touches every page of the file for each column. Columns are
//! therefore held in memory, and what the budget does not hold is logged to a nameless scratch file; at
//! the end each block of rows is put together from all columns and written once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::engine::{Engine, on_threads};
use super::kernel;
use crate::array::{Element, Shape};
use crate::error::Result;
use crate::store::{ColumnWriter, Context, Plan, Reservation, Step, StepKind, check_columns};
use crate::sys::{Device, Medium};

/// The least memory with which blocks are transposed: less would be a block of a few rows.
const SMALLEST_BLOCK_BYTES: u64 = 256;

/// The largest block: its input and output still fit the last-level cache.
const LARGEST_BLOCK_BYTES: u64 = 8 << 20;

/// Bytes written in place after which the disk is set to work on them.
const WRITE_BACK_BYTES: u64 = 16 << 20;

/// How columns come into place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnPlan {
    /// Columns held in memory; the rest is logged.
    pub held: usize,
    /// Rows put together at a time.
    pub block_rows: usize,
    /// Memory for one block: the logged columns' parts, and the rows where the device lends none.
    pub block_bytes: u64,
}

impl ColumnPlan {
    /// Divides the budget between columns to hold and the block to transpose.
    pub(super) fn new(engine: &Engine, available_bytes: u64) -> Self {
        let geometry = &engine.geometry;
        let column_bytes = (geometry.lines * geometry.item_bytes).max(1) as u64;
        // A block takes its rows twice at most: as parts of columns, and as rows.
        let row_bytes = 2 * geometry.line_bytes().max(1) as u64;
        let least = SMALLEST_BLOCK_BYTES.max(row_bytes);
        let block_bytes = (available_bytes / 4).clamp(least, LARGEST_BLOCK_BYTES.max(least));
        let block_rows = usize::try_from(block_bytes / row_bytes).unwrap_or(usize::MAX);
        let held = available_bytes.saturating_sub(block_bytes) / column_bytes;
        Self {
            held: usize::try_from(held).unwrap_or(usize::MAX).min(geometry.line_items),
            block_rows: block_rows.clamp(1, geometry.lines.max(1)),
            block_bytes,
        }
    }

    /// The plan for filling every column, as its user sees it.
    pub(super) fn describe(&self, engine: &Engine) -> Plan {
        let geometry = &engine.geometry;
        let total = geometry.total_bytes();
        let column_bytes = (geometry.lines * geometry.item_bytes) as u64;
        let logged = (geometry.line_items - self.held) as u64;
        let mut steps = Vec::new();
        if logged > 0 {
            steps.push(Step {
                kind: StepKind::LogColumns,
                times: logged,
                bytes_read: 0,
                bytes_written: logged * column_bytes,
            });
        }
        steps.push(Step {
            kind: StepKind::TransposeBlocks,
            times: geometry.lines.div_ceil(self.block_rows) as u64,
            bytes_read: logged * column_bytes,
            bytes_written: total,
        });
        let memory_bytes = self.block_bytes + self.held as u64 * column_bytes;
        Plan { steps, bytes_requested: total, memory_bytes }
    }
}

/// Columns of a Fortran-order file: each is a run of bytes.
#[derive(Debug)]
pub(super) struct StraightColumns<'a, T> {
    engine: &'a mut Engine,
    context: Context,
    /// A column made contiguous, where the caller's is not.
    column: Vec<T>,
    /// Written bytes that the disk was not yet set to work on.
    pending: Range<u64>,
}

impl<'a, T: Element> StraightColumns<'a, T> {
    pub(super) fn new(engine: &'a mut Engine, context: &Context) -> Self {
        Self { engine, context: context.clone(), column: Vec::new(), pending: 0..0 }
    }
}

impl<T: Element> ColumnWriter for StraightColumns<'_, T> {
    type Elem = T;

    fn write(&mut self, first: usize, columns: ArrayView2<'_, T>) -> Result<()> {
        let geometry = self.engine.geometry;
        let shape = Shape::new(geometry.line_items, geometry.lines);
        check_columns(shape, first, columns.dim())?;
        for (index, column) in columns.columns().into_iter().enumerate() {
            let values = match column.to_slice() {
                Some(values) => values,
                None => {
                    self.column.clear();
                    self.column.extend(column.iter().copied());
                    &self.column
                }
            };
            let range = geometry.lines_range(first + index..first + index + 1);
            self.engine.device.write_at(range.start, bytemuck::must_cast_slice(values))?;
            self.context.advance(range.end - range.start)?;
            self.pending =
                if self.pending.end == range.start { self.pending.start..range.end } else { range };
            if self.pending.end - self.pending.start >= WRITE_BACK_BYTES {
                self.engine.device.write_back(self.pending.clone());
                self.pending.start = self.pending.end;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.engine.device.write_back(self.pending.clone());
        Ok(())
    }
}

/// Where a column's values wait for their block.
#[derive(Debug)]
enum Place<T> {
    Held(Vec<T>),
    /// At this offset of the log.
    Logged(u64),
}

/// Columns of a C-order file: held, logged, and transposed at the end.
#[derive(Debug)]
pub(super) struct StagedColumns<'a, T> {
    engine: &'a mut Engine,
    medium: Arc<dyn Medium>,
    context: Context,
    plan: ColumnPlan,
    columns: BTreeMap<usize, Place<T>>,
    held: usize,
    log: Option<Box<dyn Device>>,
    _memory: Reservation,
}

impl<'a, T: Element> StagedColumns<'a, T> {
    pub(super) fn new(
        engine: &'a mut Engine,
        medium: Arc<dyn Medium>,
        context: &Context,
    ) -> Result<Self> {
        let plan = ColumnPlan::new(engine, context.available_bytes());
        let column_bytes = (engine.geometry.lines * engine.geometry.item_bytes) as u64;
        let _memory = context.reserve(plan.block_bytes + plan.held as u64 * column_bytes)?;
        Ok(Self {
            engine,
            medium,
            context: context.clone(),
            plan,
            columns: BTreeMap::new(),
            held: 0,
            log: None,
            _memory,
        })
    }

    fn rows(&self) -> usize {
        self.engine.geometry.lines
    }

    fn column_bytes(&self) -> u64 {
        (self.rows() * size_of::<T>()) as u64
    }

    /// Keeps one column, in memory or in the log.
    fn stage(&mut self, index: usize, column: &[T]) -> Result<()> {
        match self.columns.get_mut(&index) {
            Some(Place::Held(values)) => {
                values.copy_from_slice(column);
                return Ok(());
            }
            Some(&mut Place::Logged(offset)) => {
                let log = self.log.as_mut().expect("what was logged has a log");
                return log.write_at(offset, bytemuck::must_cast_slice(column));
            }
            None => {}
        }
        let place = if self.held < self.plan.held {
            self.held += 1;
            Place::Held(column.to_vec())
        } else {
            Place::Logged(self.append_to_log(column)?)
        };
        self.columns.insert(index, place);
        Ok(())
    }

    fn append_to_log(&mut self, column: &[T]) -> Result<u64> {
        let bytes = self.column_bytes();
        let slot = (self.columns.len() - self.held) as u64;
        let log = match &mut self.log {
            Some(log) => log,
            None => {
                // All the space that may be needed, before anything is written.
                let most = (self.engine.geometry.line_items - self.held) as u64 * bytes;
                let near = self.engine.device.path().unwrap_or(std::path::Path::new("log"));
                self.log.insert(self.medium.scratch(near, most)?)
            }
        };
        log.write_at(slot * bytes, bytemuck::must_cast_slice(column))?;
        Ok(slot * bytes)
    }

    /// Puts together and writes the rows of one block. `parts` has room for the logged columns' parts.
    fn transpose_block(&mut self, rows: Range<usize>, parts: &mut [T]) -> Result<()> {
        let geometry = self.engine.geometry;
        let logged: Vec<u64> = self
            .columns
            .values()
            .filter_map(|place| match place {
                Place::Logged(offset) => Some(*offset + (rows.start * size_of::<T>()) as u64),
                Place::Held(_) => None,
            })
            .collect();
        let parts = &mut parts[..logged.len() * rows.len()];
        if let Some(log) = &self.log {
            let read = |(offset, part): (&u64, &mut [T])| {
                log.read_into(*offset, bytemuck::must_cast_slice_mut(part))
            };
            on_threads(&self.context, size_of_val(parts), || {
                logged.par_iter().zip(parts.par_chunks_mut(rows.len())).try_for_each(read)
            })?;
        }
        let mut logged_parts = parts.chunks(rows.len());
        let columns: Vec<(usize, &[u8])> = self
            .columns
            .iter()
            .map(|(&index, place)| {
                let part = match place {
                    Place::Held(values) => &values[rows.clone()],
                    Place::Logged(_) => logged_parts.next().expect("a part for each logged column"),
                };
                (index, bytemuck::must_cast_slice(part))
            })
            .collect();
        let context = &self.context;
        let place = &mut |bytes: &mut [u8]| {
            on_threads(context, bytes.len(), || {
                kernel::interleave(geometry.item_bytes, &columns, bytes, geometry.line_items);
            });
            Ok(())
        };
        let range = geometry.lines_range(rows);
        let bytes = range.end - range.start;
        if columns.len() == geometry.line_items {
            self.engine.device.overwrite(range, place)?;
        } else {
            self.engine.device.update(range, place)?;
        }
        self.context.advance(bytes)
    }
}

impl<T: Element> ColumnWriter for StagedColumns<'_, T> {
    type Elem = T;

    fn write(&mut self, first: usize, columns: ArrayView2<'_, T>) -> Result<()> {
        let shape = Shape::new(self.rows(), self.engine.geometry.line_items);
        check_columns(shape, first, columns.dim())?;
        for (index, column) in columns.columns().into_iter().enumerate() {
            match column.to_slice() {
                Some(values) => self.stage(first + index, values)?,
                None => self.stage(first + index, &column.to_vec())?,
            }
            self.context.advance(self.column_bytes())?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let rows = self.rows();
        if self.columns.is_empty() || rows == 0 {
            return Ok(());
        }
        let logged = self.columns.len() - self.held;
        let mut parts = vec![T::default(); logged * self.plan.block_rows];
        let mut pending = self.engine.geometry.offset(0, 0);
        for top in (0..rows).step_by(self.plan.block_rows) {
            let block = top..rows.min(top + self.plan.block_rows);
            let end = self.engine.geometry.offset(block.end, 0);
            self.transpose_block(block, &mut parts)?;
            // The disk writes one stretch while the next is put together.
            if end - pending >= WRITE_BACK_BYTES {
                self.engine.device.write_back(pending..end);
                pending = end;
            }
        }
        Ok(())
    }
}

/// The plan for filling a Fortran-order file.
pub(super) fn describe_straight(engine: &Engine) -> Plan {
    let total = engine.geometry.total_bytes();
    let step = Step {
        kind: StepKind::CoalescedWrites,
        times: engine.geometry.lines as u64,
        bytes_read: 0,
        bytes_written: total,
    };
    Plan { steps: vec![step], bytes_requested: total, memory_bytes: 0 }
}
