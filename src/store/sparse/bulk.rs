//! Writing in bulk: lines and lines of the other axis, in any order, into a new file within the budget.
//!
//! Lines that come in order go straight to the new file, between them what the file held before. Lines out of
//! order wait to be put in order, and those of the other axis (columns of CSR, rows of CSC) wait to be turned.
//! What is written is seen by the store once it is finished, and has its name once the store is synced.

use std::ops::Range;

use super::Engine;
use super::across::Across;
use super::base::window_bytes;
use super::builder::Builder;
use super::ints::{Int, Ints};
use super::merge::{copy_lines, copy_rest};
use super::overlay::{LogPlace, Overlay};
use super::runs::Set;
use super::stage::{Part, Stage, stage_memory};

use crate::array::Bits;
use crate::error::{ErrorKind, Result};
use crate::store::{Context, Indices};

/// What is being written.
#[derive(Debug)]
enum Way<W> {
    Nothing,
    Straight(Builder),
    OutOfOrder(Stage),
    Across(Across<W>),
}

/// Writes in bulk to an engine.
#[derive(Debug)]
pub(super) struct Bulk<'a, W> {
    engine: &'a mut Engine<W>,
    context: Context,
    way: Way<W>,
    /// How many positions of the next line are in the new file already: it came in parts, and not all yet.
    begun: usize,
    /// The entries of a line that is given as values.
    indices: Ints,
    values: Vec<W>,
}

impl<'a, W: Bits> Bulk<'a, W> {
    pub(super) fn new(engine: &'a mut Engine<W>, context: &Context) -> Self {
        let indices = Ints::new(engine.facts.length());
        let (context, way) = (context.clone(), Way::Nothing);
        Self { engine, context, way, begun: 0, indices, values: Vec::new() }
    }

    /// Writes the whole line `line`, whose values these are.
    pub(super) fn put_line(&mut self, line: usize, values: &[W]) -> Result<()> {
        let entry = 8 + size_of::<W>();
        let step = usize::try_from(window_bytes(&self.context)).unwrap_or(usize::MAX) / entry;
        let zero = W::default();
        let count = values.iter().filter(|&&value| value != zero).count();
        let _memory = self.context.reserve((step.min(count) * entry) as u64)?;
        if !self.is_in_order(line) {
            let mut indices = std::mem::replace(&mut self.indices, Ints::new(0));
            let mut kept = std::mem::take(&mut self.values);
            let view = compress(values, 0, &mut indices, &mut kept);
            let done = self.put_lines(line, &[0, view.len()], indices.view(), view);
            (self.indices, self.values) = (indices, kept);
            return done;
        }
        self.begin_straight(line, count as u64)?;
        let Way::Straight(builder) = &mut self.way else { unreachable!("it was just begun") };
        for (part, piece) in values.chunks(step.max(1)).enumerate() {
            let kept = compress(piece, part * step, &mut self.indices, &mut self.values);
            builder.push_part(self.indices.view(), kept, &self.context)?;
        }
        builder.end_line()
    }

    /// Writes whole lines from `first` on.
    pub(super) fn put_lines(
        &mut self,
        first: usize,
        offsets: &[usize],
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        if offsets.len() < 2 {
            return Ok(());
        }
        if self.is_in_order(first) {
            self.begin_straight(first, values.len() as u64 / (offsets.len() as u64 - 1))?;
            let Way::Straight(builder) = &mut self.way else { unreachable!("it was just begun") };
            return builder.push(offsets, indices, values, &self.context);
        }
        for (line, ends) in (first..).zip(offsets.windows(2)) {
            let range = ends[0]..ends[1];
            self.ordered()?.put_entries(line, indices.part(range.clone()), &values[range])?;
        }
        Ok(())
    }

    /// Whether positions from `start` on of `line` can go straight to the file.
    pub(super) fn takes_part(&self, line: usize, start: usize) -> bool {
        match &self.way {
            Way::Straight(builder) if self.begun > 0 => {
                (line, start) == (builder.lines(), self.begun)
            }
            _ => start == 0 && self.is_in_order(line),
        }
    }

    /// Writes a part of a line, which [`Bulk::takes_part`]: its entries, positions counted from the part's begin.
    /// What does not come of the line before something else does stays what it was.
    pub(super) fn put_part(
        &mut self,
        line: usize,
        positions: &Range<usize>,
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        let length = self.engine.facts.length();
        if self.begun == 0 {
            let share = length / positions.len().max(1) + 1;
            self.begin_straight(line, values.len().saturating_mul(share) as u64)?;
        }
        let Way::Straight(builder) = &mut self.way else { unreachable!("it was just begun") };
        let _memory = self.context.reserve((values.len() * Ints::width(length).bytes()) as u64)?;
        self.indices.clear();
        self.indices.extend(indices, positions.start as isize);
        builder.push_part(self.indices.view(), values, &self.context)?;
        self.begun = positions.end;
        if self.begun == length { self.end_begun() } else { Ok(()) }
    }

    /// Ends a line of which the begin came: what did not come is what it was.
    fn end_begun(&mut self) -> Result<()> {
        let begun = std::mem::take(&mut self.begun);
        let Way::Straight(builder) = &mut self.way else { return Ok(()) };
        if begun == 0 {
            return Ok(());
        }
        if begun < self.engine.facts.length() {
            copy_rest(self.engine, builder.lines(), begun, builder, &self.context)?;
        }
        builder.end_line()
    }

    /// Writes the whole line `index` of the other axis, whose values these are.
    pub(super) fn put_across(&mut self, index: usize, values: &[W]) -> Result<()> {
        self.across(index)?.put_dense(index, values)
    }

    /// Writes whole lines of the other axis from `first` on, of these entries.
    pub(super) fn put_across_entries(
        &mut self,
        first: usize,
        offsets: &[usize],
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        if let Way::Across(across) = &mut self.way
            && offsets.len() > 1
            && across.put_lines(first, offsets, indices, values)?
        {
            return Ok(());
        }
        for (index, ends) in (first..).zip(offsets.windows(2)) {
            let range = ends[0]..ends[1];
            // Asked anew for each: what waits is brought into the file where a line comes again.
            if range.is_empty() && self.engine.is_empty() && !self.is_waiting(index) {
                continue;
            }
            let indices = indices.part(range.clone());
            self.across(index)?.put_entries(index, indices, &values[range])?;
        }
        Ok(())
    }

    /// Whether positions from `start` on of line `index` of the other axis can wait to be turned.
    pub(super) fn takes_part_across(&self, index: usize, start: usize) -> bool {
        start == 0 || matches!(&self.way, Way::Across(across) if across.is_begun(index, start))
    }

    /// Writes a part of a line of the other axis, which [`Bulk::takes_part_across`]: its entries, positions counted from
    /// the part's begin. What does not come of the line before something else does stays what it was.
    pub(super) fn put_part_across(
        &mut self,
        index: usize,
        positions: &Range<usize>,
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        if positions.start == 0 {
            self.across(index)?;
        }
        let Way::Across(across) = &mut self.way else { unreachable!("it was begun") };
        across.put_part(index, positions, (indices, values), self.engine, &self.context)
    }

    /// Writes some cells, after everything that came before.
    pub(super) fn put_cells(
        &mut self,
        lines: Set,
        positions: Set,
        value: &dyn Fn(usize, usize) -> W,
    ) -> Result<()> {
        self.finish()?;
        self.engine.write(lines, positions, value, &self.context)
    }

    /// Brings everything into place.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.end_begun()?;
        match std::mem::replace(&mut self.way, Way::Nothing) {
            Way::Nothing => Ok(()),
            Way::Straight(mut builder) => {
                let rest = builder.lines()..self.engine.facts.lines();
                copy_lines(self.engine, rest, &mut builder, &self.context)?;
                self.engine.replace(builder.finish()?)
            }
            Way::OutOfOrder(stage) => self.put_in_order(&stage),
            Way::Across(across) => across.finish(self.engine, &self.context),
        }
    }

    /// Whether `line` can go straight to the file, or begin to.
    fn is_in_order(&self, line: usize) -> bool {
        match &self.way {
            Way::Nothing => true,
            Way::Straight(builder) => line >= builder.lines() + usize::from(self.begun > 0),
            Way::OutOfOrder(_) => false,
            Way::Across(_) => true,
        }
    }

    /// Sees to it that the next line that goes to the new file is `line`; as many entries as `entries` are
    /// expected in each that follows.
    fn begin_straight(&mut self, line: usize, entries: u64) -> Result<()> {
        self.end_begun()?;
        if !matches!(self.way, Way::Straight(_)) {
            self.finish()?;
            let lines = self.engine.facts.lines() as u64;
            let others = self.engine.base.entries() + self.engine.overlay.entries();
            let expected = entries.saturating_mul(lines - line as u64).max(others);
            let builder = match self.engine.builder(expected) {
                // The first line may be the only one that has so many.
                Err(error) if error.kind() == ErrorKind::NoSpace && expected > others => {
                    self.engine.builder(others)?
                }
                builder => builder?,
            };
            self.way = Way::Straight(builder);
        }
        let Way::Straight(builder) = &mut self.way else { unreachable!("it was just begun") };
        copy_lines(self.engine, builder.lines()..line, builder, &self.context)
    }

    /// The stage in which line `index` of the file waits to be put in order.
    fn ordered(&mut self) -> Result<&mut Stage> {
        if !matches!(&self.way, Way::OutOfOrder(stage) if !stage.is_full()) {
            self.finish()?;
            let facts = self.engine.facts;
            let (memory, target) = (stage_memory(&self.context)?, self.engine.target());
            let stage = Stage::new(facts.length(), facts.dtype.item_size(), target, memory)?;
            self.way = Way::OutOfOrder(stage);
        }
        let Way::OutOfOrder(stage) = &mut self.way else { unreachable!("it was just begun") };
        Ok(stage)
    }

    /// Whether line `index` of the other axis may have come already.
    fn is_waiting(&self, index: usize) -> bool {
        match &self.way {
            Way::Nothing => false,
            Way::Across(across) => across.has(index),
            Way::Straight(_) | Way::OutOfOrder(_) => true,
        }
    }

    /// Where there is room for line `index` of the other axis.
    fn across(&mut self, index: usize) -> Result<&mut Across<W>> {
        let is_taken = match &mut self.way {
            Way::Across(across) => across.takes(index, self.engine, &self.context)?,
            _ => false,
        };
        if !is_taken {
            self.finish()?;
            self.way = Way::Across(Across::new(self.engine, &self.context)?);
        }
        let Way::Across(across) = &mut self.way else { unreachable!("it was just begun") };
        Ok(across)
    }

    /// Writes the file anew, staged lines in the place of what they were.
    fn put_in_order(&mut self, stage: &Stage) -> Result<()> {
        let facts = self.engine.facts;
        let expected = stage.entries() + self.engine.base.entries() + self.engine.overlay.entries();
        let mut builder = self.engine.builder(expected)?;
        let step = usize::try_from(window_bytes(&self.context)).unwrap_or(usize::MAX)
            / (8 + size_of::<W>()).max(1);
        let _memory = self.context.reserve((step * (8 + size_of::<W>())) as u64)?;
        let mut buffer = Vec::new();
        for (line, stored) in stage.iter() {
            copy_lines(self.engine, builder.lines()..line, &mut builder, &self.context)?;
            // Parts that hold at most as many entries as the memory has room for.
            for from in (0..stored.entries()).step_by(step.max(1)) {
                let part = from..stored.entries().min(from + step.max(1));
                buffer.resize(stage.logged_bytes(&stored, part.len()).div_ceil(8), 0u64);
                let mut room = bytemuck::cast_slice_mut(&mut buffer);
                if let Part::Entries(indices, values) = stage.part::<W>(&stored, part, &mut room)? {
                    builder.push_part(indices, values, &self.context)?;
                }
            }
            builder.end_line()?;
        }
        let rest = builder.lines()..facts.lines();
        copy_lines(self.engine, rest, &mut builder, &self.context)?;
        self.engine.replace(builder.finish()?)
    }
}

/// What is not zero of a line's values from position `first` on: the positions in `indices`, and the values,
/// as they lie where none is zero, else copied to `kept`.
fn compress<'v, W: Bits>(
    values: &'v [W],
    first: usize,
    indices: &mut Ints,
    kept: &'v mut Vec<W>,
) -> &'v [W] {
    fn positions<W: Bits, I: Int>(values: &[W], first: usize, out: &mut Vec<I>) -> bool {
        let zero = W::default();
        out.clear();
        let is_full = values.iter().fold(true, |full, &value| full & (value != zero));
        if is_full {
            out.extend((first..first + values.len()).map(I::of));
        } else {
            let entries = values.iter().enumerate().filter(|&(_, &value)| value != zero);
            out.extend(entries.map(|(k, _)| I::of(first + k)));
        }
        is_full
    }
    let is_full = match indices {
        Ints::I32(out) => positions(values, first, out),
        Ints::I64(out) => positions(values, first, out),
    };
    if is_full {
        return values;
    }
    kept.clear();
    kept.extend(values.iter().filter(|&&value| value != W::default()));
    kept
}

impl<W: Bits> Engine<W> {
    /// Covers `lines` × `positions` with values, in layers that the budget holds.
    pub(super) fn write(
        &mut self,
        lines: Set,
        positions: Set,
        value: &dyn Fn(usize, usize) -> W,
        context: &Context,
    ) -> Result<()> {
        let most = Overlay::<W>::layer_cells(context);
        let wide = most.min(positions.len()).max(1);
        let high = (most / wide).max(1);
        for l in (0..lines.len()).step_by(high) {
            let these = l..lines.len().min(l + high);
            for p in (0..positions.len()).step_by(wide) {
                let part = p..positions.len().min(p + wide);
                let log = LogPlace { medium: &self.medium, near: &self.path };
                self.overlay.write(
                    lines.part(these.clone()),
                    positions.part(part),
                    &|i, j| value(l + i, p + j),
                    context,
                    &log,
                )?;
                if self.overlay.is_deep(context) {
                    self.fold(context)?;
                }
            }
        }
        Ok(())
    }

    /// Appends lines: `value(line, position)` of the `l`-th and a position.
    pub(super) fn append(
        &mut self,
        count: usize,
        value: &dyn Fn(usize, usize) -> W,
        context: &Context,
    ) -> Result<()> {
        let (before, length) = (self.facts.lines(), self.facts.length());
        let step = Overlay::<W>::layer_cells(context) / length.max(1);
        if step == 0 {
            // In parts: the budget does not hold a line.
            let set = |start, count| Set::Range { start, step: 1, count };
            self.grow(count);
            return self.write(set(before, count), set(0, length), value, context);
        }
        for first in (0..count).step_by(step) {
            let lines = before + first..before + count.min(first + step);
            let value = |l: usize, position: usize| value(first + l, position);
            let log = LogPlace { medium: &self.medium, near: &self.path };
            self.overlay.append(lines, length, &value, context, &log)?;
        }
        self.grow(count);
        if self.overlay.is_deep(context) { self.fold(context) } else { Ok(()) }
    }

    /// Appends lines without entries.
    pub(super) fn grow(&mut self, count: usize) {
        let (lines, length) = self.facts.compression.split(self.facts.shape);
        self.facts.shape = self.facts.compression.join(lines + count, length);
    }

    /// Whether the file holds all that was written.
    pub(super) fn is_folded(&self) -> bool {
        self.overlay.is_empty() && self.base.lines() == self.facts.lines()
    }

    /// Merges what was written into a new file.
    pub(super) fn fold(&mut self, context: &Context) -> Result<()> {
        if self.is_folded() {
            return Ok(());
        }
        let mut builder = self.builder(self.base.entries() + self.overlay.entries())?;
        copy_lines(self, 0..self.facts.lines(), &mut builder, context)?;
        self.replace(builder.finish()?)
    }
}
