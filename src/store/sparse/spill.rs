//! Lines of the other axis that were turned and put aside: runs in scratch files, merged at the end.
//!
//! Many short lines cannot all wait by themselves: each takes its place in a list. A stage of them that is full is
//! turned into a *run*, which holds for every line of the file what these lines have in it; runs are merged as a
//! sort beyond memory does, some at a time, so that every entry is moved once for each power of the merge's width.

use std::collections::BTreeMap;
use std::ops::Range;

use super::base::{Facts, window_bytes};
use super::builder::Target;
use super::ints::Ints;
use super::turn::Turned;
use crate::array::Bits;
use crate::error::Result;
use crate::store::Context;
use crate::sys::Device;

/// Bytes of a piece of a run below which more calls cost more than another merge.
const PIECE_BYTES: u64 = 4 << 10;

/// The fewest runs that are merged at once, and the most.
const WIDTHS: (u64, u64) = (4, 64);

/// Bytes that a stretch of the other axis takes in the list of those that are there.
const STRETCH_BYTES: u64 = 64;

/// For every line of the file, the entries that some lines of the other axis have in it.
#[derive(Debug)]
pub(super) struct Run {
    device: Box<dyn Device>,
    places: Places,
    /// Entries for which there is room, and those that are there.
    capacity: u64,
    entries: u64,
    lines: usize,
    /// The lines of the other axis from the first to the last, not all of which need be there.
    span: Range<usize>,
}

/// Where a run's arrays begin: for each line and one more where its entries begin, then their positions, then the
/// values.
#[derive(Debug, Clone, Copy)]
struct Places {
    indices: u64,
    values: u64,
    index_bytes: usize,
    item_bytes: usize,
}

impl Run {
    /// A run with room for so many entries of lines of the other axis within `span`.
    pub(super) fn new(
        facts: Facts,
        target: &Target,
        capacity: u64,
        span: Range<usize>,
    ) -> Result<Self> {
        let index_bytes = Ints::width(facts.length()).bytes();
        let item_bytes = facts.dtype.item_size();
        let indices = (facts.lines() as u64 + 1) * 8;
        let values = (indices + capacity * index_bytes as u64).next_multiple_of(16);
        let bytes = values + capacity * item_bytes as u64;
        let device = target.medium.scratch(&target.path, bytes)?;
        let places = Places { indices, values, index_bytes, item_bytes };
        // The first line begins at 0, as the whole scratch file is.
        Ok(Self { device, places, capacity, entries: 0, lines: 0, span })
    }

    /// How many entries are there.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Where the entries of each of `lines` begin, and where the last one's end.
    fn ends(&self, lines: Range<usize>, out: &mut Vec<u64>) -> Result<()> {
        out.resize(lines.len() + 1, 0);
        self.device.read_into(lines.start as u64 * 8, bytemuck::cast_slice_mut(out))
    }

    /// The entries `range`, all of which fit the buffers.
    fn read<W: Bits>(
        &self,
        range: Range<u64>,
        indices: &mut Ints,
        values: &mut Vec<W>,
    ) -> Result<()> {
        let count = (range.end - range.start) as usize;
        indices.resize(count);
        values.resize(count, W::default());
        let at = self.places.indices + range.start * self.places.index_bytes as u64;
        match indices {
            Ints::I32(list) => self.device.read_into(at, bytemuck::cast_slice_mut(list))?,
            Ints::I64(list) => self.device.read_into(at, bytemuck::cast_slice_mut(list))?,
        }
        let at = self.places.values + range.start * self.places.item_bytes as u64;
        self.device.read_into(at, bytemuck::cast_slice_mut(values))
    }

    /// The first of the entries `range` of one line whose position is not below `bound`.
    fn below(&self, range: Range<u64>, bound: usize) -> Result<u64> {
        let Range { start: mut low, end: mut high } = range;
        while low < high {
            let middle = low.midpoint(high);
            let mut bytes = [0; 8];
            let own = &mut bytes[..self.places.index_bytes];
            self.device
                .read_into(self.places.indices + middle * self.places.index_bytes as u64, own)?;
            if (u64::from_le_bytes(bytes) as usize) < bound {
                low = middle + 1
            } else {
                high = middle
            }
        }
        Ok(low)
    }

    /// Appends whole lines.
    pub(super) fn push<W: Bits>(&mut self, turned: &Turned<W>) -> Result<()> {
        let before = self.entries;
        self.push_part(turned)?;
        let ends = turned.offsets[1..].iter().map(|&end| before + end as u64);
        self.write_ends(&ends.collect::<Vec<_>>())
    }

    /// Appends a part of a line that does not end with it.
    fn push_part<W: Bits>(&mut self, part: &Turned<W>) -> Result<()> {
        debug_assert!(self.entries + part.values.len() as u64 <= self.capacity);
        let at = self.places.indices + self.entries * self.places.index_bytes as u64;
        self.device.write_at(at, part.indices.view().bytes())?;
        let at = self.places.values + self.entries * self.places.item_bytes as u64;
        self.device.write_at(at, bytemuck::cast_slice(&part.values))?;
        self.entries += part.values.len() as u64;
        Ok(())
    }

    /// Appends where lines end.
    fn write_ends(&mut self, ends: &[u64]) -> Result<()> {
        let at = (self.lines as u64 + 1) * 8;
        self.lines += ends.len();
        self.device.write_at(at, bytemuck::cast_slice(ends))
    }
}

/// The runs, and which lines of the other axis are in them.
#[derive(Debug, Default)]
pub(super) struct Spill {
    /// By how often their entries were merged.
    levels: Vec<Vec<Run>>,
    /// Stretches of lines of the other axis: where each begins, and where it ends.
    covered: BTreeMap<usize, usize>,
}

impl Spill {
    /// Whether a line of the other axis is there.
    pub(super) fn covers(&self, index: usize) -> bool {
        self.covered.range(..=index).next_back().is_some_and(|(_, &end)| index < end)
    }

    /// Bytes that the list of what is there takes.
    pub(super) fn list_bytes(&self) -> u64 {
        self.covered.len() as u64 * STRETCH_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.covered.is_empty()
    }

    /// Takes a run.
    pub(super) fn add<W: Bits>(
        &mut self,
        mut run: Run,
        (facts, target): (Facts, &Target),
        context: &Context,
    ) -> Result<()> {
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(run);
            if self.levels[level].len() < merge_width(context) {
                return Ok(());
            }
            let runs = std::mem::take(&mut self.levels[level]);
            run = merged::<W>(&runs, facts, target, context)?;
            level += 1;
        }
    }

    /// Notes that these lines of the other axis are there, none of which was.
    pub(super) fn cover(&mut self, indices: impl Iterator<Item = usize>) {
        for index in indices {
            let mut stretch = index..index + 1;
            if let Some((&start, &end)) = self.covered.range(..=index).next_back()
                && end == index
            {
                stretch.start = start;
            }
            if let Some(end) = self.covered.remove(&stretch.end) {
                stretch.end = end;
            }
            self.covered.insert(stretch.start, stretch.end);
        }
    }

    /// The runs, so few that they are merged at once: where they are too many, lower levels first.
    pub(super) fn few<W: Bits>(
        &mut self,
        (facts, target): (Facts, &Target),
        context: &Context,
    ) -> Result<Vec<Run>> {
        let mut runs: Vec<Run> = Vec::new();
        for level in std::mem::take(&mut self.levels) {
            runs.extend(level);
            if runs.len() >= merge_width(context) {
                runs = vec![merged::<W>(&runs, facts, target, context)?];
            }
        }
        Ok(runs)
    }
}

/// How many runs are merged at once.
fn merge_width(context: &Context) -> usize {
    (room_bytes(context) / PIECE_BYTES).clamp(WIDTHS.0, WIDTHS.1) as usize
}

/// Bytes of what is put together at a time, and as much again of what it is made of.
fn room_bytes(context: &Context) -> u64 {
    2 * window_bytes(context)
}

/// One run of several.
fn merged<W: Bits>(runs: &[Run], facts: Facts, target: &Target, context: &Context) -> Result<Run> {
    let capacity = runs.iter().map(|run| run.entries).sum();
    let start = runs.iter().map(|run| run.span.start).min().unwrap_or(0);
    let end = runs.iter().map(|run| run.span.end).max().unwrap_or(0);
    let mut out = Run::new(facts, target, capacity, start..end)?;
    merge::<W>(runs, facts, context, &mut |_, merged| match merged {
        Merged::Lines(turned) => out.push(turned),
        Merged::Part(turned, _) => out.push_part(turned),
        Merged::End => out.write_ends(&[out.entries]),
    })?;
    Ok(out)
}

/// What a merge shows of the lines that it has come to.
pub(super) enum Merged<'a, W> {
    /// Whole lines.
    Lines(&'a Turned<W>),
    /// A part of a line that exceeds the memory: the positions that it covers.
    Part(&'a Turned<W>, Range<usize>),
    /// The end of that line.
    End,
}

/// Who is shown merged lines.
pub(super) type ShowMerged<'s, W> = dyn FnMut(Range<usize>, Merged<'_, W>) -> Result<()> + 's;

/// Shows all lines of the file, from the first to the last, as the runs together have them.
pub(super) fn merge<W: Bits>(
    runs: &[Run],
    facts: Facts,
    context: &Context,
    show: &mut ShowMerged<'_, W>,
) -> Result<()> {
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by_key(|run| run.span.start);
    let in_order = runs.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start);
    let room = room_bytes(context);
    // As much for a run's piece as for what it becomes, and a quarter for where lines begin.
    let _memory = context.reserve(room * 2 + room / 2)?;
    let entry = (Ints::width(facts.length()).bytes() + size_of::<W>()) as u64;
    let most = (room / entry).max(1);
    let most_lines = (room / 4 / 8 / runs.len().max(1) as u64).max(1);
    let most_lines = usize::try_from(most_lines).unwrap_or(usize::MAX).max(1);
    let mut merger = Merger {
        runs,
        in_order,
        turned: Turned::new(facts.length()),
        piece: (Ints::new(facts.length()), Vec::new()),
        cursors: Vec::new(),
    };
    let mut ends: Vec<Vec<u64>> = vec![Vec::new(); merger.runs.len()];
    let mut line = 0;
    while line < facts.lines() {
        let lines = line..facts.lines().min(line + most_lines);
        for (run, ends) in merger.runs.iter().zip(&mut ends) {
            run.ends(lines.clone(), ends)?;
        }
        while line < lines.end {
            let rest: Vec<&[u64]> = ends.iter().map(|ends| &ends[line - lines.start..]).collect();
            let count = fitting(&rest, most);
            if count == 0 {
                merger.show_long(line, &rest, (facts.length(), most), show)?;
                line += 1;
                continue;
            }
            let these: Vec<&[u64]> = rest.iter().map(|ends| &ends[..=count]).collect();
            merger.put_together(&these)?;
            show(line..line + count, Merged::Lines(&merger.turned))?;
            context.advance(merger.turned.values.len() as u64 * entry)?;
            line += count;
        }
    }
    Ok(())
}

/// How many of the lines whose entries begin at `ends` of each run have together no more than `most` entries.
fn fitting(ends: &[&[u64]], most: u64) -> usize {
    let entries = |count: usize| -> u64 { ends.iter().map(|ends| ends[count] - ends[0]).sum() };
    let (mut low, mut high) = (0, ends.first().map_or(0, |ends| ends.len() - 1));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if entries(middle) <= most { low = middle } else { high = middle - 1 }
    }
    low
}

/// What a merge needs.
struct Merger<'a, W> {
    runs: Vec<&'a Run>,
    /// Whether what a run has in a line lies before what the next one has.
    in_order: bool,
    turned: Turned<W>,
    piece: (Ints, Vec<W>),
    /// Where each line's next entry goes.
    cursors: Vec<usize>,
}

impl<W: Bits> Merger<'_, W> {
    /// Puts lines together whose entries begin at `ends` of each run.
    fn put_together(&mut self, ends: &[&[u64]]) -> Result<()> {
        let Turned { offsets, indices, values } = &mut self.turned;
        let count = ends.first().map_or(0, |ends| ends.len() - 1);
        offsets.clear();
        offsets.push(0);
        for line in 0..count {
            let own: u64 = ends.iter().map(|ends| ends[line + 1] - ends[line]).sum();
            offsets.push(offsets[line] + own as usize);
        }
        self.cursors.clear();
        self.cursors.extend_from_slice(&offsets[..count]);
        indices.resize(offsets[count]);
        values.resize(offsets[count], W::default());
        for (run, ends) in self.runs.iter().zip(ends) {
            if ends[0] == ends[count] {
                continue;
            }
            let (own_indices, own_values) = &mut self.piece;
            run.read(ends[0]..ends[count], own_indices, own_values)?;
            match (&mut *indices, own_indices) {
                (Ints::I32(all), Ints::I32(own)) => copy_lines(own, all, ends, &self.cursors),
                (Ints::I64(all), Ints::I64(own)) => copy_lines(own, all, ends, &self.cursors),
                _ => unreachable!("positions in lines of one length are of one width"),
            }
            copy_lines(own_values, values, ends, &self.cursors);
            for (cursor, pair) in self.cursors.iter_mut().zip(ends.windows(2)) {
                *cursor += (pair[1] - pair[0]) as usize;
            }
        }
        if !self.in_order {
            self.turned.sort_lines();
        }
        Ok(())
    }

    /// Shows a line that exceeds the memory, in parts of so many positions that they do not.
    fn show_long(
        &mut self,
        line: usize,
        ends: &[&[u64]],
        (length, most): (usize, u64),
        show: &mut ShowMerged<'_, W>,
    ) -> Result<()> {
        let mut starts: Vec<u64> = ends.iter().map(|ends| ends[0]).collect();
        let mut position = 0;
        while position < length {
            let mut end = length;
            let parts = loop {
                let mut parts = Vec::with_capacity(starts.len());
                for ((run, ends), &start) in self.runs.iter().zip(ends).zip(&starts) {
                    let stop =
                        if end == length { ends[1] } else { run.below(start..ends[1], end)? };
                    parts.push([start, stop]);
                }
                let entries: u64 = parts.iter().map(|[start, stop]| stop - start).sum();
                if entries <= most || end - position == 1 {
                    break parts;
                }
                end = position + (end - position) / 2;
            };
            // Put together as a line of its own.
            self.put_together(&parts.iter().map(|part| &part[..]).collect::<Vec<_>>())?;
            show(line..line + 1, Merged::Part(&self.turned, position..end))?;
            starts = parts.iter().map(|part| part[1]).collect();
            position = end;
        }
        show(line..line + 1, Merged::End)
    }
}

/// Copies the entries of each line, which lie one after another in `own`, to where the line's next ones go.
fn copy_lines<I: Copy>(own: &[I], all: &mut [I], ends: &[u64], cursors: &[usize]) {
    for (pair, &cursor) in ends.windows(2).zip(cursors) {
        let range = (pair[0] - ends[0]) as usize..(pair[1] - ends[0]) as usize;
        all[cursor..cursor + range.len()].copy_from_slice(&own[range]);
    }
}
