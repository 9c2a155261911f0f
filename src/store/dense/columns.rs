//! Writing columns in bulk: straight into place where columns lie together, else staged, then transposed
//! block by block.

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{ArrayView2, Axis};

use super::engine::{COPY_BYTES, Engine};
use super::geometry::Geometry;
use super::kernel;
use crate::array::{Element, Shape};
use crate::error::Result;
use crate::store::behind::WriteBehind;
use crate::store::stage::{ColumnStage, Scratch};
use crate::store::{
    Budget, ColumnWriter, Context, Plan, Reservation, Step, StepKind, check_columns,
};
use crate::sys::{Device, DeviceKind, Pages};

/// The least memory with which blocks are transposed: less would be a block of a few rows.
const SMALLEST_BLOCK_BYTES: u64 = 256;

/// The largest block, unless logged columns' parts would become short: its input and output still fit the last-level
/// cache.
const LARGEST_BLOCK_BYTES: u64 = 8 << 20;

/// A logged column's part of a block is at least so long, where the memory allows: it is read in one go.
const LOGGED_PART_BYTES: u64 = 64 << 10;

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
    pub(super) fn describe(&self, engine: &Engine, budget: Budget) -> Plan {
        let geometry = &engine.geometry;
        let total = geometry.total_bytes();
        let column_bytes = (geometry.lines * geometry.item_bytes) as u64;
        let logged = (geometry.line_items - self.held) as u64;
        let mut steps = Vec::new();
        if logged > 0 {
            steps.push(Step::new(StepKind::LogColumns, logged, 0, logged * column_bytes));
        }
        let (blocks, read) =
            (geometry.lines.div_ceil(self.block_rows) as u64, logged * column_bytes);
        let paged = if budget.is_cached(read) { 0 } else { read };
        steps.push(Step::new(StepKind::TransposeBlocks, blocks, read, total).paged(paged));
        let memory_bytes = self.memory_bytes(geometry);
        Plan { steps, bytes_requested: total, memory_bytes, ..Plan::default() }
    }
}

/// Whether blocks of whole rows are written by calls. Also where the file is mapped: through a map every page is
/// zeroed and faulted in before it is written, which takes a fifth longer (1000000×100 f32, on two cores).
fn writes_by_calls(device: &dyn Device) -> bool {
    device.kind() != DeviceKind::Memory
}

/// The longest stretch of short columns that is written in one go.
const JOINED_BYTES: u64 = 1 << 20;

/// Columns that lie one behind the other in the file. Short ones are joined: a call for each would cost more than
/// its bytes.
#[derive(Debug)]
pub(super) struct StraightColumns<'a, T> {
    engine: &'a mut Engine,
    shape: Shape,
    context: Context,
    behind: WriteBehind,
    /// What was given last and is not written yet, which belongs at `at`. Never longer than its memory.
    joined: Vec<u8>,
    at: u64,
    memory: Reservation,
    element: PhantomData<T>,
}

impl<'a, T: Element> StraightColumns<'a, T> {
    /// For a matrix of `shape`, whose columns follow each other in the file of `engine`.
    pub(super) fn new(engine: &'a mut Engine, shape: Shape, context: &Context) -> Result<Self> {
        let memory = context.reserve(joined_bytes(engine, context))?;
        let behind = WriteBehind::new(&*engine.device, context);
        let context = context.clone();
        let (joined, at, element) = (Vec::new(), 0, PhantomData);
        Ok(Self { engine, shape, context, behind, joined, at, memory, element })
    }

    /// Writes `values` at `offset` of the file, or keeps them until there is more.
    fn put(&mut self, offset: u64, values: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::must_cast_slice(values);
        let room = self.memory.bytes();
        let is_short = bytes.len() as u64 <= room / 2;
        let end = self.at + self.joined.len() as u64;
        let fits = (self.joined.len() + bytes.len()) as u64 <= room;
        if !(is_short && fits && offset == end) {
            self.write_joined()?;
            self.at = offset;
        }
        if is_short {
            self.joined.extend_from_slice(bytes);
            return self.context.advance(bytes.len() as u64);
        }
        for (index, piece) in bytes.chunks(COPY_BYTES).enumerate() {
            self.engine.device.write_at(offset + (index * COPY_BYTES) as u64, piece)?;
            self.context.advance(piece.len() as u64)?;
        }
        self.at = offset + bytes.len() as u64;
        self.behind.written(&*self.engine.device, offset..self.at);
        Ok(())
    }

    fn write_joined(&mut self) -> Result<()> {
        if self.joined.is_empty() {
            return Ok(());
        }
        self.engine.device.write_at(self.at, &self.joined)?;
        let end = self.at + self.joined.len() as u64;
        self.behind.written(&*self.engine.device, self.at..end);
        self.at = end;
        self.joined.clear();
        Ok(())
    }
}

impl<T: Element> ColumnWriter for StraightColumns<'_, T> {
    type Elem = T;

    fn write(&mut self, first: usize, columns: ArrayView2<'_, T>) -> Result<()> {
        check_columns(self.shape, first, columns.dim())?;
        let _step = self.context.step(StepKind::CoalescedWrites);
        let column_bytes = (self.shape.rows * size_of::<T>()) as u64;
        let mut offset = self.engine.geometry.data_offset + first as u64 * column_bytes;
        if let Some(values) = columns.t().to_slice() {
            return self.put(offset, values);
        }
        // Pieces that are made contiguous stay in the first-level cache.
        let mut piece = [T::default(); 1024];
        for column in columns.columns() {
            for values in column.axis_chunks_iter(Axis(0), piece.len()) {
                let piece = &mut piece[..values.len()];
                piece.iter_mut().zip(values).for_each(|(out, value)| *out = *value);
                self.put(offset, piece)?;
                offset += size_of_val(piece) as u64;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.write_joined()?;
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
            return blocks.write_by_calls(&mut *self.engine.device);
        }
        self.engine.device.advise(self.engine.pass_advice());
        let written = blocks.write_in_place(&mut *self.engine.device);
        self.engine.device.advise(self.engine.usual_advice());
        written
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
        let mut behind = WriteBehind::new(device, self.context);
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
        let mut behind = WriteBehind::new(device, self.context);
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

/// Memory for short columns that are joined: at least for an element.
fn joined_bytes(engine: &Engine, context: &Context) -> u64 {
    let geometry = &engine.geometry;
    let bytes = JOINED_BYTES.min(geometry.total_bytes()).min(context.available_bytes() / 8);
    bytes.max(geometry.item_bytes as u64)
}

/// The plan for filling a file in which columns lie one behind the other.
pub(super) fn describe_straight(engine: &Engine, context: &Context) -> Plan {
    let total = engine.geometry.total_bytes();
    let memory_bytes = joined_bytes(engine, context);
    let times = (engine.geometry.lines as u64).min(total.div_ceil(memory_bytes.max(1)));
    let step = Step::new(StepKind::CoalescedWrites, times, 0, total);
    Plan { steps: vec![step], bytes_requested: total, memory_bytes, ..Plan::default() }
}
