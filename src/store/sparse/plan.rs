//! Plans of sparse access. How many entries a line has is the file's to say, and a plan reads nothing: bytes
//! are those of lines of average length.

use super::Engine;
use super::base::window_bytes;
use super::ints::Ints;
use crate::array::{Bits, Compression, Picks};
use crate::error::Result;
use crate::store::{Access, Context, Layout, Plan, Step, StepKind, TileOrder};

/// How many times fewer bytes another compression is to move to be worth telling of.
const WORTH_TELLING: u64 = 2;

/// What a map brings in at least.
const PAGE_BYTES: u64 = 4 << 10;

impl<W: Bits> Engine<W> {
    /// How `access` is done.
    pub(super) fn plan(&self, access: &Access, context: &Context) -> Result<Plan> {
        let shape = self.facts.shape;
        let all = shape.dense_bytes(size_of::<W>())? as u64;
        let window = 3 * window_bytes(context);
        let (steps, bytes_requested, memory_bytes) = match access {
            Access::Read(selection) => {
                let (rows, cols) = selection.resolve(shape)?;
                let requested = selection.shape(shape)?.dense_bytes(size_of::<W>())? as u64;
                let (lines, positions) = self.split(rows, cols);
                (vec![self.read_step(lines, positions)], requested, window)
            }
            Access::Write(selection) => {
                let cells = selection.shape(shape)?.elements()? as u64;
                let staged = step(StepKind::StageEntries, 1, 0, 0);
                let requested = cells * size_of::<W>() as u64;
                (vec![staged, self.merge_step(cells)], requested, window)
            }
            Access::Visit(order) if self.is_across(*order) => {
                if self.is_turned_aside(context)? {
                    let turning = self.turning(context)?;
                    let times = turning.made.div_ceil(window_bytes(context)).max(1);
                    let windows = step(StepKind::Windows, times, turning.made, 0);
                    (vec![turning.step(), windows], all, context.available_bytes() / 4 * 3)
                } else {
                    let left = Self::group_bytes(&context.without(window));
                    let times = self.passes(left);
                    let bytes = times * self.file_bytes(self.facts.lines());
                    (vec![step(StepKind::GroupedPasses, times, bytes, 0)], all, window + left)
                }
            }
            Access::Visit(_) => {
                let bytes = self.file_bytes(self.facts.lines());
                let times = bytes.div_ceil(window_bytes(context)).max(1);
                (vec![step(StepKind::Windows, times, bytes, 0)], all, window)
            }
            Access::Shuffle { .. } => unreachable!("it is made of visits and reads"),
            Access::FillColumns => {
                (self.fill_steps(context), all, context.available_bytes() / 4 * 3)
            }
        };
        let mut plan = Plan { steps, bytes_requested, memory_bytes, cheaper: None };
        plan.cheaper = self.turned_bytes(access)?.and_then(|bytes| {
            let times = plan.bytes_moved() / bytes.max(1);
            let other = self.facts.compression.other();
            (times >= WORTH_TELLING).then_some((Layout::Sparse(other), times))
        });
        let opening = match access {
            // Nothing that was there is looked at.
            Access::FillColumns => Plan::default(),
            _ => self.base.opening::<W>(context)?,
        };
        // What was written just now is cached, if it can be.
        if context.budget().is_cached(opening.bytes_moved()) && !opening.steps.is_empty() {
            plan.steps.iter_mut().for_each(|step| step.bytes_paged = 0);
        }
        Ok(opening.and(plan))
    }

    /// Bytes that `access` would move if the file were compressed along the other axis; none where that is not what counts.
    fn turned_bytes(&self, access: &Access) -> Result<Option<u64>> {
        let index = (self.base.entry_bytes() - size_of::<W>()) as u64;
        let of_positions = |positions: usize| {
            let share = positions as f64 / self.facts.length().max(1) as f64;
            let entries = (self.stored() as f64 * share).round() as u64;
            entries * self.base.entry_bytes() as u64 + positions as u64 * index
        };
        Ok(match access {
            Access::Read(selection) => {
                let (rows, cols) = selection.resolve(self.facts.shape)?;
                Some(of_positions(self.split(rows, cols).1.len()))
            }
            Access::Visit(order) if self.is_across(*order) => {
                Some(of_positions(self.facts.length()))
            }
            _ => None,
        })
    }

    /// (lines, positions) of the file for (rows, columns).
    pub(super) fn split<P>(&self, rows: P, cols: P) -> (P, P) {
        match self.facts.compression {
            Compression::Csr => (rows, cols),
            Compression::Csc => (cols, rows),
        }
    }

    /// Whether a visit in `order` passes across the file's lines.
    pub(super) fn is_across(&self, order: TileOrder) -> bool {
        match order {
            TileOrder::Any => false,
            TileOrder::Rows => self.facts.compression == Compression::Csc,
            TileOrder::Columns => self.facts.compression == Compression::Csr,
        }
    }

    pub(super) fn stored(&self) -> u64 {
        self.base.entries() + self.overlay.entries()
    }

    /// Bytes of so many lines in the file.
    pub(super) fn file_bytes(&self, lines: usize) -> u64 {
        let entries = self.stored() as f64 / self.facts.lines().max(1) as f64 * lines as f64;
        let index = self.base.entry_bytes() - size_of::<W>();
        entries.round() as u64 * self.base.entry_bytes() as u64 + lines as u64 * index as u64
    }

    fn read_step(&self, lines: Picks<'_>, positions: Picks<'_>) -> Step {
        let bytes = self.file_bytes(lines.len());
        if positions.len() == self.facts.length() || lines.len() < self.facts.lines() {
            let runs = if lines.as_run().is_some() { 1 } else { lines.len() as u64 };
            return step(StepKind::SliceLines, runs, bytes, 0);
        }
        if !self.base.is_lent() {
            return step(StepKind::ScanEntries, 1, bytes, 0);
        }
        // Values are met where something is found: a page of them at most, and no more than all.
        let found = self.stored() / self.facts.length().max(1) as u64 * positions.len() as u64;
        let all_values = self.stored() * size_of::<W>() as u64;
        let values = (found * PAGE_BYTES).min(all_values);
        step(StepKind::ScanEntries, 1, bytes - all_values + values, 0)
    }

    fn merge_step(&self, added: u64) -> Step {
        let bytes = self.file_bytes(self.facts.lines());
        let written = bytes + added * self.base.entry_bytes() as u64;
        step(StepKind::MergeEntries, 1, bytes, written)
    }

    /// Filling with what has no zeros, the most that a fill can write.
    fn fill_steps(&self, context: &Context) -> Vec<Step> {
        let (lines, length) = (self.facts.lines() as u64, self.facts.length() as u64);
        let cells = lines.saturating_mul(length);
        let entry = Ints::width(self.facts.length()).bytes() as u64 + size_of::<W>() as u64;
        let file = cells.saturating_mul(entry) + lines * (entry - size_of::<W>() as u64);
        if self.facts.compression == Compression::Csc {
            return vec![step(StepKind::CoalescedWrites, lines, 0, file)];
        }
        let held = context.available_bytes() / 4 * 3;
        let logged = cells.saturating_mul(size_of::<W>() as u64).saturating_sub(held);
        let blocks = file.div_ceil(window_bytes(context)).max(1);
        let mut steps = Vec::new();
        if logged > 0 {
            steps.push(step(StepKind::LogColumns, length, 0, logged));
        }
        steps.push(step(StepKind::TransposeBlocks, blocks, logged, file));
        steps
    }
}

fn step(kind: StepKind, times: u64, bytes_read: u64, bytes_written: u64) -> Step {
    Step::new(kind, times, bytes_read, bytes_written)
}
