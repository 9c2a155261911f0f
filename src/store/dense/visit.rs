//! Showing every cell once, in tiles: along the file's lines as they lie, or across them in groups.

use std::ops::Range;

use ndarray::{ArrayView2, ShapeBuilder};

use super::engine::{Engine, Within};
use super::kernel::{self, Block, BlockOrder};
use super::turn::{TurnLog, TurnPlan};
use super::windows::{SHARED_WINDOW_BYTES, window_bytes, window_memory};
use crate::array::{Element, Order, Picks};
use crate::error::{Error, ErrorKind, Result};
use crate::store::buffer::Buffer;
use crate::store::stage::{Scratch, is_without_room};
use crate::store::{Context, Plan, Step, StepKind, Tile, Values};
use crate::sys::{Device, DeviceKind};

/// How a visit cuts the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Tiles of whole lines, as they lie.
    Lines {
        /// Lines in a tile.
        lines: usize,
        /// Positions in a tile: fewer than a line has only where one line exceeds the budget.
        positions: usize,
    },
    /// Tiles of some positions of all lines: one pass over the file for each.
    Across {
        /// Positions in a tile.
        positions: usize,
        /// Lines in a tile: fewer than there are only where one position of all lines exceeds the budget.
        lines: usize,
    },
    /// The same tiles by one pass over the file, which turns it into a log.
    Turned(TurnPlan),
}

/// Who is shown tiles.
pub(super) type Visitor<'v, T> = dyn FnMut(Tile<'_, T>) -> Result<()> + 'v;

impl Engine {
    /// How to visit along (`across` false) or across the file's lines.
    pub(super) fn plan_visit(&self, across: bool, lends: bool, context: &Context) -> Cut {
        let geometry = &self.geometry;
        if across {
            let (positions, lines) = self.passes(context);
            let passes = Cut::Across { positions, lines };
            return self.turned(passes, context).unwrap_or(passes);
        }
        let kind = if lends { self.device.kind() } else { DeviceKind::Positioned };
        let mut window = window_bytes(kind, self.device.len(), context);
        if kind == DeviceKind::Positioned && context.threads() == 1 {
            // What one thread reads it uses at once: it stays in the second-level cache.
            window = window.min(SHARED_WINDOW_BYTES);
        }
        let positions = fitting(window, geometry.item_bytes as u64, geometry.line_items);
        let line_bytes = (positions * geometry.item_bytes) as u64;
        Cut::Lines { lines: fitting(window, line_bytes, geometry.lines), positions }
    }

    /// How to visit across the lines by a pass for each tile: (positions, lines) of a tile.
    fn passes(&self, context: &Context) -> (usize, usize) {
        let geometry = &self.geometry;
        let item_bytes = geometry.item_bytes as u64;
        let available = context.available_bytes();
        // The gather beneath takes windows of its own where the device lends nothing.
        let window = window_memory(self.device.kind(), self.window_bytes(context));
        let room = available.saturating_sub(window);
        let lines = fitting(room, item_bytes, geometry.lines);
        let positions = fitting(room, lines as u64 * item_bytes, geometry.line_items);
        (positions, lines)
    }

    /// How to visit across the lines by turning them, where that is better than `passes`.
    fn turned(&self, passes: Cut, context: &Context) -> Option<Cut> {
        let geometry = &self.geometry;
        if self.device.kind() == DeviceKind::Memory {
            // What is in memory is passed again at no cost.
            return None;
        }
        let plan = TurnPlan::new(self, context.threads(), context.available_bytes())?;
        let bytes_read = self.describe_visit(passes, false, context).bytes_moved();
        plan.is_better_than(bytes_read, geometry).then_some(Cut::Turned(plan))
    }

    /// What carrying out `cut` moves and holds.
    pub(super) fn describe_visit(&self, cut: Cut, lends: bool, context: &Context) -> Plan {
        let total = self.geometry.total_bytes();
        let item_bytes = self.geometry.item_bytes as u64;
        let (lines, items) = (self.geometry.lines, self.geometry.line_items);
        let (step, memory_bytes) = match cut {
            Cut::Lines { lines: some, positions } => {
                let times = (lines.div_ceil(some) * items.div_ceil(positions)) as u64;
                let window = some as u64 * positions as u64 * item_bytes;
                let step = Step::new(StepKind::Windows, times, total, 0);
                (step, if lends { 0 } else { window })
            }
            Cut::Across { positions, lines: some } => {
                let tile = Picks::Range { start: 0, step: 1, count: positions };
                let all = Picks::Range { start: 0, step: 1, count: some.min(lines) };
                // The tile takes its part of the memory first.
                let held = positions as u64 * some as u64 * item_bytes;
                let left = context.without(held);
                let pass = self.plan_read(all, &tile, BlockOrder::Across, &left).describe(&tile);
                let times = (items.div_ceil(positions) * lines.div_ceil(some)) as u64;
                let step = Step::new(StepKind::GroupedPasses, times, times * pass.bytes_moved(), 0);
                (step, held + pass.memory_bytes)
            }
            Cut::Turned(plan) => return plan.describe(self, context.budget()),
        };
        let steps = vec![step.advised(self.pass_advice())];
        let plan = Plan { steps, bytes_requested: total, memory_bytes, ..Plan::default() };
        plan.over(self.device.len(), context.budget())
    }

    /// Shows tiles cut by `cut` of a matrix in `order`. Lines that are turned are kept in `scratch`.
    pub(super) fn visit<T: Element>(
        &self,
        order: Order,
        cut: Cut,
        scratch: &Scratch,
        visitor: &mut Visitor<'_, T>,
        context: &Context,
    ) -> Result<()> {
        let visited = match cut {
            Cut::Lines { lines, positions } => {
                self.visit_lines(order, lines, positions, visitor, context)
            }
            Cut::Across { positions, lines } => {
                self.visit_across(order, positions, lines, visitor, context)
            }
            Cut::Turned(plan) => {
                match scratch.medium.scratch(&scratch.near, plan.log_bytes(&self.geometry)) {
                    Ok(mut log) => self.visit_turned(order, plan, &mut *log, visitor, context),
                    // A file is read also where nothing can be written beside it: more slowly then.
                    Err(error) if is_without_room(&error) => {
                        let (positions, lines) = self.passes(context);
                        self.visit_across(order, positions, lines, visitor, context)
                    }
                    Err(error) => Err(error),
                }
            }
        };
        self.device.advise(self.usual_advice());
        visited
    }

    /// Whether the file's bytes can be shown as they are.
    pub(super) fn lends<T: Element>(&self) -> bool {
        let aligned = self.geometry.data_offset.is_multiple_of(align_of::<T>() as u64);
        self.device.kind() != DeviceKind::Positioned
            && self.swap_unit == 1
            && aligned
            && T::DTYPE != crate::array::DType::Bool
    }

    fn visit_lines<T: Element>(
        &self,
        order: Order,
        lines: usize,
        positions: usize,
        visitor: &mut Visitor<'_, T>,
        context: &Context,
    ) -> Result<()> {
        let geometry = &self.geometry;
        // Nothing is asked for ahead: what the kernel reads ahead by itself comes in large pages, what it is
        // told to read in small ones.
        self.device.advise(self.pass_advice());
        let lends = self.lends::<T>();
        let within_step = context.within_step();
        let mut buffer = Buffer::<T>::new(if lends { 0 } else { lines * positions }, context)?;
        for top in (0..geometry.lines).step_by(lines) {
            let these = top..geometry.lines.min(top + lines);
            for from in (0..geometry.line_items).step_by(positions) {
                let part = from..geometry.line_items.min(from + positions);
                let bytes = geometry.offset(these.start, part.start)
                    ..geometry.offset(these.end - 1, part.end);
                let moved = bytes.end - bytes.start;
                let _step = context.step(StepKind::Windows);
                let mut show = |values: &[T]| {
                    visitor(tile(order, these.clone(), part.clone(), values, BlockOrder::AsFile)?)
                };
                if lends {
                    self.device.sweep(bytes.clone());
                    self.device.with(bytes.clone(), &mut |bytes| {
                        let values = bytemuck::try_cast_slice(bytes)
                            .expect("maps begin at a page and the data offset is aligned");
                        show(values)
                    })?;
                    self.passed(bytes, context);
                } else {
                    let run = |range: &Range<usize>| Picks::Range {
                        start: range.start,
                        step: 1,
                        count: range.len(),
                    };
                    let values = buffer.part(these.len() * part.len());
                    let (these, part, order) = (run(&these), run(&part), BlockOrder::AsFile);
                    self.read_typed(these, &part, values, order, Within::Pass, &within_step)?;
                    show(values)?;
                    // Reading has told of its own progress.
                    continue;
                }
                context.advance(moved)?;
            }
        }
        Ok(())
    }

    fn visit_across<T: Element>(
        &self,
        order: Order,
        positions: usize,
        lines: usize,
        visitor: &mut Visitor<'_, T>,
        context: &Context,
    ) -> Result<()> {
        let geometry = &self.geometry;
        let within_step = context.within_step();
        let mut buffer = Buffer::<T>::new(lines * positions, context)?;
        for from in (0..geometry.line_items).step_by(positions) {
            let part = from..geometry.line_items.min(from + positions);
            for top in (0..geometry.lines).step_by(lines) {
                let these = top..geometry.lines.min(top + lines);
                let values = buffer.part(these.len() * part.len());
                let rows = Picks::Range { start: these.start, step: 1, count: these.len() };
                let cols = Picks::Range { start: part.start, step: 1, count: part.len() };
                let step = context.step(StepKind::GroupedPasses);
                let (across, within) = (BlockOrder::Across, Within::Nothing);
                self.read_typed(rows, &cols, values, across, within, &within_step)?;
                drop(step);
                visitor(tile(order, these, part.clone(), values, BlockOrder::Across)?)?;
            }
        }
        Ok(())
    }

    fn visit_turned<T: Element>(
        &self,
        order: Order,
        plan: TurnPlan,
        log: &mut dyn Device,
        visitor: &mut Visitor<'_, T>,
        context: &Context,
    ) -> Result<()> {
        let geometry = &self.geometry;
        let mut buffer = Buffer::<T>::new(plan.lines * plan.positions, context)?;
        let first = bytemuck::must_cast_slice_mut(buffer.part(plan.lines * plan.held));
        let log = TurnLog::write(self, plan, first, log, context)?;
        for from in (0..geometry.line_items).step_by(plan.positions) {
            let part = from..geometry.line_items.min(from + plan.positions);
            for top in (0..geometry.lines).step_by(plan.lines) {
                let these = top..geometry.lines.min(top + plan.lines);
                let values = buffer.part(these.len() * part.len());
                let bytes = bytemuck::must_cast_slice_mut(values);
                if from >= plan.held {
                    log.read(&part, &these, bytes, context)?;
                }
                if self.swap_unit > 1 {
                    kernel::swap_bytes(self.swap_unit, bytes);
                }
                check_valid(values, self)?;
                visitor(tile(order, these, part.clone(), values, BlockOrder::Across)?)?;
            }
        }
        Ok(())
    }

    /// Reads a block of elements, checked to be valid ones.
    pub(super) fn read_typed<T: Element>(
        &self,
        lines: Picks<'_>,
        positions: &Picks<'_>,
        values: &mut [T],
        order: BlockOrder,
        within: Within,
        context: &Context,
    ) -> Result<()> {
        let bytes = bytemuck::must_cast_slice_mut(values);
        let mut block = Block { bytes, order, lines: lines.len(), positions: positions.len() };
        self.read(lines, positions, &mut block, within, context)?;
        check_valid(values, self)
    }
}

/// How many times `each` bytes fit in `bytes`: at least once, at most `most` times.
fn fitting(bytes: u64, each: u64, most: usize) -> usize {
    let count = usize::try_from(bytes / each.max(1)).unwrap_or(usize::MAX);
    count.clamp(1, most.max(1))
}

/// Refuses elements that no value has: booleans other than 0 and 1.
pub(super) fn check_valid<T: Element>(values: &[T], engine: &Engine) -> Result<()> {
    if T::DTYPE == crate::array::DType::Bool && !values.iter().all(Element::is_valid) {
        let error = Error::new(
            ErrorKind::Malformed,
            "read",
            "a boolean element is neither 0 nor 1: the file holds something else",
        );
        return Err(match engine.device.path() {
            Some(path) => error.at(path),
            None => error,
        });
    }
    Ok(())
}

/// `values`, which hold some positions of some lines of a matrix in `order`, as a tile.
fn tile<'a, T: Element>(
    order: Order,
    lines: Range<usize>,
    positions: Range<usize>,
    values: &'a [T],
    block: BlockOrder,
) -> Result<Tile<'a, T>> {
    let rows_together = (order == Order::C) == (block == BlockOrder::AsFile);
    let (rows, cols) = match order {
        Order::C => (lines, positions),
        Order::Fortran => (positions, lines),
    };
    let dim = (rows.len(), cols.len());
    let view = if rows_together {
        ArrayView2::from_shape(dim, values)
    } else {
        ArrayView2::from_shape(dim.f(), values)
    };
    let values = Values::Dense(view.map_err(crate::store::shape_error)?);
    Ok(Tile { rows, cols, values })
}
