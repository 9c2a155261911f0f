//! Reading a selection into a dense buffer: lines by slices, positions by search in each line.

use std::ops::Range;

use super::Engine;
use super::ints::{Int, with_indices};
use super::scan::MOST_POSITIONS;
use super::window::{Block, Reader};
use crate::array::{Bits, Picks};
use crate::error::Result;
use crate::store::Context;

/// Runs of lines that are asked for ahead at a time.
const AHEAD: usize = 256;

/// Entries below which a block is not worth another thread's wake-up.
const PARALLEL_ENTRIES: usize = 1 << 17;

/// Where the cell of the `l`-th picked line and `p`-th picked position goes: to `l · line_stride + p ·
/// position_stride`.
#[derive(Debug)]
pub(super) struct Cells<'a, W> {
    pub cells: &'a mut [W],
    pub line_stride: usize,
    pub position_stride: usize,
}

/// Which positions are wanted, ready to be found in a line.
#[derive(Debug)]
enum Wanted {
    Run(Range<usize>),
    Stepped {
        span: Range<usize>,
        step: usize,
    },
    /// (position, which pick it is), by position.
    List(Vec<(usize, usize)>),
}

impl Wanted {
    fn new(picks: Picks<'_>) -> Self {
        if let Some(run) = picks.as_run() {
            return Self::Run(run);
        }
        match picks {
            Picks::Range { step, .. } => Self::Stepped { span: picks.span(), step },
            Picks::List(list) => {
                let mut pairs: Vec<_> = list.iter().copied().zip(0..).collect();
                pairs.sort_unstable();
                Self::List(pairs)
            }
        }
    }
}

impl<W: Bits> Engine<W> {
    /// Reads picked lines × positions into `out`.
    pub(super) fn read(
        &self,
        lines: Picks<'_>,
        positions: Picks<'_>,
        out: &mut Cells<'_, W>,
        context: &Context,
    ) -> Result<()> {
        out.cells.fill(W::default());
        if lines.is_empty() || positions.is_empty() {
            return Ok(());
        }
        // Lines that lie one after another in the target can be shared out between threads.
        let count = positions.len();
        let is_split = out.line_stride == count && (count == 1 || out.position_stride == 1);
        let wanted = Wanted::new(positions);
        if let (Wanted::Run(run), Some(lines)) = (&wanted, lines.as_run())
            && run.len() <= MOST_POSITIONS.min(self.facts.length() / 2)
            && self.overlay.is_empty()
        {
            return self.scan(lines, run, out, context);
        }
        let mut reader = Reader::new(self, context)?;
        let runs = runs(lines);
        for batch in runs.chunks(AHEAD) {
            if runs.len() > 1 {
                self.prefetch(batch)?;
            }
            for (pick, run) in batch {
                reader.each(run.clone(), &mut |block| {
                    let first = pick + block.lines.start - run.start;
                    scatter(block, first, &wanted, out, is_split, context);
                    context.advance(0)
                })?;
            }
        }
        Ok(())
    }

    fn prefetch(&self, runs: &[(usize, Range<usize>)]) -> Result<()> {
        let mut ends = Vec::new();
        let mut entries = Vec::with_capacity(runs.len());
        for (_, run) in runs {
            for line in [run.start, run.end - 1] {
                self.base.ends(line..line + 1, &mut ends)?;
                if line == run.start {
                    entries.push(ends[0]..ends[1]);
                }
                if let Some(last) = entries.last_mut() {
                    last.end = ends[1];
                }
            }
        }
        self.base.prefetch(&entries);
        Ok(())
    }
}

/// The picked lines as runs of neighbours: which pick each begins with, and its lines.
fn runs(lines: Picks<'_>) -> Vec<(usize, Range<usize>)> {
    if let Some(run) = lines.as_run() {
        return vec![(0, run)];
    }
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for (pick, line) in lines.iter().enumerate() {
        match runs.last_mut() {
            Some((_, run)) if run.end == line => run.end += 1,
            _ => runs.push((pick, line..line + 1)),
        }
    }
    runs
}

/// Brings the wanted entries of a block into place; `first` is the pick that its first line is.
fn scatter<W: Bits>(
    block: &Block<'_, W>,
    first: usize,
    wanted: &Wanted,
    out: &mut Cells<'_, W>,
    is_split: bool,
    context: &Context,
) {
    let lines = block.lines.len();
    let stride = out.line_stride;
    let position_stride = out.position_stride;
    if is_split && context.threads() > 1 && block.values.len() >= PARALLEL_ENTRIES {
        let step = lines.div_ceil(4 * context.threads());
        let cells = &mut out.cells[first * stride..(first + lines) * stride];
        context.for_each(cells.chunks_mut(step * stride).collect(), |part, cells| {
            let own = part * step..lines.min((part + 1) * step);
            scatter_lines(block, own, wanted, cells, stride, position_stride);
        });
    } else {
        let cells = &mut out.cells[first * stride..];
        scatter_lines(block, 0..lines, wanted, cells, stride, position_stride);
    }
}

fn scatter_lines<W: Bits>(
    block: &Block<'_, W>,
    lines: Range<usize>,
    wanted: &Wanted,
    cells: &mut [W],
    line_stride: usize,
    position_stride: usize,
) {
    with_indices!(block.indices, indices => {
        for (k, line) in lines.enumerate() {
            let range = block.offsets[line]..block.offsets[line + 1];
            let (at, values) = (&indices[range.clone()], &block.values[range]);
            scatter_line(at, values, wanted, &mut cells[k * line_stride..], position_stride);
        }
    });
}

fn scatter_line<W: Bits, I: Int>(
    at: &[I],
    values: &[W],
    wanted: &Wanted,
    cells: &mut [W],
    stride: usize,
) {
    match wanted {
        Wanted::Run(run) => {
            let own = below(at, run.start)..below(at, run.end);
            let (at, values) = (&at[own.clone()], &values[own]);
            if stride == 1 && at.len() == run.len() {
                // As many as there are positions: all of them.
                return cells[..run.len()].copy_from_slice(values);
            }
            for (at, &value) in at.iter().zip(values) {
                cells[(at.position() - run.start) * stride] = value;
            }
        }
        Wanted::Stepped { span, step } => {
            let own = below(at, span.start)..below(at, span.end);
            for (at, &value) in at[own.clone()].iter().zip(&values[own]) {
                let distance = at.position() - span.start;
                if distance.is_multiple_of(*step) {
                    cells[distance / step * stride] = value;
                }
            }
        }
        Wanted::List(pairs) => {
            let (mut at, mut values) = (at, values);
            for &(position, pick) in pairs {
                let next = gallop(at, position);
                (at, values) = (&at[next..], &values[next..]);
                match at.first() {
                    Some(found) if found.position() == position => cells[pick * stride] = values[0],
                    Some(_) => {}
                    None => break,
                }
            }
        }
    }
}

fn below<I: Int>(at: &[I], bound: usize) -> usize {
    if at.last().is_none_or(|last| last.position() < bound) {
        return at.len();
    }
    if bound == 0 { 0 } else { at.partition_point(|at| at.position() < bound) }
}

/// How many are below `bound`, found in steps that double: the next wanted position is rarely far.
fn gallop<I: Int>(at: &[I], bound: usize) -> usize {
    let mut step = 1;
    while step <= at.len() && at[step - 1].position() < bound {
        step *= 2;
    }
    let low = step / 2;
    low + at[low..at.len().min(step)].partition_point(|at| at.position() < bound)
}
