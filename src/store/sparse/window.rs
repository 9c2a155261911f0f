//! Reading lines: window by window within the budget, checked, merged with what was written over them.
//!
//! What leaves here is canonical: positions rise and are in range, none is there twice. Files may be
//! otherwise; every entry is looked at before it is used, unsorted lines are sorted and duplicates summed.

use std::ops::Range;
use std::sync::Arc;

use super::Engine;
use super::base::{Base, Buffers, values, wide_window_bytes, window_bytes};
use super::ints::{Ints, Order, in_range, order, with_indices};
use super::runs::{Line, Patches};
use crate::array::{Bits, Compression, DType};
use crate::error::{Error, Result};
use crate::store::{Context, Indices, Reservation};

/// Entries below which a check is not worth another thread's wake-up.
const PARALLEL_ENTRIES: usize = 1 << 17;

/// What is merged of a line is there so many times: as it lies, twice on its way, and merged.
const MERGED_COPIES: u64 = 4;

/// Lines of more entries than this on average are long.
const LONG_ENTRIES: u64 = 1024;

/// The entries of some lines, or of a part of one line.
#[derive(Debug, Clone)]
pub(super) struct Block<'a, W> {
    pub lines: Range<usize>,
    /// The positions that the block covers: all of a line's, but for parts of a line.
    pub positions: Range<usize>,
    /// For each line and one more: where its entries begin. From 0 on.
    pub offsets: &'a [usize],
    /// Counted from the line's begin, also in a part of a line.
    pub indices: Indices<'a>,
    pub values: &'a [W],
}

/// Who is shown blocks.
pub(super) type ShowBlock<'s, W> = dyn FnMut(&Block<'_, W>) -> Result<()> + 's;

/// Memory for reading lines.
pub(super) struct Reader<'e, W> {
    engine: &'e Engine<W>,
    context: Context,
    /// Entries that a window holds at most; a single line may have more, where the budget holds it.
    entries: usize,
    entry_bytes: u64,
    /// Whether the disk is set to reading the next window while this one is worked on.
    reads_ahead: bool,
    buffers: Buffers,
    ends: Vec<u64>,
    offsets: Vec<usize>,
    merged: Merged<W>,
    _memory: Reservation,
}

/// A window made anew: merged or sorted.
struct Merged<W> {
    offsets: Vec<usize>,
    indices: Ints,
    values: Vec<W>,
    line: Line<W>,
    spare: Line<W>,
}

impl<'e, W: Bits> Reader<'e, W> {
    /// Takes its share of the budget: three eighths of what is left.
    pub(super) fn new(engine: &'e Engine<W>, context: &Context) -> Result<Self> {
        engine.base.ready(context)?;
        let entry = engine.base.entry_bytes().max(8 + size_of::<W>()) as u64;
        let average = engine.base.entries() / engine.facts.lines().max(1) as u64;
        let is_long = average > LONG_ENTRIES;
        let bytes = match is_long {
            true => wide_window_bytes(context, engine.base.is_lent()),
            false => window_bytes(context),
        };
        Ok(Self {
            engine,
            context: context.clone(),
            entry_bytes: entry,
            reads_ahead: !context.budget().is_cached(engine.base.file_bytes()),
            entries: usize::try_from(bytes / entry).unwrap_or(usize::MAX).max(1),
            buffers: Buffers::default(),
            ends: Vec::new(),
            offsets: Vec::new(),
            merged: Merged {
                offsets: Vec::new(),
                indices: Ints::new(engine.facts.length()),
                values: Vec::new(),
                line: Line::default(),
                spare: Line::default(),
            },
            _memory: context.reserve(3 * bytes)?,
        })
    }

    /// Shows the entries of `lines`, from the first to the last: every line is in some block, a line that
    /// exceeds the memory in several.
    pub(super) fn each(&mut self, lines: Range<usize>, show: &mut ShowBlock<'_, W>) -> Result<()> {
        let base = &self.engine.base;
        let all_lines = self.engine.facts.lines().max(1);
        let average = usize::try_from(base.entries() / all_lines as u64).unwrap_or(usize::MAX);
        // As many ends as the window may need, no more than half of its memory.
        let most_lines = (2 * self.entries / average.max(1)).clamp(1, self.entries);
        let mut line = lines.start;
        // A few lines are asked for as they are: faults would bring in what lies around them too.
        let mut is_asked = lines.len() == all_lines;
        while line < lines.end {
            let mut ends = std::mem::take(&mut self.ends);
            base.ends(line..lines.end.min(line.saturating_add(most_lines)), &mut ends)?;
            let from = ends[0];
            let fit = ends.partition_point(|&end| end - from <= self.entries as u64) - 1;
            let (next, last) = (ends[fit], ends[ends.len() - 1]);
            if !std::mem::replace(&mut is_asked, true) {
                base.prefetch(std::slice::from_ref(&(from..next)));
            }
            if self.reads_ahead && next < last {
                let ahead = next..last.min(next + self.entries as u64);
                base.prefetch(std::slice::from_ref(&ahead));
            }
            let done = if fit == 0 {
                self.one_line(line, &ends[..2], show).map(|()| 1)
            } else {
                self.whole_lines(line, &ends[..=fit], self.entries, show)
            };
            self.ends = ends;
            line += done?;
        }
        Ok(())
    }

    /// Shows as many of the lines from `first` on, whose entries begin at `ends`, as fit once what lies over
    /// them is counted: how many these are. None, where the first one is not sorted and exceeds a window.
    fn whole_lines(
        &mut self,
        first: usize,
        ends: &[u64],
        most: usize,
        show: &mut ShowBlock<'_, W>,
    ) -> Result<usize> {
        let Engine { base, overlay, facts, .. } = self.engine;
        let length = facts.length();
        let mut count = ends.len() - 1;
        let mut lines = first..first + count;
        if !overlay.is_empty() {
            loop {
                let entries =
                    (ends[count] - ends[0]) as usize + overlay.count(&lines, &(0..length))?;
                if entries <= most {
                    break;
                }
                if count == 1 {
                    return self.one_line(first, &ends[..2], show).map(|()| 1);
                }
                count /= 2;
                lines.end = first + count;
            }
        }
        let ends = &ends[..=count];
        let patches = overlay.patches(&lines, &(0..length))?;
        self.offsets.clear();
        let from = ends[0];
        self.offsets.extend(ends.iter().map(|end| (end - from) as usize));
        let (offsets, merged, engine) = (&self.offsets, &mut self.merged, self.engine);
        let (context, window) = (&self.context, self.entries);
        let mut shown = count;
        base.with_entries(ends[0]..ends[count], &mut self.buffers, &mut |indices, bytes| {
            let values: &[W] = values(bytes);
            let block =
                Block { lines: lines.clone(), positions: 0..length, offsets, indices, values };
            let is_sorted = engine.check(&block, context)?;
            if is_sorted && patches.is_empty() {
                return show(&block);
            }
            if !is_sorted && values.len() > window {
                shown = 0;
                return Ok(());
            }
            merged.make(&block, is_sorted, &patches, engine);
            show(&merged.block(lines.clone(), 0..length))
        })?;
        Ok(shown)
    }

    /// Shows a line that exceeds a window: whole where the budget holds it, as it lies and made anew, else in parts. One that
    /// is not sorted is first written aside in order.
    fn one_line(&mut self, line: usize, ends: &[u64], show: &mut ShowBlock<'_, W>) -> Result<()> {
        let (engine, lines, all) = (self.engine, line..line + 1, 0..self.engine.facts.length());
        let entries = ends[0]..ends[1];
        let over = engine.overlay.count(&lines, &all)?;
        let count = (entries.end - entries.start) as usize + over;
        let copies = if over == 0 { 1 } else { MERGED_COPIES };
        let bytes = (copies * count as u64).saturating_mul(self.entry_bytes);
        let rises = match self.context.reserve(bytes) {
            // Its order is seen to on the way.
            Ok(_memory) => self.whole_lines(line, ends, count, show)? == 1,
            Err(_) => {
                let rises = self.rises(line, &entries)?;
                if rises {
                    self.long_line(line, (&engine.base, entries.clone()), show)?;
                }
                rises
            }
        };
        if rises {
            return Ok(());
        }
        let sorted = self.sorted(line, &entries)?;
        self.long_line(line, (&sorted, 0..sorted.entries()), show)
    }

    /// Whether the positions of a line's entries rise: looked at once, and remembered.
    fn rises(&mut self, line: usize, entries: &Range<u64>) -> Result<bool> {
        let Engine { base, facts, .. } = self.engine;
        if base.long_lines().is_none_or(|known| known.rises(line)) {
            return Ok(true);
        }
        let (mut next, mut rises) = (0, true);
        let mut entry = entries.start;
        while entry < entries.end && rises {
            let until = entries.end.min(entry + self.entries as u64);
            base.with_indices(entry..until, &mut self.buffers, &mut |indices| {
                // Out of range, an index is met where it is used.
                rises = indices.rises_below(facts.length()) && indices.at(0) >= next;
                next = indices.at(indices.len() - 1).wrapping_add(1);
                Ok(())
            })?;
            self.context.advance(0)?;
            entry = until;
        }
        if rises && let Some(mut known) = base.long_lines() {
            known.note_rising(line);
        }
        Ok(rises)
    }

    /// A line that does not rise, in order: as it was put aside, or is now.
    fn sorted(&self, line: usize, entries: &Range<u64>) -> Result<Arc<Base>> {
        let base = &self.engine.base;
        if let Some(sorted) = base.long_lines().and_then(|known| known.sorted(line)) {
            return Ok(sorted);
        }
        let sorted = Arc::new(self.engine.sorted_line(line, entries, &self.context)?);
        if let Some(mut known) = base.long_lines() {
            known.keep_sorted(line, Arc::clone(&sorted));
        }
        Ok(sorted)
    }

    /// Shows a line in parts that fit: these entries of `base`, which rise.
    fn long_line(
        &mut self,
        line: usize,
        (base, entries): (&Base, Range<u64>),
        show: &mut ShowBlock<'_, W>,
    ) -> Result<()> {
        let Engine { overlay, facts, .. } = self.engine;
        let length = facts.length();
        let half = (self.entries / 2).max(1);
        let lines = line..line + 1;
        let (mut entry, mut position) = (entries.start, 0);
        while position < length {
            let until = entries.end.min(entry + half as u64);
            let mut part = position..length;
            if until < entries.end {
                let engine = self.engine;
                base.with_indices(until..until + 1, &mut self.buffers, &mut |indices| {
                    part.end = indices.at(0);
                    let rises = part.end > position && part.end < length;
                    if rises { Ok(()) } else { Err(engine.out_of_range(line)) }
                })?;
            }
            while overlay.count(&lines, &part)? > half && part.len() > 1 {
                part.end = part.start + part.len() / 2;
            }
            let patches = overlay.patches(&lines, &part)?;
            let (merged, engine) = (&mut self.merged, self.engine);
            let mut used = 0;
            base.with_entries(entry..until, &mut self.buffers, &mut |indices, bytes| {
                if !indices.rises_below(length) || indices.below(part.start) > 0 {
                    return Err(engine.out_of_range(line));
                }
                used = indices.below(part.end);
                let offsets = [0, used];
                let values: &[W] = &values(bytes)[..used];
                let indices = indices.part(0..used);
                let (lines, positions) = (lines.clone(), part.clone());
                let block = Block { lines, positions, offsets: &offsets, indices, values };
                engine.check_values(block.values)?;
                if patches.is_empty() {
                    return show(&block);
                }
                merged.make(&block, true, &patches, engine);
                show(&merged.block(block.lines.clone(), block.positions.clone()))
            })?;
            entry += used as u64;
            position = part.end;
        }
        if entry < entries.end {
            return Err(self.engine.out_of_range(line));
        }
        Ok(())
    }
}

impl<W: Bits> Merged<W> {
    fn block(&self, lines: Range<usize>, positions: Range<usize>) -> Block<'_, W> {
        Block {
            lines,
            positions,
            offsets: &self.offsets,
            indices: self.indices.view(),
            values: &self.values,
        }
    }

    /// Makes the window of `block`, sorted, and of what lies over it.
    fn make(
        &mut self,
        block: &Block<'_, W>,
        is_sorted: bool,
        patches: &Patches<'_, W>,
        engine: &Engine<W>,
    ) {
        self.indices.clear();
        self.values.clear();
        self.offsets.clear();
        self.offsets.push(0);
        for (k, line) in block.lines.clone().enumerate() {
            let range = block.offsets[k]..block.offsets[k + 1];
            self.line.clear();
            with_indices!(block.indices.part(range.clone()), list => {
                self.line.positions.extend(list.iter().map(|at| super::ints::Int::position(*at)));
            });
            self.line.values.extend_from_slice(&block.values[range]);
            if !is_sorted {
                sort(&mut self.line, &mut self.spare, engine.sum);
            }
            patches.apply(line, &block.positions, &mut self.line, &mut self.spare);
            for &position in &self.line.positions {
                self.indices.push(position);
            }
            self.values.extend_from_slice(&self.line.values);
            self.offsets.push(self.values.len());
        }
    }
}

/// Sorts a line by position and sums what is there twice, in the order in which it was there.
fn sort<W: Bits>(line: &mut Line<W>, spare: &mut Line<W>, sum: fn(W, W) -> W) {
    let mut order: Vec<usize> = (0..line.values.len()).collect();
    order.sort_by_key(|&at| line.positions[at]);
    spare.clear();
    for at in order {
        let (position, value) = (line.positions[at], line.values[at]);
        match (spare.positions.last(), spare.values.last_mut()) {
            (Some(&last), Some(before)) if last == position => *before = sum(*before, value),
            _ => {
                spare.positions.push(position);
                spare.values.push(value);
            }
        }
    }
    std::mem::swap(line, spare);
}

impl<W: Bits> Engine<W> {
    /// The error for an index of a line that is out of range, or that is not where what is around it says.
    pub(super) fn out_of_range(&self, line: usize) -> Error {
        let axis = match self.facts.compression {
            Compression::Csr => "row",
            Compression::Csc => "column",
        };
        let length = self.facts.length();
        self.base.malformed(format!("an index of {axis} {line} is not within 0..{length}"))
    }

    /// The first line of a block that has an index out of range.
    fn misfit(&self, block: &Block<'_, W>) -> usize {
        let has_misfit = |ends: &[usize]| {
            let own = block.indices.part(ends[0]..ends[1]);
            !in_range(own, self.facts.length())
        };
        let line = block.offsets.windows(2).position(has_misfit).unwrap_or(0);
        block.lines.start + line
    }

    /// Checks the entries of whole lines: whether all positions rise.
    ///
    /// # Errors
    /// Where a position is out of range or a value is none of its type.
    fn check(&self, block: &Block<'_, W>, context: &Context) -> Result<bool> {
        let length = self.facts.length();
        self.check_values(block.values)?;
        let of_lines = |lines: Range<usize>| {
            let offsets = &block.offsets[lines.start..=lines.end];
            with_indices!(block.indices, list => order(list, offsets, length))
        };
        let lines = block.offsets.len() - 1;
        let found = if block.values.len() < PARALLEL_ENTRIES || context.threads() == 1 {
            of_lines(0..lines)
        } else {
            let step = lines.div_ceil(2 * context.threads());
            let mut found = vec![Order { in_range: true, rises: true }; lines.div_ceil(step)];
            context.for_each(found.iter_mut().collect(), |part, found| {
                *found = of_lines(part * step..lines.min((part + 1) * step));
            });
            let all = |is: fn(&Order) -> bool| found.iter().all(is);
            Order { in_range: all(|part| part.in_range), rises: all(|part| part.rises) }
        };
        if found.in_range { Ok(found.rises) } else { Err(self.out_of_range(self.misfit(block))) }
    }

    /// Checks that values are of their type.
    pub(super) fn check_values(&self, values: &[W]) -> Result<()> {
        if self.facts.dtype != DType::Bool {
            return Ok(());
        }
        let bytes: &[u8] = bytemuck::cast_slice(values);
        if bytes.iter().fold(false, |bad, &byte| bad | (byte > 1)) {
            return Err(self.base.malformed("a boolean is neither 0 nor 1"));
        }
        Ok(())
    }
}
