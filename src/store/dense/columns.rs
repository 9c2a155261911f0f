//! Writing columns in bulk: straight into place where columns lie together, else staged, then transposed
//! block by block.

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::ArrayView2;

use super::engine::Engine;
use super::geometry::Geometry;
use super::kernel;
use crate::array::{Element, Shape};
use crate::error::Result;
use crate::store::stage::{ColumnStage, Scratch};
use crate::store::{ColumnWriter, Context, Plan, Reservation, Step, StepKind, check_columns};
use crate::sys::{Device, DeviceKind, Pages};

/// The least memory with which blocks are transposed: less would be a block of a few rows.
const SMALLEST_BLOCK_BYTES: u64 = 256;

/// The largest block, unless logged columns' parts would become short: its input and output still fit the last-level
/// cache.
const LARGEST_BLOCK_BYTES: u64 = 8 << 20;

/// A logged column's part of a block is at least so long, where the memory allows: it is read in one go.
const LOGGED_PART_BYTES: u64 = 64 << 10;

/// Bytes written in place after which the disk is set to work on them.
const WRITE_BACK_BYTES: u64 = 48 << 20;

/// The largest pages of the page cache: a change through a map makes all of one dirty.
const LARGE_PAGE_BYTES: u64 = 2 << 20;

/// How columns come into place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnPlan {
    /// Columns held in memory; the rest is logged.
    pub held: usize,
    /// Rows put together at a time.
    pub block_rows: usize,
    /// Memory for blocks: the logged columns' parts, and the rows where the device lends none.
    pub block_bytes: u64,
}

impl ColumnPlan {
    /// Divides the budget between columns to hold and the block to transpose.
    pub(super) fn new(engine: &Engine, available_bytes: u64) -> Self {
        let geometry = &engine.geometry;
        let stage_bytes = |held| {
            ColumnStage::memory_bytes(
                geometry.line_items,
                geometry.lines * geometry.item_bytes,
                held,
            )
        };
        let (list_bytes, column_bytes) = (stage_bytes(0), (stage_bytes(1) - stage_bytes(0)).max(1));
        let available_bytes = available_bytes.saturating_sub(list_bytes);
        // A block takes its rows as parts of columns and as rows, and where these are written by a call, as the
        // rows that are being written meanwhile.
        let times = if writes_by_calls(&*engine.device) { 3 } else { 2 };
        let row_bytes = times * geometry.line_bytes().max(1) as u64;
        let least = SMALLEST_BLOCK_BYTES.max(row_bytes);
        let is_held =
            column_bytes.saturating_mul(geometry.line_items as u64) <= available_bytes / 4 * 3;
        let largest = match is_held {
            true => LARGEST_BLOCK_BYTES,
            false => {
                LARGEST_BLOCK_BYTES.max(times * geometry.line_items as u64 * LOGGED_PART_BYTES)
            }
        };
        let block_bytes = (available_bytes / 4).clamp(least, largest.max(least));
        let block_rows = usize::try_from(block_bytes / row_bytes).unwrap_or(usize::MAX);
        let held = available_bytes.saturating_sub(block_bytes) / column_bytes;
        Self {
            held: usize::try_from(held).unwrap_or(usize::MAX).min(geometry.line_items),
            block_rows: block_rows.clamp(1, geometry.lines.max(1)),
            block_bytes,
        }
    }

    /// Memory that carrying this out takes.
    fn memory_bytes(&self, geometry: &Geometry) -> u64 {
        let column_bytes = geometry.lines * geometry.item_bytes;
        self.block_bytes + ColumnStage::memory_bytes(geometry.line_items, column_bytes, self.held)
    }

    /// The plan for filling every column, as its user sees it.
    pub(super) fn describe(&self, engine: &Engine) -> Plan {
        let geometry = &engine.geometry;
        let total = geometry.total_bytes();
        let column_bytes = (geometry.lines * geometry.item_bytes) as u64;
        let logged = (geometry.line_items - self.held) as u64;
        let mut steps = Vec::new();
        if logged > 0 {
            steps.push(Step::new(StepKind::LogColumns, logged, 0, logged * column_bytes));
        }
        steps.push(Step::new(
            StepKind::TransposeBlocks,
            geometry.lines.div_ceil(self.block_rows) as u64,
            logged * column_bytes,
            total,
        ));
        let memory_bytes = self.memory_bytes(geometry);
        Plan { steps, bytes_requested: total, memory_bytes }
    }
}

/// Whether blocks of whole rows are written by calls. Also where the file is mapped: through a map every page is
/// zeroed and faulted in before it is written, which takes a fifth longer (1000000×100 f32, on two cores).
fn writes_by_calls(device: &dyn Device) -> bool {
    device.kind() != DeviceKind::Memory
}

/// Columns of a Fortran-order file: each is a run of bytes.
#[derive(Debug)]
pub(super) struct StraightColumns<'a, T> {
    engine: &'a mut Engine,
    context: Context,
    /// A column made contiguous, where the caller's is not.
    column: Vec<T>,
    behind: WriteBehind,
}

impl<'a, T: Element> StraightColumns<'a, T> {
    pub(super) fn new(engine: &'a mut Engine, context: &Context) -> Self {
        Self {
            engine,
            context: context.clone(),
            column: Vec::new(),
            behind: WriteBehind::default(),
        }
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
            self.behind.written(&*self.engine.device, range);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.behind.flush(&*self.engine.device);
        Ok(())
    }
}

/// Columns of a C-order file: staged, and transposed at the end.
#[derive(Debug)]
pub(super) struct StagedColumns<'a, T> {
    engine: &'a mut Engine,
    context: Context,
    plan: ColumnPlan,
    stage: ColumnStage,
    _memory: Reservation,
    element: PhantomData<T>,
}

impl<'a, T: Element> StagedColumns<'a, T> {
    pub(super) fn new(engine: &'a mut Engine, scratch: Scratch, context: &Context) -> Result<Self> {
        let geometry = &engine.geometry;
        let plan = ColumnPlan::new(engine, context.available_bytes());
        let _memory = context.reserve(plan.memory_bytes(geometry))?;
        let stage = ColumnStage::new(
            geometry.line_items,
            geometry.lines * geometry.item_bytes,
            plan.held,
            scratch,
            context.budget(),
        )?;
        let context = context.clone();
        Ok(Self { engine, context, plan, stage, _memory, element: PhantomData })
    }

    fn stage(&mut self, index: usize, column: &[T]) -> Result<()> {
        let bytes = bytemuck::must_cast_slice(column);
        let is_logged = self.stage.len() >= self.plan.held;
        let _step = is_logged.then(|| self.context.step(StepKind::LogColumns));
        self.stage.put(index, bytes)?;
        self.context.advance(bytes.len() as u64)
    }
}

impl<T: Element> ColumnWriter for StagedColumns<'_, T> {
    type Elem = T;

    fn write(&mut self, first: usize, columns: ArrayView2<'_, T>) -> Result<()> {
        let geometry = self.engine.geometry;
        check_columns(Shape::new(geometry.lines, geometry.line_items), first, columns.dim())?;
        for (index, column) in columns.columns().into_iter().enumerate() {
            match column.to_slice() {
                Some(values) => self.stage(first + index, values)?,
                None => self.stage(first + index, &column.to_vec())?,
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let geometry = self.engine.geometry;
        if self.stage.len() == 0 || geometry.lines == 0 {
            return Ok(());
        }
        let _step = self.context.step(StepKind::TransposeBlocks);
        let blocks = Blocks {
            geometry,
            rows: self.plan.block_rows,
            parts: Vec::new(),
            stage: &self.stage,
            context: &self.context,
        };
        let whole = self.stage.len() == geometry.line_items;
        if whole && writes_by_calls(&*self.engine.device) {
            blocks.write_by_calls(&mut *self.engine.device)
        } else {
            blocks.write_in_place(&mut *self.engine.device)
        }
    }
}

/// Staged columns on their way into rows, block by block.
struct Blocks<'a> {
    geometry: Geometry,
    /// Rows of a block.
    rows: usize,
    /// Room for a block's logged parts.
    parts: Vec<u8>,
    stage: &'a ColumnStage,
    context: &'a Context,
}

impl Blocks<'_> {
    fn each(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (lines, step) = (self.geometry.lines, self.rows);
        (0..lines).step_by(step).map(move |top| top..lines.min(top + step))
    }

    /// Puts each block together where it belongs: in a map, or in rows of which some columns stay.
    fn write_in_place(mut self, device: &mut dyn Device) -> Result<()> {
        let whole = self.stage.len() == self.geometry.line_items;
        let mut behind = WriteBehind::default();
        for rows in self.each() {
            let range = self.geometry.lines_range(rows.clone());
            let put = &mut |bytes: &mut [u8]| self.put_together(&rows, bytes);
            if whole {
                device.overwrite(range.clone(), put)?;
            } else {
                device.update(range.clone(), put)?;
            }
            behind.written(device, range.clone());
            self.context.advance(range.end - range.start)?;
        }
        Ok(())
    }

    /// Puts each block of whole rows together while the one before is being written.
    fn write_by_calls(mut self, device: &mut dyn Device) -> Result<()> {
        let block_bytes = self.rows * self.geometry.line_bytes();
        let (mut made, mut next) = (Pages::new(block_bytes)?, Pages::new(block_bytes)?);
        let mut behind = WriteBehind::default();
        let mut ready = 0..0;
        for rows in self.each().map(Some).chain([None]) {
            let range = rows.clone().map_or(0..0, |rows| self.geometry.lines_range(rows));
            let context = self.context;
            let (written, put) = context.install_for(block_bytes, || {
                rayon::join(
                    || write_block(device, &ready, &made, &mut behind),
                    || rows.map_or(Ok(()), |rows| self.put_together(&rows, &mut next)),
                )
            });
            written.and(put)?;
            context.advance(range.end - range.start)?;
            std::mem::swap(&mut made, &mut next);
            ready = range;
        }
        Ok(())
    }

    /// Puts the staged columns of some rows together in `bytes`, which begin with these rows.
    fn put_together(&mut self, rows: &Range<usize>, bytes: &mut [u8]) -> Result<()> {
        let Geometry { item_bytes, line_items, .. } = self.geometry;
        let bytes = &mut bytes[..rows.len() * self.geometry.line_bytes()];
        let part = rows.start * item_bytes..rows.end * item_bytes;
        let context = self.context;
        let next = rows.end..self.geometry.lines.min(rows.end + self.rows);
        if rows.start == 0 {
            self.stage.prefetch(&part);
        }
        // While this block is put together and the one before is written, the disk reads for the next one.
        self.stage.prefetch(&(next.start * item_bytes..next.end * item_bytes));
        self.stage.each_part(&part, &mut self.parts, context, &mut |columns| {
            let moved = columns.len() * part.len();
            context.install_for(moved, || {
                kernel::interleave(item_bytes, columns, bytes, line_items);
            });
        })
    }
}

fn write_block(
    device: &mut dyn Device,
    range: &Range<u64>,
    bytes: &[u8],
    behind: &mut WriteBehind,
) -> Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    device.write_at(range.start, &bytes[..(range.end - range.start) as usize])?;
    behind.written(device, range.clone());
    Ok(())
}

/// Sets the disk to work on what was written, a stretch at a time, so that it works while more is made.
#[derive(Debug, Default)]
struct WriteBehind {
    /// Written, and not yet handed to the disk.
    pending: Range<u64>,
}

impl WriteBehind {
    fn written(&mut self, device: &dyn Device, range: Range<u64>) {
        if self.pending.end != range.start {
            self.flush(device);
            self.pending.start = range.start;
        }
        self.pending.end = range.end;
        if self.pending.end - self.pending.start >= WRITE_BACK_BYTES {
            // What lies behind the last whole page is yet to be changed, and would be written twice.
            let whole = self.pending.end / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
            device.write_back(self.pending.start..whole);
            self.pending.start = whole;
        }
    }

    fn flush(&mut self, device: &dyn Device) {
        device.write_back(self.pending.clone());
        self.pending.start = self.pending.end;
    }
}

/// The plan for filling a Fortran-order file.
pub(super) fn describe_straight(engine: &Engine) -> Plan {
    let total = engine.geometry.total_bytes();
    let step = Step::new(StepKind::CoalescedWrites, engine.geometry.lines as u64, 0, total);
    Plan { steps: vec![step], bytes_requested: total, memory_bytes: 0 }
}
