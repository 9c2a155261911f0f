//! Reading a selection into a dense buffer: lines by slices, positions by search in each line.

use std::ops::Range;

use super::Engine;
use super::base::{Buffers, values, window_bytes};
use super::ints::{Int, rises_below, with_indices};
use super::scan::MOST_POSITIONS;
use super::window::{Block, Reader};
use crate::array::{Bits, DType, Picks};
use crate::error::Result;
use crate::store::Context;
use crate::sys::bring_near;

/// Runs of lines that are asked for ahead at a time.
const AHEAD: usize = 1024;

/// Runs of lines between one that is read and one whose entries are brought near.
const NEAR: usize = 8;

/// Entries of short lines for which no other thread is woken where nothing is to be read first.
const FEW_ENTRIES: u64 = 1 << 16;

/// Positions of a line that may have a bit each: 1 MiB of them.
const MASKED_LENGTH: usize = 8 << 20;

/// Where more than one cell in so many is an entry, too much is found for a look at every index to pay.
const SCANNED_SHARE: u64 = 16;

/// A line that has fewer entries than this for each wanted position is looked through: to search for each takes longer.
const SEARCH_ENTRIES: usize = 64;

/// Entries of a run of lines that are read without a window, at most.
const SHORT_ENTRIES: u64 = 1 << 14;

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

/// The arrays of a file, each of one width.
struct Lent<'a, P, I, W> {
    ends: &'a [P],
    indices: &'a [I],
    data: &'a [W],
}

impl<P: Int, I: Int, W> Lent<'_, P, I, W> {
    /// Has what lines begin with brought near.
    fn bring_near(&self, lines: &Range<usize>) {
        if let (Some(begin), Some(end)) = (self.ends.get(lines.start), self.ends.get(lines.end)) {
            let entries = begin.position()..end.position();
            self.indices.get(entries.clone()).map(bring_near);
            self.data.get(entries).map(bring_near);
        }
    }
}

/// Neighbouring lines, and which pick the first of them is.
pub(super) type PickedRun = (usize, Range<usize>);

/// Which positions are wanted, ready to be found in a line.
#[derive(Debug)]
pub(super) enum Wanted {
    Run(Range<usize>),
    Stepped {
        span: Range<usize>,
        step: usize,
    },
    List {
        /// (position, which pick it is), by position.
        pairs: Vec<(usize, usize)>,
        /// A bit for each position of a line, set where it is wanted; empty where lines are too long for it.
        mask: Vec<u64>,
    },
}

impl Wanted {
    pub(super) fn new(picks: Picks<'_>, length: usize) -> Self {
        if let Some(run) = picks.as_run() {
            return Self::Run(run);
        }
        match picks {
            Picks::Range { step, .. } => Self::Stepped { span: picks.span(), step },
            Picks::List(list) => {
                let mut pairs: Vec<_> = list.iter().copied().zip(0..).collect();
                pairs.sort_unstable();
                let mut mask = Vec::new();
                if length <= MASKED_LENGTH {
                    mask.resize(length.div_ceil(64), 0);
                    pairs
                        .iter()
                        .for_each(|&(position, _)| mask[position / 64] |= 1 << (position % 64));
                }
                Self::List { pairs, mask }
            }
        }
    }
}

impl Wanted {
    /// Which picks `position` is, all of which are wanted.
    pub(super) fn picks_of(&self, position: usize, show: &mut dyn FnMut(usize)) {
        match self {
            Self::Run(run) => show(position - run.start),
            Self::Stepped { span, step } => show((position - span.start) / step),
            Self::List { pairs, .. } => {
                let first = pairs.partition_point(|&(wanted, _)| wanted < position);
                let picks = pairs[first..].iter().take_while(|(wanted, _)| *wanted == position);
                picks.for_each(|&(_, pick)| show(pick));
            }
        }
    }
}

impl<W: Bits> Engine<W> {
    /// Reads picked lines × positions into `out`, whose cells are zero.
    pub(super) fn read(
        &self,
        lines: Picks<'_>,
        positions: Picks<'_>,
        out: &mut Cells<'_, W>,
        context: &Context,
    ) -> Result<()> {
        if self.facts.lines() == 0 || self.facts.length() == 0 {
            // All of it is read, though nothing is there: whoever does that hears of a file that is damaged.
            return self.base.ready(context);
        }
        if lines.is_empty() || positions.is_empty() {
            return Ok(());
        }
        // Lines that lie one after another in the target can be shared out between threads.
        let count = positions.len();
        let is_split = out.line_stride == count && (count == 1 || out.position_stride == 1);
        let wanted = Wanted::new(positions, self.facts.length());
        if let Some(lines) = lines.as_run()
            && self.overlay.is_empty()
            && self.is_scanned(&wanted)
        {
            return self.scan(lines, &wanted, out, context);
        }
        let mut reader = Reader::new(self, context)?;
        let runs = runs(lines);
        for batch in runs.chunks(AHEAD) {
            if runs.len() > 1 {
                self.prefetch(batch)?;
            }
            let is_short = is_split && batch.len() > 1 && self.overlay.is_empty();
            let left = match is_short {
                true => self.read_short(batch, &wanted, out, context)?,
                false => batch.to_vec(),
            };
            for (pick, run) in left {
                reader.each(run.clone(), &mut |block| {
                    let first = pick + block.lines.start - run.start;
                    scatter(block, first, &wanted, out, is_split, context);
                    context.advance(0)
                })?;
            }
        }
        Ok(())
    }

    /// Whether to look through all indices finds the wanted positions sooner than to search each line for them.
    fn is_scanned(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Run(run) => {
                let average = self.base.entries() / self.facts.lines().max(1) as u64;
                let is_sparse = average <= self.facts.length() as u64 / SCANNED_SHARE;
                is_sparse && run.len() <= MOST_POSITIONS.min(self.facts.length() / 2)
            }
            Wanted::Stepped { .. } => false,
            Wanted::List { pairs, mask } => {
                let searched = (self.facts.lines() * SEARCH_ENTRIES) as u64 * pairs.len() as u64;
                let is_rare = pairs.len() < self.facts.length() / SEARCH_ENTRIES;
                !mask.is_empty() && is_rare && self.base.entries() < searched
            }
        }
    }

    /// Reads those runs of lines that are short and in order, on all cores; gives the others. Nothing lies over the file.
    fn read_short(
        &self,
        runs: &[PickedRun],
        wanted: &Wanted,
        out: &mut Cells<'_, W>,
        context: &Context,
    ) -> Result<Vec<PickedRun>> {
        let most = SHORT_ENTRIES.min(window_bytes(context) / 32 / context.threads() as u64);
        let entry = self.base.entry_bytes() as u64;
        let _memory = context.reserve((most * entry + 64) * context.threads() as u64)?;
        let lines: usize = runs.iter().map(|(_, run)| run.len()).sum();
        let average = self.base.entries() / self.facts.lines() as u64;
        let is_alone = context.threads() == 1
            || (lines as u64 * average <= FEW_ENTRIES && self.base.is_lent());
        let step = if is_alone { runs.len() } else { runs.len().div_ceil(2 * context.threads()) };
        let stride = out.line_stride;
        let mut parts = Vec::new();
        let (mut cells, mut begin) = (&mut *out.cells, 0);
        for runs in runs.chunks(step) {
            let last = &runs[runs.len() - 1];
            let (first, end) = (runs[0].0, last.0 + last.1.len());
            let (own, rest) = std::mem::take(&mut cells)[(first - begin) * stride..]
                .split_at_mut((end - first) * stride);
            (cells, begin) = (rest, end);
            parts.push((runs, own, Ok(Vec::new())));
        }
        let work = |(runs, cells, left): &mut (&[PickedRun], &mut [W], Result<Vec<PickedRun>>)| {
            *left = self.read_short_part(runs, wanted, cells, (stride, out.position_stride), most);
        };
        if is_alone {
            parts.iter_mut().for_each(work);
        } else {
            context.for_each(parts.iter_mut().collect(), |_, part| work(part));
        }
        let mut left = Vec::new();
        for (.., own) in parts {
            left.extend(own?);
        }
        context.advance(0)?;
        Ok(left)
    }

    /// The same for some of the runs: `cells` begin with the first one's.
    fn read_short_part(
        &self,
        runs: &[PickedRun],
        wanted: &Wanted,
        cells: &mut [W],
        (line_stride, position_stride): (usize, usize),
        most: u64,
    ) -> Result<Vec<PickedRun>> {
        let strides = (line_stride, position_stride);
        if self.facts.dtype != DType::Bool
            && let Some(arrays) = self.base.arrays()?
        {
            return with_indices!(arrays.ends, ends => with_indices!(arrays.indices, indices => {
                let lent = Lent { ends, indices, data: arrays.data };
                self.read_lent(runs, &lent, wanted, (cells, strides), most)
            }));
        }
        let (mut left, mut ends, mut buffers) = (Vec::new(), Vec::new(), Buffers::default());
        let length = self.facts.length();
        for (pick, run) in runs {
            self.base.ends(run.clone(), &mut ends)?;
            let entries = ends[0]..ends[run.len()];
            let mut is_read =
                entries.end - entries.start <= most && self.facts.dtype != DType::Bool;
            if is_read {
                let first = pick - runs[0].0;
                self.base.with_entries(entries.clone(), &mut buffers, &mut |indices, bytes| {
                    let values: &[W] = values(bytes);
                    for (k, ends) in ends.windows(2).enumerate() {
                        let own =
                            (ends[0] - entries.start) as usize..(ends[1] - entries.start) as usize;
                        let at = indices.part(own.clone());
                        if !at.rises_below(length) {
                            is_read = false;
                            return Ok(());
                        }
                        let cells = &mut cells[(first + k) * line_stride..];
                        with_indices!(at, at => {
                            scatter_line(at, &values[own], wanted, cells, position_stride);
                        });
                    }
                    Ok(())
                })?;
            }
            if !is_read {
                left.push((*pick, run.clone()));
            }
        }
        Ok(left)
    }

    /// The same from arrays that the device lends: a line is looked up, checked and scattered in so few steps that the
    /// processor begins with the next ones while this one's entries are on their way from memory.
    fn read_lent<P: Int, I: Int>(
        &self,
        runs: &[PickedRun],
        lent: &Lent<'_, P, I, W>,
        wanted: &Wanted,
        (cells, (line_stride, position_stride)): (&mut [W], (usize, usize)),
        most: u64,
    ) -> Result<Vec<PickedRun>> {
        let mut left = Vec::new();
        let length = self.facts.length();
        for (at, (pick, run)) in runs.iter().enumerate() {
            if let Some((_, run)) = runs.get(at + NEAR) {
                lent.bring_near(run);
            }
            let first = pick - runs[0].0;
            let Some(ends) = lent.ends.get(run.start..=run.end) else {
                // Lines behind the file's last one.
                left.push((*pick, run.clone()));
                continue;
            };
            let entries = ends[run.len()].position().checked_sub(ends[0].position());
            let is_short = entries.is_some_and(|entries| entries as u64 <= most);
            let is_read = is_short
                && ends.array_windows().enumerate().try_fold(
                    true,
                    |is_read, (k, [begin, end])| {
                        let own = begin.position()..end.position();
                        let (Some(at), Some(values)) =
                            (lent.indices.get(own.clone()), lent.data.get(own))
                        else {
                            return Err(self.base.malformed("indptr does not rise from 0"));
                        };
                        let is_read = is_read && rises_below(at, length);
                        if is_read {
                            let cells = &mut cells[(first + k) * line_stride..];
                            scatter_line(at, values, wanted, cells, position_stride);
                        }
                        Ok(is_read)
                    },
                )?;
            if !is_read {
                left.push((*pick, run.clone()));
            }
        }
        Ok(left)
    }

    pub(super) fn prefetch(&self, runs: &[PickedRun]) -> Result<()> {
        let mut ends = Vec::new();
        let mut entries = Vec::with_capacity(runs.len());
        for (_, run) in runs {
            if run.len() == 1 {
                self.base.ends(run.clone(), &mut ends)?;
                entries.push(ends[0]..ends[1]);
                continue;
            }
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
pub(super) fn runs(lines: Picks<'_>) -> Vec<PickedRun> {
    if let Some(run) = lines.as_run() {
        return vec![(0, run)];
    }
    let mut runs: Vec<PickedRun> = Vec::new();
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
        Wanted::List { pairs, mask }
            if !mask.is_empty() && at.len() < SEARCH_ENTRIES * pairs.len() =>
        {
            for (at, &value) in at.iter().zip(values) {
                let position = at.position();
                if mask[position / 64] >> (position % 64) & 1 == 1 {
                    wanted.picks_of(position, &mut |pick| cells[pick * stride] = value);
                }
            }
        }
        Wanted::List { pairs, .. } => {
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
