//! Passing a file once for many tiles across its lines: blocks of lines are turned into a log, from which the tiles
//! are read.
//!
//! The reverse of how columns come into rows (`columns.rs`). Where the memory holds few of the positions, a pass over
//! the file for each group of them reads it many times; this way it is read once, and what the first tile does not
//! take is written and read once more. Owns the log's layout: knows nothing of elements.

use std::ops::Range;

use rayon::prelude::*;

use super::engine::Engine;
use super::geometry::Geometry;
use super::kernel::{self, Block, BlockOrder, Lines};
use super::windows::{PAGE_BYTES, window_memory};
use crate::array::Picks;
use crate::error::Result;
use crate::store::behind::WriteBehind;
use crate::store::plan::WRITE_COST;
use crate::store::{Budget, Context, Plan, Step, StepKind};
use crate::sys::{Advice, Device, Pages};

/// The largest block, unless the tiles' parts of it would become short: it fits the last-level cache.
const BLOCK_BYTES: u64 = 8 << 20;

/// A tile's part of a block is at least so long, where the memory allows: it is read from the log in one go.
const STRETCH_BYTES: u64 = 64 << 10;

/// Bytes of a log that a thread reads in one call, where the budget allows. Longer runs are read straight to where they
/// belong.
const CALL_BYTES: u64 = 256 << 10;

/// How many calls ahead a thread asks for what it will read.
const CALLS_AHEAD: usize = 8;

/// How a file is turned, and the tiles that come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TurnPlan {
    /// Positions in a tile.
    pub positions: usize,
    /// Lines in a tile: fewer than there are only where one position of all lines exceeds the budget.
    pub lines: usize,
    /// Positions of the first tile that is made while the file is passed: these are not logged.
    pub held: usize,
    /// Lines that are turned at a time. The lines of a tile are a multiple of them, or all.
    block_lines: usize,
    /// Bytes that a thread reads in a call, beside those that go straight to their place: whole runs.
    call_bytes: usize,
}

impl TurnPlan {
    /// The plan for a budget, where one is possible.
    pub(super) fn new(engine: &Engine, threads: usize, available_bytes: u64) -> Option<Self> {
        let geometry = &engine.geometry;
        let item_bytes = geometry.item_bytes as u64;
        let line_bytes = (geometry.line_bytes() as u64).max(1);
        let total = geometry.total_bytes();
        let usual = BLOCK_BYTES.min(available_bytes / 8);
        let wanted = STRETCH_BYTES.saturating_mul(total / available_bytes.max(1)).max(usual);
        let block_lines = (wanted.min(available_bytes / 5) / line_bytes).min(geometry.lines as u64);
        // Blocks are turned and written, or else tiles are read.
        let call_bytes = CALL_BYTES.min(available_bytes / 8 / threads as u64);
        let calls = threads as u64 * call_bytes;
        let blocks = block_memory(engine, block_lines * line_bytes).max(calls);
        let room = available_bytes.saturating_sub(blocks) / item_bytes;
        let lines = match room / (geometry.lines as u64).max(1) {
            0 => room.checked_div(block_lines)? * block_lines,
            _ => geometry.lines as u64,
        };
        let positions = room.checked_div(lines)?.min(geometry.line_items as u64);
        let [positions, lines, block_lines] = [positions, lines, block_lines]
            .map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let held = if lines == geometry.lines { positions } else { 0 };
        let run_bytes = (block_lines * geometry.item_bytes).max(1);
        let call_bytes = call_bytes as usize / run_bytes * run_bytes;
        let is_possible = block_lines > 0 && positions > 0;
        is_possible.then_some(Self { positions, lines, held, block_lines, call_bytes })
    }

    /// What the steps move, and how many bytes read would take as long.
    fn cost(&self, geometry: &Geometry) -> u64 {
        let logged = self.log_bytes(geometry);
        let stretch = (self.positions * self.block_lines * geometry.item_bytes) as u64;
        let read = logged.saturating_mul(PAGE_BYTES.div_ceil(stretch.max(1)));
        geometry.total_bytes() + WRITE_COST * logged + read
    }

    /// Whether this costs less than passes that read so many bytes.
    pub(super) fn is_better_than(&self, bytes_read: u64, geometry: &Geometry) -> bool {
        self.cost(geometry) < bytes_read
    }

    /// Bytes of the log.
    pub(super) fn log_bytes(&self, geometry: &Geometry) -> u64 {
        self.logged(geometry).len() as u64 * (geometry.lines * geometry.item_bytes) as u64
    }

    fn logged(&self, geometry: &Geometry) -> Range<usize> {
        self.held..geometry.line_items
    }

    /// Memory for blocks while the file is passed.
    fn block_memory(&self, engine: &Engine) -> u64 {
        block_memory(engine, (self.block_lines * engine.geometry.line_bytes()) as u64)
    }

    /// The plan as its user sees it.
    pub(super) fn describe(&self, engine: &Engine, budget: Budget) -> Plan {
        let geometry = &engine.geometry;
        let (total, logged) = (geometry.total_bytes(), self.log_bytes(geometry));
        let blocks = geometry.lines.div_ceil(self.block_lines) as u64;
        let across = geometry.line_items.div_ceil(self.positions);
        let tiles = (across * geometry.lines.div_ceil(self.lines)) as u64;
        let turn = Step::new(StepKind::TurnBlocks, blocks, total, logged);
        let first = u64::from(self.held > 0);
        let paged = if budget.is_cached(logged) { 0 } else { logged };
        let read = Step::new(StepKind::ReadLog, tiles - first, logged, 0).paged(paged);
        let tile_bytes = (self.positions * self.lines * geometry.item_bytes) as u64;
        Plan {
            steps: vec![
                turn.advised(engine.pass_advice()),
                read.advised(Advice::Random).at_once(CALLS_AHEAD as u64),
            ],
            bytes_requested: total,
            memory_bytes: tile_bytes + self.block_memory(engine),
            ..Plan::default()
        }
    }
}

/// A file's positions, turned: block after block of lines, in each the lines' items position after position.
#[derive(Debug)]
pub(super) struct TurnLog<'a> {
    plan: TurnPlan,
    geometry: Geometry,
    log: &'a mut dyn Device,
}

impl<'a> TurnLog<'a> {
    /// Passes the file of `engine` once. What the first tile holds goes to `first`, the rest to `log`, which is as
    /// long as the plan says.
    pub(super) fn write(
        engine: &Engine,
        plan: TurnPlan,
        first: &mut [u8],
        log: &'a mut dyn Device,
        context: &Context,
    ) -> Result<Self> {
        let geometry = engine.geometry;
        let _memory = context.reserve(plan.block_memory(engine))?;
        let _step = context.step(StepKind::TurnBlocks);
        let turned = Self { plan, geometry, log };
        let block_bytes = plan.block_lines * geometry.line_bytes();
        let (mut made, mut next) = (Pages::new(block_bytes)?, Pages::new(block_bytes)?);
        engine.device.advise(engine.pass_advice());
        let mut behind = WriteBehind::scratch(turned.log.len(), context.budget());
        let mut ready = 0..0;
        let blocks = turned.blocks(&(0..geometry.lines));
        for lines in blocks.map(Some).chain([None]) {
            let (log, first) = (&mut *turned.log, &mut *first);
            let (written, put) = context.install_for(block_bytes, || {
                rayon::join(
                    || write_log(log, &ready, &made, &mut behind),
                    || match &lines {
                        Some(lines) => {
                            let turned = turn(engine, &plan, lines, first, &mut next);
                            engine.passed(geometry.lines_range(lines.clone()), context);
                            turned
                        }
                        None => Ok(()),
                    },
                )
            });
            written.and(put)?;
            let lines = lines.unwrap_or(geometry.lines..geometry.lines);
            context.advance((lines.len() * geometry.line_bytes()) as u64)?;
            std::mem::swap(&mut made, &mut next);
            let from = turned.offset(&lines, plan.held);
            ready = from..from
                + (turned.plan.logged(&geometry).len() * lines.len() * geometry.item_bytes) as u64;
        }
        Ok(turned)
    }

    /// Reads `positions` of `lines`, which begin a block, one position after another, to `tile`.
    pub(super) fn read(
        &self,
        positions: &Range<usize>,
        lines: &Range<usize>,
        tile: &mut [u8],
        context: &Context,
    ) -> Result<()> {
        let item_bytes = self.geometry.item_bytes;
        let call_bytes = self.plan.call_bytes;
        let _memory = context.reserve((context.threads() * call_bytes) as u64)?;
        let _step = context.step(StepKind::ReadLog);
        self.log.advise(Advice::Random);
        let together = (call_bytes / (self.plan.block_lines * item_bytes)).max(1);
        let column_bytes = lines.len() * item_bytes;
        let part = |buffer: &mut Vec<u8>, (index, columns): (usize, &mut [u8])| {
            buffer.resize(call_bytes, 0);
            let first = positions.start + index * together;
            self.read_columns(first, lines, columns, buffer)?;
            context.advance(0)
        };
        context.install_for(tile.len(), || {
            tile.par_chunks_mut(together * column_bytes)
                .enumerate()
                .try_for_each_init(Vec::new, part)
        })
    }

    /// Reads the positions from `first` on of `lines`, as many as `columns` has room for.
    fn read_columns(
        &self,
        first: usize,
        lines: &Range<usize>,
        columns: &mut [u8],
        buffer: &mut [u8],
    ) -> Result<()> {
        let item_bytes = self.geometry.item_bytes;
        let column_bytes = lines.len() * item_bytes;
        let count = columns.len() / column_bytes;
        let range = |block: &Range<usize>| {
            let from = self.offset(block, first);
            from..from + (count * block.len() * item_bytes) as u64
        };
        let mut ahead = self.blocks(lines).skip(1);
        for (index, block) in self.blocks(lines).enumerate() {
            if index % CALLS_AHEAD == 0 {
                let next: Vec<_> =
                    ahead.by_ref().take(CALLS_AHEAD).map(|block| range(&block)).collect();
                self.log.prefetch(&next);
            }
            let place =
                (block.start - lines.start) * item_bytes..(block.end - lines.start) * item_bytes;
            let bytes = range(&block);
            if buffer.is_empty() {
                self.log.read_into(bytes.start, &mut columns[place])?;
                continue;
            }
            let read = &mut buffer[..(bytes.end - bytes.start) as usize];
            self.log.read_into(bytes.start, read)?;
            let runs = read.chunks_exact(place.len());
            for (column, run) in columns.chunks_exact_mut(column_bytes).zip(runs) {
                column[place.clone()].copy_from_slice(run);
            }
        }
        Ok(())
    }

    /// The blocks that make up `lines`.
    fn blocks(&self, lines: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let (step, end) = (self.plan.block_lines, lines.end);
        lines.clone().step_by(step).map(move |top| top..end.min(top + step))
    }

    /// Where the items of `position` of the lines of `block` begin in the log.
    fn offset(&self, block: &Range<usize>, position: usize) -> u64 {
        let logged = self.plan.logged(&self.geometry);
        let items = block.start as u64 * logged.len() as u64
            + (position - logged.start) as u64 * block.len() as u64;
        items * self.geometry.item_bytes as u64
    }
}

/// Memory for a block that is turned while the one before is being written.
fn block_memory(engine: &Engine, block_bytes: u64) -> u64 {
    2 * block_bytes + window_memory(engine.device.kind(), block_bytes)
}

/// Reads `lines` and turns them: what is held to `first`, the rest to the front of `rest`.
fn turn(
    engine: &Engine,
    plan: &TurnPlan,
    lines: &Range<usize>,
    first: &mut [u8],
    rest: &mut [u8],
) -> Result<()> {
    let geometry = &engine.geometry;
    let item_bytes = geometry.item_bytes;
    let bytes = geometry.lines_range(lines.clone());
    engine.device.sweep(bytes.clone());
    engine.device.with(bytes, &mut |bytes| {
        let source = Lines { offset: 0, stride: geometry.line_bytes(), count: lines.len() };
        let order = BlockOrder::Across;
        if plan.held > 0 {
            let picks = run(&(0..plan.held));
            let mut block =
                Block { bytes: &mut *first, order, lines: geometry.lines, positions: plan.held };
            kernel::gather(item_bytes, bytes, source, &picks, &mut block, lines.start);
        }
        let logged = plan.logged(geometry);
        let bytes_logged = logged.len() * lines.len() * item_bytes;
        let mut block = Block {
            bytes: &mut rest[..bytes_logged],
            order,
            lines: lines.len(),
            positions: logged.len(),
        };
        kernel::gather(item_bytes, bytes, source, &run(&logged), &mut block, 0);
        Ok(())
    })
}

fn write_log(
    log: &mut dyn Device,
    range: &Range<u64>,
    bytes: &[u8],
    behind: &mut WriteBehind,
) -> Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    log.write_at(range.start, &bytes[..(range.end - range.start) as usize])?;
    behind.written(log, range.clone());
    Ok(())
}

fn run(range: &Range<usize>) -> Picks<'static> {
    Picks::Range { start: range.start, step: 1, count: range.len() }
}
